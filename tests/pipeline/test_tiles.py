"""One slide in tiles: interrupted, gone on with, shared by processes, in little room."""

import dataclasses
import json
import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest

from immunescape.blocks import in_threads
from immunescape.cli import main
from immunescape.cluster import block_map
from immunescape.errors import ClusterError, OutputError
from immunescape.io.edits import Edits, append_edits
from immunescape.io.labels import LabelStore
from immunescape.pipeline import Inputs, Means, estimate_slide, run_slide
from immunescape.pipeline.stages import earlier_result
from immunescape.simulate import FieldParams, simulate_field, write_field
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")

STUDY = Study()
STUDY = dataclasses.replace(
    STUDY,
    segment=dataclasses.replace(STUDY.segment, tile_px=256),
    measure=dataclasses.replace(STUDY.measure, block_px=256),
    sensitivity=dataclasses.replace(STUDY.sensitivity, tables="none"),
)
TABLES = ("regions", "bands", "contacts", "summary", "quality", "gates", "segmentation")


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    write_field(simulate_field(FieldParams(width_um=260, height_um=200), "relapse", 4, "f"), folder)
    return Inputs(slide=folder / "f.ome.tif", annotations=folder / "f.geojson")


@pytest.fixture(scope="module")
def whole(field, tmp_path_factory):
    """The result of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    run_slide(field, out, STUDY)
    return out / "f"


def assert_same(folder, whole):
    ours, theirs = (pd.read_parquet(place / "cells.parquet") for place in (folder, whole))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    for name in TABLES:
        assert (folder / f"{name}.csv").read_bytes() == (whole / f"{name}.csv").read_bytes(), name


def assert_same_labels(folder, whole):
    ours, theirs = (LabelStore.open(place / "labels.zarr") for place in (folder, whole))
    assert set(ours.names) == set(theirs.names)
    for name in ("nuclei", "cells"):
        for mine, other in zip(ours.levels(name), theirs.levels(name), strict=True):
            np.testing.assert_array_equal(mine[...], other[...])


class Cut:
    """A map that is interrupted behind a number of blocks, and counts them."""

    def __init__(self, after):
        self.left, self.done = after, []

    def __call__(self, step, function, blocks):
        for block in blocks:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.done.append((step, block))
            yield function(block)


def test_a_run_that_is_interrupted_again_and_again_comes_to_the_same(field, whole, tmp_path):
    done = []
    for _ in range(60):
        cut = Cut(after=4)
        try:
            run_slide(field, tmp_path, STUDY, means=Means(mapper=cut))
        except KeyboardInterrupt:
            assert {p.name for p in tmp_path.iterdir()} == {".f.tiles"}
            done += cut.done
            continue
        done += cut.done
        break
    assert_same(tmp_path / "f", whole)
    assert len(done) > 4 * 4  # it was interrupted several times
    assert len(set(done)) == len(done)  # and no tile of any step was done twice
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert earlier_result(tmp_path / "f").keys == earlier_result(whole).keys


def test_a_run_under_other_settings_takes_over_what_they_leave(field, tmp_path):
    cut = Cut(after=18)
    with pytest.raises(KeyboardInterrupt):
        run_slide(field, tmp_path, STUDY, means=Means(mapper=cut))
    assert any(step == "measure" for step, _ in cut.done)
    thick = dataclasses.replace(
        STUDY, measure=dataclasses.replace(STUDY.measure, membrane_width_um=1.5)
    )
    other = Cut(after=1000)
    run_slide(field, tmp_path, thick, means=Means(mapper=other))
    steps = {step for step, _ in other.done}
    assert "measure" in steps and not steps & {"flows", "nuclei"}
    run_slide(field, tmp_path / "fresh", thick)
    assert_same(tmp_path / "f", tmp_path / "fresh" / "f")


def test_an_error_leaves_no_tile(field, tmp_path):
    def fails(step, function, blocks):
        yield from in_threads(step, function, blocks[:1])
        raise OutputError("full")

    with pytest.raises(OutputError):
        run_slide(field, tmp_path / "out", STUDY, means=Means(mapper=fails))
    assert not (tmp_path / "out").exists()


def test_a_run_that_loses_its_workers_can_be_gone_on_with(field, whole, tmp_path):
    done = []

    def fails(step, function, blocks):
        for block in blocks[:2]:
            done.append((step, block))
            yield function(block)
        raise ClusterError("lost")

    with pytest.raises(ClusterError):
        run_slide(field, tmp_path, STUDY, means=Means(mapper=fails))
    again = Cut(after=1000)
    run_slide(field, tmp_path, STUDY, means=Means(mapper=again))
    assert done and not set(done) & set(again.done)
    assert_same(tmp_path / "f", whole)


def test_corrections_of_an_interrupted_run_are_not_those_of_another(field, whole, tmp_path):
    cells = pd.read_parquet(whole / "cells.parquet").iloc[:3]
    edits = tmp_path / "edits.csv"
    asked = Edits()
    for cell in cells.itertuples():
        asked = append_edits(edits, [asked.delete(cell.x_um, cell.y_um)])

    def interrupted(step, function, blocks):
        if step == "contacts":
            raise KeyboardInterrupt
        yield from in_threads(step, function, blocks)

    with pytest.raises(KeyboardInterrupt):
        corrected = dataclasses.replace(field, edits=edits)
        run_slide(corrected, tmp_path / "out", STUDY, means=Means(mapper=interrupted))
    run_slide(field, tmp_path / "out", STUDY)
    assert_same(tmp_path / "out" / "f", whole)
    assert_same_labels(tmp_path / "out" / "f", whole)
    assert not (tmp_path / "out" / "f" / "labels.zarr" / "unedited").exists()


@pytest.mark.parametrize("keep_labels", [True, False])
def test_interrupted_while_the_labels_are_given(field, whole, tmp_path, monkeypatch, keep_labels):
    """The first of them are gone by then; a later run finds them anew, and writes no zeros."""
    drop = LabelStore.drop

    def interrupted(path, names):
        drop(path, names[:1])
        raise KeyboardInterrupt

    def moved_in_part(source, target):
        shutil.rmtree(source / "labels" / "cells")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LabelStore, "drop", staticmethod(interrupted))
        patched.setattr(shutil, "move", moved_in_part)
        with pytest.raises(KeyboardInterrupt):
            run_slide(field, tmp_path, STUDY, means=Means(keep_labels=keep_labels))
    run_slide(field, tmp_path, STUDY)
    assert_same(tmp_path / "f", whole)
    assert_same_labels(tmp_path / "f", whole)


def test_labels_that_are_lost_are_written_again(field, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_slide(field, tmp_path, STUDY, means=Means(mapper=Cut(after=18)))
    (store,) = tmp_path.glob(".f.tiles/labels-*/labels.zarr")
    LabelStore.drop(store, ("cells",))  # its tiles are still told as written
    run_slide(field, tmp_path, STUDY)
    assert_same(tmp_path / "f", whole)
    assert_same_labels(tmp_path / "f", whole)


def test_nothing_is_kept_for_tiles_of_another_size(field, whole, tmp_path):
    """Where tiles disagree on a nucleus, their size decides the numbers of all behind it."""
    with pytest.raises(KeyboardInterrupt):
        run_slide(field, tmp_path, STUDY, means=Means(mapper=Cut(after=18)))
    again = Cut(after=1000)
    larger = dataclasses.replace(STUDY.segment, tile_px=384)
    study = dataclasses.replace(STUDY, segment=larger)
    run_slide(field, tmp_path, study, means=Means(mapper=again))
    assert {"flows", "nuclei", "write nuclei", "grow", "measure"} <= {s for s, _ in again.done}
    assert_same(tmp_path / "f", whole)


def test_labels_that_are_no_longer_wanted_are_removed(field, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "f")
    run_slide(field, tmp_path, STUDY, means=Means(mapper=Cut(after=0), keep_labels=False))
    assert_same(tmp_path / "f", whole)
    labels = tmp_path / "f" / "labels.zarr" / "labels"
    assert not {p.name for p in labels.iterdir()} & {"nuclei", "cells"}


@pytest.mark.slow
def test_processes_that_share_a_slide_come_to_the_same(field, whole, tmp_path):
    with block_map(2) as mapper:
        run_slide(field, tmp_path, STUDY, means=Means(mapper=mapper))
    assert_same(tmp_path / "f", whole)


def test_a_result_without_labels_is_made_anew(field, whole, tmp_path):
    means = Means(keep_labels=False, scratch=tmp_path / "elsewhere")
    run_slide(field, tmp_path / "out", STUDY, means=means)
    folder = tmp_path / "out" / "f"
    assert_same(folder, whole)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert {p.name for p in (folder / "labels.zarr" / "labels").iterdir()} == {
        "tissue", "proposals", "zarr.json"
    }  # fmt: skip
    again = Cut(after=1000)
    wide = dataclasses.replace(STUDY, margin=dataclasses.replace(STUDY.margin, width_um=60.0))
    run_slide(field, tmp_path / "out", wide, means=Means(mapper=again))
    assert "flows" in {step for step, _ in again.done}
    assert "cells" in {p.name for p in (folder / "labels.zarr" / "labels").iterdir()}


def test_what_cannot_be_written_is_refused_before_it_starts(field, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 95, 5))
    with pytest.raises(OutputError, match=r"f.* needs \d+ MB on the disk of .* and 1 MB are free"):
        run_slide(field, tmp_path / "out", STUDY)
    assert not (tmp_path / "out").exists()


def test_the_estimate_grows_with_the_slide():
    small, large = (estimate_slide((n, n), 0.5, threads=2) for n in (2_000, 20_000))
    fixed = estimate_slide((0, 0), 0.5, threads=2).seconds  # to start takes as long for all
    assert large.seconds - fixed == pytest.approx(100 * (small.seconds - fixed))
    assert large.scratch_bytes == pytest.approx(100 * small.scratch_bytes)
    assert estimate_slide((20_000, 20_000), 0.5, threads=4).seconds < large.seconds
    assert estimate_slide((20_000, 20_000), 0.25, threads=2).seconds < large.seconds
    bare = estimate_slide((20_000, 20_000), 0.5, threads=2, keep_labels=False)
    assert bare.result_bytes < large.result_bytes and bare.files < large.files
    assert "min, " in str(large) and "GB" in str(large)
    assert str(estimate_slide((100, 100), 0.5, compact=False)).startswith("20 MB in ")


def test_the_command_says_what_it_takes(field, tmp_path, capsys):
    command = ["run", str(field.slide), "-o", str(tmp_path), "--sensitivity.tables", "none"]
    assert main([*command, "--no-labels", "--scratch", str(tmp_path / "s")]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("f.ome.tif: about ") and "more while it runs" in told[0]
    provenance = json.loads((tmp_path / "f" / "provenance.json").read_text())
    assert provenance["input"]["whole_sha256"] == provenance["input"]["sha256"]
    assert set(provenance["segmentation"]["tile_borders"]) == {"crossing", "suspects"}
    assert main([*command, "--workers", "0"]) == 2
    assert "--workers is 0" in capsys.readouterr().err
