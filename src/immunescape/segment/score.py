"""How well found nuclei match drawn ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Faults", "Match", "Overlap", "label_centroids", "match_centroids", "match_labels"]


@dataclass(frozen=True)
class Match:
    """Counts of a comparison under one rule of what a hit is; add them up over images.

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
        return _share(self.hits, self.hits + self.missed + self.extra)

    @property
    def precision(self) -> float:
        """Share of the found nuclei that are hits; NaN where none was found."""
        return _share(self.hits, self.hits + self.extra)

    @property
    def recall(self) -> float:
        """Share of the drawn nuclei that are hits; NaN where none was drawn."""
        return _share(self.hits, self.hits + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where there is nothing."""
        return _share(2 * self.hits, 2 * self.hits + self.missed + self.extra)

    @property
    def count_error(self) -> float:
        """Found nuclei more than drawn ones, as a share of the drawn; NaN where none was drawn."""
        return _share(self.extra - self.missed, self.hits + self.missed)


@dataclass(frozen=True)
class Faults:
    """How often nuclei were cut into pieces or run together; add them up over images.

    Parameters
    ----------
    drawn, found
        Numbers of nuclei.
    split
        Drawn nuclei that were cut.
    merged
        Found nuclei that hold several drawn ones.

    Notes
    -----
    After Hoover et al. 1996 (IEEE PAMI 18, 673), at half instead of their stricter thresholds. A
    drawn nucleus is split if two or more found ones lie mostly in it (more than half of each), and
    these cover at least half of it together. A found nucleus is merged if it holds more than half
    of each of two or more drawn ones. That the drawn ones also fill the found one, as theirs must,
    is not asked: two nuclei in an outline much too large are still counted as one. A nucleus can be
    split or merged and yet be a hit, when one piece of it is much the largest.
    """

    drawn: int
    found: int
    split: int
    merged: int

    def __add__(self, other: "Faults") -> "Faults":
        return Faults(
            self.drawn + other.drawn,
            self.found + other.found,
            self.split + other.split,
            self.merged + other.merged,
        )

    @property
    def split_rate(self) -> float:
        """Share of the drawn nuclei that are split; NaN where none was drawn."""
        return _share(self.split, self.drawn)

    @property
    def merge_rate(self) -> float:
        """Share of the found nuclei that are merged; NaN where none was found."""
        return _share(self.merged, self.found)


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which drawn nucleus shares how many pixels with which found one.

    Parameters
    ----------
    drawn_area, found_area
        Pixels of each nucleus, in the order of their labels; labels without pixels are left out.
    drawn, found
        Places in these arrays of the two nuclei of each pair that shares a pixel.
    shared
        Pixels that each pair shares.
    """

    drawn_area: npt.NDArray[np.int64]
    found_area: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.intp]
    found: npt.NDArray[np.intp]
    shared: npt.NDArray[np.int64]

    @classmethod
    def of(cls, drawn: npt.NDArray[Any], found: npt.NDArray[Any]) -> "Overlap":
        """Compare two label images of one field.

        Parameters
        ----------
        drawn, found
            ``(y, x)`` integers of equal shape, 0 is background. Numbers may be left out.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        from scipy import sparse

        drawn, found = np.asarray(drawn), np.asarray(found)
        if drawn.shape != found.shape:
            raise ValueError(f"label images are {drawn.shape} and {found.shape}; equal ones fit")
        drawn_area, drawn_place = _areas(drawn)
        found_area, found_place = _areas(found)
        both = (drawn > 0) & (found > 0)
        a, b = drawn_place[drawn[both]], found_place[found[both]]
        pixels = sparse.coo_array(
            (np.ones(len(a), np.int64), (a, b)), shape=(len(drawn_area), len(found_area))
        )
        pairs = pixels.tocsr().tocoo()  # the pixels of a pair are added up
        return cls(
            drawn_area,
            found_area,
            pairs.row.astype(np.intp),
            pairs.col.astype(np.intp),
            pairs.data.astype(np.int64),
        )

    def match(self, iou: float = 0.5) -> Match:
        """Count a pair as a hit if intersection over union is above ``iou``.

        At 0.5 or more every nucleus has at most one partner.

        Raises
        ------
        ValueError
            If ``iou`` is below 0.5, or not below 1: nothing could be above it.
        """
        if not 0.5 <= iou < 1:
            raise ValueError(
                f"below 0.5 a label could match two others, and above 1 none; iou is {iou}"
            )
        union = self.drawn_area[self.drawn] + self.found_area[self.found] - self.shared
        hits = int((self.shared > iou * union).sum())
        return Match(hits, len(self.drawn_area) - hits, len(self.found_area) - hits)

    def faults(self) -> Faults:
        """Count the nuclei that were split or merged, as ``Faults`` defines them."""
        piece = 2 * self.shared > self.found_area[self.found]
        count = np.bincount(self.drawn[piece], minlength=len(self.drawn_area))
        covered = np.bincount(
            self.drawn[piece], weights=self.shared[piece], minlength=len(self.drawn_area)
        )
        split = (count >= 2) & (2 * covered >= self.drawn_area)
        held = 2 * self.shared > self.drawn_area[self.drawn]
        merged = np.bincount(self.found[held], minlength=len(self.found_area)) >= 2
        return Faults(
            len(self.drawn_area), len(self.found_area), int(split.sum()), int(merged.sum())
        )


def match_labels(drawn: npt.NDArray[Any], found: npt.NDArray[Any], iou: float = 0.5) -> Match:
    """Compare two label images of one field.

    Parameters
    ----------
    drawn, found
        ``(y, x)`` integers of equal shape, 0 is background.
    iou
        A pair is a hit if intersection over union is above this. At 0.5 or more every label has at
        most one partner.

    Raises
    ------
    ValueError
        If the shapes differ, or ``iou`` is below 0.5 or not below 1.

    Examples
    --------
    >>> import numpy as np
    >>> match_labels(np.array([[1, 1, 2, 2]]), np.array([[5, 5, 0, 6]]), 0.5)
    Match(hits=1, missed=1, extra=1)
    """
    return Overlap.of(drawn, found).match(iou)


def label_centroids(labels: npt.NDArray[Any], pixel_um: float = 1.0) -> npt.NDArray[np.float64]:
    """Return where the middle of each nucleus is.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background.
    pixel_um
        Edge of a pixel.

    Returns
    -------
    numpy.ndarray
        ``(n, 2)`` x and y in µm, in the order of the labels; labels without pixels are left out.

    Examples
    --------
    >>> import numpy as np
    >>> label_centroids(np.array([[0, 3, 3], [0, 0, 0], [1, 0, 0]]), 0.5).tolist()
    [[0.25, 1.25], [1.0, 0.25]]
    """
    labels = np.asarray(labels)
    area, place = _areas(labels)
    y, x = np.nonzero(labels)
    which = place[labels[y, x]]
    sums = [np.bincount(which, weights=axis, minlength=len(area)) for axis in (x, y)]
    return (np.stack(sums, axis=1) / area[:, None] + 0.5) * pixel_um


def match_centroids(
    drawn_um: npt.NDArray[np.floating[Any]],
    found_um: npt.NDArray[np.floating[Any]],
    within_um: float,
) -> Match:
    """Pair drawn with found middles, one to one.

    Parameters
    ----------
    drawn_um, found_um
        ``(n, 2)`` and ``(m, 2)`` positions in µm.
    within_um
        Pairs farther apart than this are none.

    Returns
    -------
    Match
        Of a pairing with as many pairs as there can be. Which of several such pairings is taken
        (the one with the shortest distances, say) changes no count.

    Examples
    --------
    >>> import numpy as np
    >>> drawn, found = np.array([[0.0, 0], [2, 0]]), np.array([[1.5, 0], [3.5, 0]])
    >>> match_centroids(drawn, found, 2.0)
    Match(hits=2, missed=0, extra=0)
    """
    from scipy import sparse
    from scipy.spatial import cKDTree

    count, other = len(drawn_um), len(found_um)
    if not count or not other:
        return Match(0, count, other)
    near = cKDTree(drawn_um).sparse_distance_matrix(
        cKDTree(found_um), within_um, output_type="ndarray"
    )
    graph = sparse.csr_array((np.ones(len(near), bool), (near["i"], near["j"])), (count, other))
    partner = sparse.csgraph.maximum_bipartite_matching(graph, perm_type="column")
    hits = int((partner >= 0).sum())
    return Match(hits, count - hits, other - hits)


def _areas(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """Return the areas of the labels that have pixels, and the place of each label among them."""
    area = np.bincount(labels.ravel().astype(np.int64, copy=False))
    if not area.size:
        area = np.zeros(1, dtype=np.intp)
    area[0] = 0
    there = area > 0
    return area[there].astype(np.int64), np.cumsum(there) - 1


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
