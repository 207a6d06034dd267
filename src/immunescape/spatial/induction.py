"""P values of PD-L1 induction: CD8 identity relabelled near where it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.results import RegionAreas
from immunescape.spatial.density import band_of
from immunescape.spatial.kinds import PHENOTYPES, REGION_MEMBERS, Kinds
from immunescape.spatial.permutation import permutation_p, relabelling_strata

__all__ = ["induction_p"]

_OF = ("tumour", "other")
_LEFT_OUT = -2


def induction_p(
    cells: CellTable,
    kinds: Kinds,
    areas: RegionAreas,
    ends: tuple[Any, Any],
    *,
    seed: int,
) -> tuple[dict[str, npt.NDArray[np.float64]] | None, str]:
    """Return the p values of the log odds ratio of PD-L1 by contact.

    Parameters
    ----------
    cells, kinds
        Cells with centroids and, where there is an interface, ``distance_to_margin_um``.
    areas
        Their ``bands``; where there are none, identity is relabelled within 50 µm blocks alone.
    ends
        Positions of both cells of each contact.
    seed
        Of the relabelling; the order of the cells does not matter.

    Returns
    -------
    p_values
        ``(7,)`` by phenotype ``tumour`` and ``other``; None where relabelling changes nothing.
    reason
        Why there is none; empty where there is one. A cell left out of the regions is relabelled
        among its like alone.
    """
    cd8 = kinds.phenotype == PHENOTYPES.index("cd8_t")
    free = kinds.phenotype != PHENOTYPES.index("tumour")
    band = np.where(kinds.region < 4, band_of(cells, areas), _LEFT_OUT)
    stratum = relabelling_strata(cells.points_um, band)
    strata = int(stratum.max(initial=-1)) + 1
    held = np.bincount(stratum[cd8], minlength=strata)
    size = np.bincount(stratum[free], minlength=strata)
    if not ((held > 0) & (held < size)).any():
        return None, "no p value: no 50 µm block of a band holds CD8 T cells beside other cells"
    group = np.full(len(cells), -1, np.int64)
    for i, phenotype in enumerate(_OF):
        mine = (kinds.region < 4) & (kinds.phenotype == PHENOTYPES.index(phenotype))
        group[mine] = 4 * i + kinds.region[mine]
    members = np.kron(np.eye(len(_OF), dtype=np.int64), REGION_MEMBERS[:, :4])
    order = np.lexsort(cells.points_um.T)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found = permutation_p(
        place[ends[0]], place[ends[1]],
        cd8[order], free[order], stratum[order], kinds.pdl1[order], group[order],
        members, seed=seed,
    )  # fmt: skip
    return dict(zip(_OF, found.reshape(len(_OF), -1), strict=True)), ""
