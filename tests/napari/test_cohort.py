"""The worklist in a window: dropped, walked through by key, signed, run."""

import json
import os
import threading

import pytest
import shapely
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea, QShortcut

import napari
from immunescape.cohort.state import read_state
from immunescape.errors import SheetError
from immunescape.napari import window
from immunescape.napari.lock import Lock
from immunescape.napari.workbench import workbench_of
from immunescape.napari.worklist import look_through
from immunescape.phenotype import GateSpec
from immunescape.regions import Regions
from immunescape.study import read_study
from tests.cohort.small import write_small_cohort
from tests.napari.dropping import drop
from tests.napari.small import write_small

LEFT = Qt.MouseButton.LeftButton
GATE = GateSpec(marker="pdl1", parent="all", method="fixed", value=2.5, confirmed=True)
ABSENT = GateSpec(marker="foxp3", parent="all", method="fixed", value=1.0, confirmed=True)


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = workbench_of(viewer)
    qtbot.waitUntil(lambda: bench.drops is not None)
    yield bench
    bench.close_work()


@pytest.fixture
def sheet(tmp_path):
    """Two slides of one patient and one of another; each sample is named other than its file."""
    lines = ["slide,sample_id,patient,timepoint"]
    for number, (patient, timepoint) in enumerate(
        (("P1", "baseline"), ("P1", "relapse"), ("P2", "baseline"))
    ):
        slide = write_small(tmp_path, f"S{number}", edge=64)
        lines.append(f"{slide.name},{patient}-{timepoint},{patient},{timepoint}")
    path = tmp_path / "samples.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def dropped(bench, qtbot, path):
    drop(bench.session.viewer, path)
    panel = bench.panels["cohort"]
    qtbot.waitUntil(lambda: bool(panel.looked), timeout=20_000)
    assert panel.isVisible()
    return panel


def column(panel, number):
    return [panel.face.table.item(r, number).text() for r in range(panel.face.table.rowCount())]


def arrived(bench, panel, qtbot, name):
    session = bench.session

    def there():
        return session.slide is not None and session.folder.name == name

    qtbot.waitUntil(there, timeout=20_000)
    qtbot.waitUntil(lambda: "here" in column(panel, 4)[row_of(panel, name)], timeout=20_000)
    qtbot.waitUntil(lambda: not panel.work.running)


def row_of(panel, name):
    return column(panel, 2).index(name)


def test_a_dropped_sheet_is_walked_through_by_key(bench, qtbot, sheet):
    panel = dropped(bench, qtbot, sheet)
    session, viewer = bench.session, bench.session.viewer
    names = ["P1-baseline", "P1-relapse", "P2-baseline"]
    assert column(panel, 0) == ["P1", "P1", "P2"] and column(panel, 2) == names
    assert column(panel, 3) == ["○ to do"] * 3 and column(panel, 4) == [""] * 3
    assert "3 to do" in panel.face.facts.text() and "2 patients" in panel.face.facts.text()

    # the keys work whichever panel is in front
    bench.show_step("slide")
    along, back = (next(s for s in bench.findChildren(QShortcut) if s.key().toString() == keys)
                   for keys in ("Alt+PgDown", "Alt+PgUp"))  # fmt: skip
    assert all(s.context() == Qt.ShortcutContext.WindowShortcut for s in (along, back))
    along.activated.emit()
    arrived(bench, panel, qtbot, names[0])
    kept = sheet.parent / "immunescape-results" / "slides" / "P1-baseline.session"
    assert session.kept == kept and session.path.name == "S0.ome.tif"
    told = json.loads((kept / "open.lock").read_text())
    assert told["process"] == os.getpid() and told["since"] <= told["time"]
    count = len(viewer.layers)

    # what is drawn and set is on the disk before the next one comes
    session.drawing.push(Regions({"tumour": shapely.box(2, 2, 20, 20)}), "drawn")
    bench.panel("regions")
    study = session.study
    session.set_study(type(study)(**{**vars(study), "gate": (GATE, ABSENT), "reviewed_by": "anna"}))
    told = []
    session.message.connect(told.append)
    bench.go_along(1)
    arrived(bench, panel, qtbot, names[1])
    assert read_study(kept / "study.toml").gate == (GATE, ABSENT)
    assert (kept / "annotations.geojson").is_file() and not (kept / "open.lock").exists()
    assert len(viewer.layers) == count and not session.drawing.state.shapes

    # the gates came along, but for a stain that is not there, and nobody has looked at them here
    assert session.study.gate == (GATE,) and session.study.reviewed_by == ""
    assert any("P1-baseline carried over" in text for text in told)
    qtbot.waitUntil(lambda: column(panel, 3)[0] == "◑ gated", timeout=20_000)
    assert column(panel, 3)[1] == "○ to do"

    bench.go_along(1)
    arrived(bench, panel, qtbot, names[2])
    assert session.study.gate == ()  # another patient
    assert not panel.face.next_button.isEnabled()
    bench.go_along(1)
    assert session.folder.name == names[2]

    # back to the first: its drawing and its gates are those that were left
    back.activated.emit()
    arrived(bench, panel, qtbot, names[1])
    back.activated.emit()
    arrived(bench, panel, qtbot, names[0])
    assert session.drawing.state.get("tumour").area == pytest.approx(18**2, rel=0.05)
    assert session.study.gate == (GATE, ABSENT) and session.study.reviewed_by == "anna"


