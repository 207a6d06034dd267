"""Whether PD-L1 is induced where CD8 T cells touch: p values by relabelling cells."""

import numpy as np
import numpy.typing as npt

__all__ = ["PERMUTATION_BLOCK_UM", "permutation_p", "relabelling_strata"]

PERMUTATION_BLOCK_UM = 50.0
"""Edge of the square blocks within which CD8 identity is relabelled, in µm."""

Counts = npt.NDArray[np.int64]


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
    from immunescape.spatial._relabel import relabelled_counts

    cd8 = np.asarray(is_cd8, bool)
    free = np.asarray(exchangeable, bool)
    where = np.asarray(group, np.int64)
    sums = np.asarray(members, np.float64)
    kinds = 2 * sums.shape[1]
    counted = (where >= 0) & (np.asarray(pdl1) > 0) & ~cd8
    kind = 2 * where + (np.asarray(pdl1) == 1)

    # Cells in strata that hold CD8 and others alike; elsewhere relabelling changes nothing.
    strata = np.unique(np.asarray(stratum)[free], return_inverse=True)[1].reshape(-1)
    size = np.bincount(strata)
    held = np.bincount(strata, cd8[free]).astype(np.int64)
    mixed = (held > 0) & (held < size)
    moving = np.flatnonzero(free)[np.argsort(strata, kind="stable")]
    moving = moving[np.repeat(mixed, size)]
    first = np.concatenate([[0], np.cumsum(size[mixed])])
    slot = np.full(len(cd8), -1, np.int64)
    slot[moving] = np.arange(len(moving))

    a, b = np.asarray(ends_a, np.int64), np.asarray(ends_b, np.int64)
    a, b = np.concatenate([a, b]), np.concatenate([b, a])
    always = np.zeros(len(cd8), bool)
    always[a[cd8[b] & (slot[b] < 0)]] = True
    linked = counted[a] & (slot[b] >= 0)
    varying = counted & (slot >= 0)
    varying[a[linked]] = True
    looked = np.flatnonzero(varying)
    place = np.full(len(cd8), -1, np.int64)
    place[looked] = np.arange(len(looked))
    order = np.argsort(slot[b[linked]], kind="stable")
    touched = place[a[linked][order]]
    start = np.searchsorted(slot[b[linked]][order], np.arange(len(moving) + 1))

    drawn = relabelled_counts(
        first, held[mixed], start, touched, slot[looked], always[looked], kind[looked],
        kinds, draws, np.random.default_rng(seed),
    )  # fmt: skip
    touching = always.copy()
    touching[a[cd8[b]]] = True
    steady = counted & ~varying
    fixed = _count(touching[steady], kind[steady], kinds)
    seen = _count(touching[varying], kind[varying], kinds)
    values = _log_odds(np.concatenate([seen[None], drawn]) + fixed, sums)
    far = np.abs(values - values.mean(0))
    return np.asarray((far >= far[0] - 1e-9).mean(0), np.float64)


def _count(touching: npt.NDArray[np.bool_], kind: Counts, kinds: int) -> Counts:
    """Count as ``(2, kinds)``, not touching and touching."""
    return np.bincount(touching * kinds + kind, minlength=2 * kinds).reshape(2, kinds)


def _log_odds(counts: Counts, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the log odds ratio of each draw and table, as ``(draws, q)``."""
    parts = [counts[:, side, state::2] @ sums.T + 0.5 for side in (1, 0) for state in (1, 0)]
    return np.asarray(np.log(parts[0] * parts[3] / (parts[1] * parts[2])), np.float64)
