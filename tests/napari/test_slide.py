"""The slide panel, by hand: combos, keys and buttons."""

import dataclasses

import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog, QMessageBox

from immunescape.io import open_slide
from immunescape.napari.layers import facts_of
from immunescape.napari.opening import ask
from immunescape.napari.workbench import workbench_of
from immunescape.panel import match_panel, missing_costs
from immunescape.study import SlideOptions, Study, read_study, write_study
from tests.napari.small import CHANNELS, write_small
from tests.slides import drawn_image, drawn_labels


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    bench = workbench_of(viewer)
    yield bench
    bench.close_work()


def opened(bench, qtbot, path, options=None):
    panel = bench.show_step("slide")
    panel.open_path(path, options)
    qtbot.waitUntil(lambda: bench.session.slide is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not panel.work.running)
    return panel


def pick(qtbot, box, text):
    """Choose an entry of a combo box with the keyboard."""
    box.setFocus()
    at = box.findText(text)
    assert at >= 0, [box.itemText(i) for i in range(box.count())]
    while box.currentIndex() != at:
        qtbot.keyClick(box, Qt.Key.Key_Down if box.currentIndex() < at else Qt.Key.Key_Up)
    box.activated.emit(at)


def rows(table):
    return [
        (table.item(r, 0).text(), *(table.cellWidget(r, c).currentText() for c in (1, 2, 3)))
        for r in range(table.rowCount())
    ]


def test_the_panel_is_shown_and_corrected(bench, qtbot, tmp_path):
    names = ("DAPI", "CD8", "PD-L1", "S100", "Opal 690")
    panel = opened(bench, qtbot, write_small(tmp_path, channels=names, edge=64))
    session = bench.session
    assert rows(panel.table) == [
        ("DAPI", "dapi", "nuclei", "nucleus"),
        ("CD8", "CD8", "marker", "membrane"),
        ("PD-L1", "PD-L1", "marker", "membrane"),
        ("S100", "S100", "marker", "cell"),
        ("Opal 690", "opal_690", "marker", "cell"),
    ]
    # what is missing, and what it costs, in the words of the core
    (cost,) = missing_costs(match_panel(names).panel, "P07")
    assert cost in panel.costs.text()
    assert "name a dye or a number" in panel.doubts.text() or "names a dye" in panel.doubts.text()

    # the fifth channel is SOX10: typed by hand
    box = panel.table.cellWidget(4, 1)
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), "sox-10")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert session.panel["sox10"].channel == "Opal 690"
    assert session.study.panel == session.panel.stains
    assert rows(panel.table)[4] == ("Opal 690", "SOX10", "marker", "nucleus")
    assert panel.costs.text() == "All four markers of the question have a channel."
    names_shown = {facts_of(x)["channel"]: x.name for x in session.viewer.layers}
    assert names_shown["Opal 690"] == "SOX10"  # the layer follows

    # two channels for one marker are refused in the core's words, and nothing changes
    before = session.study
    notification_manager.records.clear()
    box = panel.table.cellWidget(3, 1)
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), "CD8")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert "both show cd8" in notification_manager.records[-1].message
    assert session.study == before
    assert rows(panel.table)[3] == ("S100", "S100", "marker", "cell")
    notification_manager.records.clear()
    box = panel.table.cellWidget(3, 1)
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), "!?")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert "write it in" in notification_manager.records[-1].message
    assert rows(panel.table)[3][1] == "S100"

    # a channel is left out, and read elsewhere
    pick(qtbot, panel.table.cellWidget(3, 2), "not used")
    assert session.panel.missing == ("s100",)
    assert "S100" in panel.costs.text()
    pick(qtbot, panel.table.cellWidget(1, 3), "cell")
    assert session.panel["cd8"].compartment == "cell"


def test_channels_that_show_one_marker_wait_for_a_decision(bench, qtbot, tmp_path):
    names = ("DAPI", "CD8", "CD8a", "S100", "SOX10")
    panel = opened(bench, qtbot, write_small(tmp_path, channels=names, edge=64))
    assert "all show CD8" in panel.doubts.text()
    assert panel.use_button.isVisibleTo(panel)
    assert bench.session.study.panel == ()
    qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    assert [s.role for s in bench.session.study.panel][:3] == ["nuclear", "marker", "ignored"]
    assert not panel.use_button.isVisibleTo(panel)


