"""Colouring, choosing and correcting cells, with real pointer and key events."""

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt

from immunescape.cells import CellTable
from immunescape.io.edits import read_edits
from immunescape.napari.layers import facts_of
from immunescape.napari.panels._cells_colouring import classes_of, ways
from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study

LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def drawn_cells():
    frame = pd.DataFrame(
        {
            "x_um": 0.0,
            "y_um": 0.0,
            "phenotype": ["tumour", "tumour", "tumour", "cd8_t", "other", "unknown"],
            "region": ["centre", "inner_margin", "outer_margin", "stroma", "excluded", "centre"],
            "pdl1_positive": pd.array([True, False, None, False, None, None], dtype="boolean"),
            "touching_cd8": pd.array([True, True, True, False, True, None], dtype="boolean"),
            "distance_to_margin_um": [-130.0, -100.0, -0.5, 0.0, 100.0, np.nan],
            "edited": [True, False, False, False, False, False],
        },
        index=pd.Index([2, 3, 5, 7, 11, 13], name="label"),
    )
    return CellTable(frame)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("phenotype", "tumour cell tumour cell tumour cell CD8 T cell other cell unknown"),
        ("region", "centre inner margin outer margin stroma excluded centre"),
        ("pdl1_positive", "PD-L1 positive PD-L1 negative missing PD-L1 negative missing missing"),
        ("edited", "corrected as called as called as called as called as called"),
        (
            "distance",
            "inside, over 100 µm inside, 50 to 100 µm inside, 0 to 50 µm outside, 0 to 50 µm "
            "outside, over 100 µm -",
        ),
        (
            "touching",
            "tumour touching CD8, PD-L1 positive tumour touching CD8, PD-L1 negative "
            "tumour touching CD8, PD-L1 missing CD8 T cell other cell other cell",
        ),
    ],
)
def test_classes_drawn_by_hand(way, expected):
    cells = drawn_cells()
    assert way in ways(cells)
    classes = classes_of(cells, way, 100.0)
    names = [classes.names[k - 1] if k else "-" for k in classes.of_rows]
    assert " ".join(names) == expected
    assert sum(classes.counts) == sum(name != "-" for name in names)
    assert len(set(classes.colours)) == len(classes.colours)


@pytest.fixture
def panel(open_step):
    """The panel of cells, in a window, on the sample slide as it was analysed."""
    return open_step("cells")


class Hand:
    """A person's hand: positions are µm of the slide."""

    def __init__(self, panel, qtbot):
        self.viewer, self.qtbot = panel.session.viewer, qtbot
        self.canvas = self.viewer.window._qt_viewer.canvas.native

    def go(self, x, y):
        self.viewer.scene.camera.center = (0, y, x)
        self.viewer.scene.camera.zoom = 8

    def at(self, x, y):
        camera = self.viewer.scene.camera
        _, cy, cx = camera.center
        return QPoint(
            round((x - cx) * camera.zoom + self.canvas.width() / 2),
            round((y - cy) * camera.zoom + self.canvas.height() / 2),
        )

    def click(self, x, y, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.mouseClick(self.canvas, LEFT, modifier, self.at(x, y))

    def drag(self, x0, y0, x1, y1):
        self.qtbot.mousePress(self.canvas, LEFT, pos=self.at(x0, y0))
        for t in (0.3, 0.7, 1.0):
            self.qtbot.mouseMove(self.canvas, self.at(x0 + t * (x1 - x0), y0 + t * (y1 - y0)))
        self.qtbot.mouseRelease(self.canvas, LEFT, pos=self.at(x1, y1))

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.canvas, key, modifier)


def round_cell(cells, phenotype, apart=()):
    """A large round cell of a phenotype within the slide, far from others that were chosen."""
    frame = cells.frame
    fits = (frame["phenotype"] == phenotype) & ~frame["touches_frame"] & (frame["solidity"] > 0.93)
    for label in apart:
        other = frame.loc[label]
        fits &= np.hypot(frame["x_um"] - other["x_um"], frame["y_um"] - other["y_um"]) > 60
    return int(frame.index[fits][np.argmax(frame["area_um2"][fits])])


def touching(finished, label):
    """A cell that touches another."""
    pairs = finished.touching.contacts
    beside = pairs.loc[pairs["label_a"] == label, "label_b"].tolist()
    beside += pairs.loc[pairs["label_b"] == label, "label_a"].tolist()
    return beside[0]


def cells_layer(panel):
    (layer,) = [x for x in panel.session.viewer.layers if facts_of(x).get("labels") == "cells"]
    return layer