def test_a_signature_holds_until_something_changes(bench, qtbot, sheet):
    panel = dropped(bench, qtbot, sheet)
    bench.show_step("cohort")
    panel.walk.open_row(0)
    arrived(bench, panel, qtbot, "P1-baseline")
    panel.face.person.setText("Anna")
    qtbot.mouseClick(panel.face.sign_button, LEFT)
    qtbot.waitUntil(lambda: column(panel, 3)[0] == "● signed", timeout=20_000)
    assert "Signed by Anna" in panel.face.details.text() and not panel.face.sign_button.isEnabled()
    bench.session.drawing.push(Regions({"tumour": shapely.box(2, 2, 20, 20)}), "drawn")
    qtbot.waitUntil(lambda: column(panel, 3)[0] == "◔ annotated", timeout=20_000)
    assert (
        "Signature of Anna" in panel.face.details.text()
        and "no longer holds" in panel.face.details.text()
    )
    qtbot.mouseClick(panel.face.sign_button, LEFT)
    qtbot.waitUntil(lambda: column(panel, 3)[0] == "● signed", timeout=20_000)
    qtbot.mouseClick(panel.face.withdraw_button, LEFT)
    qtbot.waitUntil(lambda: column(panel, 3)[0] == "◔ annotated", timeout=20_000)
    assert "no longer" not in panel.face.details.text()


def test_who_has_a_slide_open_is_told(bench, qtbot, sheet):
    panel = dropped(bench, qtbot, sheet)
    kept = panel.out / "slides" / "P1-relapse.session"
    other = Lock(kept)
    assert other.take()
    told = json.loads(other.path.read_text())
    # another machine, heard of just now
    other.path.write_text(json.dumps({**told, "machine": "microscope-2", "person": "kim"}))
    panel.look()
    qtbot.waitUntil(lambda: column(panel, 4)[1].startswith("kim "), timeout=20_000)
    panel.face.table.selectRow(1)
    assert "open by kim on microscope-2 since" in panel.face.details.text()
    other.path.write_text(json.dumps({**told, "machine": "microscope-2", "time": 1.0}))
    panel.look()
    qtbot.waitUntil(lambda: column(panel, 4)[1] == "", timeout=20_000)  # long unheard of


