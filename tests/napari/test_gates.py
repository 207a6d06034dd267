"""Gates moved in a real viewer with pointer and keys, beside a recount of the cell table."""

import re

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt

from immunescape.napari.panels.gates_cells import cells_layer
from immunescape.napari.workbench import workbench_of

LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
PDL1 = "pdl1_membrane_unshared"


@pytest.fixture
def panel(open_step, qtbot):
    """The panel of gates, in a window, on the sample slide as it was analysed."""
    panel = open_step("gates")
    qtbot.waitUntil(lambda: panel.values is not None and not panel.latest.busy, timeout=60_000)
    qtbot.waitUntil(lambda: panel.face.canvas._ground is not None, timeout=10_000)
    return panel


def at(canvas, threshold) -> QPoint:
    """The pixel of the canvas where a threshold stands, halfway up the axes."""
    place = float(canvas.values.scale.place(threshold))
    x, _ = canvas.axes.transData.transform((place, 1.0))
    y = (canvas.axes.bbox.y0 + canvas.axes.bbox.y1) / 2
    ratio = canvas.device_pixel_ratio
    return QPoint(round(x / ratio), round(canvas.height() - y / ratio))


def numbers(text: str) -> list[float]:
    plain = re.sub(r"<[^>]*>|&nbsp;", " ", text).replace(",", "")
    return [float(n) for n in re.findall(r"\d+\.?\d*", plain)]


class Recount:
    """The same numbers straight from the table that the run wrote."""

    def __init__(self, cells: pd.DataFrame):
        self.cells = cells
        self.tumour = (cells["phenotype"] == "tumour").to_numpy()
        self.touching = cells["touching_cd8"].fillna(False).to_numpy(bool)
        self.inside = (cells["region"] != "excluded").to_numpy()

    def positive(self, threshold: float) -> np.ndarray:
        return self.tumour & (self.cells[PDL1] > threshold).to_numpy()

    def headline(self, threshold: float) -> tuple[float, int]:
        """The PD-L1-negative fraction of the tumour cells touching CD8, and their number."""
        asked = self.tumour & self.touching & self.inside
        negative = asked & ~(self.cells[PDL1] > threshold).to_numpy()
        return negative.sum() / asked.sum(), int(asked.sum())

    def score(self, threshold: float) -> float:
        asked = self.tumour & self.inside
        return 100 * (asked & self.positive(threshold)).sum() / asked.sum()


