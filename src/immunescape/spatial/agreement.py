"""How well calls agree with readers who saw only a picture: precision, missed rate, sensitivity.

A reader is shown cells that were drawn at random among those called positive and among those
called negative, without being told which. Drawn this way, a slide with few positive cells still
shows enough of both; in turn, shares among the cells shown are none of the slide until each call
is weighted by the number of cells that have it.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from immunescape.intervals.plain import Interval, wilson_interval
from immunescape.spatial.review_cells import CALLS

__all__ = [
    "AGREEMENT_COLUMNS",
    "READERS_COLUMNS",
    "Kappa",
    "agreement_table",
    "cohen_kappa",
    "readers_table",
    "sensitivity_interval",
]

AGREEMENT_COLUMNS = (
    "reader", "marker", "metric", "value", "ci_low", "ci_high", "ci_method", "numerator",
    "denominator", "cannot_tell", "cells",
)  # fmt: skip
"""Columns of `agreement_table`."""

READERS_COLUMNS = (
    "marker", "reader", "other_reader", "cells", "agreement", "kappa", "ci_low", "ci_high",
)  # fmt: skip
"""Columns of `readers_table`."""


class Kappa(NamedTuple):
    """Cohen's kappa with both ends of its interval."""

    value: float
    low: float
    high: float


