"""The histogram of one gate, with a threshold that is dragged."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backend_bases import MouseButton
from qtpy.QtCore import Qt, QTimer, Signal

from immunescape.napari.colours import ANSWER_COLOURS
from immunescape.napari.plots import PlotCanvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from immunescape.pipeline.live_values import GateValues
    from immunescape.report.plots_style import Look

__all__ = ["GateCanvas"]

_HEIGHT_PX = 180
_SMALL_STEP = 1 / 400
_LARGE_STEP = 1 / 40
_APART = 0.22
"""Share of the width that two names above the histogram need between them."""
_NEAR_END = 0.15
_TEXT_PT = 8.0
_REST_MS = 400
"""The line counts as let go this long after the last arrow key."""


class GateCanvas(PlotCanvas):
    """The cells of a gate by brightness, and the line that parts them.

    The line follows a pointer with the left button held, and the arrow keys; with Shift these
    take larger steps.

    Parameters
    ----------
    viewer
        The viewer whose theme is followed.
    """

    dragged = Signal(float)
    """The threshold while it moves, in the marker's own units."""
    released = Signal(float)
    """The threshold where it was let go."""

    def __init__(self, viewer: Any = None) -> None:
        super().__init__(viewer, height_px=_HEIGHT_PX, name="gate")
        self.values: GateValues | None = None
        self.threshold: float | None = None
        self.marked: float | None = None
        self._title = ""
        self._held = False
        self._keys_rest = QTimer(self)
        self._keys_rest.setSingleShot(True)
        self._keys_rest.setInterval(_REST_MS)
        self._keys_rest.timeout.connect(lambda: self.released.emit(self.threshold))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(
            "Drag the line, or move it with ← and → (Shift: larger steps).\n"
            "Shaded: the range that resampling of the tissue gives the gate.\n"
            "Triangles: what each automatic method proposes. Dotted: the gate of the results.\n"
            "Outline: the slide's other cells."
        )
        self.mpl_connect("button_press_event", self._press)
        self.mpl_connect("motion_notify_event", self._drag)
        self.mpl_connect("button_release_event", self._let_go)
        self.redrawn.connect(self._take_up)

    @property
    def busy(self) -> bool:
        """Whether the line is being moved."""
        return self._held or self._keys_rest.isActive()

    def let_go(self) -> None:
        """Count arrow keys as let go now."""
        if self._keys_rest.isActive():
            self._keys_rest.stop()
            self.released.emit(self.threshold)

    def show_gate(self, values: "GateValues", threshold: float | None, title: str) -> None:
        """Show the cells of a gate, with the line where it is.

        Parameters
        ----------
        values
            The cells' values and what is proposed.
        threshold
            Where the line stands; None puts none.
        title
            Name of what is measured, for the axis.
        """
        same = self.values is not None and title == self._title and _alike(self.values, values)
        self.values, self.threshold, self._title = values, threshold, title
        if same:  # only the line is elsewhere
            self._place()
            self.draw_live()
            return
        self.name = f"gate_{values.gate.marker}_{values.gate.parent}"
        self.show_plot(self._draw_gate)

    def show_nothing(self) -> None:
        """Show empty axes."""
        self.values = self.threshold = None
        self.show_plot(lambda axes, look: axes.set(xticks=[], yticks=[]) and None)

    def move_to(self, threshold: float) -> None:
        """Put the line elsewhere; nothing is emitted."""
        self.threshold = threshold
        self._place()
        self.draw_live()

    def mark(self, value: float | None) -> None:
        """Point at the value of one cell; None takes the mark away."""
        self.marked = value
        self._place()
        self.draw_live()

    # Drawing

    def _draw_gate(self, axes: "Axes", look: "Look") -> Any:
        seen = self.values
        assert seen is not None
        scale, gate = seen.scale, seen.gate
        if seen.beside.any() and seen.counts.any():
            beside = seen.beside * (seen.counts.max() / seen.beside.max())
            axes.stairs(beside, seen.edges, color=look.soft, linewidth=0.8)
        axes.stairs(seen.counts, seen.edges, fill=True, color=look.plain, alpha=0.75)
        if gate.gate_low is not None and gate.gate_high is not None:
            low, high = (float(scale.place(v)) for v in (gate.gate_low, gate.gate_high))
            axes.axvspan(low, high, color=look.soft, alpha=0.35, linewidth=0)
        if gate.threshold is not None:
            axes.axvline(
                float(scale.place(gate.threshold)), color=look.ink, linewidth=1, linestyle=":"
            )
        self._draw_proposals(axes, look)
        axes.set_xlim(scale.low, scale.high)
        axes.set_yscale("function", functions=(_root, _square))
        axes.set_ylim(0, max(float(seen.counts.max()), 1.0) * 1.05)
        axes.set_yticks([])
        ticks = scale.ticks()
        axes.set_xticks([float(scale.place(t)) for t in ticks], [f"{t:g}" for t in ticks])
        axes.set_xlabel(f"{self._title} (intensity, log scale)")
        axes.set_ylabel("cells")
        span = axes.axvspan(scale.high, scale.high, color=ANSWER_COLOURS["positive"], alpha=0.18)
        line = axes.axvline(scale.high, color=ANSWER_COLOURS["positive"], linewidth=2)
        (mark,) = axes.plot(
            [scale.high], [0.0], marker="^", markersize=10, color=look.ink,
            markeredgecolor=look.ground, clip_on=False, linestyle="none",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        artists = (span, line, mark)
        self._place(artists)
        return artists

    def _draw_proposals(self, axes: "Axes", look: "Look") -> None:
        """Put a triangle and a name for each method that proposes a threshold."""
        seen = self.values
        assert seen is not None
        width = seen.scale.high - seen.scale.low
        put = sorted(
            (float(seen.scale.place(p.threshold)), p.title)
            for p in seen.proposals
            if p.threshold is not None
        )
        top = axes.get_xaxis_transform()
        together: list[list[tuple[float, str]]] = []
        for place, title in put:
            axes.plot(
                [place], [1.0], marker="v", markersize=5, color=look.ink, clip_on=False,
                linestyle="none", transform=top,
            )  # fmt: skip
            if together and place - together[-1][-1][0] < _APART * width:
                together[-1].append((place, title))
            else:
                together.append([(place, title)])
        for group in together:  # their names side by side, in the order of the triangles
            middle = (group[0][0] + group[-1][0]) / 2
            share = (middle - seen.scale.low) / width
            axes.text(
                middle, 1.05, " · ".join(title for _, title in group), transform=top,
                color=look.ink, fontsize=_TEXT_PT, va="bottom",
                ha="left" if share < _NEAR_END else "right" if share > 1 - _NEAR_END else "center",
            )  # fmt: skip

    def _take_up(self) -> None:
        """Let the line, its side and the mark move apart from the rest."""
        if self.drawn is not None:
            self.make_live(*self.drawn)

    def _place(self, artists: Any = None) -> None:
        artists = self.drawn if artists is None else artists
        if artists is None or self.values is None:
            return
        span, line, mark = artists
        scale = self.values.scale
        for artist in (span, line):
            artist.set_visible(self.threshold is not None)
        if self.threshold is not None:
            place = float(scale.place(self.threshold))
            line.set_xdata([place, place])
            span.set_x(place)
            span.set_width(scale.high - place)
        mark.set_visible(self.marked is not None)
        if self.marked is not None:
            mark.set_xdata([float(scale.place(self.marked))])

    # Pointer and keys

    def _press(self, event: Any) -> None:
        if event.button != MouseButton.LEFT or event.inaxes is None or self.values is None:
            return
        self._held = True
        self.setFocus()
        self._go(self._value_at(event))

    def _drag(self, event: Any) -> None:
        if self._held:
            self._go(self._value_at(event))

    def _let_go(self, event: Any) -> None:
        if event.button == MouseButton.LEFT and self._held:
            self._held = False
            self._go(self._value_at(event))
            self.released.emit(self.threshold)

    def _value_at(self, event: Any) -> float:
        assert self.values is not None
        place = self.axes.transData.inverted().transform((event.x, event.y))[0]
        return self.values.scale.value(float(place))

    def _go(self, threshold: float) -> None:
        self.move_to(rounded(threshold, self.values))
        self.dragged.emit(self.threshold)

    def keyPressEvent(self, event: Any) -> None:
        """Move the line by the arrow keys."""
        side = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key())
        if side is None or self.values is None or self.threshold is None:
            event.ignore()  # the panel may know it
            return
        large = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        scale = self.values.scale
        step = (scale.high - scale.low) * (_LARGE_STEP if large else _SMALL_STEP)
        place = float(scale.place(self.threshold)) + side * step
        moved = rounded(scale.value(place), self.values)
        if moved == self.threshold:  # the step is finer than the last digit
            moved = rounded(self.threshold + side * 10.0 ** -decimals(self.values), self.values)
        self.move_to(moved)
        self._keys_rest.start()
        self.dragged.emit(moved)
        event.accept()


def _alike(one: "GateValues", other: "GateValues") -> bool:
    """Whether two histograms would look the same."""
    return (
        (one.gate, one.scale, one.proposals) == (other.gate, other.scale, other.proposals)
        and np.array_equal(one.counts, other.counts)
        and np.array_equal(one.beside, other.beside)
    )


def decimals(values: "GateValues") -> int:
    """Return the decimals in which thresholds of a gate are given: about four digits."""
    scale = values.scale
    finest = abs(scale.value((scale.low + scale.high) / 2) - scale.value(scale.low))
    digits = 3
    while finest > 0 and digits > -3 and finest * 10 ** (digits - 3) >= 1:
        digits -= 1
    while finest > 0 and digits < 9 and finest * 10 ** (digits - 2) < 1:
        digits += 1
    return max(digits, 0)


def rounded(threshold: float, values: "GateValues | None") -> float:
    """Return a threshold as it is shown, so that what is stored is what is read."""
    return threshold if values is None else round(threshold, decimals(values))


def _root(counts: Any) -> Any:
    """Return the square root: few bright cells stay in sight beside many dim ones."""
    return np.sqrt(np.maximum(counts, 0))


def _square(heights: Any) -> Any:
    return heights**2
