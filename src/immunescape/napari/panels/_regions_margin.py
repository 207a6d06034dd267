"""The margin while its width is set: bands that follow the slider, and what of it is counted."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from immunescape.margin import GridMask, MarginParams, map_margin
from immunescape.margin.preview import MarginGround, margin_ground
from immunescape.napari.latest import Latest
from immunescape.napari.panels._regions_margin_picture import MarginPicture
from immunescape.napari.panels._regions_margin_words import margin_words
from immunescape.napari.text import WrappedText
from immunescape.params import help_texts, limits

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.margin import MarginMap
    from immunescape.napari.session import Session

__all__ = ["PRESETS_UM", "MarginBox"]

PRESETS_UM = {40: "ImmunoProfile", 100: "the usual width", 360: "MSKCC melanoma", 500: "TIL-WG"}

_MOST_UM = 600
_UNKNOWN_CELLS = 4_000_000


class MarginBox(QWidget):
    """Width of the margin with presets, its bands shown live, and its length in words.

    Parameters
    ----------
    session
        The session; ``study.margin.width_um`` is set when the slider is let go.
    """

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.ground: MarginGround | None = None
        self.mapped: MarginMap | None = None
        self.picture = MarginPicture(session, self)
        self._asked: Any = None  # what the ground was asked for
        self._counting: Any = None  # and the areas
        self._find = Latest(_ground, self)
        self._find.returned.connect(self._found)
        self._count = Latest(_counted, self)
        self._count.returned.connect(self._counted)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(60)
        self._soon.timeout.connect(self._ask)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(self._make_presets())
        outer.addLayout(self._make_slider())
        self.shows = QCheckBox("Show the bands")
        self.shows.setChecked(True)
        self.shows.setToolTip(
            "Show inner and outer margin as they will be counted, and dashed what is no margin."
        )
        self.shows.toggled.connect(self.follow)
        outer.addWidget(self.shows)
        self.text = WrappedText()
        outer.addWidget(self.text)
        self._tell()

    def _make_presets(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(QLabel("Presets (µm)"))
        self.presets: dict[int, QPushButton] = {}
        for width, whose in PRESETS_UM.items():
            button = QPushButton(str(width))
            button.setToolTip(f"{width} µm on each side: {whose}")
            button.clicked.connect(lambda _=False, width=width: self.set_width(float(width)))
            row.addWidget(button)
            self.presets[width] = button
        return row

    def _make_slider(self) -> QHBoxLayout:
        text = help_texts(MarginParams)["width_um"]
        span = limits(MarginParams)["width_um"]
        row = QHBoxLayout()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(int(span.min), _MOST_UM)
        self.slider.setSingleStep(int(span.step))
        self.slider.setToolTip(text)
        self.spin = QDoubleSpinBox()
        self.spin.setRange(span.min, span.max)
        self.spin.setSingleStep(span.step)
        self.spin.setDecimals(0)
        self.spin.setSuffix(f" {span.unit}")
        self.spin.setToolTip(text)
        self.spin.setKeyboardTracking(False)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(lambda: self.set_width(float(self.slider.value())))
        self.spin.valueChanged.connect(self.set_width)
        row.addWidget(QLabel("Width"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.spin)
        return row

    @property
    def width_um(self) -> float:
        """The width that is shown; the study's once the slider is let go."""
        return float(self.spin.value())

    def set_width(self, width_um: float) -> None:
        """Set the width in the study, and have the areas counted."""
        self._show_width(width_um)
        self.session.set_step("margin", _at(self.session.study.margin, width_um))
        self._paint()
        self._ask_count()

    def _slid(self, value: int) -> None:
        """Follow the slider: the picture only, until it is let go."""
        if not self.slider.isSliderDown():
            self.set_width(float(value))
            return
        self._show_width(float(value))
        self._count.forget()
        self.mapped = self._counting = None
        self._paint()

    def _show_width(self, width_um: float) -> None:
        for control, value in ((self.spin, width_um), (self.slider, round(width_um))):
            control.blockSignals(True)
            control.setValue(value)
            control.blockSignals(False)

    # Following the session

    def follow(self) -> None:
        """Follow what was drawn, measured or set."""
        self._show_width(self.session.study.margin.width_um)
        if self.session.slide is None:
            self.clear()
            return
        self._soon.start()

    def set_line(self, width_um: float) -> None:
        """Draw lines in another width, since the picture was zoomed."""
        self.picture.set_line(width_um)

    def clear(self) -> None:
        """Show no margin."""
        for latest in (self._find, self._count):
            latest.forget()
        self.ground = self.mapped = self._asked = self._counting = None
        self.picture.clear()
        self._tell()

    @property
    def busy(self) -> bool:
        """Whether margin or areas are looked for."""
        return self._soon.isActive() or self._find.busy or self._count.busy

    def close_work(self, seconds: float = 60.0) -> None:
        """Wait for what is at work, before the window goes."""
        self._soon.stop()
        for latest in (self._find, self._count):
            latest.wait(seconds)
        self.picture.close_work(seconds)

    def _ask(self) -> None:
        if self.session.slide is None or not self.isVisible():
            return
        tumour = _tumour(self.session)
        if tumour.is_empty:
            self.clear()
            return
        drawing, study = self.session.drawing.state, self.session.study
        finished = self.session.finished
        of = finished.measured if finished is not None else self.session.slide
        asked = _Same((of, drawing, tumour), (study.slide.site, _at(study.margin, None)))
        if asked != self._asked:  # another width alone has the same ground
            self._asked = asked
            self._find.ask(_tissue(self.session), drawing, tumour, study.slide.site, study.margin)
        elif self.ground is not None:
            self._paint()
        self._ask_count()

    def _ask_count(self) -> None:
        finished, tumour = self.session.finished, _tumour(self.session)
        if finished is None or tumour.is_empty or not self.isVisible():
            self.mapped = self._counting = None
            self._count.forget()
            self._tell()
            return
        study, drawing = self.session.study, self.session.drawing.state
        asked = _Same((finished.measured, drawing, tumour), (study.slide.site, study.margin))
        if asked == self._counting:
            self._tell()
            return
        self.mapped, self._counting = None, asked
        source = "imported" if drawing.get("tumour") is tumour else "derived"
        self._count.ask(finished.measured, drawing, tumour, source, study.slide.site, study.margin)
        self._tell()

    def _found(self, ground: MarginGround) -> None:
        self.ground = ground
        self._paint()

    def _counted(self, mapped: "MarginMap") -> None:
        self.mapped = mapped
        self._tell()

    def _paint(self) -> None:
        self._tell()
        if self.ground is None or not self.shows.isChecked():
            self.picture.hide()
        else:
            self.picture.show(self.ground, self.width_um)

    # In words

    def _tell(self) -> None:
        self.text.setText(self._words())

    def _words(self) -> str:
        if self.session.slide is None or _tumour(self.session).is_empty:
            return "Draw the tumour, or take it from the cells: its margin is shown here."
        if self.ground is None:
            return "Looking for the margin …"
        measured = self.session.finished is not None
        return margin_words(self.ground, self.width_um, self.mapped, measured=measured)


