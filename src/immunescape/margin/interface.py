"""The interface: where the tumour meets analysed tissue, and how far a place is from it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.margin.grid import GridMask
from immunescape.threads import allotted_threads

__all__ = ["distance_um", "frame_distance_um", "grid_distance_um", "line_interface", "outline"]

_PIECE = 8
_AT_ONCE = 20_000
_ALONG = 0.95
"""Cosine of the angle, about 18°, below which an outline runs along a side of the frame."""


def outline(tumour: BaseGeometry, analysed: GridMask, tolerance_um: float) -> BaseGeometry:
    """Return the parts of a tumour outline that have analysed tissue beyond them.

    Looking ``tolerance_um`` outwards from the outline, a part is interface where the working
    grid has analysed tissue there. So the frame, the border of an analysed field, exclusions,
    necrosis, what was not imaged and the free edge of the section are not interface, nor is an
    outline that follows them at less than the tolerance on the inside; one that meets the frame
    at an angle is interface up to the frame. Pieces shorter than twice the tolerance, between
    parts that are not interface, are left out, then gaps as short as that are closed unless they
    lie at the frame.

    Parameters
    ----------
    tumour
        Polygons in µm, holes kept: the outline of a hole is interface too.
    analysed
        Analysed tissue.
    tolerance_um
        How far beyond the outline to look.

    Returns
    -------
    shapely.MultiLineString
        Empty for an empty tumour, and for one that fills the analysed tissue.
    """
    lines: list[shapely.LineString] = []
    step = analysed.grid_um / 2
    oriented = shapely.orient_polygons(tumour)
    for polygon in shapely.get_parts(oriented):
        for ring in shapely.get_rings(polygon):
            dense = shapely.get_coordinates(shapely.segmentize(ring, step))
            if len(dense) < 4:
                continue
            middle = (dense[1:] + dense[:-1]) / 2
            along = np.diff(dense, axis=0)
            length = np.hypot(*along.T)
            # The area lies on the left of an exterior and of a hole alike, with y up.
            outwards = (
                np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(length, 1e-12)[:, None]
            )
            open_to = _open_to(middle, outwards, analysed, tolerance_um)
            inner = analysed.at(middle) | analysed.at(middle - tolerance_um * outwards)
            on_slide = _within(middle, analysed.frame_um)
            open_to = _without_short_runs(open_to, length, 2 * tolerance_um, inner & on_slide)
            lines += _runs_as_lines(dense, open_to & on_slide)
    return shapely.simplify(shapely.MultiLineString(lines), 1e-6)


def _open_to(
    middle: npt.NDArray[np.float64],
    outwards: npt.NDArray[np.float64],
    analysed: GridMask,
    tolerance_um: float,
) -> npt.NDArray[np.bool_]:
    """Tell where analysed tissue lies beyond an outline, given its points and their normals."""
    probe = middle + tolerance_um * outwards
    held = np.clip(probe, 0, np.array(analysed.frame_um))
    along_frame = ((probe != held) & (np.abs(outwards) > _ALONG)).any(axis=1)
    return np.asarray(analysed.at(held) & ~along_frame, bool)


def line_interface(line: BaseGeometry, analysed: GridMask, tolerance_um: float) -> BaseGeometry:
    """Return the parts of a drawn margin line with analysed tissue within ``tolerance_um``.

    A drawn line is a decision: only what lies beyond the frame, or amid exclusions or glass, is
    left out.
    """
    lines: list[shapely.LineString] = []
    within = shapely.intersection(line, shapely.box(0, 0, *analysed.frame_um))
    for part in (p for p in shapely.get_parts(within) if isinstance(p, shapely.LineString)):
        dense = shapely.get_coordinates(shapely.segmentize(part, analysed.grid_um / 2))
        middle = (dense[1:] + dense[:-1]) / 2
        along = np.diff(dense, axis=0)
        length = np.hypot(*along.T)
        across = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(length, 1e-12)[:, None]
        near = np.zeros(len(middle), bool)
        for side in (-tolerance_um, 0.0, tolerance_um):
            near |= analysed.at(middle + side * across)
        lines += _runs_as_lines(dense, near)
    return shapely.simplify(shapely.MultiLineString(lines), 1e-6)


def _within(points: npt.NDArray[np.float64], frame: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points <= np.array(frame))).all(axis=1), bool)


def _without_short_runs(
    flags: npt.NDArray[np.bool_],
    lengths: npt.NDArray[np.float64],
    shortest: float,
    may_close: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Drop short runs in a closed ring of flags, then close short gaps; full rings stay."""
    flags = flags.copy()
    for value in (True, False):
        if flags.all() or not flags.any():
            return flags
        shift = int(np.argmax(flags != np.roll(flags, 1)))  # a run begins here
        turned, size = np.roll(flags, -shift), np.roll(lengths, -shift)
        allowed = np.roll(may_close, -shift)
        bounds = np.r_[0, np.nonzero(np.diff(turned))[0] + 1, len(turned)]
        total = np.add.reduceat(size, bounds[:-1])
        willing = np.logical_and.reduceat(allowed, bounds[:-1])
        flip = (turned[bounds[:-1]] == value) & (total < shortest)
        if not value:
            flip &= willing
        turned = turned ^ np.repeat(flip, np.diff(bounds))
        flags = np.roll(turned, shift)
    return flags