def agreement_table(answers: pd.DataFrame, sizes: Mapping[str, tuple[int, int]]) -> pd.DataFrame:
    """Say how often readers agree with the calls of each marker.

    Three metrics by reader and marker:

    ``precision``
        Of the cells called positive, the share that the reader calls positive.
    ``missed_rate``
        Of the cells called negative, the share that the reader calls positive.
    ``sensitivity``
        Of all cells that the reader would call positive, the share called positive. It follows
        from the other two and the sizes of both calls, as Begg and Greenes (Biometrics 39, 1983)
        do where the verified are chosen by the result of the test: with N cells of each call,
        ``N+ precision / (N+ precision + N- missed_rate)``. The share among the cells shown alone
        would be far too high, because positive cells are shown more often than they occur.

    The first two have Wilson's interval; for the third see `sensitivity_interval`. Cells of which
    the reader could not tell count in none of them and are listed: answers may lean to one side
    where many are.

    Parameters
    ----------
    answers
        ``reader, marker, called`` (``positive`` or ``negative``), ``answer`` (``yes``, ``no`` or
        ``cannot tell``, to the question whether the cell is positive), ``x_um, y_um``. Of several
        answers of one reader about one cell and marker the last counts.
    sizes
        Number of cells called positive and negative, by marker.

    Returns
    -------
    pandas.DataFrame
        Columns ``AGREEMENT_COLUMNS``; a value without answers is missing. ``cells`` is the number
        of cells that the value speaks of; numerator and denominator of the sensitivity are
        estimated numbers of cells.
    """
    last = _last_answers(answers)
    rows: list[dict[str, Any]] = []
    for (reader, marker), group in last.groupby(["reader", "marker"], sort=True):
        yes, decided, unclear = (
            [int((pick & (group["called"] == call)).sum()) for call in CALLS]
            for pick in (
                group["answer"] == "yes",
                group["answer"].isin(("yes", "no")),
                group["answer"] == "cannot tell",
            )
        )
        of = sizes.get(str(marker), (0, 0))
        base = {"reader": reader, "marker": marker}
        for k, metric in enumerate(("precision", "missed_rate")):
            low, high = wilson_interval(yes[k], decided[k])
            rows.append(
                base
                | {
                    "metric": metric, "value": _ratio(yes[k], decided[k]),
                    "ci_low": float(low), "ci_high": float(high), "ci_method": "wilson",
                    "numerator": float(yes[k]), "denominator": float(decided[k]),
                    "cannot_tell": unclear[k], "cells": of[k],
                }
            )  # fmt: skip
        found = [n * _ratio(y, d) for n, y, d in zip(of, yes, decided, strict=True)]
        low, high = sensitivity_interval(yes[0], decided[0], yes[1], decided[1], of)
        rows.append(
            base
            | {
                "metric": "sensitivity", "value": _ratio(found[0], sum(found)),
                "ci_low": low, "ci_high": high, "ci_method": "wilson, combined",
                "numerator": found[0], "denominator": sum(found),
                "cannot_tell": sum(unclear), "cells": sum(of),
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def sensitivity_interval(
    yes_positive: int,
    positive: int,
    yes_negative: int,
    negative: int,
    sizes: tuple[int, int],
    confidence: float = 0.95,
) -> Interval:
    """Return the interval of the sensitivity that two samples, one of each call, give.

    Sensitivity falls as the ratio of missed rate to precision rises. The ends of that ratio are
    recovered from Wilson's ends of both (Donner and Zou, Stat Methods Med Res 21, 2012; Newcombe,
    ibid. 25, 2016, who calls it MOVER-R), which stays defined where one of them is 0. The sizes
    are counted, not estimated; that a sample may hold a good part of a call is left unused, so
    the interval is rather too wide.

    Parameters
    ----------
    yes_positive, positive
        Of the cells called positive, those the reader calls positive, and those decided.
    yes_negative, negative
        The same of the cells called negative.
    sizes
        Number of cells called positive and negative.
    confidence
        Coverage of the interval.

    Returns
    -------
    Interval
        NaN where a call that has cells was not looked at, or no cell at all was found positive.
        Where only one call has cells, the sensitivity is exactly 0 or 1.

    Examples
    --------
    >>> low, high = sensitivity_interval(45, 50, 1, 50, (1000, 10000))
    >>> round(low, 2), round(high, 2)
    (0.46, 0.96)
    """
    weighted = [(n, y, d) for n, y, d in zip(sizes, (yes_positive, yes_negative),
                                             (positive, negative), strict=True) if n]  # fmt: skip
    if any(d == 0 for _, _, d in weighted) or not any(y for _, y, _ in weighted):
        return Interval(math.nan, math.nan)
    if 0 in sizes:
        exact = 1.0 if sizes[0] else 0.0
        return Interval(exact, exact)
    precision, missed = yes_positive / positive, yes_negative / negative
    low_p, high_p = map(float, wilson_interval(yes_positive, positive, confidence))
    low_m, high_m = map(float, wilson_interval(yes_negative, negative, confidence))
    low = _ratio_end(missed, precision, low_m, high_p, lower=True)
    high = _ratio_end(missed, precision, high_m, low_p, lower=False)
    scale = sizes[1] / sizes[0]
    return Interval(1 / (1 + scale * high), 1 / (1 + scale * low))


def _ratio_end(top: float, bottom: float, end: float, other: float, *, lower: bool) -> float:
    """Return one end of ``top / bottom``, from the end of each that makes it extreme."""
    if other == 0:
        return math.inf
    scale = other * (2 * bottom - other)
    under = (top * bottom) ** 2 - end * (2 * top - end) * scale
    root = math.sqrt(max(under, 0.0))
    if scale == 0:  # a limit of the quotient below
        return end * (2 * top - end) / (2 * top * bottom) if top * bottom else math.inf
    return max((top * bottom - root if lower else top * bottom + root) / scale, 0.0)


def readers_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Compare every two readers over the cells that both decided, by marker.

    Kappa is that of the cells shown, of which about half are called positive; it is not what the
    readers would reach on the slide as it is, where one kind may be rare.

    Parameters
    ----------
    answers
        As for `agreement_table`.

    Returns
    -------
    pandas.DataFrame
        Columns ``READERS_COLUMNS``; a row a marker and pair that share a decided cell.
    """
    last = _last_answers(answers)
    last = last[last["answer"].isin(("yes", "no"))]
    rows = []
    for marker, group in last.groupby("marker", sort=True):
        by_cell = group.pivot(index="cell", columns="reader", values="answer")
        for first, second in itertools.combinations(sorted(by_cell.columns), 2):
            both = by_cell[[first, second]].dropna()
            if both.empty:
                continue
            one, two = ((both[r] == "yes").to_numpy(bool) for r in (first, second))
            table = [[int((one & two).sum()), int((one & ~two).sum())],
                     [int((~one & two).sum()), int((~one & ~two).sum())]]  # fmt: skip
            agreed = (table[0][0] + table[1][1]) / len(both)
            rows.append((marker, first, second, len(both), agreed, *cohen_kappa(table)))
    return pd.DataFrame(rows, columns=list(READERS_COLUMNS))


def cohen_kappa(table: npt.ArrayLike, confidence: float = 0.95) -> Kappa:
    """Return Cohen's kappa of a square table of counts, and its large-sample interval.

    Parameters
    ----------
    table
        ``(k, k)``: one reader's categories down, the other's across.
    confidence
        Coverage of the interval, by the standard error of Fleiss, Cohen and Everitt (Psychol
        Bull 72, 1969), which is rough under about 50 cells; cut at -1 and 1. Both ends
        are 1 where all agree.

    Returns
    -------
    Kappa
        NaN where the table is empty or both readers used one and the same category alone: chance
        then explains everything.

    Examples
    --------
    >>> value, low, high = cohen_kappa([[20, 5], [10, 15]])
    >>> round(value, 2), round(low, 2), round(high, 2)
    (0.4, 0.15, 0.65)
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    counts = np.asarray(table, np.float64)
    total = counts.sum()
    chance = counts.sum(axis=1) @ counts.sum(axis=0)
    if chance >= total**2:  # one category alone, or no cell
        return Kappa(math.nan, math.nan, math.nan)
    found = cohens_kappa(counts)
    half = float(special.ndtri((1 + confidence) / 2)) * math.sqrt(max(found.var_kappa, 0.0))
    kappa = float(found.kappa)
    return Kappa(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))


def _last_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Return one answer by reader, marker and cell: the last; cells are told by their place."""
    place = [f"{x:.2f} {y:.2f}" for x, y in zip(answers["x_um"], answers["y_um"], strict=True)]
    return answers.assign(cell=place).drop_duplicates(["reader", "marker", "cell"], keep="last")


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan
