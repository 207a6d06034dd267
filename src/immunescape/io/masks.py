"""Outlines of a mask image: areas along pixel edges, lines along pixel centres."""

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from immunescape.blocks import Plane

__all__ = ["line_from_mask", "polygons_from_mask"]


def polygons_from_mask(mask: Plane, pixel_size_um: float) -> shapely.MultiPolygon:
    """Return the area of the non-zero pixels, outlined exactly along their edges.

    Parameters
    ----------
    mask
        ``(y, x)`` of any type; a pixel belongs to the area where it is not 0.
    pixel_size_um
        Edge of a pixel in µm.

    Returns
    -------
    shapely.MultiPolygon
        In µm, with its holes. Pixels that touch by a corner only are separate polygons. Its area
        is the number of pixels times the area of one. Empty where no pixel is set.

    Examples
    --------
    >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> area = polygons_from_mask(ring, 2.0)
    >>> area.area, len(area.geoms[0].interiors)
    (32.0, 1)
    """
    inside = np.pad(np.asarray(mask[:, :]) != 0, 1)
    if not inside.any():
        return shapely.MultiPolygon()
    edges = np.concatenate([_runs(inside), _runs(inside.T)[:, :, ::-1]])
    faces = shapely.get_parts(shapely.polygonize(list(map(shapely.LineString, edges))))
    middle = shapely.get_coordinates(shapely.point_on_surface(faces))
    column, row = np.floor(middle).astype(np.intp).T
    kept = faces[inside[row + 1, column + 1]]
    pixels = shapely.MultiPolygon([p for p in kept if isinstance(p, shapely.Polygon)])
    scaled = shapely.transform(pixels, lambda xy: xy * pixel_size_um)
    return shapely.MultiPolygon(scaled)


def _runs(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the horizontal outline as ``(n, 2 ends, x and y)``, cut at every corner."""
    change = inside[1:] != inside[:-1]
    # A run of edges goes on while the four pixels round its next corner show no turn.
    start = change.copy()
    start[:, 1:] &= ~(change[:, :-1] & (inside[1:, 1:] == inside[1:, :-1])
                      & (inside[:-1, 1:] == inside[:-1, :-1]))  # fmt: skip
    row, column = np.nonzero(change)
    first = np.nonzero(start[row, column])[0]
    last = np.append(first[1:], len(row)) - 1
    begin = np.stack([column[first], row[first]], axis=1)
    end = np.stack([column[last] + 1, row[first]], axis=1)
    # The mask was padded by one pixel: its own corner (0, 0) is padded column 1, change row 0.
    shift = np.array([1, 0])
    return np.stack([begin - shift, end - shift], axis=1)


def line_from_mask(mask: Plane, pixel_size_um: float) -> shapely.MultiLineString:
    """Return the middle of drawn strokes as lines through pixel centres.

    A stroke of any width is thinned to one pixel first. Branches meet where the stroke forks.

    Parameters
    ----------
    mask
        ``(y, x)`` of any type; a pixel belongs to a stroke where it is not 0.
    pixel_size_um
        Edge of a pixel in µm.

    Returns
    -------
    shapely.MultiLineString
        In µm. A stroke that thins to a single pixel has no length and is left out; empty where
        no pixel is set.

    Examples
    --------
    >>> stroke = np.array([[0, 0, 0, 0], [1, 1, 1, 1]])
    >>> line_from_mask(stroke, 1.0).length
    3.0
    """
    from skimage.morphology import skeletonize

    thin: npt.NDArray[np.bool_] = skeletonize(np.asarray(mask[:, :]) != 0)
    padded = np.pad(thin, 1)
    steps: list[Any] = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        beyond = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        joined = thin & beyond
        if dx and dy:  # a diagonal that a pixel beside it already bridges would close a triangle
            joined &= ~(padded[1 + dy : padded.shape[0] - 1 + dy, 1:-1]
                        | padded[1:-1, 1 + dx : padded.shape[1] - 1 + dx])  # fmt: skip
        row, column = np.nonzero(joined)
        here = np.stack([column, row], axis=1)
        steps.append(np.stack([here, here + np.array([dx, dy])], axis=1))
    ends = (np.concatenate(steps) + 0.5) * pixel_size_um
    if not len(ends):
        return shapely.MultiLineString()
    merged = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(ends)))
    parts = [p for p in shapely.get_parts(merged) if isinstance(p, shapely.LineString)]
    return shapely.MultiLineString(parts)
