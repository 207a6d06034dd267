"""Label images that look like tissue, of any size, made block by block."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block


@dataclass(frozen=True)
class Tissue:
    """Cells like tissue: pixels belong to the nearest of jittered centres, up to a radius.

    One cell for each field of a grid; label ``row * columns + column + 1``. Most cells touch
    their neighbours, some leave gaps, and a nucleus fills the middle of each.

    Parameters
    ----------
    rows, columns
        Fields of the grid.
    shape
        Height and width in pixels.
    seed
        Of the jitter and the radii.
    """

    rows: int
    columns: int
    shape: tuple[int, int]
    seed: int = 0

    @classmethod
    def of_cells(cls, cells: int, pitch_px: int = 20, seed: int = 0) -> "Tissue":
        """Return about as many cells in a square, ``pitch_px`` from one to the next."""
        edge = round(cells**0.5)
        return cls(edge, edge, (edge * pitch_px, edge * pitch_px), seed)

    @property
    def pitch(self) -> npt.NDArray[np.float64]:
        """Height and width of a field of the grid in pixels."""
        return np.array([self.shape[0] / self.rows, self.shape[1] / self.columns])

    @cached_property
    def centres(self) -> npt.NDArray[np.float64]:
        """``(n, 2)`` y and x in pixels."""
        rng = np.random.default_rng(self.seed)
        field = np.argwhere(np.ones((self.rows, self.columns)))
        return (field + rng.uniform(0.1, 0.9, field.shape)) * self.pitch

    @cached_property
    def radii(self) -> npt.NDArray[np.float64]:
        """``(n,)`` radius of each cell in pixels."""
        rng = np.random.default_rng([self.seed, 1])
        return rng.uniform(0.5, 0.75, self.rows * self.columns) * self.pitch.mean()

    def labels(self, block: Block) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return nuclei and cells of a block, the nuclei with the labels of their cells."""
        return _draw(
            block.y0, block.y1, block.x0, block.x1, self.rows, self.columns, *self.pitch,
            self.centres, self.radii,
        )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _draw(y0, y1, x0, x1, rows, columns, pitch_y, pitch_x, centres, radii):
    nuclei = np.zeros((y1 - y0, x1 - x0), np.int32)
    cells = np.zeros((y1 - y0, x1 - x0), np.int32)
    for y in range(y0, y1):
        row = int((y + 0.5) / pitch_y)
        for x in range(x0, x1):
            column = int((x + 0.5) / pitch_x)
            best = np.inf
            nearest = -1
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    k = r * columns + c
                    dy = y + 0.5 - centres[k, 0]
                    dx = x + 0.5 - centres[k, 1]
                    far = dy * dy + dx * dx
                    if far < best:
                        best = far
                        nearest = k
            if best < radii[nearest] ** 2:
                cells[y - y0, x - x0] = nearest + 1
                if best < (0.6 * radii[nearest]) ** 2:
                    nuclei[y - y0, x - x0] = nearest + 1
    return nuclei, cells