class _Same:
    """What something was asked for: the very same objects, and equal values."""

    def __init__(self, objects: tuple[Any, ...], values: tuple[Any, ...]) -> None:
        self._objects, self._values = objects, values

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Same)
            and all(a is b for a, b in zip(self._objects, other._objects, strict=True))
            and self._values == other._values
        )

    __hash__ = None  # type: ignore[assignment]


def _at(params: MarginParams, width_um: float | None) -> MarginParams:
    """Return the parameters at another width; the usual one where there is none."""
    if width_um is None:
        width_um = MarginParams().width_um
    return dataclasses.replace(params, width_um=width_um)


def _tumour(session: "Session") -> "BaseGeometry":
    """Return the drawn tumour, else the one that the result derived from its cells."""
    drawn = session.drawing.state.get("tumour")
    if drawn.is_empty and session.finished is not None:
        called = session.finished.shared.called
        if called.tumour_source == "derived":
            return called.tumour
    return drawn


def _tissue(session: "Session") -> Any:
    """Return how to get the tissue: what was measured, else the frame on a grid that is light."""
    if session.finished is not None:
        return session.finished.measured.counted_tissue
    slide = session.slide
    assert slide is not None
    height, width = (n * slide.pixel_size_um for n in slide.shape)
    grid_um = max(2.0, float(np.sqrt(height * width / _UNKNOWN_CELLS)))
    return lambda: GridMask.whole((width, height), grid_um).of_imaged(
        slide.imaged, slide.pixel_size_um
    )


def _ground(tissue: Any, *rest: Any) -> MarginGround:
    return margin_ground(tissue(), *rest)


def _counted(measured: Any, *rest: Any) -> "MarginMap":
    return map_margin(measured.counted_tissue(), *rest)
