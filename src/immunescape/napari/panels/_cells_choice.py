"""The chosen cells, and what can be done to them: each correction a row of the log."""

from typing import TYPE_CHECKING, Any

from immunescape.napari.panels._cells_card import call_of
from immunescape.napari.panels._cells_crop import crop_around
from immunescape.napari.panels._cells_pending import gone_and_joined, with_calls

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.io.edits import Edit
    from immunescape.napari.panels._cells_crop import Crop
    from immunescape.napari.panels._cells_log import CorrectionLog

__all__ = ["Choice"]


class Choice:
    """None, one or two cells of the result, as they are with the corrections that wait.

    Parameters
    ----------
    log
        The corrections.
    """

    def __init__(self, log: "CorrectionLog") -> None:
        self.log = log
        self.cells: CellTable | None = None
        self.crop: Crop | None = None
        self.labels: list[int] = []
        self.gone: frozenset[int] = frozenset()
        self.joined: dict[int, int] = {}
        self._at = (0.0, 0.0)

    def follow(self) -> None:
        """Take the corrections in as they are now; cells that they removed are chosen no more."""
        finished = self.log.session.finished
        if finished is None:
            self.cells = None
            self.clear()
            return
        self.cells = with_calls(finished, self.log.edits, self.log.made_with)
        self.gone, self.joined = gone_and_joined(finished, self.log.pending)
        if self.crop is not None:
            self.crop = crop_around(finished, self._at, self.log.pending)
        there = set() if self.crop is None else set(self.crop.labels.ravel().tolist())
        self.labels = [label for label in self.labels if label in there]

    def clear(self) -> None:
        """Choose no cell."""
        self.crop, self.labels = None, []

    def choose(self, at_um: tuple[float, float]) -> None:
        """Choose the cell at x and y of the slide; none where there is none."""
        finished = self.log.session.finished
        self.clear()
        if finished is None:
            return
        crop = crop_around(finished, at_um, self.log.pending)
        label = 0 if crop is None else crop.at(*at_um)
        if label > 0:
            self.crop, self.labels, self._at = crop, [label], at_um

    def add(self, at_um: tuple[float, float]) -> str:
        """Choose a second cell, or no longer; return why it cannot be, if so."""
        if self.crop is None or not self.labels:
            self.choose(at_um)
            return ""
        label = self.crop.at(*at_um)
        if label < 0:
            return "the second cell is too far away to touch the first"
        if label in self.labels:
            self.labels = self.labels[:1]
        elif label:
            self.labels = [self.labels[0], label]
        return ""

    @property
    def calls(self) -> dict[str, str]:
        """Call of the first chosen cell by marker; none for a cell that is not measured yet."""
        row = self._row()
        if row is None:
            return {}
        names = [str(c) for c in row.index if str(c).endswith("_positive")]
        return {c.removesuffix("_positive"): call_of(row[c]) for c in names}

    def _row(self, label: int = 0) -> Any:
        label = label or (self.labels[0] if self.labels else 0)
        if self.cells is None or label not in self.cells.frame.index:
            return None
        return self.cells.frame.loc[label]

    def place(self, label: int) -> tuple[float, float]:
        """Return a position within a cell: its centroid where that lies in it."""
        assert self.crop is not None
        row = self._row(label)
        near = self._at if row is None else (float(row["x_um"]), float(row["y_um"]))
        return near if self.crop.at(*near) == label else self.crop.place_in(label, near)

    def call(self, key: str, value: str, told: dict[str, Any]) -> None:
        """Set a marker or the phenotype of the chosen cell; what it is already is no correction."""
        row = self._row()
        if len(self.labels) != 1 or row is None:
            return
        was = str(row["phenotype"]) if key == "phenotype" else call_of(row[f"{key}_positive"])
        if was != value:
            place = self.place(self.labels[0])
            self.log.add(self.log.edits.call(*place, key, value, before=was, **told))

    def delete(self, told: dict[str, Any]) -> str:
        """Remove the chosen cell; return why not, if so."""
        if len(self.labels) != 1:
            return ""
        place = self.place(self.labels[0])
        return self._try(self.log.edits.delete(*place, before=self._was(), **told))

    def merge(self, told: dict[str, Any]) -> str:
        """Make the two chosen cells one; return why not, if so."""
        if len(self.labels) != 2:
            return ""
        one, other = (self.place(label) for label in self.labels)
        return self._try(self.log.edits.merge(*one, other, before="2 cells", **told))

    def split(self, line_um: tuple[float, float, float, float], told: dict[str, Any]) -> str:
        """Cut the chosen cell along a line ``x0, y0, x1, y1``; return why not, if so."""
        if len(self.labels) != 1:
            return ""
        place = self.place(self.labels[0])
        return self._try(self.log.edits.split(*place, line_um, before=self._was(), **told))

    def _was(self) -> str:
        row = self._row()
        return "1 cell" if row is None else str(row["phenotype"])

    def _try(self, row: "Edit") -> str:
        """Add a correction of labels, unless it cannot be applied to the cells as they are."""
        finished = self.log.session.finished
        assert finished is not None
        after = crop_around(finished, self._at, (*self.log.pending, row))
        why = "" if after is None else after.why_not.get(row.time, "")
        if not why:
            self.log.add(row)
        return why
