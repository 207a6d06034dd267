"""How well found nuclei match drawn ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Match", "match_labels"]


@dataclass(frozen=True)
class Match:
    """Counts of a comparison at one overlap threshold; add them up over images.

    Parameters
    ----------
    hits, missed, extra
        Drawn nuclei that were found, drawn ones that were not, found ones that were not drawn.
    """

    hits: int
    missed: int
    extra: int

    def __add__(self, other: "Match") -> "Match":
        return Match(self.hits + other.hits, self.missed + other.missed, self.extra + other.extra)

    @property
    def average_precision(self) -> float:
        """Hits over hits, missed and extra together; NaN where there is nothing."""
        total = self.hits + self.missed + self.extra
        return self.hits / total if total else float("nan")


def match_labels(drawn: npt.NDArray[Any], found: npt.NDArray[Any], iou: float = 0.5) -> Match:
    """Compare two label images of one field.

    Parameters
    ----------
    drawn, found
        ``(y, x)`` integers of equal shape, 0 is background.
    iou
        A pair is a hit if intersection over union is above this. At 0.5 or more every label has at
        most one partner.

    Examples
    --------
    >>> import numpy as np
    >>> match_labels(np.array([[1, 1, 2, 2]]), np.array([[5, 5, 0, 6]]), 0.5)
    Match(hits=1, missed=1, extra=1)
    """
    if iou < 0.5:
        raise ValueError(f"below 0.5 a label could match two others; iou is {iou}")
    drawn, found = np.asarray(drawn, dtype=np.int64), np.asarray(found, dtype=np.int64)
    area_drawn = np.bincount(drawn.ravel())
    area_found = np.bincount(found.ravel())
    width = len(area_found)
    pairs, shared = np.unique(drawn.ravel() * width + found.ravel(), return_counts=True)
    a, b = pairs // width, pairs % width
    both = (a > 0) & (b > 0)
    a, b, shared = a[both], b[both], shared[both]
    hits = int((shared > iou * (area_drawn[a] + area_found[b] - shared)).sum())
    total_drawn = int((area_drawn[1:] > 0).sum())
    total_found = int((area_found[1:] > 0).sum())
    return Match(hits, total_drawn - hits, total_found - hits)
