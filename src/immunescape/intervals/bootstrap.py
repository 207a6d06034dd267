"""Intervals from resampled blocks of the slide: cells stand in patches, not each for itself.

How an interval is found:

1. Each row of `Blocks` has a residual: its count less what its region's ratio gives.
2. Windows of 2 x 2 and of 4 x 4 blocks, at every place, are drawn with replacement; the variance
   of the sum over draws holds what neighbouring blocks have in common. Overlapping windows do not
   depend on where blocks begin.
3. Residuals about a fitted ratio are too small, and few windows tell a variance poorly. Both are
   worked out for this geometry and cells that are independent: the variance is divided by its
   expected share of the truth and goes with Student's t of as many degrees of freedom as
   Satterthwaite's rule gives, fewer where blocks hold more of it than so few cells, each for
   itself, would lie together. The larger of both
   windows' variances counts, a tenth added for patches that reach beyond them.
4. That variance over the one of independent cells is the design effect. Cells divided by it are
   what Garwood's, Wilson's or the exact conditional interval is taken of. So ends stay within
   their range and no interval has width 0.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from immunescape.intervals.blocks import Blocks, find_blocks
from immunescape.intervals.plain import poisson_interval, rate_ratio_interval, wilson_interval
from immunescape.intervals.resampling import residuals, spread_of

__all__ = [
    "LEAST_BLOCKS",
    "BlockIntervals",
    "Blocks",
    "find_blocks",
    "log_odds_interval",
    "rate_ratio_interval_blocks",
    "ratio_intervals",
]

LEAST_BLOCKS = 20
"""Blocks with tissue from which blocks are resampled; with fewer, cells count as independent."""

_LUMPS = 0.25
"""How many lumps of cells the worst case, whole blocks alike, is worth beside those seen."""
_LEAST_EFFECT = 0.25
"""Cells that keep apart are worth at most four independent ones."""

Floats = npt.NDArray[np.float64]


class BlockIntervals(NamedTuple):
    """Both ends of ``k`` intervals and how each was found.

    ``method`` is ``block_bootstrap``, or ``garwood``, ``wilson``, ``woolf`` or
    ``exact_conditional`` where fewer than ``LEAST_BLOCKS`` blocks hold tissue; empty, with ends of
    NaN, where there is nothing to divide by.
    """

    low: Floats
    high: Floats
    method: npt.NDArray[Any]


def ratio_intervals(
    blocks: Blocks,
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    *,
    kind: Literal["density", "fraction"],
    tissue: npt.ArrayLike | None = None,
    seed: int = 0,
    draws: int = 999,
    confidence: float = 0.95,
) -> BlockIntervals:
    """Return intervals of many densities or fractions, each a sum over blocks by another.

    A count of 0 has Garwood's interval. A fraction of 0 or 1 shows no lumps of cells that are
    alike, and none can be ruled out: it has Wilson's interval as if whole blocks were alike, which
    holds the more the fewer cells of the other kind are seen.

    Parameters
    ----------
    blocks
        Rows of the arrays below and where they lie.
    numerators
        ``(b, k)`` counts.
    denominators
        ``(b, k)`` or ``(b, 1)``: area in mm² of a density, cells of a fraction.
    kind
        Whether numerators are counts in an area or parts of the denominators.
    tissue
        ``(b, k)`` or ``(b, 1)`` area, or whether there is any, of the region that a column is
        about; the denominators when not given. Decides which blocks hold tissue.
    seed, draws
        Of the resampling, which all columns share.
    confidence
        Coverage of the intervals.

    Returns
    -------
    BlockIntervals
        ``(k,)`` each; NaN where the denominators are 0.

    Examples
    --------
    Every block of a row of 25 holds four cells in 0.01 mm².

    >>> from immunescape.results import empty_table, BLOCK_COLUMNS
    >>> x = np.repeat(np.arange(25) * 100.0 + 50.0, 4)
    >>> points = np.column_stack([x, np.full(100, 50.0)])
    >>> blocks = find_blocks(points, np.zeros(100), empty_table(BLOCK_COLUMNS))
    >>> counts = blocks.count(np.zeros(100), 1)
    >>> area = np.full((25, 1), 0.01)
    >>> low, high, method = ratio_intervals(blocks, counts, area, kind="density")
    >>> low.round(), high.round(), method
    (array([362.]), array([441.]), array(['block_bootstrap'], dtype=object))
    """
    n, d = _columns(numerators), _columns(denominators)
    k = n.shape[1]
    total, base = n.sum(0), np.broadcast_to(d.sum(0), k)
    fewer = total if kind == "density" else np.minimum(total, base - total)
    enough = _enough(blocks, d if tissue is None else tissue, k) & (base > 0)
    resampled = enough if kind == "fraction" else enough & (total > 0)
    rate = total / np.where(base > 0, base, 1)
    effect = np.ones(k)
    if resampled.any():
        of = d if d.shape[1] == 1 else d[:, resampled]
        seen = fewer[resampled]
        differences = residuals(blocks, n[:, resampled], of)
        spread = spread_of(blocks, differences, [of], seed, draws, 1 / np.maximum(seen, 1))
        plain = total[resampled] * (1.0 if kind == "density" else 1 - rate[resampled])
        found = spread.variance / np.where(seen > 0, plain, 1)
        if kind == "fraction":
            # A few lumps tell little of how large lumps are.
            cells = np.zeros((blocks.number.max() + 1, of.shape[1]))
            np.add.at(cells, blocks.number, of)
            alike = np.maximum((cells**2).sum(0) / cells.sum(0), found)
            lumps = seen / np.maximum(found, _LEAST_EFFECT)
            found = (lumps * found + _LUMPS * alike) / (lumps + _LUMPS)
        effect[resampled] = found * spread.widening(confidence)
    effect = np.maximum(effect, _LEAST_EFFECT)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "density":
            low, high = (
                end * effect / base for end in poisson_interval(total / effect, confidence)
            )
            plainly = "garwood"
        else:
            low, high = wilson_interval(total / effect, base / effect, confidence)
            plainly = "wilson"
    held = base > 0
    method = np.where(held, np.where(resampled, "block_bootstrap", plainly), "").astype(object)
    return BlockIntervals(np.where(held, low, np.nan), np.where(held, high, np.nan), method)


def log_odds_interval(
    blocks: Blocks,
    positive: npt.ArrayLike,
    negative: npt.ArrayLike,
    base_positive: npt.ArrayLike,
    base_negative: npt.ArrayLike,
    *,
    tissue: npt.ArrayLike | None = None,
    seed: int = 0,
    draws: int = 999,
    confidence: float = 0.95,
) -> BlockIntervals:
    """Return intervals of log odds ratios of ``(b, k)`` counts, 0.5 added to each sum.

    Parameters are as in `ratio_intervals`; counts of a single ratio may be ``(b,)``. The variance
    is never below Woolf's, which alone counts where too few blocks hold tissue or where a group
    is empty.
    """
    a, b, c, d = (_columns(part) for part in (positive, negative, base_positive, base_negative))
    sums = [part.sum(0) + 0.5 for part in (a, b, c, d)]
    value = np.log(sums[0] * sums[3] / (sums[1] * sums[2]))
    inverse = [1 / part for part in sums]
    woolf = sum(inverse, np.zeros(len(value)))
    near, apart = a + b, c + d
    influence = residuals(blocks, a, near) * (inverse[0] + inverse[1]) - residuals(
        blocks, c, apart
    ) * (inverse[2] + inverse[3])
    # Of independent cells a group's variance lies where its cells are.
    parts = [
        near * (inverse[0] + inverse[1]) / np.maximum(near.sum(0), 1),
        apart * (inverse[2] + inverse[3]) / np.maximum(apart.sum(0), 1),
    ]
    enough = _enough(blocks, near + apart if tissue is None else tissue, len(value))
    enough = enough & (near.sum(0) > 0) & (apart.sum(0) > 0)
    rarity = sum((i**3 for i in inverse), np.zeros(len(value))) / woolf**2
    spread = spread_of(blocks, influence, parts, seed, draws, rarity)
    wide = np.maximum(spread.variance * spread.widening(confidence), woolf)
    variance = np.where(enough, wide, woolf)
    half = special.ndtri((1 + confidence) / 2) * np.sqrt(variance)
    method = np.where(enough, "block_bootstrap", "woolf").astype(object)
    return BlockIntervals(value - half, value + half, method)


def rate_ratio_interval_blocks(
    blocks: Blocks,
    counts: npt.ArrayLike,
    areas: npt.ArrayLike,
    base_counts: npt.ArrayLike,
    base_areas: npt.ArrayLike,
    *,
    seed: int = 0,
    draws: int = 999,
    confidence: float = 0.95,
) -> BlockIntervals:
    """Return intervals of ratios of two densities, of ``(b, k)`` or ``(b,)`` counts and areas.

    The interval is the exact conditional one of the numbers of independent cells that would have
    the same variance; plainly the exact conditional one where either area has too few blocks. NaN
    where both counts are 0 or an area is.
    """
    n, area, m, base = (_columns(part) for part in (counts, areas, base_counts, base_areas))
    k = n.shape[1]
    area, base = np.broadcast_to(area, n.shape), np.broadcast_to(base, m.shape)
    above, below = n.sum(0), m.sum(0)
    inverse = [np.where(t > 0, 1 / np.maximum(t, 1), 0.0) for t in (above, below)]
    influence = residuals(blocks, n, area) * inverse[0] - residuals(blocks, m, base) * inverse[1]
    parts = [
        part * share / np.where(part.sum(0) > 0, part.sum(0), 1)
        for part, share in zip((area, base), inverse, strict=True)
    ]
    plain = inverse[0] + inverse[1]
    enough = _enough(blocks, area, k) & _enough(blocks, base, k) & (plain > 0)
    rarity = (inverse[0] ** 3 + inverse[1] ** 3) / np.where(plain > 0, plain, 1) ** 2
    spread = spread_of(blocks, influence, parts, seed, draws, rarity)
    effect = spread.variance * spread.widening(confidence) / np.where(plain > 0, plain, 1)
    effect = np.where(enough, np.maximum(effect, _LEAST_EFFECT), 1.0)
    columns = zip(above / effect, area.sum(0), below / effect, base.sum(0), strict=True)
    low, high = (
        np.array([rate_ratio_interval(*column, confidence) for column in columns], np.float64)
        .reshape(-1, 2)
        .T
    )
    method = np.where(enough, "block_bootstrap", "exact_conditional").astype(object)
    return BlockIntervals(low, high, np.where(np.isnan(low), "", method))


def _columns(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array


def _enough(blocks: Blocks, tissue: npt.ArrayLike, k: int) -> npt.NDArray[np.bool_]:
    """Tell for each of k columns whether enough blocks hold tissue."""
    some = _columns(tissue) > 0
    held = np.zeros((blocks.number.max(initial=-1) + 1, some.shape[1]), bool)
    np.logical_or.at(held, blocks.number, some)
    return np.broadcast_to(held.sum(0) >= LEAST_BLOCKS, k)
