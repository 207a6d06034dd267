"""Cells full of pigment: bright in every marker at once, also where a marker does not belong."""

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.panel import Panel

__all__ = ["pigmented_cells"]

_FEWEST_MARKERS = 3
_DARK, _BRIGHT = 5, 99.5
_SHARE = 0.15


def pigmented_cells(cells: CellTable, panel: Panel, share: float = _SHARE) -> npt.NDArray[np.bool_]:
    """Tell which cells are bright in every marker.

    A cell is where the mean of its cytoplasm, in each marker of the panel, rises above that of the
    darkest cells by at least ``share`` of what the brightest of the marker's own compartment do:
    no cell has SOX10 in its cytoplasm, nor CD8 and SOX10 at once, but melanin glows in all of it.
    Lipofuscin and red cells look the same.

    Parameters
    ----------
    cells
        Measurements, with ``<marker>_cytoplasm_mean`` and ``<marker>_<compartment>_mean``. Where
        the cytoplasm has no value that of the whole cell is taken.
    panel
        The stains. With fewer than three markers, bright in every one means little: no cell is
        told.
    share
        See above.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` bool in the order of the rows; False where a marker has no value.
    """
    markers = [s for s in panel.markers if f"{s.marker}_cell_mean" in cells]
    if len(markers) < _FEWEST_MARKERS or not len(cells):
        return np.zeros(len(cells), bool)
    pigmented = np.ones(len(cells), bool)
    for stain in markers:
        whole = cells[f"{stain.marker}_cell_mean"].to_numpy(np.float64)
        inside = whole
        if f"{stain.marker}_cytoplasm_mean" in cells:
            inside = cells[f"{stain.marker}_cytoplasm_mean"].to_numpy(np.float64)
            inside = np.where(np.isfinite(inside), inside, whole)
        own = inside
        if f"{stain.marker}_{stain.compartment}_mean" in cells:
            own = cells[f"{stain.marker}_{stain.compartment}_mean"].to_numpy(np.float64)
        if not (np.isfinite(inside).any() and np.isfinite(own).any()):
            return np.zeros(len(cells), bool)
        bright = np.nanpercentile(own, _BRIGHT) - np.nanpercentile(own, _DARK)
        above = inside - np.nanpercentile(inside, _DARK)
        pigmented &= np.nan_to_num(above, nan=-np.inf) >= share * bright
        pigmented &= np.nan_to_num(above, nan=-np.inf) > 0
    return pigmented
