"""How slides and results come onto the workbench, and leave it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import shapely
from napari.utils.notifications import notification_manager

from immunescape.cells import CellTable
from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.io.geojson import read_annotations
from immunescape.margin import MarginParams
from immunescape.napari.layers import facts_of
from immunescape.napari.workbench import workbench_of
from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study, write_study
from tests.napari.small import write_small

BASELINE = "P01_baseline"


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    """A workbench in a viewer without slides."""
    viewer = make_napari_viewer()
    bench = workbench_of(viewer)
    yield bench
    bench.close_work()


def drop(bench, *paths):
    """Open files as napari does when they are dropped on the window."""
    for path in paths:
        bench.session.viewer.open(path, plugin="immunescape")


def shown(bench, kind):
    """Layers of a kind of fact: ``opened``, ``labels``, ``found``."""
    return [layer for layer in bench.session.viewer.layers if facts_of(layer).get(kind)]


def loaded(bench):
    """Whether a result is there, and all of its layers are shown."""
    return bench.session.finished is not None and not bench.arrivals.turns.busy


def test_slides_come_are_chosen_and_leave(bench, qtbot, tmp_path):
    session = bench.session
    first = write_small(tmp_path, "P07", edge=64)
    second = write_small(tmp_path, "P08", edge=80)
    assert session.slide is None
    drop(bench, first, second)
    qtbot.waitUntil(lambda: session.slide is not None)
    assert [a.slide.name for a in bench.arrivals.slides] == ["P07", "P08"]
    assert session.slide.name == "P07"  # the first that came stays
    assert session.path == first
    assert session.out == tmp_path / "immunescape-results"
    assert session.panel.missing == ()

    mine = dataclasses.replace(session.study, margin=MarginParams(width_um=55))
    session.set_study(mine)
    bench.arrivals.choose(bench.arrivals.slides[1])
    assert session.slide.name == "P08" and session.study == Study()
    assert "P08" in bench.slide_label.text()
    bench.arrivals.choose(bench.arrivals.slides[0])
    assert session.slide.name == "P07" and session.study == mine  # as it was left

    for layer in shown(bench, "opened"):
        if facts_of(layer)["slide"] == "P07":
            session.viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: session.slide is not None and session.slide.name == "P08")
    session.viewer.layers.clear()
    qtbot.waitUntil(lambda: session.slide is None)
    assert bench.arrivals.slides == []
    assert "No slide yet" in bench.slide_label.text()


def test_what_comes_drawn_with_a_slide_is_taken_up(bench, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.session.viewer.open_sample("immunescape", "baseline")
    qtbot.waitUntil(lambda: bench.session.slide is not None)
    tumour = bench.session.drawing.state["tumour"]
    assert tumour.area == pytest.approx(600 * 300, rel=0.2)  # about half of the field
    # nothing is written among the files of the package
    assert bench.session.out == tmp_path / "immunescape-results"


def test_each_timepoint_keeps_what_came_drawn_with_it(bench, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.show_step("regions")
    bench.session.viewer.open_sample("immunescape", "patient")
    qtbot.waitUntil(lambda: len(bench.arrivals.slides) == 3)
    areas = [
        read_annotations(
            sample_folder() / f"{arrived.slide.name}.geojson",
            pixel_size_um=0.5, slide_name="", shape=(1200, 1200),
        )["tumour"].area
        for arrived in bench.arrivals.slides
    ]  # fmt: skip
    assert len(set(areas)) == 3 and min(areas) > 10_000
    for k in (0, 1, 2, 0, 2, 1):
        bench.arrivals.choose(bench.arrivals.slides[k])
        assert bench.session.drawing.state["tumour"].area == pytest.approx(areas[k], rel=1e-3)
        assert bench.session.origin_um == bench.arrivals.slides[k].origin_um
    assert bench.session.origin_um[0] > 600  # the second of three, side by side


def test_a_dropped_result_comes_back_as_it_was_left(bench, qtbot, analysed):
    """Its slide lies above it; its labels are shown once, and its study goes on."""
    session = bench.session
    folder = analysed / BASELINE
    for name in (f"{BASELINE}.ome.tif", f"{BASELINE}.geojson"):
        shutil.copy(sample_folder() / name, analysed.parent / name)
    drop(bench, folder)
    qtbot.waitUntil(lambda: loaded(bench), timeout=60_000)
    assert session.path == analysed.parent / f"{BASELINE}.ome.tif"
    assert session.out == analysed
    assert session.own_files()["annotations"] == analysed.parent / f"{BASELINE}.geojson"
    assert session.drawing.state["tumour"].area > 0
    assert session.study.panel and session.study.input == ()
    assert [facts_of(x)["labels"] for x in shown(bench, "labels")] == ["nuclei", "cells"]
    cells = shown(bench, "labels")[-1]
    assert len(cells.features) == len(session.finished.cells.frame) > 1000
    found = {facts_of(layer)["role"] for layer in shown(bench, "found")}
    assert {"centre", "inner_margin", "outer_margin", "stroma"} <= found
    assert "measured" in bench.slide_label.text()

    # another pixel size: what was measured no longer holds, and leaves the window
    bench.arrivals.replace(
        dataclasses.replace(session.slide, pixel_size_um=0.4),
        dataclasses.replace(
            session.study, slide=dataclasses.replace(session.study.slide, pixel_size_um=0.4)
        ),
    )
    assert session.finished is None and not shown(bench, "labels") and not shown(bench, "found")
    image = shown(bench, "opened")[0]
    assert tuple(image.scale) == (0.4, 0.4) and tuple(image.translate) == (0.2, 0.2)
    qtbot.waitUntil(lambda: not bench.arrivals.work or not bench.arrivals.work.running)


def open_analysed(bench, analysed):
    """Open the slide whose result lies in a folder."""
    slide = analysed.parent / f"{BASELINE}.ome.tif"
    shutil.copy(sample_folder() / slide.name, slide)
    shutil.copy(sample_folder() / f"{BASELINE}.geojson", analysed.parent)
    drawn = analysed.parent / f"{BASELINE}.geojson"
    bench.session.open(open_slide(slide), slide, out=analysed, annotations=drawn)


def named(bench):
    """What the layers of the result show, from the bottom to the top."""
    facts = [facts_of(layer) for layer in bench.session.viewer.layers]
    return [f.get("labels") or f.get("role") for f in facts if f.get("result")]


def with_wider_margin(finished):
    """The same slide as if it had been run again with a margin of another width."""
    folder = finished.job.folder
    regions = json.loads((folder / "regions.geojson").read_text())
    for feature in regions["features"]:
        if feature["properties"]["classification"]["name"] == "Result: Outer margin":
            box = shapely.box(100, 100, 300, 300)
            feature["geometry"] = json.loads(shapely.to_geojson(shapely.MultiPolygon([box])))
    (folder / "regions.geojson").write_text(json.dumps(regions))
    cells = finished.cells.frame.assign(x_um=1.5)
    return dataclasses.replace(finished, cells=CellTable(cells))


def test_a_result_is_shown_a_layer_at_a_time_and_the_latest_wins(bench, qtbot, analysed):
    session, viewer = bench.session, bench.session.viewer
    open_analysed(bench, analysed)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=60_000)
    assert bench.arrivals.turns.busy and named(bench)[-1] == "cells"
    assert len(named(bench)) < 5  # the window is let breathe in between
    first, second = session.finished, with_wider_margin(session.finished)
    session.set_finished(second)
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    shown_now = named(bench)
    assert sorted(shown_now) == sorted(set(shown_now)) and shown_now[-2:] == ["nuclei", "cells"]
    assert {"centre", "inner_margin", "outer_margin", "stroma", "interface"} <= set(shown_now)
    # proposals of exclusions, which are no part of the result, come when they are found
    cells = [layer for layer in viewer.layers if facts_of(layer).get("result")][-1]
    assert cells.contour == 1 and (cells.features["x_um"] == 1.5).all()
    (outer,) = (x for x in shown(bench, "found") if facts_of(x)["role"] == "outer_margin")
    um = 0.5 * np.array([[100, 100], [300, 300]])
    assert np.allclose([outer.data[0].min(axis=0), outer.data[0].max(axis=0)], um)

    # what shows the same already stays as a person set it
    (centre,) = (x for x in shown(bench, "found") if facts_of(x)["role"] == "centre")
    centre.visible, cells.opacity = True, 0.3
    cells.contour = 0
    session.set_finished(dataclasses.replace(second, cells=first.cells))
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    assert centre in viewer.layers and centre.visible and outer in viewer.layers
    assert cells in viewer.layers and (cells.contour, cells.opacity) == (0, 0.3)
    assert (cells.features["x_um"] != 1.5).any() and named(bench) == shown_now
    # a changed shape is drawn anew, in its place, and as visible as it was
    outer.visible = True
    outer.data = [outer.data[0] + 1]
    session.set_finished(dataclasses.replace(second))
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    assert outer not in viewer.layers and named(bench)[-2:] == ["nuclei", "cells"]
    (anew,) = (x for x in shown(bench, "found") if facts_of(x)["role"] == "outer_margin")
    assert anew.visible and np.allclose(anew.data[0].min(axis=0), um[0])


def test_a_window_closed_or_emptied_while_a_result_is_shown_raises_nothing(
    make_napari_viewer, qtbot, analysed
):
    bench = workbench_of(make_napari_viewer())
    open_analysed(bench, analysed)
    qtbot.waitUntil(lambda: bench.session.finished is not None, timeout=60_000)
    assert bench.arrivals.turns.busy
    bench.arrivals._hide()  # as where a result of other settings takes its place
    qtbot.wait(50)
    assert named(bench) == []
    bench.session.set_finished(dataclasses.replace(bench.session.finished))
    assert bench.arrivals.turns.busy
    bench.close_work()
    bench.session.viewer.close()
    qtbot.wait(50)
    assert not bench.arrivals.turns.busy


def test_the_panel_in_front_follows_at_once_and_hidden_ones_a_turn_each(
    make_napari_viewer, qtbot, analysed
):
    bench = workbench_of(make_napari_viewer(show=True))
    hidden = [bench.show_step(key) for key in ("gates", "cells", "numbers")]
    front = bench.show_step("segment")
    open_analysed(bench, analysed)
    qtbot.waitUntil(lambda: loaded(bench), timeout=60_000)
    result = dataclasses.replace(bench.session.finished)
    order = []
    for panel in (*hidden, front):
        panel.refresh = lambda panel=panel: order.append((panel.key, bench.session.finished))
    bench.session.set_finished(result)
    assert order == [("segment", result)]
    newest = dataclasses.replace(result)
    bench.session.set_finished(newest)
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    assert order[1] == ("segment", newest)
    assert sorted(key for key, _ in order[2:]) == ["cells", "gates", "numbers"]  # once each
    assert all(seen is newest for _, seen in order[1:])
    bench.close_work()


def test_a_slide_finds_the_result_beside_it_and_what_was_set_since(bench, qtbot, analysed):
    """The session's study, saved later than the result, is the one that goes on."""
    session = bench.session
    slide = analysed.parent / f"{BASELINE}.ome.tif"
    shutil.copy(sample_folder() / slide.name, slide)
    (analysed / f"{BASELINE}.session").mkdir()
    later = Study(margin=MarginParams(width_um=40))
    write_study(analysed / f"{BASELINE}.session" / "study.toml", later)
    session._usual_out = analysed
    drop(bench, slide)
    qtbot.waitUntil(lambda: loaded(bench), timeout=60_000)
    assert session.study == later
    assert [facts_of(x)["labels"] for x in shown(bench, "labels")] == ["nuclei", "cells"]
    assert session.finished.job.study.margin.width_um == 40


