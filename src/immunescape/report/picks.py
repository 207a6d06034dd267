"""The cells behind a number: which cells of the table a bar or a fraction counts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.report.wording import PDL1_TITLES, PHENOTYPE_TITLES, region_title
from immunescape.results import REGION_NAMES
from immunescape.spatial.kinds import PDL1_STATUS, PHENOTYPES, REGION_MEMBERS, kinds_of

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable

__all__ = ["Pick", "Picker", "pick_text", "touching_labels"]


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Some cells of a slide, by the words of its tables.

    Parameters
    ----------
    phenotype
        ``any`` or one of the four.
    pdl1
        ``any``, ``positive`` or ``negative``; a cell whose PD-L1 is missing is ``any`` alone.
    region
        One of the seven regions.
    touching
        Whether the cells touch a CD8 T cell; None takes both.
    band_um
        Distances to the margin, ``from <= distance < to``; cells nearer to the frame than to the
        interface are then left out, as in the bands of the table. None takes all.
    """

    phenotype: str = "any"
    pdl1: str = "any"
    region: str = "tissue"
    touching: bool | None = None
    band_um: tuple[float, float] | None = None


class Picker:
    """Finds the cells of picks, of one cell table, again and again.

    Parameters
    ----------
    cells
        The cell table of a result; it is looked through once.
    """

    def __init__(self, cells: "CellTable") -> None:
        self.cells = cells
        self._kinds = kinds_of(cells)
        # a missing answer counts as not touching, as it does in the tables
        self._touching = _flags(cells, "touching_cd8")
        self._edge = _flags(cells, "edge_censored")
        self._distance = np.full(len(cells), np.nan)
        if "distance_to_margin_um" in cells:
            self._distance = cells["distance_to_margin_um"].to_numpy(np.float64)

    def mask(self, pick: Pick) -> npt.NDArray[np.bool_]:
        """Return ``(n,)`` which cells a pick means; their number is the count of the tables."""
        kinds = self._kinds
        wanted: npt.NDArray[np.bool_] = REGION_MEMBERS[REGION_NAMES.index(pick.region)].astype(bool)
        mask = wanted[kinds.region]
        if pick.phenotype != "any":
            mask &= kinds.phenotype == PHENOTYPES.index(pick.phenotype)
        if pick.pdl1 != "any":
            mask &= kinds.pdl1 == PDL1_STATUS.index(pick.pdl1)
        if pick.touching is not None:
            mask &= self._touching == pick.touching
        if pick.band_um is not None:
            low, high = pick.band_um
            mask &= (self._distance >= low) & (self._distance < high) & ~self._edge
        return mask

    def in_order(self, pick: Pick, strip_um: float = 200.0) -> npt.NDArray[np.int64]:
        """Return the labels of a pick along strips of the slide, to and fro, from the top.

        So a person who looks at one after the other goes a short way from each to the next.
        """
        points = self.cells.points_um[mask := self.mask(pick)]
        strip = np.floor(points[:, 1] / strip_um).astype(np.int64)
        along = np.where(strip % 2 == 0, points[:, 0], -points[:, 0])
        order = np.lexsort((points[:, 1], along, strip))
        return np.asarray(self.cells.labels[mask][order])


def touching_labels(pairs: "pd.DataFrame", label: int) -> npt.NDArray[np.int64]:
    """Return the labels of the cells in contact with a cell, in rising order.

    Parameters
    ----------
    pairs
        A row a pair with ``label_a`` and ``label_b``, each pair once.
    label
        The cell.
    """
    a, b = (pairs[c].to_numpy(np.int64) for c in ("label_a", "label_b"))
    return np.sort(np.concatenate([b[a == label], a[b == label]]))


def pick_text(pick: Pick) -> str:
    """Return a pick in words.

    Examples
    --------
    >>> pick_text(Pick(phenotype="tumour", pdl1="negative", region="centre", touching=True))
    'PD-L1-negative tumour cells touching CD8, centre'
    >>> pick_text(Pick(phenotype="cd8_t", band_um=(-20, 0)))
    'CD8 T cells, -20 to 0 µm from the margin'
    """
    words = " ".join(filter(None, (PDL1_TITLES[pick.pdl1], PHENOTYPE_TITLES[pick.phenotype])))
    if pick.touching is not None:
        words += " touching CD8" if pick.touching else " not touching CD8"
    if pick.band_um is not None:
        low, high = pick.band_um
        words += f", {low:g} to {high:g} µm from the margin"
    if pick.region != "tissue":
        words += f", {region_title(pick.region)}"
    return words


def _flags(cells: "CellTable", column: str) -> npt.NDArray[np.bool_]:
    if column not in cells:
        return np.zeros(len(cells), bool)
    return np.asarray(cells[column].astype("boolean").fillna(False).to_numpy(bool))
