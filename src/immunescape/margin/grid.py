"""The working grid: a mask in cells of a stated edge, cut off exactly at the frame."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

if TYPE_CHECKING:
    from immunescape.slide import Imaged

__all__ = ["Gaps", "GridMask", "grid_shape", "number_pieces", "rasterise"]


def grid_shape(frame: tuple[float, float], grid_um: float) -> tuple[int, int]:
    """Return rows and columns of the grid that covers a frame of ``(width, height)`` in µm."""
    width, height = frame
    return (
        max(int(np.ceil(height / grid_um - 1e-9)), 1),
        max(int(np.ceil(width / grid_um - 1e-9)), 1),
    )


@dataclass(frozen=True, eq=False)
class Gaps:
    """Where a slide was not imaged, on the working grid.

    Parameters
    ----------
    mask
        ``(y, x)`` bool, True where there is no image; at least once.
    grid_um
        Edge of a cell in µm.
    """

    mask: npt.NDArray[np.bool_]
    grid_um: float

    @cached_property
    def distance_um(self) -> npt.NDArray[np.float32]:
        """Distance of the middle of each cell to the nearest gap, 0 within one, ``(y, x)``.

        A gap begins half a step before the middle of its first cell; at its corners, where it
        begins farther off, the distance is less than the true one by at most a fifth of a step.
        """
        from scipy import ndimage as ndi

        steps = ndi.distance_transform_edt(~self.mask).astype(np.float32)
        return np.asarray(np.maximum(steps - np.float32(0.5), 0) * np.float32(self.grid_um))


@dataclass(frozen=True, eq=False)
class GridMask:
    """A mask on the working grid, anchored at the slide's origin.

    Parameters
    ----------
    mask
        ``(y, x)`` bool. Cell (i, j) covers ``j * grid_um <= x < (j + 1) * grid_um``, likewise in
        y; those of the last row and column end at the frame.
    grid_um
        Edge of a cell in µm.
    frame_um
        Width and height of the slide in µm.
    gaps
        Where the slide was not imaged; None if it was everywhere.

    Raises
    ------
    ValueError
        If the mask has not just the rows and columns that cover the frame.

    Examples
    --------
    >>> whole = GridMask(np.ones((2, 3), bool), 2.0, (5.0, 4.0))
    >>> whole.area_um2()
    20.0
    """

    mask: npt.NDArray[np.bool_]
    grid_um: float
    frame_um: tuple[float, float]
    gaps: Gaps | None = None

    def __post_init__(self) -> None:
        if self.mask.shape != grid_shape(self.frame_um, self.grid_um):
            raise ValueError(
                f"a grid of {self.grid_um} µm over {self.frame_um} µm has "
                f"{grid_shape(self.frame_um, self.grid_um)} cells, not {self.mask.shape}"
            )

    @classmethod
    def whole(cls, frame: tuple[float, float], grid_um: float = 2.0) -> "GridMask":
        """Return the mask that covers the whole frame."""
        return cls(np.ones(grid_shape(frame, grid_um), bool), grid_um, frame)

    def of_imaged(self, imaged: "Imaged | None", pixel_size_um: float) -> "GridMask":
        """Return the mask less what was not imaged, which it remembers; see `Slide.imaged`.

        A cell was imaged where its middle was.
        """
        if imaged is None:
            return self
        seen = imaged.at(self.x_um, self.y_um, pixel_size_um)
        if seen.all():
            return self
        return GridMask(self.mask & seen, self.grid_um, self.frame_um, Gaps(~seen, self.grid_um))

    @cached_property
    def widths_um(self) -> npt.NDArray[np.float64]:
        """Width of each column; the last may be cut by the frame."""
        return _lengths(self.mask.shape[1], self.grid_um, self.frame_um[0])

    @cached_property
    def heights_um(self) -> npt.NDArray[np.float64]:
        """Height of each row; the last may be cut by the frame."""
        return _lengths(self.mask.shape[0], self.grid_um, self.frame_um[1])

    @cached_property
    def x_um(self) -> npt.NDArray[np.float64]:
        """Middle of each column, of the part within the frame."""
        return np.arange(self.mask.shape[1]) * self.grid_um + self.widths_um / 2

    @cached_property
    def y_um(self) -> npt.NDArray[np.float64]:
        """Middle of each row, of the part within the frame."""
        return np.arange(self.mask.shape[0]) * self.grid_um + self.heights_um / 2

    def area_um2(self) -> float:
        """Area of the mask in µm²; that of a full mask is the area of the frame."""
        by_column = np.einsum("i,ij->j", self.heights_um, self.mask)
        return float(by_column @ self.widths_um)

    def index(self, points_um: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], ...]:
        """Return row and column of ``(n, 2)`` points; those beyond the frame get its last cell."""
        cell = np.floor(points_um / self.grid_um).astype(np.intp)
        rows, columns = self.mask.shape
        return np.clip(cell[:, 1], 0, rows - 1), np.clip(cell[:, 0], 0, columns - 1)

    def at(self, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Tell for ``(n, 2)`` points whether their cell is set; False beyond the frame."""
        width, height = self.frame_um
        x, y = points_um.T
        on_slide = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
        return np.asarray(self.mask[self.index(points_um)] & on_slide, bool)

    def with_mask(self, mask: npt.NDArray[np.bool_]) -> "GridMask":
        """Return another mask on the same grid."""
        return GridMask(mask, self.grid_um, self.frame_um, self.gaps)