def test_pixel_size_site_and_study(bench, qtbot, tmp_path, monkeypatch):
    session = bench.session
    panel = opened(bench, qtbot, write_small(tmp_path, edge=64))
    assert panel.form.pixel_size.value() == 0.5
    assert not panel.form.of_file.isVisibleTo(panel)
    edit = panel.form.pixel_size.lineEdit()
    edit.selectAll()
    qtbot.keyClicks(edit, "0.25")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.slide.pixel_size_um == 0.25, timeout=10_000)
    assert session.study.slide.pixel_size_um == 0.25
    assert "states a pixel of 0.5" in panel.doubts.text()
    assert {tuple(x.scale) for x in session.viewer.layers} == {(0.25, 0.25)}
    qtbot.waitUntil(lambda: not panel.work.running)
    qtbot.mouseClick(panel.form.of_file, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.slide.pixel_size_um == 0.5, timeout=10_000)
    assert session.study.slide.pixel_size_um is None and not panel.doubts.text()
    qtbot.waitUntil(lambda: not panel.work.running)

    pick(qtbot, panel.form.site, "lymph node")
    assert session.study.slide.site == "lymph_node"
    line = panel.form.site.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, "small bowel")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert session.study.slide.site == "small_bowel"

    # a study of another panel is refused, one that fits is taken
    path = tmp_path / "study.toml"
    stains = match_panel(CHANNELS).panel.stains
    other = tuple(dataclasses.replace(s, channel=f"{s.channel}!") for s in stains)
    before = session.study
    write_study(path, Study(panel=other))
    notification_manager.records.clear()
    panel.load_study(path)
    qtbot.waitUntil(lambda: bool(notification_manager.records), timeout=10_000)
    assert "names the channel 'DAPI!'" in notification_manager.records[-1].message
    assert session.study == before
    qtbot.waitUntil(lambda: not panel.work.running)
    write_study(path, Study(panel=stains, seed=7, slide=SlideOptions(pixel_size_um=0.4)))
    panel.load_study(path)
    qtbot.waitUntil(lambda: session.study.seed == 7, timeout=10_000)
    assert session.study == read_study(path) and session.slide.pixel_size_um == 0.4

    qtbot.waitUntil(lambda: not panel.work.running)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    panel._new_study()
    assert session.study.seed == 7
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    panel._new_study()
    assert session.study == Study(slide=SlideOptions(pixel_size_um=0.4))

    # results elsewhere: what was set moves along
    session.save_study()
    session.set_out(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "P07.session" / "study.toml").is_file()
    assert panel.form.out.text().endswith("/elsewhere")


def test_what_a_file_does_not_say_is_asked(bench, qtbot, tmp_path, monkeypatch):
    """A plain TIFF states neither channels nor pixel size: both are asked for, and kept."""
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, drawn_image(drawn_labels()), photometric="minisblack")
    asked = []

    def answer(value):
        def give(parent, title, text, *rest):
            asked.append(text)
            return value, True

        return give

    monkeypatch.setattr(QInputDialog, "getText", answer(", ".join(CHANNELS)))
    monkeypatch.setattr(QInputDialog, "getDouble", answer(0.65))
    opened(bench, qtbot, path)
    assert len(asked) == 2 and not any("--" in text for text in asked)
    assert sum("pixel size" in text for text in asked) == 1
    assert bench.session.slide.pixel_size_um == 0.65
    assert bench.session.study.slide == SlideOptions(pixel_size_um=0.65, channel_names=CHANNELS)


def test_questions_are_asked_for_what_is_missing_alone(monkeypatch, tmp_path):
    from immunescape.errors import ChannelNamesError, SceneError, SlideError

    options = SlideOptions(pixel_size_um=0.5)
    scenes = SceneError(
        "P07.tif has 2 scenes: 1 (…), 2 (…); pass --scene with one of them",
        ("1 (40 x 30 px, 2 channels)", "2 (80 x 60 px, 2 channels)"),
    )
    monkeypatch.setattr(QInputDialog, "getItem", lambda *a: (a[3][1], True))
    assert ask(scenes, options, None) == dataclasses.replace(options, scene="2")
    monkeypatch.setattr(QInputDialog, "getItem", lambda *a: (a[3][0], False))
    assert ask(scenes, options, None) is None
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("DAPI, CD8 ,", True))
    unnamed = ChannelNamesError("P07.tif names no channels; pass --channel-names with 2 names")
    assert ask(unnamed, options, None) == dataclasses.replace(
        options, channel_names=("DAPI", "CD8")
    )
    with pytest.raises(SlideError) as broken:
        open_slide(tmp_path / "none.tif")
    assert ask(broken.value, options, None) is None
