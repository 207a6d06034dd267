"""The variance of sums over blocks of the slide, by drawing windows of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from immunescape.intervals.blocks import Blocks, Windows

__all__ = ["Spread", "resampled_variance", "residuals", "spread_of"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_BEYOND = 1.1
"""Variance added for patches that reach beyond the windows."""
_CHUNK_BYTES = 32e6


def residuals(blocks: Blocks, n: Floats, d: Floats) -> Floats:
    """Return by how much each row differs from what the ratio of its region gives."""
    out = n.astype(np.float64)
    for mine in blocks.by_region:
        base = d[mine].sum(0)
        rate = np.where(base > 0, n[mine].sum(0) / np.where(base > 0, base, 1), 0.0)
        out[mine] -= rate * d[mine]
    return out


class Spread(NamedTuple):
    """Variance of ``k`` sums by each edge of windows, ``(windows, k)``, and how well it is told."""

    variances: Floats
    freedom: Floats

    @property
    def variance(self) -> Floats:
        """The larger of the variances, each with its own widening at 95 %."""
        return np.asarray(np.take_along_axis(self.variances, self._widest(), 0)[0], np.float64)

    def widening(self, confidence: float) -> Floats:
        """Return by what a variance is multiplied so that normal quantiles become Student's."""
        freedom = np.take_along_axis(self.freedom, self._widest(), 0)[0]
        return _widening(freedom, confidence) * _BEYOND

    def _widest(self) -> Counts:
        wide = self.variances * _widening(self.freedom, 0.95)
        return np.asarray(wide.argmax(0)[None], np.int64)


def _widening(freedom: Floats, confidence: float) -> Floats:
    upper = (1 + confidence) / 2
    return np.asarray((special.stdtrit(freedom, upper) / special.ndtri(upper)) ** 2, np.float64)


def spread_of(
    blocks: Blocks,
    differences: Floats,
    parts: Sequence[Floats],
    seed: int,
    draws: int,
    rarity: Floats | float = 0.0,
) -> Spread:
    """Return the variance of the sums of residuals.

    Parameters
    ----------
    differences
        ``(b, k)`` residuals, each part's summing to 0 over every region.
    parts
        Variance of each row if cells were independent, up to a factor, as ``(b, k)`` or
        ``(b, 1)``: one a group of cells whose ratio was fitted.
    seed, draws
        Of the resampling.
    rarity
        ``(k,)`` excess kurtosis that the sums have if cells are independent: 1 over a count.
    """
    k = differences.shape[1]
    lumpy = _lumpiness(blocks, differences, parts, rarity)
    variances, freedom = [], []
    distinct, which = _distinct(parts)
    for windows in blocks.windows:
        share, df = (found[which] for found in _expected(blocks, windows, distinct))
        found = resampled_variance(windows.holds @ differences, windows.edge, seed, draws)
        variances.append(found / np.maximum(share, 1e-3))
        freedom.append(np.broadcast_to(np.maximum(df * lumpy, 1.0), k))
    return Spread(np.array(variances), np.array(freedom))


def _distinct(parts: Sequence[Floats]) -> tuple[list[Floats], Counts]:
    """Return each different column once, and which of these each column is."""
    k = max(part.shape[1] for part in parts)
    wide = [np.broadcast_to(part, (len(part), k)) for part in parts]
    if all(part.shape[1] == 1 for part in parts):
        return list(parts), np.zeros(1, np.int64)
    first: dict[bytes, int] = {}
    which = np.zeros(k, np.int64)
    columns: list[int] = []
    for column in range(k):
        key = b"".join(part[:, column].tobytes() for part in wide)
        if key not in first:
            first[key] = len(columns)
            columns.append(column)
        which[column] = first[key]
    return [part[:, columns] for part in wide], which


def resampled_variance(sums: Floats, edge: int, seed: int, draws: int) -> Floats:
    """Return the variance of totals when windows are drawn with replacement.

    Parameters
    ----------
    sums
        ``(windows, k)`` sums of residuals, in which each block is ``edge`` squared times.
    """
    number = len(sums)
    rng = np.random.default_rng([seed, edge])
    squares = np.zeros(sums.shape[1])
    chunk = max(int(_CHUNK_BYTES / (8 * max(number, 1))), 1)
    for start in range(0, draws, chunk):
        now = min(chunk, draws - start)
        drawn = rng.integers(0, number, (now, number)) + number * np.arange(now)[:, None]
        times = np.bincount(drawn.ravel(), minlength=now * number).reshape(now, number)
        squares += (((times - 1.0) @ sums / edge) ** 2).sum(0)
    return np.asarray(squares / draws, np.float64)


def _expected(blocks: Blocks, windows: Windows, parts: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return how the windows' variance would do if cells were independent.

    Returns
    -------
    tuple
        Its expectation as a share of the true variance, and its degrees of freedom. Residuals
        have covariance ``diag(v) - v v' / sum(v)`` within a part and region; with the windows'
        quadratic form Q the first is its trace and the second ``2 trace² / variance``.
    """
    whole = sum(parts, np.zeros((len(blocks), 1)))
    fitted = []
    for part in parts:
        for mine, form in zip(blocks.by_region, windows.form_by_region, strict=True):
            total = part[mine].sum(0)
            scaled = part[mine] / np.sqrt(np.where(total > 0, total, 1))
            fitted.append((mine, scaled, form @ scaled))
    trace = whole.sum(0)
    square = (whole * (windows.form_squared @ whole)).sum(0)
    for mine, scaled, spread in fitted:
        trace = trace - (scaled * spread[mine]).sum(0)
        square = square - 2 * (whole * spread**2).sum(0)
        for other, second, _ in fitted:
            square = square + (second * spread[other]).sum(0) ** 2
    total = np.where(whole.sum(0) > 0, whole.sum(0), 1)
    trace = np.maximum(trace, 0)
    return trace / total, trace**2 / np.maximum(square, 1e-300)


def _lumpiness(
    blocks: Blocks, differences: Floats, parts: Sequence[Floats], rarity: Floats | float
) -> Floats:
    """Return the share of the degrees of freedom that is left where few blocks hold the variance.

    By the fourth moment of the blocks' residuals, 1 where it is that of independent cells or less.
    A few cells lie in few blocks however independent they are: that is no sign of lumps.
    """
    number = blocks.number.max(initial=-1) + 1
    whole = sum(parts, np.zeros((len(blocks), 1)))
    e, v = np.zeros((number, differences.shape[1])), np.zeros((number, whole.shape[1]))
    np.add.at(e, blocks.number, differences)
    np.add.at(v, blocks.number, whole)
    fourth, flat = (e**4).sum(0), (v**2).sum(0)
    whole_squared = v.sum(0) ** 2
    seen = (e**2).sum(0) ** 2 * (3 * flat + whole_squared * rarity)
    expected = fourth * whole_squared
    return np.where(expected > 0, np.minimum(1, seen / np.where(expected > 0, expected, 1)), 1.0)
