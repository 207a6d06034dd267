"""The cells that a reader is shown: drawn at random among those of each call."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable

__all__ = ["CALLS", "calls_to_review", "draw_cells"]

CALLS = ("positive", "negative")
"""What a cell is called; as many of each are shown."""


def calls_to_review(cells: CellTable, marker: str) -> "pd.Series[bool]":
    """Return the call of each cell that a reader may be asked about.

    Parameters
    ----------
    cells
        With ``<marker>_positive``; ``region`` and ``edited`` are looked at where they are there.
    marker
        Key of a marker.

    Returns
    -------
    pandas.Series
        Whether each is called positive, by label. Cells without a call, in no region that counts,
        or set by hand are left out. Empty where the marker has no call at all.
    """
    column = f"{marker}_positive"
    if column not in cells:
        none = pd.Index([], name="label", dtype=np.int64)
        return pd.Series(np.zeros(0, bool), index=none)
    positive = cells[column]
    asked = positive.notna().to_numpy(bool, copy=True)
    if "region" in cells:
        asked &= (cells["region"] != "excluded").to_numpy(bool)
    if "edited" in cells:
        asked &= ~cells["edited"].to_numpy(bool)
    called = positive[asked]
    return pd.Series(called.to_numpy(bool), index=called.index)


def draw_cells(cells: CellTable, marker: str, per_call: int, seed: int) -> pd.DataFrame:
    """Draw cells at random, as many of each call, in an order that does not give the call away.

    Every cell has a random rank of its own, which follows from the seed, the marker and its
    label; the lowest ranks are drawn. So all readers get the same cells in the same order, asking
    for more keeps those drawn before, and a call that changes elsewhere changes nothing here.

    Parameters
    ----------
    cells
        As for `calls_to_review`.
    marker
        Key of a marker.
    per_call
        Cells of each call; all where there are fewer.
    seed
        Seed of the ranks.

    Returns
    -------
    pandas.DataFrame
        ``label, called, x_um, y_um`` in the order of showing.
    """
    called = calls_to_review(cells, marker)
    labels = called.index.to_numpy(np.int64)
    rank = _ranks(labels, f"{marker}/drawn", seed)
    chosen: list[npt.NDArray[np.int64]] = []
    positive = called.to_numpy(bool)
    for of_call in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        if len(of_call) > per_call:
            of_call = of_call[np.argpartition(rank[of_call], per_call)[:per_call]]
        chosen.append(of_call)
    rows = np.concatenate(chosen)
    rows = rows[np.argsort(_ranks(labels[rows], f"{marker}/shown", seed), kind="stable")]
    points = cells.frame.loc[labels[rows], ["x_um", "y_um"]]
    return pd.DataFrame(
        {
            "label": labels[rows],
            "called": np.where(positive[rows], *CALLS),
            "x_um": points["x_um"].to_numpy(np.float64),
            "y_um": points["y_um"].to_numpy(np.float64),
        }
    )


def _ranks(labels: npt.NDArray[np.int64], name: str, seed: int) -> npt.NDArray[np.uint64]:
    """Return a random number for each label that depends on nothing else: splitmix64."""
    entropy = np.random.SeedSequence([seed, *name.encode()]).generate_state(1, np.uint64)
    z = labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + entropy
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