def test_a_gate_is_dragged_typed_taken_back_confirmed_and_run(panel, qtbot):
    session, face, canvas = panel.session, panel.face, panel.face.canvas
    cells = session.finished.cells.frame
    recount = Recount(cells)
    assert panel.chosen == ("pdl1", "tumour")
    gate = panel.live.gate("pdl1", "tumour")
    automatic = gate.threshold
    assert face.list.topLevelItemCount() == 5
    assert "automatic" in face.list.currentItem().text(3)
    assert "mixture" in face.origin.text() and f"{automatic:.4g}" in face.origin.text()
    proposed = {p.title for p in panel.values.proposals if p.threshold is not None}
    drawn = " · ".join(t.get_text() for t in canvas.axes.texts)
    assert proposed and proposed <= set(drawn.split(" · "))

    # the pointer drags the line; nothing is kept before it lets go
    goal = float(np.quantile(cells[PDL1][recount.tumour], 0.9))
    seen = []
    canvas.dragged.connect(seen.append)
    qtbot.mousePress(canvas, LEFT, pos=at(canvas, automatic))
    for share in (0.3, 0.7, 1.0):
        qtbot.mouseMove(canvas, at(canvas, automatic + share * (goal - automatic)))
        qtbot.wait(30)
    threshold = canvas.threshold
    assert len(seen) >= 4 and seen[-1] == threshold
    assert threshold == pytest.approx(goal, rel=0.02)
    assert session.study.gate == () and not panel.history.undo_name
    positive, known, share, _ = numbers(face.counts.text())
    assert positive == recount.positive(threshold).sum()
    assert known == recount.tumour.sum()
    assert share == pytest.approx(100 * positive / known, abs=0.05)
    (before, n), (now, _) = recount.headline(automatic), recount.headline(threshold)
    assert f"{100 * before:.1f} % → {100 * now:.1f} %, n {n}" in face.numbers.text()
    assert f"→ {recount.score(threshold):.1f} %" in face.numbers.text()
    classes = cells_layer(session).colormap.classes
    shown = classes[cells.index.to_numpy()] == 1
    assert (shown == recount.positive(threshold)).all()
    assert (classes[cells.index[~recount.tumour]] == 0).all()

    qtbot.mouseRelease(canvas, LEFT, pos=at(canvas, threshold))
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
    assert face.list.currentItem().text(3) == "moved"
    assert session.study.gate == ()  # moved gates count once they are confirmed
    assert panel.live.gate("pdl1", "tumour").threshold == canvas.threshold == threshold
    assert f"{100 * before:.1f} % → {100 * now:.1f} %" in face.numbers.text()

    # the arrow keys
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    stepped = canvas.threshold
    assert stepped < threshold
    qtbot.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert threshold - canvas.threshold > 5 * (threshold - stepped)
    with qtbot.waitSignal(canvas.released, timeout=5_000):
        pass
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
    keyed = canvas.threshold
    assert panel.live.gate("pdl1", "tumour").threshold == keyed

    # a typed value
    face.spin.selectAll()
    qtbot.keyClicks(face.spin, f"{automatic + 20:.1f}")
    qtbot.keyClick(face.spin, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
    typed = canvas.threshold
    assert typed == round(automatic + 20, 1) == panel.live.gate("pdl1", "tumour").threshold

    # taken back, step by step, and brought back
    canvas.setFocus()
    for expected in (keyed, threshold, automatic):
        qtbot.keyClick(canvas, Qt.Key.Key_Z, CONTROL)
        qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
        assert canvas.threshold == expected
    assert face.list.currentItem().text(3) == "automatic"
    assert not face.undo_button.isEnabled()
    qtbot.mouseClick(face.redo_button, LEFT)
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
    assert canvas.threshold == threshold

    # confirming asks for a name, and puts the gate into the study
    told = len(notification_manager.records)
    qtbot.mouseClick(face.confirm_button, LEFT)
    assert session.study.gate == ()
    assert "who reviews" in notification_manager.records[told].message
    qtbot.keyClicks(face.reviewer, "A. Reader")
    qtbot.mouseClick(face.confirm_button, LEFT)
    (spec,) = session.study.gate
    assert (spec.marker, spec.parent, spec.method) == ("pdl1", "tumour", "fixed")
    assert (spec.value, spec.statistic, spec.confirmed) == (threshold, PDL1, True)
    assert session.study.reviewed_by == "A. Reader"
    assert face.list.currentItem().text(3) == "confirmed"
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)

    # the tables follow, and say what the panel said
    old = session.finished
    assert face.run_button.isEnabled()
    qtbot.mouseClick(face.run_button, LEFT)
    qtbot.waitUntil(lambda: session.finished is not old, timeout=120_000)
    qtbot.waitUntil(lambda: panel.values is not None and not panel.latest.busy, timeout=60_000)
    summary = session.finished.tables["summary"]
    row = summary[
        (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (summary["phenotype"] == "tumour")
        & (summary["region"] == "tissue")
        & (summary["neighbourhood"] == "contact")
    ].iloc[0]
    assert row["value"] == pytest.approx(now)
    assert row["reviewed_by"] == "A. Reader"
    assert f"{100 * now:.1f} %, n {n}" in face.numbers.text()
    written = session.finished.tables["gates"].set_index(["marker", "parent"])
    assert written.loc[("pdl1", "tumour"), "threshold"] == threshold
    assert bool(written.loc[("pdl1", "tumour"), "confirmed"])
    assert not face.run_button.isEnabled()

    # and the automatic gate can come back
    qtbot.mouseClick(face.reset_button, LEFT)
    qtbot.waitUntil(lambda: not panel.latest.busy, timeout=60_000)
    assert session.study.gate == ()
    assert canvas.threshold == pytest.approx(automatic)
    assert face.list.currentItem().text(3) == "automatic"


def test_a_clicked_cell_is_explained_and_another_gate_is_chosen(panel, qtbot):
    session, face = panel.session, panel.face
    cells = session.finished.cells.frame
    conflict = cells["sox10_positive"].fillna(False) & cells["cd8_positive"].fillna(False)
    middle = cells["x_um"].between(100, 500) & cells["y_um"].between(100, 500)
    label = int(cells.index[(cells["phenotype"] == "cd8_t") & middle & ~conflict][0])
    cell = cells.loc[label]

    viewer = session.viewer
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.scene.camera.center = (0, cell["y_um"], cell["x_um"])
    viewer.scene.camera.zoom = 8
    qtbot.mouseClick(canvas, LEFT, pos=QPoint(canvas.width() // 2, canvas.height() // 2))
    qtbot.waitUntil(lambda: panel.cell != 0, timeout=10_000)
    assert panel.cell == label
    why = face.why.text()
    assert f"Cell {label}: CD8 T cell" in why and "CD8+ SOX10−" in why
    assert cell["region"].replace("_", " ") in why
    for statistic in ("cd8_membrane_unshared", "sox10_nucleus_mean", "s100_cell_mean", PDL1):
        assert f"{cell[statistic]:.4g}" in why
    assert face.canvas.marked == cell[PDL1]

    # a click on the list shows another gate, its cells and the same cell's value there
    item = next(
        face.list.topLevelItem(i)
        for i in range(face.list.topLevelItemCount())
        if face.list.topLevelItem(i).text(0) == "CD8"
    )
    spot = face.list.visualItemRect(item).center()
    qtbot.mouseClick(face.list.viewport(), LEFT, pos=spot)
    qtbot.waitUntil(lambda: panel.values is not None and not panel.latest.busy, timeout=60_000)
    assert panel.chosen == ("cd8", "all")
    assert face.canvas.marked == cell["cd8_membrane_unshared"]
    classes = cells_layer(session).colormap.classes[cells.index.to_numpy()]
    positive = cells["cd8_positive"].fillna(False).to_numpy(bool)
    assert (classes == np.where(positive, 1, 2)).all()

    # moving a gate of phenotypes says what follows on release, and then it has followed
    goal = float(np.quantile(cells["cd8_membrane_unshared"], 0.97))
    qtbot.mousePress(face.canvas, LEFT, pos=at(face.canvas, goal))
    assert "PD-L1 on tumour cells" in face.note.text()
    before = panel.live
    qtbot.mouseRelease(face.canvas, LEFT, pos=at(face.canvas, goal))
    qtbot.waitUntil(lambda: panel.live is not before and not panel.latest.busy, timeout=60_000)
    assert panel.live.gate("cd8", "all").threshold == face.canvas.threshold
    expected = (cells["cd8_membrane_unshared"] > face.canvas.threshold).sum()
    assert numbers(face.counts.text())[0] == expected

    # leaving the panel gives the cells their colours back
    ours = cells_layer(session).colormap
    workbench_of(viewer).show_step("segment")
    assert cells_layer(session).colormap is not ours
