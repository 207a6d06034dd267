"""Pictures of a slide in the colours of its markers, at one contrast for slides side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.report.colours import PHENOTYPE_COLOURS, marker_colours
from immunescape.report.contrast import contrast_limits

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.panel import Panel
    from immunescape.results import Picture

__all__ = ["Limits", "cell_map", "composed", "outlined", "picture_limits", "shown_markers"]

Limits = Mapping[str, tuple[float, float]]
"""Black and full colour of each marker key, in the units of the pixels."""

_LEFT_OUT = ("autofluorescence", "ignored", "nuclear_unused")
_NUCLEI = 0.45
"""How bright nuclei are beside the markers, so that these stand out."""
_MAP_PX = 1400
_RADIUS_UM = 4.0
_OUTLINE_ZOOM = 3


def shown_markers(panel: "Panel", picture: "Picture") -> dict[str, int]:
    """Return the channel of each stain that is shown, by marker key, nuclei first."""
    stains = [s for s in panel.stains if s.role not in _LEFT_OUT and s.channel in picture.channels]
    stains.sort(key=lambda s: s.role != "nuclear")
    return {s.marker: picture.channels.index(s.channel) for s in stains}


def picture_limits(pictures: Iterable[tuple["Picture", "Panel"]]) -> Limits:
    """Return limits for pictures that are looked at side by side.

    Parameters
    ----------
    pictures
        Pictures of one kind, overviews or closeups, and their panels.

    Returns
    -------
    Limits
        By marker key: see `contrast_limits`. A marker that shines on one of the slides and on no
        other is full where it shines and dark on the others. Pixels that are 0 in every channel
        stand where no picture was taken and count for nothing.
    """
    pooled: dict[str, list[npt.NDArray[np.float32]]] = {}
    for picture, panel in pictures:
        taken = (picture.pixels != 0).any(axis=0)
        for marker, channel in shown_markers(panel, picture).items():
            pixels = np.asarray(picture.pixels[channel], np.float32)[taken]
            pooled.setdefault(marker, []).append(pixels)
    return {marker: contrast_limits(np.concatenate(parts)) for marker, parts in pooled.items()}


def composed(picture: "Picture", panel: "Panel", limits: Limits) -> npt.NDArray[np.uint8]:
    """Return a picture in the colours of its markers, ``(y, x, 3)``; the lights are added.

    Parameters
    ----------
    picture
        Part of a slide.
    panel
        Its stains; autofluorescence is not shown.
    limits
        Contrast by marker; a marker without is left out.
    """
    colours = marker_colours(panel)
    light = np.zeros((*picture.pixels.shape[1:], 3), np.float32)
    for marker, channel in shown_markers(panel, picture).items():
        if marker not in limits:
            continue
        low, high = limits[marker]
        plane = np.asarray(picture.pixels[channel], np.float32)
        strength = np.clip((plane - low) / (high - low), 0, 1)
        nuclei = any(s.marker == marker and s.role == "nuclear" for s in panel.stains)
        colour = np.array([_NUCLEI] * 3 if nuclei else _rgb(colours[marker]), np.float32)
        light += strength[..., None] * colour
    return (255 * np.minimum(light, 1)).astype(np.uint8)


def cell_map(
    cells: "CellTable", extent_um: tuple[float, float, float, float]
) -> npt.NDArray[np.uint8]:
    """Return the cells of a slide as dots in the colours of their phenotypes, ``(y, x, 3)``.

    Parameters
    ----------
    cells
        With ``phenotype`` and ``region``; a cell that is left out is not drawn.
    extent_um
        Left, right, top and bottom of the picture on the slide.

    Returns
    -------
    numpy.ndarray
        At most 1400 pixels long. A dot is 8 µm wide, or one pixel where that is more; CD8 T cells
        lie on top, then tumour cells.
    """
    left, right, top, bottom = extent_um
    long = max(right - left, bottom - top)
    pixel = long / _MAP_PX
    shape = max(round((bottom - top) / pixel), 1), max(round((right - left) / pixel), 1)
    picture = np.zeros((*shape, 3), np.uint8)
    reach = int(_RADIUS_UM / pixel)
    across = range(-reach, reach + 1)
    offsets = [(y, x) for y in across for x in across if y * y + x * x <= (_RADIUS_UM / pixel) ** 2]
    shown = (cells["region"] != "excluded").to_numpy(bool)
    points = cells.points_um
    rows = ((points[:, 1] - top) / pixel).astype(np.int64)
    columns = ((points[:, 0] - left) / pixel).astype(np.int64)
    for phenotype in ("unknown", "other", "tumour", "cd8_t"):
        mine = shown & (cells["phenotype"] == phenotype).to_numpy(bool)
        colour = (255 * np.array(_rgb(PHENOTYPE_COLOURS[phenotype]))).astype(np.uint8)
        for dy, dx in offsets:
            y, x = rows[mine] + dy, columns[mine] + dx
            inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
            picture[y[inside], x[inside]] = colour
    return picture


def outlined(
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int32],
    groups: Sequence[tuple[npt.NDArray[np.int64], str, int]],
) -> npt.NDArray[np.uint8]:
    """Return a picture three times as large, with the outlines of some cells on it.

    Parameters
    ----------
    pixels
        ``(y, x, 3)``.
    labels
        ``(y, x)``, the cells under them.
    groups
        Labels, colour, and width of the outline in thirds of a pixel; the last lies on top.
    """
    zoom = _OUTLINE_ZOOM
    large = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
    cells = np.repeat(np.repeat(labels, zoom, axis=0), zoom, axis=1)
    for wanted, colour, width in groups:
        mine = np.where(np.isin(cells, wanted), cells, 0)
        large[_inner_edge(mine, width)] = (255 * np.array(_rgb(colour))).astype(np.uint8)
    return large


def _inner_edge(cells: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.bool_]:
    """Return the pixels of cells that lie within a width of their own border."""
    padded = np.pad(cells, width, mode="edge")
    edge = np.zeros(cells.shape, bool)
    height, across = cells.shape
    for step in range(1, width + 1):
        for dy, dx in ((step, 0), (-step, 0), (0, step), (0, -step)):
            moved = padded[width + dy : width + dy + height, width + dx : width + dx + across]
            edge |= moved != cells
    return edge & (cells > 0)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
