"""Intervals from resampled blocks of the slide: cells stand in patches, not each for itself."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse, special

from immunescape.results import BLOCK_UM, REGION_NAMES
from immunescape.spatial.intervals import (
    poisson_interval,
    rate_ratio_interval,
    wilson_interval,
)

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

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class BlockIntervals(NamedTuple):
    """Both ends of ``k`` intervals and how each was found.

    ``method`` is ``block_bootstrap``, or ``garwood``, ``wilson``, ``woolf`` or
    ``exact_conditional`` where fewer than ``LEAST_BLOCKS`` blocks hold tissue; empty, with ends of
    NaN, where there is nothing to divide by.
    """

    low: Floats
    high: Floats
    method: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows over which cells and area of a slide are summed: one block's share of one region.

    Counts of a row are those of one square of ``BLOCK_UM`` and one of the four disjoint regions.
    Blocks are what is resampled; regions are kept apart, because a difference between regions
    is no chance.

    Parameters
    ----------
    row, column
        ``(b,)`` place of each row's block.
    region
        ``(b,)`` index of each row's region into the four disjoint ones.
    area_mm2
        ``(b,)`` tissue of each row; 0 where only cells are known.
    of_cells
        ``(n,)`` row of each cell, -1 for excluded ones.
    of_areas
        ``(m,)`` row of each line of `RegionAreas.by_block`.
    """

    row: Counts
    column: Counts
    region: Counts
    area_mm2: Floats
    of_cells: Counts
    of_areas: Counts

    def __len__(self) -> int:
        return len(self.row)

    def count(self, kind: npt.ArrayLike, kinds: int) -> Counts:
        """Count cells by row and kind.

        Parameters
        ----------
        kind
            ``(n,)`` code of each cell, 0 to ``kinds - 1``; -1 leaves a cell out.
        kinds
            Number of codes.

        Returns
        -------
        numpy.ndarray
            ``(b, kinds)``.
        """
        code = np.asarray(kind, np.int64)
        use = (self.of_cells >= 0) & (code >= 0)
        flat = self.of_cells[use] * kinds + code[use]
        return np.bincount(flat, minlength=len(self) * kinds).reshape(len(self), kinds)


