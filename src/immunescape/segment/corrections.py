"""Merging, cutting and removing cells of stored label images, as a person asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, Plane, Progress, iter_blocks, silent
from immunescape.io.edits import Edit, Outcome

__all__ = ["LEAST_PART_PX", "NO_CELL", "OUTSIDE", "Corrected", "correct_labels", "labels_at"]

LEAST_PART_PX = 20
"""Pixels of a cell that a cut must leave on either side; less is a slip of the hand."""

NO_CELL = "no cell lies there"
OUTSIDE = "it lies outside the slide"

_SCAN_PX = 1024
_WIDEST_PX = 2048
_LARGEST = np.iinfo(np.int32).max
_NEAR_PX = 0.75  # a pixel's centre lies at most √½ from a line that passes through the pixel

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Corrected:
    """What became of corrections to label images.

    Parameters
    ----------
    outcomes
        One for each correction, in order.
    labels
        Labels of the cells that they made or changed.
    """

    outcomes: tuple[Outcome, ...] = ()
    labels: frozenset[int] = frozenset()


def labels_at(
    plane: Plane, points_um: npt.NDArray[np.float64], pixel_size_um: float, block_px: int = _SCAN_PX
) -> npt.NDArray[np.int64]:
    """Read the labels at positions; each block of the image is read at most once.

    Parameters
    ----------
    plane
        ``(y, x)`` labels, 0 is background.
    points_um
        ``(n, 2)`` of x and y in µm from the outer corner of the first pixel. A position on the
        edge between two pixels belongs to the right or lower one.
    pixel_size_um
        Edge of a pixel.
    block_px
        Edge of what is read at once.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` int64; -1 where a position lies outside the image.
    """
    height, width = int(plane.shape[-2]), int(plane.shape[-1])
    found = np.full(len(points_um), -1, np.int64)
    if not len(points_um):
        return found
    pixel = np.floor(np.asarray(points_um, np.float64) / pixel_size_um)
    within = ((pixel >= 0) & (pixel < (width, height))).all(axis=1)
    column, row = pixel[within].astype(np.int64).T
    labels = np.zeros(len(row), np.int64)
    block = (row // block_px) * (width // block_px + 1) + column // block_px
    for number in np.unique(block):
        here = block == number
        y0, x0 = row[here].min(), column[here].min()
        part = np.asarray(plane[y0 : row[here].max() + 1, x0 : column[here].max() + 1])
        labels[here] = part[row[here] - y0, column[here] - x0]
    found[within] = labels
    return found


def correct_labels(
    nuclei: Any,
    cells: Any,
    edits: Sequence[Edit],
    pixel_size_um: float,
    *,
    gap_px: int = 0,
    least_px: int = LEAST_PART_PX,
    block_px: int = _SCAN_PX,
    progress: Progress = silent,
) -> Corrected:
    """Replay merges, cuts and removals, one after the other, in label images.

    The images are read once, block by block, to learn how far the cells in question reach; only
    the pixels around these are read again and written.

    Parameters
    ----------
    nuclei, cells
        Writable ``(y, x)`` int32, 0 is background; a nucleus has the label of its cell, and what
        happens to a cell happens to its nucleus. ``nuclei`` may be None.
    edits
        Rows of the actions ``merge``, ``split`` and ``delete`` in the order they were made. Their
        positions are looked up in the cells as the rows before have left them.
    pixel_size_um
        Edge of a pixel.
    gap_px
        Widest strip of background across which two cells still touch, as for contacts.
    least_px
        Pixels of a cell that a cut must leave on either side.
    block_px
        Edge of what is read at once; changes nothing but memory.
    progress
        Called as the work goes on.

    Returns
    -------
    Corrected
        A row is not applied, and says why, where its position holds no cell, a merge names one
        cell twice or two that share no edge of a pixel across the gap, or a cut misses its cell or
        leaves too little of it.

    Notes
    -----
    A merged cell has the label of the cell that is named first. Background that lies between the
    two along a row or a column, no wider than `gap_px`, becomes part of it: no border is left
    within. A cut runs along the whole
    straight line through its two points, and must pass through the cell between them; pixels
    whose centre is on the line go with those on the left hand of who walks it from the upper point
    down, or from left to right. The part with more pixels keeps the label, of equal ones that
    with the first pixel in the order of rows; the other gets a number above all that are there,
    in the order of the rows of `edits`. A part without a pixel of the nucleus is a cell without
    nucleus. Where a cell is removed, its neighbours do not grow.
    """
    if not edits:
        return Corrected()
    planes = _Planes.of(nuclei, cells, edits, pixel_size_um, block_px, progress)
    changed: set[int] = set()
    outcomes = []
    for edit in edits:
        label, why = planes.cell_at((edit.x_um, edit.y_um))
        if not why:
            if edit.action == "merge":
                why = _merge(planes, label, edit, gap_px, changed)
            elif edit.action == "split":
                why = _split(planes, label, edit, least_px, changed)
            elif edit.action == "delete":
                why = _delete(planes, label, changed)
            else:
                raise ValueError(f"{edit.action} is no correction of labels")
        outcomes.append(Outcome(edit, why))
    return Corrected(tuple(outcomes), frozenset(changed))


@dataclass(eq=False)
class _Planes:
    """Both label images, and how far the cells reach that corrections are about."""

    nuclei: Any
    cells: Any
    pixel_um: float
    boxes: dict[int, Block] = field(default_factory=dict)
    largest: int = 0

    @classmethod
    def of(
        cls,
        nuclei: Any,
        cells: Any,
        edits: Sequence[Edit],
        pixel_um: float,
        block_px: int,
        progress: Progress,
    ) -> "_Planes":
        """Read both images once."""
        planes = cls(nuclei, cells, pixel_um)
        points = [(e.x_um, e.y_um) for e in edits]
        points += [(e.numbers[0], e.numbers[1]) for e in edits if e.action == "merge"]
        found = labels_at(cells, np.array(points), pixel_um)
        # cells that corrections make are made of these: no other is ever looked at
        wanted = np.unique(found[found > 0]).astype(np.int32)
        blocks = list(iter_blocks((cells.shape[-2], cells.shape[-1]), block_px))
        for done, block in enumerate(blocks, start=1):
            for plane in planes._both():
                planes._look(np.asarray(plane[block.slices]), block, wanted)
            progress("correct labels", done, len(blocks))
        return planes

    def _both(self) -> Iterable[Any]:
        return (self.cells,) if self.nuclei is None else (self.cells, self.nuclei)

    def _look(self, labels: Labels, block: Block, wanted: Labels) -> None:
        if not labels.size:
            return
        self.largest = max(self.largest, int(labels.max()))
        rows, columns = np.nonzero(np.isin(labels, wanted))
        self.note(labels[rows, columns], rows + block.y0, columns + block.x0)

    def note(
        self, labels: Labels, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> None:
        """Widen the boxes of labels to hold their pixels."""
        if not len(labels):
            return
        order = np.argsort(labels, kind="stable")
        names, first = np.unique(labels[order], return_index=True)
        sides = [
            side.reduceat(at[order], first)
            for at in (rows, columns)
            for side in (np.minimum, np.maximum)
        ]
        for label, y0, y1, x0, x1 in np.column_stack([names, *sides]).tolist():
            box = Block(y0, y1 + 1, x0, x1 + 1)
            self.boxes[label] = _around(self.boxes.get(label, box), box)

    def cell_at(self, point_um: tuple[float, float]) -> tuple[int, str]:
        """Return the label at a position, or why there is none."""
        label = int(labels_at(self.cells, np.array([point_um]), self.pixel_um)[0])
        if label < 0:
            return 0, OUTSIDE
        if label and max(self.boxes[label].shape) > _WIDEST_PX:
            return 0, f"the pieces of its cell lie over {_WIDEST_PX} pixels apart"
        return label, "" if label else NO_CELL

    def read(self, box: Block) -> list[Labels]:
        """Return the pixels of a box in cells and, where there are some, nuclei."""
        return [np.array(plane[box.slices]) for plane in self._both()]

    def write(self, box: Block, parts: list[Labels]) -> None:
        """Put pixels back."""
        for plane, part in zip(self._both(), parts, strict=True):
            plane[box.slices] = part


def _around(one: Block, other: Block) -> Block:
    return Block(
        min(one.y0, other.y0), max(one.y1, other.y1), min(one.x0, other.x0), max(one.x1, other.x1)
    )


def _merge(planes: _Planes, label: int, edit: Edit, gap_px: int, changed: set[int]) -> str:
    other, why = planes.cell_at((edit.numbers[0], edit.numbers[1]))
    if why:
        return f"at the second position, {why}"
    if other == label:
        return "both positions lie in one cell"
    box = _around(planes.boxes[label], planes.boxes[other])
    near = max(box.shape) <= 2 * _WIDEST_PX  # what is wider cannot touch: none of it is read
    parts = planes.read(box) if near else []
    if not near or not _join(parts[0], label, other, gap_px):
        return "the two cells do not touch"
    for part in parts:
        part[part == other] = label
    planes.write(box, parts)
    planes.boxes[label] = box
    del planes.boxes[other]
    changed.discard(other)
    changed.add(label)
    return ""


def _join(cells: Labels, label: int, other: int, gap_px: int) -> bool:
    """Fill what lies between two cells with the label of the first; tell whether they touch."""
    one, two, free = cells == label, cells == other, cells == 0
    between = np.zeros(cells.shape, bool)
    touch = False
    for a, b, open_, fill in ((one, two, free, between), (one.T, two.T, free.T, between.T)):
        for width in range(gap_px + 1):
            last = len(a) - width - 1
            if last < 1:
                break
            meet = (a[:last] & b[width + 1 :]) | (b[:last] & a[width + 1 :])
            for k in range(1, width + 1):
                meet &= open_[k : last + k]
            for k in range(1, width + 1):
                fill[k : last + k] |= meet
            touch |= bool(meet.any())
    cells[between] = label
    return touch


def _split(planes: _Planes, label: int, edit: Edit, least_px: int, changed: set[int]) -> str:
    box = planes.boxes[label]
    parts = planes.read(box)
    cell = parts[0] == label
    beyond, near = _cut(box, edit, planes.pixel_um)
    there, here = cell & beyond, cell & ~beyond
    sizes = int(here.sum()), int(there.sum())
    if not min(sizes) or not (cell & near).any():
        return "the line misses the cell"
    if min(sizes) < least_px:
        return f"it would leave a part of {min(sizes)} pixels; {least_px} are needed"
    if planes.largest >= _LARGEST:
        return "no number is left for the new cell"
    planes.largest += 1
    stays = (sizes[0], -_first(here)) > (sizes[1], -_first(there))
    new = beyond if stays else ~beyond
    for part in parts:
        part[(part == label) & new] = planes.largest
    planes.write(box, parts)
    del planes.boxes[label]
    for part in parts:
        rows, columns = np.nonzero((part == label) | (part == planes.largest))
        planes.note(part[rows, columns], rows + box.y0, columns + box.x0)
    changed.update((label, planes.largest))
    return ""


def _first(mask: Mask) -> int:
    return int(np.argmax(mask.ravel()))


def _cut(box: Block, edit: Edit, pixel_um: float) -> tuple[Mask, Mask]:
    """Tell which pixels of a box lie beyond a line, and which the drawn part of it passes."""
    x0, y0, x1, y1 = edit.numbers
    if (y1, x1) < (y0, x0):  # which end was drawn first decides nothing
        x0, y0, x1, y1 = x1, y1, x0, y0
    y = (np.arange(box.y0, box.y1)[:, None] + 0.5) * pixel_um
    x = (np.arange(box.x0, box.x1)[None, :] + 0.5) * pixel_um
    dx, dy = x1 - x0, y1 - y0
    beyond = dx * (y - y0) - dy * (x - x0) > 0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    return beyond, distance <= _NEAR_PX * pixel_um


def _delete(planes: _Planes, label: int, changed: set[int]) -> str:
    box = planes.boxes[label]
    parts = planes.read(box)
    for part in parts:
        part[part == label] = 0
    planes.write(box, parts)
    del planes.boxes[label]
    changed.discard(label)
    return ""