def hex_of(layer, label):
    colour = layer.colormap.map(np.array([label]))[0]
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in colour[:3]), float(colour[3])


def test_a_cell_is_chosen_corrected_and_the_numbers_follow(panel, qtbot, sample_inputs, tmp_path):
    session, hand = panel.session, Hand(panel, qtbot)
    before = session.finished
    frame = before.cells.frame
    counts = frame["phenotype"].value_counts()
    rows = [panel.legend.item(k).text() for k in range(panel.legend.count())]
    assert rows[0].startswith(f"tumour cell: {counts['tumour']:,} ")
    assert rows[1].startswith(f"CD8 T cell: {counts['cd8_t']:,} ")

    # a click on its row hides a class
    tumour = round_cell(before.cells, "tumour")
    layer = cells_layer(panel)
    assert hex_of(layer, tumour) == ("#56b4e9", 1.0)
    box = panel.legend.visualItemRect(panel.legend.item(0))
    place = QPoint(box.left() + 10, box.center().y())
    qtbot.mouseClick(panel.legend.viewport(), LEFT, pos=place)
    assert hex_of(layer, tumour)[1] == 0.0
    qtbot.mouseClick(panel.legend.viewport(), LEFT, pos=place)
    assert hex_of(layer, tumour)[1] == 1.0

    # a click chooses a cell and tells what it is
    cell = frame.loc[tumour]
    hand.go(cell["x_um"], cell["y_um"])
    hand.click(cell["x_um"], cell["y_um"])
    assert panel.choice.labels == [tumour]
    card = panel.card.text()
    for text in (f"cell {tumour}: tumour cell", f"x {cell['x_um']:.1f} µm", "SOX10", "PD-L1"):
        assert text in card
    assert f"touches {cell['n_contacts']} cells" in card

    # a key corrects it, at once and on the disk; undo and redo are rows too
    panel.user.setText("AB")
    panel.reason.setText("lymphocyte")
    hand.key(Qt.Key.Key_C)
    assert hex_of(layer, tumour)[0] == "#f0e442"
    assert panel.legend.item(0).text().startswith(f"tumour cell: {counts['tumour'] - 1:,} ")
    (row,) = read_edits(session.edits_path).rows
    assert (row.action, row.after, row.before) == ("call", "phenotype=cd8_t", "tumour")
    assert (row.user, row.reason) == ("AB", "lymphocyte")
    assert (row.x_um, row.y_um) == pytest.approx((cell["x_um"], cell["y_um"]))
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert hex_of(layer, tumour)[0] == "#56b4e9"
    assert panel.list.rows.item(0).text().endswith("taken back")
    hand.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert hex_of(layer, tumour)[0] == "#f0e442"
    assert [r.action for r in read_edits(session.edits_path).rows] == ["call", "undo", "undo"]

    # the number of a marker turns its call
    number = list(panel.buttons.markers).index("pdl1")
    was = panel.choice.calls["pdl1"]
    hand.key(Qt.Key(Qt.Key.Key_1.value + number))
    other = "negative" if was == "positive" else "positive"
    assert panel.choice.calls["pdl1"] == other
    assert f"{other}</b> (by hand)" in panel.card.text()

    # a cell is removed
    gone = round_cell(before.cells, "other", [tumour])
    place = frame.loc[gone]
    hand.go(place["x_um"], place["y_um"])
    hand.click(place["x_um"], place["y_um"])
    hand.key(Qt.Key.Key_Delete)
    assert panel.choice.labels == [] and hex_of(layer, gone)[1] == 0.0

    # two cells are merged: Shift chooses the second
    one = round_cell(before.cells, "tumour", [tumour, gone])
    two = touching(before, one)
    a, b = frame.loc[one], frame.loc[two]
    hand.go(a["x_um"], a["y_um"])
    hand.click(a["x_um"], a["y_um"])
    hand.click(b["x_um"], b["y_um"], SHIFT)
    assert panel.choice.labels == [one, two]
    hand.key(Qt.Key.Key_M)
    assert panel.choice.crop.at(b["x_um"], b["y_um"]) == one
    assert hex_of(layer, two) == hex_of(layer, one)

    # a line across a cell cuts it
    cut = round_cell(before.cells, "tumour", [tumour, gone, one])
    c = frame.loc[cut]
    hand.go(c["x_um"], c["y_um"])
    hand.click(c["x_um"], c["y_um"])
    hand.key(Qt.Key.Key_S)
    assert panel.buttons.split_button.isChecked()
    centre = session.viewer.scene.camera.center
    hand.drag(c["x_um"] - 12, c["y_um"], c["x_um"] + 12, c["y_um"])
    assert session.viewer.scene.camera.center == centre  # the picture stayed where it was
    assert not panel.buttons.split_button.isChecked()
    halves = {panel.choice.crop.at(c["x_um"], c["y_um"] + dy) for dy in (-2.5, 2.5)}
    assert len(halves) == 2 and 0 not in halves
    new = (halves - {cut}).pop()
    assert new not in frame.index

    # what is impossible is refused, and leaves no row
    made = len(read_edits(session.edits_path))
    far = frame[(np.hypot(frame["x_um"] - c["x_um"], frame["y_um"] - c["y_um"])).between(25, 35)]
    d = far.iloc[0]
    hand.click(d["x_um"], d["y_um"])
    hand.click(c["x_um"], c["y_um"] - 2.5, SHIFT)
    hand.key(Qt.Key.Key_M)
    assert notification_manager.records[-1].message == (
        "Not corrected: the two cells do not touch."
    )
    hand.key(Qt.Key.Key_Escape)
    assert panel.choice.labels == []
    assert len(read_edits(session.edits_path)) == made

    # Apply: the numbers are those of the command line with the same file
    waiting = [panel.list.rows.item(k).text() for k in range(panel.list.rows.count())]
    assert all(text.endswith("to apply") for text in waiting) and len(waiting) == 5
    qtbot.mouseClick(panel.apply_button, LEFT)
    qtbot.waitUntil(lambda: session.finished is not before, timeout=300_000)
    after = session.finished
    assert len(after.cells) == len(before.cells) - 1
    told = [panel.list.rows.item(k).text() for k in range(panel.list.rows.count())]
    assert all(text.startswith("✓") for text in told) and len(told) == 5
    assert not panel.apply_button.isEnabled()
    px = after.measured.pixel_size_um
    label = {
        name: int(after.measured.cell_labels[int(y / px), int(x / px)])
        for name, x, y in [
            ("tumour", cell["x_um"], cell["y_um"]), ("gone", place["x_um"], place["y_um"]),
            ("one", a["x_um"], a["y_um"]), ("two", b["x_um"], b["y_um"]),
            ("upper", c["x_um"], c["y_um"] - 2.5), ("lower", c["x_um"], c["y_um"] + 2.5),
        ]
    }  # fmt: skip
    assert label["gone"] == 0 and label["one"] == label["two"]
    assert label["upper"] != label["lower"]
    edited = set(after.cells.frame.index[after.cells["edited"]])
    assert edited == {label[k] for k in ("tumour", "one", "upper", "lower")}
    assert after.cells.frame.loc[label["tumour"], "phenotype"] == "cd8_t"
    inputs = Inputs(
        slide=sample_inputs.slide, annotations=sample_inputs.annotations, edits=session.edits_path
    )
    headless = run_slide(inputs, tmp_path / "headless", Study())
    pd.testing.assert_frame_equal(headless.cells.frame, after.cells.frame)
    written = pd.read_csv(tmp_path / "headless" / session.folder.name / "summary.csv")
    pd.testing.assert_frame_equal(written, after.tables["summary"])
    # the new labels are those on the canvas
    layer = cells_layer(panel)
    row, column = int(c["y_um"] / px), int(c["x_um"] / px)
    shown = np.asarray(layer.data[0][row - 10 : row + 10, column - 2 : column + 2])
    assert {label["upper"], label["lower"]} <= set(shown.ravel().tolist())


def test_corrections_that_wait_are_there_again(panel, qtbot, analysed, sample_inputs):
    session, hand = panel.session, Hand(panel, qtbot)
    label = round_cell(session.finished.cells, "tumour")
    cell = session.finished.cells.frame.loc[label]
    hand.go(cell["x_um"], cell["y_um"])
    hand.click(cell["x_um"], cell["y_um"])
    hand.key(Qt.Key.Key_D)
    slide, path = session.slide, session.path
    session.close()
    assert panel.waiting.text().startswith("Waits for a slide")
    session.open(slide, path, out=analysed, annotations=sample_inputs.annotations)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=120_000)
    assert panel.list.rows.item(0).text() == "cell deleted; to apply"
    assert panel.apply_button.isEnabled()
    hand.go(cell["x_um"], cell["y_um"])
    hand.click(cell["x_um"], cell["y_um"])
    assert panel.choice.labels == []  # it is gone
    panel.hide()
    hand.key(Qt.Key.Key_Z, CONTROL)  # keys are another panel's now
    assert len(read_edits(session.edits_path)) == 1
