"""P values of PD-L1 induction: CD8 identity relabelled near where it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.results import RegionAreas
from immunescape.spatial.density import band_of
from immunescape.spatial.kinds import PHENOTYPES, REGION_MEMBERS, Kinds
from immunescape.spatial.permutation import permutation_p, relabelling_strata

__all__ = ["NO_P", "induction_p"]

NO_P = "no p value: no cell here touches one that could be CD8 instead of its neighbours in 50 µm"
"""Why there is none where relabelling changes nothing."""

_OF = ("tumour", "other")
_LEFT_OUT = -2


def induction_p(
    cells: CellTable,
    kinds: Kinds,
    areas: RegionAreas,
    ends: tuple[Any, Any],
    *,
    seed: int,
) -> dict[str, npt.NDArray[np.float64]]:
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
    dict
        ``(7,)`` by phenotype ``tumour`` and ``other``; NaN where relabelling changes nothing: no
        cell of the region touches one that could be CD8 in another draw, or could be it itself. A
        cell left out of the regions is relabelled among its like alone.
    """
    cd8 = kinds.phenotype == PHENOTYPES.index("cd8_t")
    free = kinds.phenotype != PHENOTYPES.index("tumour")
    band = np.where(kinds.region < 4, band_of(cells, areas), _LEFT_OUT)
    stratum = relabelling_strata(cells.points_um, band)
    strata = int(stratum.max(initial=-1)) + 1
    held = np.bincount(stratum[cd8], minlength=strata)
    size = np.bincount(stratum[free], minlength=strata)
    moving = free & ((held > 0) & (held < size))[stratum]

    group = np.full(len(cells), -1, np.int64)
    for i, phenotype in enumerate(_OF):
        mine = (kinds.region < 4) & (kinds.phenotype == PHENOTYPES.index(phenotype))
        group[mine] = 4 * i + kinds.region[mine]
    members = np.kron(np.eye(len(_OF), dtype=np.int64), REGION_MEMBERS[:, :4])
    a, b = ends
    changes = moving & ~cd8
    changes[a[moving[b]]] = True
    changes[b[moving[a]]] = True
    looked = changes & (group >= 0) & (kinds.pdl1 > 0)
    tells = members @ np.bincount(group[looked], minlength=members.shape[1]) > 0
    if not tells.any():
        return {phenotype: np.full(len(REGION_MEMBERS), np.nan) for phenotype in _OF}

    order = np.lexsort(cells.points_um.T)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found = permutation_p(
        place[a], place[b],
        cd8[order], free[order], stratum[order], kinds.pdl1[order], group[order],
        members, seed=seed,
    )  # fmt: skip
    by_phenotype = np.where(tells, found, np.nan).reshape(len(_OF), -1)
    return dict(zip(_OF, by_phenotype, strict=True))
