"""Whether PD-L1 is induced where CD8 T cells touch: p values by relabelling cells."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["PERMUTATION_BLOCK_UM", "permutation_p", "relabelling_strata"]

PERMUTATION_BLOCK_UM = 50.0
"""Edge of the square blocks within which CD8 identity is relabelled, in µm."""

Counts = npt.NDArray[np.int64]
_CHUNK_BYTES = 64e6


def relabelling_strata(points_um: npt.ArrayLike, band: npt.ArrayLike) -> Counts:
    """Return the stratum of each cell: one band of distance to the margin in one 50 µm block.

    Parameters
    ----------
    points_um
        ``(n, 2)`` centroids, x and y.
    band
        ``(n,)`` integer of each cell's band; any one value for cells beyond all bands.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` numbers from 0, in no meaningful order.
    """
    at = np.floor(np.asarray(points_um, np.float64).reshape(-1, 2) / PERMUTATION_BLOCK_UM)
    places = np.column_stack([at.astype(np.int64), np.asarray(band, np.int64)])
    return np.asarray(np.unique(places, axis=0, return_inverse=True)[1], np.int64).reshape(-1)


def permutation_p(
    ends_a: npt.ArrayLike,
    ends_b: npt.ArrayLike,
    is_cd8: npt.ArrayLike,
    exchangeable: npt.ArrayLike,
    stratum: npt.ArrayLike,
    pdl1: npt.ArrayLike,
    group: npt.ArrayLike,
    members: npt.ArrayLike,
    *,
    seed: int = 0,
    draws: int = 999,
) -> npt.NDArray[np.float64]:
    """Return two-sided p values of the log odds ratio of PD-L1, touching CD8 against not.

    CD8 identity is relabelled among the exchangeable cells of each stratum. PD-L1 stays where it
    is. Cells that may themselves become CD8 (phenotype ``other``) leave the table in the draws
    that make them so; a true CD8 T cell never enters it.

    Parameters
    ----------
    ends_a, ends_b
        ``(pairs,)`` positions of the two cells of each contact.
    is_cd8
        ``(n,)`` whether each cell is a CD8 T cell.
    exchangeable
        ``(n,)`` whether its identity may be relabelled: all cells but tumour cells.
    stratum
        ``(n,)`` stratum of each cell, see `relabelling_strata`.
    pdl1
        ``(n,)`` 0 missing, 1 positive, 2 negative. Cells without a value are not counted.
    group
        ``(n,)`` group of each cell whose PD-L1 is looked at, 0 to g - 1; -1 for all other cells.
        The four disjoint regions, say, for the tumour cells.
    members
        ``(q, g)`` which groups each of q tables sums; the seven regions, say.
    seed, draws
        Of the relabelling.

    Returns
    -------
    numpy.ndarray
        ``(q,)`` of ``(b + 1) / (draws + 1)``, where b draws are at least as far from the mean of
        all as what was seen. 1 where relabelling changes nothing.
    """
    cd8 = np.asarray(is_cd8, bool)
    free = np.asarray(exchangeable, bool)
    status = np.asarray(pdl1, np.int64)
    where = np.asarray(group, np.int64)
    sums = np.asarray(members, np.float64)
    looked = np.flatnonzero((where >= 0) & (status > 0) & ~cd8)
    groups = sums.shape[1]

    # Cells in strata that hold CD8 and others alike; elsewhere relabelling changes nothing.
    strata = np.unique(np.asarray(stratum)[free], return_inverse=True)[1]
    size = np.bincount(strata)
    held = np.bincount(strata, cd8[free])
    mixed = ((held > 0) & (held < size))[strata]
    moving = np.flatnonzero(free)[mixed]
    strata = strata[mixed]
    order = np.argsort(strata, kind="stable")
    moving, strata = moving[order], strata[order]
    first = np.searchsorted(strata, strata)
    rank = np.arange(len(moving)) - first
    is_label = rank < held[strata]

    a, b = np.asarray(ends_a, np.int64), np.asarray(ends_b, np.int64)
    both = np.concatenate([a, b]), np.concatenate([b, a])
    place = np.full(len(cd8), -1, np.int64)
    place[looked] = np.arange(len(looked))
    slot = np.full(len(cd8), -1, np.int64)
    slot[moving] = np.arange(len(moving))
    use = (place[both[0]] >= 0) & (slot[both[1]] >= 0)
    edges = sparse.csr_array(
        (
            np.ones(int(use.sum()), np.int32),
            (place[both[0][use]], slot[both[1][use]]),
        ),
        shape=(len(looked), len(moving)),
    )
    fixed = (place[both[0]] >= 0) & cd8[both[1]] & (slot[both[1]] < 0)
    always = np.zeros(len(looked), bool)
    always[place[both[0][fixed]]] = True
    kind = where[looked] * 2 + (status[looked] == 1)
    table = sparse.csr_array(
        (np.ones(len(looked)), (kind, np.arange(len(looked)))), shape=(2 * groups, len(looked))
    )
    own = slot[looked]

    rng = np.random.default_rng(seed)
    found = [_log_odds(edges, table, own, always, cd8[moving][:, None], sums)]
    chunk = max(int(_CHUNK_BYTES / (8 * max(len(looked) + len(moving), 1))), 1)
    for start in range(0, draws, chunk):
        now = min(chunk, draws - start)
        keys = strata[:, None] + rng.random((len(moving), now))
        labels = np.zeros((len(moving), now), bool)
        np.put_along_axis(labels, np.argsort(keys, axis=0), is_label[:, None], axis=0)
        found.append(_log_odds(edges, table, own, always, labels, sums))
    values = np.concatenate(found, axis=1)
    far = np.abs(values - values.mean(1, keepdims=True))
    return np.asarray((far >= far[:, :1] - 1e-9).mean(1), np.float64)


def _log_odds(
    edges: Any,
    table: Any,
    own: Counts,
    always: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.bool_],
    sums: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the log odds ratio of each table and draw, as ``(q, draws)``."""
    touching = (edges @ labels.astype(np.int32) > 0) | always[:, None]
    counted = np.ones(touching.shape, bool)
    mine = own >= 0
    counted[mine] = ~labels[own[mine]]
    near = table @ (touching & counted).astype(np.float64)
    apart = table @ (~touching & counted).astype(np.float64)
    with_half = [sums @ part + 0.5 for part in (near[1::2], near[0::2], apart[1::2], apart[0::2])]
    return np.asarray(np.log(with_half[0] * with_half[3] / (with_half[1] * with_half[2])))
