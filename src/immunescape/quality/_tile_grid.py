"""The tiles of a slide that are compared with each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TileGrid"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TileGrid:
    """Equal tiles that cover a slide: as many as come nearest to the wanted edge.

    Examples
    --------
    >>> grid = TileGrid.of((100, 230), 0.5, 50.0)
    >>> grid.shape, grid.height_um, grid.width_um
    ((1, 2), 50.0, 57.5)
    """

    shape: tuple[int, int]
    height_um: float
    width_um: float

    @classmethod
    def of(cls, shape_px: tuple[int, int], pixel_um: float, tile_um: float) -> "TileGrid":
        """Return the tiles of a slide of so many pixels."""
        lengths = [n * pixel_um for n in shape_px]
        rows, columns = (max(round(length / tile_um), 1) for length in lengths)
        return cls((rows, columns), lengths[0] / rows, lengths[1] / columns)

    def rows(self, y_um: Floats) -> npt.NDArray[np.intp]:
        """Return the row in which each y lies; those beyond the frame get the nearest."""
        return np.clip((y_um / self.height_um).astype(np.intp), 0, self.shape[0] - 1)

    def columns(self, x_um: Floats) -> npt.NDArray[np.intp]:
        """Return the column in which each x lies; those beyond the frame get the nearest."""
        return np.clip((x_um / self.width_um).astype(np.intp), 0, self.shape[1] - 1)