def find_blocks(points_um: npt.ArrayLike, region: npt.ArrayLike, by_block: pd.DataFrame) -> Blocks:
    """Sort the cells and the area of a slide into blocks.

    Parameters
    ----------
    points_um
        ``(n, 2)`` centroids, x and y.
    region
        ``(n,)`` index of each cell's region into the four disjoint ones; 4 or -1 for excluded.
    by_block
        Columns ``BLOCK_COLUMNS``; see `RegionAreas.by_block`. Without rows every cell still has a
        block, but none holds tissue, so that nothing is resampled.

    Returns
    -------
    Blocks
        Only blocks with a cell or with area, in the order of their rows and columns.
    """
    points = np.asarray(points_um, np.float64).reshape(-1, 2)
    at = np.floor(points / BLOCK_UM).astype(np.int64)
    code = np.asarray(region, np.int64)
    inside = (code >= 0) & (code < 4)
    of_region = pd.Index(REGION_NAMES[:4]).get_indexer(pd.Index(by_block["region"].astype(object)))
    places = np.concatenate(
        [
            np.column_stack([at[inside, 1], at[inside, 0], code[inside]]),
            np.column_stack(
                [by_block["row"].astype(np.int64), by_block["column"].astype(np.int64), of_region]
            ),
        ]
    )
    found, number = np.unique(places, axis=0, return_inverse=True)
    number = number.reshape(-1)
    cells = int(inside.sum())
    of_cells = np.full(len(points), -1, np.int64)
    of_cells[inside] = number[:cells]
    area = by_block["area_mm2"].to_numpy(np.float64)
    return Blocks(
        row=found[:, 0],
        column=found[:, 1],
        region=found[:, 2],
        area_mm2=np.bincount(number[cells:], area, len(found)).astype(np.float64),
        of_cells=of_cells,
        of_areas=number[cells:],
    )


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
        Of the resampling.
    confidence
        Coverage of the intervals.
    """
    n = np.asarray(numerators, np.float64)
    d = np.broadcast_to(np.asarray(denominators, np.float64), n.shape)
    total, base = n.sum(0), d.sum(0)
    use = (total > 0) & (base > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(base > 0, total / base, 0.0)
        plain = total if kind == "density" else total * (1 - rate)
        spread = _spread(blocks, _residuals(blocks, n, d), d, seed, draws, confidence)
        effect = np.where(use & (plain > 0), spread / plain, 1.0)
    effect = np.where(_enough(blocks, d if tissue is None else tissue, n.shape[1]), effect, np.nan)
    resampled = np.isfinite(effect)
    scale = np.where(resampled, np.maximum(effect, 0.25), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "density":
            low, high = (end * scale / base for end in poisson_interval(total / scale, confidence))
        else:
            low, high = wilson_interval(total / scale, base / scale, confidence)
    held = base > 0
    plain_name = "garwood" if kind == "density" else "wilson"
    method = np.where(held, np.where(resampled, "block_bootstrap", plain_name), "").astype(object)
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

    Parameters are as in `ratio_intervals`; counts of a single ratio may be ``(b,)``. Without
    enough blocks the interval is Woolf's.
    """
    parts = [_columns(part) for part in (positive, negative, base_positive, base_negative)]
    a, b, c, d = (part.sum(0) + 0.5 for part in parts)
    value = np.log(a * d / (b * c))
    woolf = 1 / a + 1 / b + 1 / c + 1 / d
    groups = parts[0] + parts[1], parts[2] + parts[3]
    influence = _residuals(blocks, parts[0], groups[0]) * (1 / a + 1 / b) - _residuals(
        blocks, parts[2], groups[1]
    ) * (1 / c + 1 / d)
    weight = groups[0] / np.maximum(groups[0].sum(0), 1) + groups[1] / np.maximum(
        groups[1].sum(0), 1
    )
    spread = _spread(blocks, influence, weight, seed, draws, confidence)
    enough = _enough(blocks, groups[0] + groups[1] if tissue is None else tissue, len(a))
    variance = np.where(enough, np.maximum(spread, woolf), woolf)
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
    the same variance; plainly the exact conditional one where either area has too few blocks.
    """
    n, area, m, base = (_columns(part) for part in (counts, areas, base_counts, base_areas))
    area, base = np.broadcast_to(area, n.shape), np.broadcast_to(base, m.shape)
    above, below = n.sum(0), m.sum(0)
    inverse = [np.where(t > 0, 1 / np.maximum(t, 1), 0.0) for t in (above, below)]
    influence = _residuals(blocks, n, area) * inverse[0] - _residuals(blocks, m, base) * inverse[1]
    weight = area / np.maximum(area.sum(0), 1e-300) + base / np.maximum(base.sum(0), 1e-300)
    spread = _spread(blocks, influence, weight, seed, draws, confidence)
    k = n.shape[1]
    enough = _enough(blocks, area, k) & _enough(blocks, base, k)
    plain = inverse[0] + inverse[1]
    scale = np.where(
        enough & (plain > 0), np.maximum(spread / np.where(plain > 0, plain, 1), 0.25), 1.0
    )
    ends = [
        rate_ratio_interval(x / s, a, y / s, b, confidence)
        for x, a, y, b, s in zip(
            above, area.sum(0), below, base.sum(0), scale.astype(float), strict=True
        )
    ]
    low, high = np.array(ends, np.float64).reshape(-1, 2).T
    method = np.where(enough, "block_bootstrap", "exact_conditional").astype(object)
    return BlockIntervals(low, high, np.where(np.isnan(low), "", method))


def _columns(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array


def _enough(blocks: Blocks, tissue: npt.ArrayLike, k: int) -> npt.NDArray[np.bool_]:
    """Tell for each of k columns whether enough blocks hold tissue."""
    held = _columns(tissue) > 0
    key = blocks.row * (int(blocks.column.max(initial=0)) + 1) + blocks.column
    _, block = np.unique(key, return_inverse=True)
    number = np.zeros((int(block.max(initial=-1)) + 1, held.shape[1]), bool)
    np.logical_or.at(number, block, held)
    return np.broadcast_to(number.sum(0) >= LEAST_BLOCKS, k)


def _residuals(blocks: Blocks, n: Floats, d: Floats) -> Floats:
    """Return by how much each row differs from the ratio of its region."""
    out = n.copy()
    for region in np.unique(blocks.region):
        mine = blocks.region == region
        base = d[mine].sum(0)
        rate = np.where(base > 0, n[mine].sum(0) / np.where(base > 0, base, 1), 0.0)
        out[mine] -= rate * d[mine]
    return out


def _spread(
    blocks: Blocks, residuals: Floats, weight: Floats, seed: int, draws: int, confidence: float
) -> Floats:
    """Return the variance of the sums of residuals, widened for how few blocks told it."""
    m = 2
    windows = _windows(blocks, m)
    sums = windows @ residuals
    rng = np.random.default_rng([seed, m])
    total = np.zeros(residuals.shape[1])
    for start in range(0, draws, 128):
        g = rng.integers(0, 2, (min(128, draws - start), sums.shape[0])).astype(np.float64) * 2 - 1
        total += ((g @ sums / m) ** 2).sum(0)
    variance = total / draws
    held = windows @ weight
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.maximum(weight.sum(0) ** 2 / ((held / m**2) ** 2).sum(0) / 2 - 1, 1)
    z = special.ndtri((1 + confidence) / 2)
    widening = special.stdtrit(np.nan_to_num(df, nan=1.0), (1 + confidence) / 2) / z
    return np.asarray(variance * widening**2, np.float64)


def _windows(blocks: Blocks, m: int) -> Any:
    """Return which rows each window of m x m blocks holds, as a sparse matrix."""
    wide = int(blocks.column.max(initial=0)) + m
    rows = np.arange(len(blocks))
    keys = [(blocks.row + i) * wide + blocks.column + j for i in range(m) for j in range(m)]
    _, window = np.unique(np.concatenate(keys), return_inverse=True)
    ones = np.ones(len(window))
    return sparse.csr_array((ones, (window, np.tile(rows, m * m))))