def _runs_as_lines(
    dense: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_]
) -> list[shapely.LineString]:
    """Return the kept stretches of a line of points; a closed one is joined over its start."""
    if not kept.any():
        return []
    if kept.all():
        return [shapely.LineString(dense)]
    if np.array_equal(dense[0], dense[-1]) and kept[0] and kept[-1]:
        shift = int(np.argmin(kept))
        kept = np.roll(kept, -shift)
        dense = np.concatenate([dense[shift:-1], dense[: shift + 1]])
    bounds = np.r_[0, np.nonzero(np.diff(kept))[0] + 1, len(kept)]
    return [
        shapely.LineString(dense[start : stop + 1])
        for start, stop in pairwise(bounds)
        if kept[start]
    ]


def distance_um(
    points_um: npt.NDArray[np.float64], interface: BaseGeometry
) -> npt.NDArray[np.float64]:
    """Return the exact unsigned distance of ``(n, 2)`` points; NaN without an interface.

    A tree of short pieces of the interface is asked: a prepared line of a whole slide takes time in
    proportion to its length for each point.
    """
    distance = np.full(len(points_um), np.nan)
    pieces = [piece for line in shapely.get_parts(interface) for piece in _pieces(line)]
    if pieces and len(points_um):
        tree = shapely.STRtree(pieces)

        def ask(part: slice) -> None:
            points = shapely.points(points_um[part])
            (which, _), found = tree.query_nearest(points, return_distance=True, all_matches=False)
            distance[part][which] = found

        parts = [slice(k, k + _AT_ONCE) for k in range(0, len(points_um), _AT_ONCE)]
        with ThreadPoolExecutor(allotted_threads()) as pool:
            list(pool.map(ask, parts))
    return distance


def _pieces(line: BaseGeometry) -> Iterator[shapely.LineString]:
    """Cut a line into pieces of a few segments, which share their ends."""
    points = shapely.get_coordinates(line)
    for start in range(0, len(points) - 1, _PIECE):
        yield shapely.LineString(points[start : start + _PIECE + 1])


def frame_distance_um(
    x_um: npt.NDArray[np.float64], y_um: npt.NDArray[np.float64], frame: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Return the distance to the nearest side of the frame; the arrays are broadcast."""
    width, height = frame
    nearest = np.minimum(np.minimum(x_um, width - x_um), np.minimum(y_um, height - y_um))
    return np.asarray(nearest, np.float64)


def grid_distance_um(
    interface: BaseGeometry, grid: GridMask, rows_at_once: int = 256
) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Yield the unsigned distance of the middle of each grid cell, some rows at a time.

    The Euclidean distance transform tells the nearest grid cell on the interface; from there the
    nearest of the interface's own points, half a grid step apart, is sought along the line. So
    the distance is to the line itself and not to the cell it passes, exact to within
    ``grid_um**2 / (32 * distance)``.

    Parameters
    ----------
    interface
        Lines in µm, not empty, within the frame.
    grid
        Any mask on the working grid.
    rows_at_once
        Rows of one yield.
    """
    from scipy import ndimage as ndi

    points = shapely.get_coordinates(shapely.segmentize(interface, grid.grid_um / 2))
    rows, columns = grid.index(points)
    marked = np.ones(grid.mask.shape, bool)
    marked[rows, columns] = False
    nearest = ndi.distance_transform_edt(marked, return_distances=False, return_indices=True)
    which = np.zeros(grid.mask.shape, np.int32)
    which[rows, columns] = np.arange(len(points))
    for start in range(0, grid.mask.shape[0], rows_at_once):
        strip = slice(start, min(start + rows_at_once, grid.mask.shape[0]))
        x = np.broadcast_to(grid.x_um, (strip.stop - strip.start, len(grid.x_um)))
        y = np.broadcast_to(grid.y_um[strip, None], x.shape)
        index = which[nearest[0, strip], nearest[1, strip]]
        yield strip, _along_line(points, index, x, y)


def _along_line(
    points: npt.NDArray[np.float64],
    index: npt.NDArray[np.int32],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    best = (points[index, 0] - x) ** 2 + (points[index, 1] - y) ** 2
    for step in (16, 8, 4, 2, 1):
        for way in (-step, step):
            other = np.clip(index + way, 0, len(points) - 1)
            squared = (points[other, 0] - x) ** 2 + (points[other, 1] - y) ** 2
            nearer = squared < best
            best = np.where(nearer, squared, best)
            index = np.where(nearer, other, index)
    distance: npt.NDArray[np.float64] = np.sqrt(best)
    return distance