def _lengths(number: int, grid_um: float, total_um: float) -> npt.NDArray[np.float64]:
    lengths = np.full(number, grid_um)
    lengths[-1] = total_um - (number - 1) * grid_um
    return lengths


def rasterise(shape: BaseGeometry, like: GridMask) -> GridMask:
    """Return the grid cells whose middle lies in an area.

    Parameters
    ----------
    shape
        Polygons in µm, holes respected; may reach beyond the frame. An empty one gives an empty
        mask, lines have no area.
    like
        Any mask on the wanted grid.
    """
    rows, columns = like.mask.shape
    crossings = np.zeros((rows, columns + 1), np.int8)
    for polygon in shapely.get_parts(shape):
        for ring in shapely.get_rings(polygon):
            _add_crossings(crossings, shapely.get_coordinates(ring), like)
    # Only whether the number is odd matters: wrapping around in int8 does no harm.
    np.cumsum(crossings, axis=1, out=crossings)
    return like.with_mask((crossings[:, :-1] & 1).astype(bool))


def _add_crossings(
    crossings: npt.NDArray[np.int8], ring: npt.NDArray[np.float64], like: GridMask
) -> None:
    """Count in each row the outline's crossings of its middle, at the first column beyond."""
    start, end = ring[:-1], ring[1:]
    upper = np.minimum(start[:, 1], end[:, 1])
    lower = np.maximum(start[:, 1], end[:, 1])
    first = np.searchsorted(like.y_um, upper, side="left")
    count = np.searchsorted(like.y_um, lower, side="left") - first
    edge = np.repeat(np.arange(len(start)), count)
    if not len(edge):
        return
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    row = first[edge] + within
    rise = end[edge] - start[edge]
    along = (like.y_um[row] - start[edge, 1]) / rise[:, 1]
    column = np.searchsorted(like.x_um, start[edge, 0] + along * rise[:, 0], side="left")
    flat = np.bincount(row * crossings.shape[1] + column)
    where = np.nonzero(flat & 1)[0]
    crossings.reshape(-1)[where] ^= 1


def number_pieces(tissue: GridMask) -> npt.NDArray[Any]:
    """Return the number of each connected piece of tissue, the largest is 1.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` of the smallest unsigned type that holds the number of pieces; 0 is off the
        tissue. Cells that touch by a corner are connected; of equal pieces the upper one is first.
    """
    from scipy import ndimage as ndi

    labels, number = ndi.label(tissue.mask, np.ones((3, 3), bool))
    sizes = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    renumber = np.zeros(number + 1, np.min_scalar_type(number))
    renumber[order + 1] = np.arange(1, number + 1)
    return np.asarray(renumber[labels])
