"""How far a gate could move: bootstrap over blocks of tissue."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.methods import Automatic
from immunescape.phenotype.pooling import Group
from immunescape.phenotype.populations import Threshold
from immunescape.phenotype.sample import take_sample
from immunescape.phenotype.together import Together, redrawn
from immunescape.results import BLOCK_UM

__all__ = ["gate_range"]

_LEAST_BLOCKS = 20
_MOST_BLOCKS = 4000
_QUANTILES = (0.025, 0.975)

Array = npt.NDArray[np.float64]


def gate_range(
    groups: Sequence[Group],
    chain: Sequence[Automatic],
    draws: int,
    seed: Sequence[int],
    *,
    beside: Sequence[Group] = (),
    together: Together | None = None,
) -> tuple[float, float, float] | None:
    """Return the range of the threshold that blocks of tissue, drawn again, would have given.

    Neighbouring cells share stain, light and neighbours, therefore square blocks of 100 µm are
    drawn with replacement, within each slide as many as it has. Where fewer than 20 hold cells the
    blocks are halved, above 4,000 doubled. The whole fit is repeated: the scale is kept, and the
    method and those that step in for it are tried in order. Cells that were described together
    with others are so in each draw, and blocks of the others are drawn too.

    Parameters
    ----------
    groups
        Cells that the gate was taken from, by slide.
    chain
        Method of the gate, and those that step in where it finds no second population.
    draws
        Number of draws.
    seed
        The same seed gives the same range.
    beside, together
        Cells that those of the gate were described together with, and the description.

    Returns
    -------
    low, high, missed
        2.5 % and 97.5 % quantiles, and the share of the draws without a threshold. None if
        positions are not known, the cells lie in one place, or no draw has a threshold.
    """
    every = (*groups, *beside)
    if draws < 1 or any(g.points_um is None for g in every):
        return None
    blocks, slide_of = _blocks(every)
    if len(slide_of) < 2:
        return None
    weights = _weights(slide_of, draws, np.random.default_rng(list(seed)))
    if together is not None:
        return _span(redrawn(together, _values(groups), _values(beside), blocks, weights))
    values = _values(groups)
    sample = take_sample(values, 1, blocks=blocks, weights=weights)
    if isinstance(sample, str):
        return None
    found: list[float] = [np.nan] * draws
    for method in chain:
        if not np.isnan(found).any():
            break
        for k, result in enumerate(method.of(sample)[1:]):
            if np.isnan(found[k]) and isinstance(result, Threshold):
                found[k] = result.value
    return _span(np.array(found))


def _span(found: Array) -> tuple[float, float, float] | None:
    """Return the range of what the draws gave, and the share of them that gave nothing."""
    missed = float(np.isnan(found).mean())
    if missed == 1:
        return None
    low, high = np.nanquantile(found, _QUANTILES)
    return float(low), float(high), missed


def _values(groups: Sequence[Group]) -> Array:
    return np.concatenate([np.asarray(g.values, dtype=np.float64).ravel() for g in groups])


def _blocks(groups: Sequence[Group]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of the block of each cell, and the slide of each block."""
    slide = np.repeat(np.arange(len(groups)), [len(g.values) for g in groups])
    points = np.concatenate([np.asarray(g.points_um).reshape(-1, 2) for g in groups])
    edge = BLOCK_UM
    rows, blocks = _numbered(slide, points, edge)
    while len(rows) < _LEAST_BLOCKS and edge > BLOCK_UM / 8:
        edge /= 2
        rows, blocks = _numbered(slide, points, edge)
    while len(rows) > _MOST_BLOCKS and edge < BLOCK_UM * 64:
        edge *= 2
        rows, blocks = _numbered(slide, points, edge)
    return blocks, rows


def _numbered(
    slide: npt.NDArray[np.int64], points: Array, edge: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the slide of each block with cells, and the number of the block of each cell."""
    where = np.floor(points / edge).astype(np.int64)
    where -= where.min(axis=0, initial=0)
    width, height = where.max(axis=0, initial=0) + 1
    key = (slide * height + where[:, 1]) * width + where[:, 0]
    unique, number = np.unique(key, return_inverse=True)
    return unique // (height * width), number.ravel()


def _weights(slide_of: npt.NDArray[np.int64], draws: int, rng: np.random.Generator) -> Array:
    """How often each block is drawn, ``(draws, blocks)``; a slide keeps its number of blocks."""
    weights = np.zeros((draws, len(slide_of)))
    for slide in np.unique(slide_of):
        of = slide_of == slide
        number = int(of.sum())
        weights[:, of] = rng.multinomial(number, np.full(number, 1 / number), size=draws)
    return weights