def test_a_look_that_takes_long_is_shown_all_the_same(bench, qtbot, sheet, monkeypatch):
    panel = dropped(bench, qtbot, sheet)
    qtbot.waitUntil(lambda: not panel.looking.busy)
    held, looks = threading.Event(), []

    def slow(samples, out):
        looks.append(out)
        held.wait(20)
        return look_through(samples, out)

    monkeypatch.setattr("immunescape.napari.panels.cohort.look_through", slow)
    panel.looked = ()
    panel.look()
    qtbot.waitUntil(lambda: len(looks) == 1)
    panel.look()  # asked again before the answer is there, as a run does with every line
    shown = []
    panel.looking.returned.connect(lambda _: shown.append((len(looks), len(panel.looked))))
    held.set()
    qtbot.waitUntil(lambda: len(shown) == 2)
    assert shown[0][1] == 3  # the first answer already
    # what was seen of another folder is not shown as this one's
    held.clear()
    panel.look()
    qtbot.waitUntil(lambda: len(looks) == 3)
    panel.take_sheet(panel.sheet, sheet.parent / "other")
    held.set()
    qtbot.waitUntil(lambda: len(shown) == 4)
    assert [rows for _, rows in shown[2:]] == [0, 3]
    assert looks[3] == panel.out == (sheet.parent / "other").resolve()


def test_what_is_wrong_with_a_sheet_is_listed(bench, qtbot, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("slide,patient,timepoint\nnone.tif,,baseline\n")
    drop(bench.session.viewer, path)
    panel = bench.panels["cohort"]
    qtbot.waitUntil(lambda: bool(panel.face.problems.text()), timeout=20_000)
    text = panel.face.problems.text()
    assert text.count("⚠") == 2
    assert "patient is empty" in text and "none.tif does not exist" in text
    assert panel.face.table.isHidden() and panel.face.problems.isVisible()
    with pytest.raises(SheetError, match="patient is empty"):  # before there is another window
        window.make_window(path)


def test_the_command_begins_with_a_sheet(bench, qtbot, sheet, monkeypatch):
    viewer = bench.session.viewer  # that of this test, which closes it
    monkeypatch.setattr(napari, "Viewer", lambda title: viewer)
    assert window.make_window(sheet) is viewer
    panel = bench.panels["cohort"]
    qtbot.waitUntil(lambda: bool(panel.looked), timeout=20_000)
    assert bench.stack.currentWidget() is panel and column(panel, 0) == ["P1", "P1", "P2"]


def test_all_slides_are_run_beside_the_window(bench, qtbot, tmp_path):
    path = write_small_cohort(tmp_path, ("P1_baseline", "P1_relapse"))
    panel = dropped(bench, qtbot, path)
    box = panel.run_box
    assert column(panel, 3) == ["◑ gated"] * 2  # drawing and calls are given by the sheet
    panel.walk.open_row(0)
    arrived(bench, panel, qtbot, "P1_baseline")
    assert bench.session.finished is None

    # stopped at once, it says so
    qtbot.mouseClick(box.run_button, LEFT)
    assert box.process.running and box.cancel_button.isVisible()
    qtbot.mouseClick(box.cancel_button, LEFT)
    qtbot.waitUntil(lambda: not box.process.running, timeout=120_000)
    qtbot.waitUntil(lambda: "Stopped" in box.state.text())

    with qtbot.waitSignal(box.process.ended, timeout=400_000) as ended:
        qtbot.mouseClick(box.run_button, LEFT)
    assert ended.args == [0], box.log.toPlainText()
    assert "P1_relapse" in box.log.toPlainText()
    assert (panel.out / "report.html").is_file()
    assert read_state(panel.out, "P1_relapse").standing == "done"
    # the window shows the result of the slide that is open
    qtbot.waitUntil(lambda: bench.session.finished is not None, timeout=60_000)
    panel.face.table.selectRow(1)
    qtbot.waitUntil(lambda: "Run: done." in panel.face.details.text(), timeout=20_000)

    qtbot.mouseClick(box.copy_button, LEFT)
    command = QApplication.clipboard().text()
    assert command.startswith("immunescape cohort ") and path.name in command
    box.form["shards"].value = 2
    box.save_script(tmp_path / "job.sh")
    text = (tmp_path / "job.sh").read_text()
    # nothing is wider than the dock
    qtbot.mouseClick(box.cluster_button, LEFT)
    area = next(a for a in panel.findChildren(QScrollArea) if a.widget() is panel.content)
    room = bench.minimumWidth() - (bench.width() - area.viewport().width())
    assert panel.content.minimumSizeHint().width() <= room
    assert "--array=1-2" in text and "--collect" in text and path.name in text
