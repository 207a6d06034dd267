"""The blinded review: pictures of cells, answers by key, and what they say."""

import re

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from immunescape.blocks import Block
from immunescape.napari.panels._review_blindfold import Blindfold
from immunescape.napari.panels._review_pictures import (
    AROUND,
    HALF_UM,
    TARGET,
    PictureQueue,
    cell_picture,
)
from immunescape.slide import Slide

LEFT = Qt.MouseButton.LeftButton


class Watched:
    """An image that remembers how much of it was read."""

    def __init__(self, pixels):
        self.pixels, self.read = pixels, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def __getitem__(self, key):
        part = self.pixels[key]
        self.read += part.size
        return part


def drawn():
    """A slide with two bright cells 10 µm wide, 1 µm a pixel, and their labels."""
    pixels = np.full((2, 3000, 3000), 100, np.uint16)
    labels = np.zeros((3000, 3000), np.int32)
    pixels[1, 1000:1010, 1000:1010], labels[1000:1010, 1000:1010] = 300, 7
    pixels[1, 1000:1010, 1012:1022], labels[1000:1010, 1012:1022] = 200, 9
    array, plane = Watched(pixels), Watched(labels)
    return Slide("drawn", (array,), ("DAPI", "CD8"), 1.0), plane, array


def test_a_picture_shows_the_marker_as_it_is_and_reads_no_more():
    slide, labels, array = drawn()
    picture = cell_picture(slide, "CD8", (100.0, 300.0), labels, 7, (1005.0, 1005.0))
    side = 2 * round(HALF_UM) + 1
    assert array.read == labels.read == side * side
    times = picture.bare.shape[0] // side
    assert picture.um_per_px == pytest.approx(1.0 / times)
    small = picture.bare[times // 2 :: times, times // 2 :: times]
    middle = side // 2  # the pixel of row and column 1005
    assert (small[..., 0] == small[..., 1]).all() and (small[..., 0] == small[..., 2]).all()
    assert small[middle - 5 : middle + 5, middle - 5 : middle + 5, 0].min() == 255
    assert set(small[middle - 5 : middle + 5, middle + 7 : middle + 17, 0].ravel()) == {128}
    assert small[0, 0, 0] == 0
    outlined = (picture.outlined != picture.bare).any(axis=2)
    first = np.s_[(middle - 5) * times : (middle + 5) * times]
    assert (picture.outlined[(middle - 5) * times, first] == TARGET).all()
    assert (picture.outlined[(middle + 5) * times - 1, first] == TARGET).all()
    edge = 4 * 10 * times - 4
    assert (picture.outlined[outlined] == TARGET).all(axis=1).sum() == edge
    assert (picture.outlined[outlined] == AROUND).all(axis=1).sum() == edge
    assert outlined.sum() == 2 * edge


def test_beyond_the_frame_a_picture_is_black():
    slide, labels, _ = drawn()
    slide.arrays[0].pixels[1] = 300
    picture = cell_picture(slide, "CD8", (100.0, 300.0), labels, 7, (0.5, 0.5))
    half = picture.bare.shape[0] // 2
    times = round(1 / picture.um_per_px)
    assert picture.bare[: half - times, :].max() == 0
    assert picture.bare[half + times :, half + times :].min() == 255


def test_pictures_are_made_ahead_and_forgotten(qtbot):
    made = []
    queue = PictureQueue(lambda k: made.append(k) or k * 10, 100)
    with qtbot.waitSignals([queue.ready] * 6, timeout=10_000):
        queue.ask(0)
    assert made == [0, 1, 2, 3, 4, 5]
    assert queue.ask(0) == 0
    queue.ask(50)
    qtbot.waitUntil(lambda: len(queue.held) == 7 and queue.ask(50) == 500)
    assert queue.held == set(range(49, 56))  # the others are forgotten
    queue.close()


def test_layers_stay_hidden_whoever_shows_them_and_whenever_they_come():
    viewer = ViewerModel()
    names = "shown", "hidden", "hidden on the way", "shown on the way", "left", "replaced"
    layers = {name: viewer.add_points([[0, 0]], name=name) for name in names}
    layers["hidden"].visible = layers["shown on the way"].visible = False
    blindfold = Blindfold(viewer)
    layers["hidden on the way"].visible = False
    layers["shown on the way"].visible = True
    viewer.add_points([[0, 0]], name="late")
    viewer.add_points([[0, 0]], name="late and hidden", visible=False)
    viewer.add_points([[0, 0]], name="late, then hidden").visible = False
    viewer.layers.remove(layers["left"])
    viewer.layers.remove(layers["replaced"])
    # its maker gave it the look of the one before, as it was to be seen
    viewer.add_points([[0, 0]], name="replaced", visible=False)
    assert len(viewer.layers) == 8 and not any(layer.visible for layer in viewer.layers)
    blindfold.take_off()
    seen = {layer.name for layer in viewer.layers if layer.visible}
    assert seen == {"shown", "shown on the way", "late", "replaced"}
    viewer.layers["late"].visible = False  # and it hears no more
    viewer.add_points([[0, 0]], name="after")
    seen = {layer.name for layer in viewer.layers if layer.visible}
    assert seen == {"shown", "shown on the way", "replaced", "after"}


@pytest.fixture
def panel(open_step):
    """The panel of the review on the sample slide."""
    return open_step("review")


def begin(panel, qtbot):
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: panel.dealing is not None, timeout=60_000)
    window = panel.dealing
    qtbot.waitUntil(lambda: window.buttons["yes"].isEnabled(), timeout=60_000)
    return window


