"""The loop of the permutation test, compiled: apart, so that nothing else loads the compiler."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["relabelled_counts"]

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def relabelled_counts(
    first: Ints,
    held: Ints,
    start: Ints,
    touched: Ints,
    own: Ints,
    always: npt.NDArray[np.bool_],
    kind: Ints,
    kinds: int,
    draws: int,
    rng: np.random.Generator,
) -> Ints:
    """Relabel and count, draw by draw.

    Parameters
    ----------
    first
        ``(strata + 1,)`` first of each stratum's exchangeable cells, which follow one another.
    held
        ``(strata,)`` CD8 T cells of each stratum.
    start, touched
        Cells that exchangeable cell m touches are ``touched[start[m]:start[m + 1]]``.
    own
        ``(cells,)`` which exchangeable cell a looked-at cell is itself, or -1.
    always
        ``(cells,)`` whether it touches a CD8 T cell in every draw.
    kind
        ``(cells,)`` what it is counted as, 0 to ``kinds - 1``.

    Returns
    -------
    numpy.ndarray
        ``(draws, 2, kinds)`` counts not touching and touching a cell labelled CD8; cells that
        are so labelled themselves are in neither.
    """
    slots = np.arange(first[-1])
    labelled = np.zeros(first[-1], np.int64)
    touching = np.zeros(len(own), np.int64)
    counts = np.zeros((draws, 2, kinds), np.int64)
    for draw in range(draws):
        stamp = draw + 1
        for stratum in range(len(held)):
            low, high = first[stratum], first[stratum + 1]
            for i in range(low, low + held[stratum]):
                j = i + int(rng.random() * (high - i))
                m = slots[j]
                slots[j] = slots[i]
                slots[i] = m
                labelled[m] = stamp
                for edge in range(start[m], start[m + 1]):
                    touching[touched[edge]] = stamp
        for cell in range(len(own)):
            if own[cell] >= 0 and labelled[own[cell]] == stamp:
                continue
            near = always[cell] or touching[cell] == stamp
            counts[draw, 1 if near else 0, kind[cell]] += 1
    return counts
