"""From bodies to label images: nuclei of irregular form, and the cells grown from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import ndimage as ndi

from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.placement import (
    CD8_T,
    FIBROBLAST,
    LYMPHOCYTE,
    MACROPHAGE,
    NERVE,
    TUMOUR,
    Bodies,
)
from immunescape.simulate.settings import FieldParams

__all__ = ["Forms", "Labels", "crop_labels", "draw_labels", "give_form"]

HARMONICS = 3
"""Harmonics of a nucleus's outline beyond the ellipse: the second, third and fourth."""
PAD_PX_UM = 12.0
"""The canvas is this much larger than the frame on each side."""
MIN_NUCLEUS_UM2 = 4.0
"""A nucleus of which less lies in the frame is not labelled; its light stays."""

Image = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Forms:
    """Irregularity of each nucleus.

    Parameters
    ----------
    amplitude, phase
        ``(n, HARMONICS)``, of the harmonics of its outline.
    bend
        How far its ends lie off its long axis, in short semi-axes.
    """

    amplitude: npt.NDArray[np.float64]
    phase: npt.NDArray[np.float64]
    bend: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labels:
    """Nuclei and cells as ``(y, x)`` int32 images; 0 is background, k is the body ``k - 1``."""

    nuclei: Image
    cells: Image


def give_form(bodies: Bodies, rng: np.random.Generator) -> Forms:
    """Draw how irregular each nucleus is; tumour cells most, lymphocytes least."""
    lymphoid = np.isin(bodies.kind, (CD8_T, LYMPHOCYTE))
    spread = np.where(lymphoid, 0.012, np.where(bodies.kind == TUMOUR, 0.045, 0.035))
    shape = (len(bodies), HARMONICS)
    slender = np.isin(bodies.kind, (FIBROBLAST, MACROPHAGE, NERVE))
    bend = rng.normal(0, np.where(slender, 0.5, 0.1))
    amplitude = rng.normal(0, 1, shape) * spread[:, None]
    return Forms(amplitude, rng.uniform(0, 2 * np.pi, shape), np.clip(bend, -0.9, 0.9))


def pad_px(params: FieldParams) -> int:
    """Pixels by which the canvas is larger than the frame on each side."""
    return int(np.ceil(PAD_PX_UM / params.pixel_size_um))


def frame_shape(params: FieldParams) -> tuple[int, int]:
    """Height and width of the image in pixels."""
    return (
        max(round(params.height_um / params.pixel_size_um), 1),
        max(round(params.width_um / params.pixel_size_um), 1),
    )


def draw_labels(
    bodies: Bodies, forms: Forms, params: FieldParams, rng: np.random.Generator
) -> Labels:
    """Draw nuclei and cells on a canvas larger than the frame by ``pad_px`` on each side.

    Where nuclei overlap, a pixel belongs to the one whose centre it is relatively nearer to.
    A cell is what lies within its reach of the nucleus and no nearer to another nucleus that
    reaches as far; its reach varies along its border. Each nucleus and each cell is one piece.
    """
    pixel, pad = params.pixel_size_um, pad_px(params)
    height, width = (n + 2 * pad for n in frame_shape(params))
    nuclei = _draw_nuclei(
        bodies.x / pixel + pad, bodies.y / pixel + pad,
        bodies.a / pixel, bodies.b / pixel, bodies.theta,
        forms.amplitude, forms.phase, forms.bend, height, width,
    )  # fmt: skip
    nuclei = _largest_piece(nuclei)
    lymphoid = np.isin(bodies.kind, (CD8_T, LYMPHOCYTE))
    reach = np.where(lymphoid, max(params.reach_um - 0.5, 0.5), params.reach_um) / pixel
    waver = 0.9 + 0.13 * smooth_noise(nuclei.shape, 1.5 / pixel, rng)
    cells = _grow(nuclei, reach, np.clip(waver, 0.6, 1.0))
    return Labels(nuclei, _piece_with_nucleus(cells, nuclei))