def test_a_result_of_other_settings_is_not_taken_for_this_one(bench, qtbot, analysed):
    session = bench.session
    slide = analysed.parent / f"{BASELINE}.ome.tif"
    shutil.copy(sample_folder() / slide.name, slide)
    (analysed / f"{BASELINE}.session").mkdir()
    other = dataclasses.replace(Study().segment, grow_um=1.0)
    write_study(analysed / f"{BASELINE}.session" / "study.toml", Study(segment=other))
    session._usual_out = analysed
    told = []
    session.message.connect(told.append)
    drop(bench, slide)
    qtbot.waitUntil(lambda: any("other settings" in text for text in told), timeout=60_000)
    assert session.finished is None and not shown(bench, "labels")


def test_a_result_without_its_slide_says_what_to_do(bench, qtbot, analysed):
    notification_manager.records.clear()
    drop(bench, analysed / BASELINE)
    assert "does not lie beside its result" in notification_manager.records[-1].message
    assert bench.session.slide is None
    panel = bench.show_step("slide")
    qtbot.waitUntil(lambda: panel.find_button.isVisibleTo(panel))
    assert panel.find_button.text() == f"Find the slide of {BASELINE} …"
    notification_manager.records.clear()
    panel.find_slide(write_small(analysed, edge=64))
    qtbot.waitUntil(lambda: bool(notification_manager.records), timeout=20_000)
    assert "is not the slide that" in notification_manager.records[-1].message
    qtbot.waitUntil(lambda: not panel.work.running)
    renamed = analysed.parent / "far" / "another name.ome.tif"
    renamed.parent.mkdir()
    shutil.copy(sample_folder() / f"{BASELINE}.ome.tif", renamed)
    panel.find_slide(renamed)
    qtbot.waitUntil(lambda: bench.session.slide is not None, timeout=20_000)
    assert bench.session.path == renamed
    assert not panel.find_button.isVisibleTo(panel)


def test_a_drawing_given_with_the_run_is_found_by_its_content(tmp_path):
    from immunescape.io.geojson import write_regions
    from immunescape.pipeline.reopening import reopen_study
    from immunescape.regions import Regions

    slide = write_small(tmp_path, edge=160)
    drawn = tmp_path / "mine.geojson"
    regions = Regions({"tumour": shapely.MultiPolygon([shapely.box(0, 0, 40, 80)])})
    write_regions(drawn, regions, 0.5)
    run_slide(Inputs(slide=slide, annotations=drawn), tmp_path / "out", Study())
    study = tmp_path / "out" / "P07" / "study.toml"
    assert reopen_study(study, slide).files == {"annotations": drawn}
    # a changed file is another file, and is named
    drawn.write_text(drawn.read_text().replace("80", "70"))
    again = reopen_study(study, slide)
    assert again.files == {} and "mine.geojson as annotations" in again.missing[0]
    assert "which lies neither beside it nor beside the slide: it is not used" in again.missing[0]
    # the study of one slide lends another its settings alone
    other = write_small(tmp_path, "P08", edge=64)
    assert reopen_study(study, other).files == {} == dict(reopen_study(study, other).missing)