def plain(label):
    return " ".join(re.sub(r"<[^>]*>|&nbsp;", " ", label.text()).split())


def press(window, qtbot, key):
    at = window.at
    qtbot.keyClick(window, key)
    if window.isVisible() and window.at != at:
        qtbot.waitUntil(lambda: window.buttons["yes"].isEnabled(), timeout=60_000)


def test_a_reader_answers_by_key_and_gets_the_numbers(panel, qtbot):
    session = panel.session
    cells = session.finished.cells.frame
    asked = cells["region"] != "excluded"
    positive, negative = (
        int((cells["cd8_positive"] & asked).sum()), int((~cells["cd8_positive"] & asked).sum()),
    )  # fmt: skip
    panel.reader.setText("AB")
    panel.marker.setCurrentIndex(panel.marker.findData("cd8"))
    panel.per_call.setValue(5)
    assert f"{positive:,} cells are called positive, {negative:,} negative" in panel.counts.text()
    shown = [layer for layer in session.viewer.layers if layer.visible]
    assert shown
    window = begin(panel, qtbot)
    late = session.viewer.add_points([[1.0, 1.0]], name="late")
    # nothing tells the slide, its timepoint or the call
    assert not any(layer.visible for layer in session.viewer.layers)
    told = " ".join(label.text() for label in window.findChildren(QLabel)).lower()
    for secret in (session.slide.name.lower(), "baseline", "called", "tumour"):
        assert secret not in told
    assert window.frameGeometry().contains(panel.window().geometry().center())

    # yes to all that are called positive but one; one of the negatives is called positive
    calls = window.cells["called"].tolist()
    keys = {"positive": Qt.Key.Key_Y, "negative": Qt.Key.Key_N}
    order = [keys[c] for c in calls]
    order[calls.index("positive")] = Qt.Key.Key_N
    order[calls.index("negative")] = Qt.Key.Key_U
    last = max(k for k, c in enumerate(calls) if c == "negative")
    order[last] = Qt.Key.Key_Y
    for key in order[:4]:
        press(window, qtbot, key)
    press(window, qtbot, Qt.Key.Key_Backspace)
    assert window.at == 3
    press(window, qtbot, order[3])
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: panel.dealing is None)
    assert [layer for layer in session.viewer.layers if layer.visible] == [*shown, late]
    assert "6 left to answer" in panel.counts.text()

    # it goes on where it stopped
    window = begin(panel, qtbot)
    assert window.cells["called"].tolist() == calls[4:]
    for key in order[4:]:
        press(window, qtbot, key)
    qtbot.waitUntil(lambda: panel.dealing is None)
    rows = pd.read_csv(panel.path)
    assert len(rows) == 11  # one was answered twice
    assert rows.columns.tolist() == [
        "time", "reader", "marker", "called", "answer", "x_um", "y_um", "gate",
    ]  # fmt: skip
    assert set(rows["reader"]) == {"AB"} and set(rows["marker"]) == {"cd8"}
    assert rows["gate"].str.startswith("cd8_").all()
    text = plain(panel.results)
    # 4 of 5 positives hold; of 4 negatives that could be told 1 is positive
    assert "precision 80% (38% to 96%) 4 of 5" in text
    assert "missed rate 25% (5% to 70%) 1 of 4" in text
    found = positive * 0.8 / (positive * 0.8 + negative * 0.25)
    assert f"sensitivity {found:.0%}" in text
    assert "1 could not be told" in text
    assert not panel.start_button.isEnabled()

    # another reader gets the same cells; both are compared
    panel.reader.setText("CD")
    window = begin(panel, qtbot)
    assert window.cells["called"].tolist() == calls
    for key in order:
        press(window, qtbot, key)
    qtbot.waitUntil(lambda: panel.dealing is None)
    assert "AB and CD agree on CD8 in 100% of 9 cells" in panel.results.text()


def test_answers_to_other_gates_are_told_apart(panel, qtbot):
    panel.path.parent.mkdir(parents=True, exist_ok=True)
    panel.path.write_text(
        "time,reader,marker,called,answer,x_um,y_um,gate\n"
        "2024-01-01T00:00:00.000000Z,AB,cd8,positive,yes,1.000,1.000,cd8_membrane_mean > 1\n",
        encoding="utf-8",
    )
    panel.show_results()
    assert "Not counted: 1 answer to earlier gates." in panel.results.text()
    assert "precision" not in panel.results.text().lower()


def test_block_at_the_corner():
    from immunescape.napari.panels._review_pictures import block_around

    assert block_around(0.2, 10.9, 2.0, 0.5) == Block(17, 26, -4, 5)