def crop_labels(labels: Labels, params: FieldParams) -> tuple[Labels, npt.NDArray[np.int64]]:
    """Cut the frame out of the canvas and number the cells in it from 1.

    Returns
    -------
    Labels
        The frame's label images.
    numpy.ndarray
        Body of each label, so that entry 0 is the body of label 1.
    """
    pad = pad_px(params)
    height, width = frame_shape(params)
    window = slice(pad, pad + height), slice(pad, pad + width)
    nuclei, cells = labels.nuclei[window], labels.cells[window]
    nuclei = _largest_piece(nuclei)
    area = np.bincount(nuclei.ravel()) * params.pixel_size_um**2
    area[0] = 0
    seen = np.flatnonzero(area >= MIN_NUCLEUS_UM2)
    renumber = np.zeros(max(int(cells.max(initial=0)), len(area)) + 1, np.int32)
    renumber[seen] = np.arange(1, len(seen) + 1)
    nuclei, cells = renumber[nuclei], renumber[cells]
    return Labels(nuclei, _piece_with_nucleus(cells, nuclei)), seen - 1


def _grow(
    nuclei: Image, reach_px: npt.NDArray[np.float64], waver: npt.NDArray[np.float32]
) -> Image:
    """Grow each nucleus by its reach; where two meet, the nearer one wins."""
    cells = np.zeros_like(nuclei)
    nearest = np.full(nuclei.shape, np.inf)
    per_label = np.concatenate([[0.0], reach_px])
    for reach in np.unique(reach_px):
        of_reach = (nuclei > 0) & (per_label[nuclei] == reach)
        if not of_reach.any():
            continue
        distance, (rows, columns) = ndi.distance_transform_edt(~of_reach, return_indices=True)
        wins = (distance <= reach * waver) & (distance < nearest)
        cells[wins] = nuclei[rows[wins], columns[wins]]
        nearest[wins] = distance[wins]
    return cells


def _largest_piece(labels: Image) -> Image:
    pieces, owner, area = _pieces(labels)
    order = np.lexsort((-area, owner))
    first = order[np.unique(owner[order], return_index=True)[1]]
    keep = np.zeros(len(area), bool)
    keep[first] = True
    keep[0] = False
    return np.where(keep[pieces], labels, 0)


def _piece_with_nucleus(cells: Image, nuclei: Image) -> Image:
    pieces, _, area = _pieces(cells)
    keep = np.zeros(len(area), bool)
    keep[pieces[(nuclei > 0) & (nuclei == cells)]] = True
    return np.where(keep[pieces], cells, 0)


def _pieces(
    labels: Image,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the 4-connected pieces of equal label, numbered from 1, their labels and areas."""
    from skimage.measure import label

    pieces = label(labels, connectivity=1)
    area = np.bincount(pieces.ravel())
    owner = np.zeros(len(area), np.int64)
    owner[pieces.ravel()] = labels.ravel()
    return pieces, owner, area


@njit(cache=True)
def relative_radius(dx, dy, a, b, theta, amplitude, phase, bend):  # type: ignore[no-untyped-def]
    """Distance from the centre as a share of the outline's in that direction."""
    c, s = np.cos(theta), np.sin(theta)
    u, v = (dx * c + dy * s) / a, (-dx * s + dy * c) / b
    v -= bend * (u * u - 0.35)
    angle = np.arctan2(v, u)
    outline = 1.0
    for k in range(len(amplitude)):
        outline += amplitude[k] * np.cos((k + 2) * angle + phase[k])
    return np.sqrt(u * u + v * v) / outline


@njit(cache=True)
def _draw_nuclei(  # type: ignore[no-untyped-def]
    x, y, a, b, theta, amplitude, phase, bend, height, width
):
    labels = np.zeros((height, width), np.int32)
    best = np.full((height, width), 1.0, np.float32)
    for k in range(len(x)):
        far = 1.3 * a[k] + 2
        for i in range(max(int(y[k] - far), 0), min(int(y[k] + far) + 1, height)):
            for j in range(max(int(x[k] - far), 0), min(int(x[k] + far) + 1, width)):
                radius = relative_radius(
                    j + 0.5 - x[k], i + 0.5 - y[k], a[k], b[k], theta[k], amplitude[k], phase[k],
                    bend[k],
                )  # fmt: skip
                if radius < best[i, j]:
                    best[i, j] = radius
                    labels[i, j] = k + 1
    return labels
