"""Distances between cell centroids: nearest neighbours and counts within a radius.

Places that are not finite numbers raise ``ValueError``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

__all__ = ["count_within", "nearest_distance_um", "pairs_within", "touches_within"]

_Points = npt.NDArray[np.float64]


def nearest_distance_um(
    points: npt.ArrayLike, targets: npt.ArrayLike, *, same: bool = False
) -> npt.NDArray[np.float64]:
    """Return the distance from each point to the nearest target.

    Parameters
    ----------
    points, targets
        Centroids as ``(n, 2)`` and ``(m, 2)`` arrays of x and y in µm.
    same
        Whether ``targets`` are the very same points in the same order: a point is then not its
        own target. Another point at the same place still is, at distance 0.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` distances in µm; NaN where there is no target.

    Raises
    ------
    ValueError
        If ``same`` is said of sets of different size.

    Examples
    --------
    >>> nearest_distance_um([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0]])
    array([0., 5.])
    """
    start, goal = _points(points), _points(targets)
    if same and len(start) != len(goal):
        raise ValueError("the same points are as many as the targets")
    distance = np.full(len(start), np.nan)
    if not len(start) or len(goal) < (2 if same else 1):
        return distance
    # A point is at distance 0 from itself, hence its second nearest is its nearest other one.
    nearest: Any = cKDTree(goal).query(start, k=[2 if same else 1])[0]
    distance[:] = nearest[:, 0]
    return distance


def pairs_within(
    points_a: npt.ArrayLike, points_b: npt.ArrayLike, radius_um: float
) -> npt.NDArray[np.int64]:
    """Return the pairs of points that lie at most ``radius_um`` apart.

    Parameters
    ----------
    points_a, points_b
        Centroids as ``(n, 2)`` and ``(m, 2)`` arrays of x and y in µm. Given the same points
        twice, every point is paired with itself too and every pair stands in both directions.
    radius_um
        Largest distance between the two of a pair, in µm, itself included.

    Returns
    -------
    numpy.ndarray
        ``(k, 2)`` positions in ``points_a`` and ``points_b``, sorted; ``(0, 2)`` without a pair.

    Examples
    --------
    >>> pairs_within([[0.0, 0.0], [9.0, 0.0]], [[0.0, 5.0], [1.0, 0.0]], 5.0)
    array([[0, 0],
           [0, 1]])
    """
    from immunescape.spatial._within import count_near, list_near

    a, b = _points(points_a), _points(points_b)
    if not len(a) or not len(b) or not radius_um >= 0:
        return np.zeros((0, 2), np.int64)
    grid, order = _grid(a, b, radius_um)
    return np.asarray(list_near(*grid, order, count_near(*grid)), np.int64)


def count_within(
    points: npt.ArrayLike, targets: npt.ArrayLike, radius_um: float, *, same: bool = False
) -> npt.NDArray[np.int64]:
    """Count for each point the targets at most ``radius_um`` away.

    Parameters
    ----------
    points, targets
        Centroids as ``(n, 2)`` and ``(m, 2)`` arrays of x and y in µm.
    radius_um
        Largest distance counted, in µm, itself included.
    same
        Whether ``targets`` are the very same points: a point then does not count itself.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` counts.
    """
    from immunescape.spatial._within import count_near

    start, goal = _points(points), _points(targets)
    if not len(start) or not len(goal) or not radius_um >= 0:
        return np.zeros(len(start), np.int64)
    found = count_near(*_grid(start, goal, radius_um)[0])
    return np.asarray(found, np.int64) - int(same)


def touches_within(
    points: npt.ArrayLike, targets: npt.ArrayLike, radius_um: float, *, same: bool = False
) -> npt.NDArray[np.bool_]:
    """Tell for each point whether a target lies at most ``radius_um`` away.

    Parameters and edges are those of :func:`count_within`; without a target nothing is near.
    """
    return count_within(points, targets, radius_um, same=same) > 0


def _grid(points: _Points, targets: _Points, radius_um: float) -> tuple[Any, npt.NDArray[np.int64]]:
    """Return what the loops ask for, and the positions of the targets in their order."""
    from immunescape.spatial._within import Squares

    squares = Squares(targets, radius_um)
    order = squares.order
    turn = order if np.array_equal(points, targets) else squares.turn(points)
    limit = float(radius_um) ** 2
    grid = (squares.corner, squares.edge, squares.shape, squares.first)
    return (points, turn, targets[order], limit, *grid), order


def _points(points: npt.ArrayLike) -> _Points:
    made = np.ascontiguousarray(points, np.float64).reshape(-1, 2)
    if not np.isfinite(made).all():
        raise ValueError("points have finite coordinates")
    return made
