"""What spoils a slide: melanin, debris, folds and places out of focus, with their true outlines."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage as ndi
from shapely.geometry.base import BaseGeometry

from immunescape.io.masks import polygons_from_mask
from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.masks import Labels, frame_shape, pad_px
from immunescape.simulate.placement import MACROPHAGE, TUMOUR, Bodies
from immunescape.simulate.settings import CHANNELS, FieldParams

__all__ = ["ARTEFACTS", "Artefacts", "lay_artefacts", "spoil_focus", "spoil_stain"]

ARTEFACTS = ("pigment", "debris", "fold", "blurred", "saturated")
"""Names of the regions in which a field tells where it is spoiled."""

_MELANIN = (0.7, 1.0, 1.0, 0.9, 0.8)
"""Light of pigment in each channel, relative to a stain of strength 1."""
_ABSORBED = 0.6
"""Share of a stain's light that full pigment swallows."""
_MACROPHAGES = 3.0
"""Macrophages hold pigment this many times as often as tumour cells do."""
FOLD_UM = (22.0, 45.0)
_FOLD_SHIFT_UM = 60.0
_LOWER_UM, _UPPER_UM, _DEFOCUS_UM = 1.0, 2.2, 2.6

Flags = npt.NDArray[np.bool_]
Light = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Artefacts:
    """Artefacts of one field.

    Parameters
    ----------
    pigmented
        Whether each body holds melanin.
    melanin
        ``(y, x)`` amount of pigment on the canvas, about 1 where it is full; None if there is none.
    debris
        ``(c, y, x)`` light of debris on the canvas; None if there is none.
    fold, blurred
        ``(y, x)`` weight of each in the frame, from 0 to 1; None if there is none.
    shapes
        True outlines in µm, within the frame, of those that there are.
    """

    pigmented: Flags
    melanin: Light | None = None
    debris: Light | None = None
    fold: Light | None = None
    blurred: Light | None = None
    shapes: dict[str, BaseGeometry] = field(default_factory=dict)


def lay_artefacts(
    bodies: Bodies, canvas: Labels, params: FieldParams, rng: np.random.Generator
) -> Artefacts:
    """Decide where a field is spoiled; nothing is where the parameters say 0.

    Each kind has its own source of chance, so that one more leaves the others where they are.
    """
    pigment, debris, fold, blurred = rng.spawn(4)
    shapes: dict[str, BaseGeometry] = {}
    pixel = params.pixel_size_um

    chance = np.zeros(len(bodies))
    chance[bodies.kind == TUMOUR] = params.pigment
    chance[bodies.kind == MACROPHAGE] = min(_MACROPHAGES * params.pigment, 1.0)
    pigmented = pigment.random(len(bodies)) < chance
    melanin = specks = band = defocus = None
    if pigmented.any():
        melanin, shapes["pigment"] = _melanin(pigmented, canvas, params, pigment)
    if params.debris_per_mm2 > 0:
        specks, shapes["debris"] = _debris(params, debris)
    if params.folds > 0:
        band, shapes["fold"] = _folds(params, fold)
    if params.blurred_fraction > 0:
        shape = frame_shape(params)
        noise = smooth_noise(shape, max(shape) / 6, blurred)
        level = np.quantile(noise, 1 - params.blurred_fraction)
        defocus = np.asarray(1 / (1 + np.exp(-8 * (noise - level))), np.float32)
        shapes["blurred"] = polygons_from_mask(noise > level, pixel)
    return Artefacts(
        pigmented, melanin, specks, band, defocus,
        {name: shape for name, shape in shapes.items() if not shape.is_empty},
    )  # fmt: skip


def spoil_stain(light: Light, artefacts: Artefacts, params: FieldParams) -> Light:
    """Let pigment swallow the light of the stains and add its own, and add that of debris."""
    if artefacts.melanin is not None:
        own = np.array(_MELANIN, np.float32)[:, None, None] * params.photons
        swallowed = 1 - _ABSORBED * np.minimum(artefacts.melanin, 1)
        light = light * swallowed + own * artefacts.melanin
    if artefacts.debris is not None:
        light = light + artefacts.debris
    return np.asarray(light, np.float32)


def spoil_focus(light: Light, artefacts: Artefacts, params: FieldParams) -> Light:
    """Double the tissue where it is folded, and blur what is out of focus; ``(c, y, x)`` frame."""
    if artefacts.fold is not None:
        shift = round(_FOLD_SHIFT_UM / params.pixel_size_um)
        upper = np.roll(light, (shift, shift), axis=(1, 2))
        doubled = _blurred(light, _LOWER_UM, params) + _blurred(upper, _UPPER_UM, params)
        light = light + artefacts.fold * (doubled - light)
    if artefacts.blurred is not None:
        light = light + artefacts.blurred * (_blurred(light, _DEFOCUS_UM, params) - light)
    return np.asarray(light, np.float32)


def _blurred(light: Light, sigma_um: float, params: FieldParams) -> Light:
    sigma = sigma_um / params.pixel_size_um
    return np.stack([ndi.gaussian_filter(p, sigma, mode="nearest", truncate=3) for p in light])


def _melanin(
    pigmented: Flags, canvas: Labels, params: FieldParams, rng: np.random.Generator
) -> tuple[Light, BaseGeometry]:
    """Fill the bodies with granules, in the nucleus seen through fewer of them."""
    pixel, pad = params.pixel_size_um, pad_px(params)
    of_pixels = np.concatenate([[False], pigmented])
    cells, nuclei = of_pixels[canvas.cells], of_pixels[canvas.nuclei]
    dense = np.concatenate([[0.0], np.exp(rng.normal(0.1, 0.4, len(pigmented)))])
    grain = np.clip(0.9 + 0.5 * smooth_noise(cells.shape, 0.7 / pixel, rng), 0.1, None)
    melanin = cells * dense[canvas.cells] * grain * np.where(nuclei, 0.5, 1.0)
    height, width = frame_shape(params)
    seen = cells[pad : pad + height, pad : pad + width]
    return melanin.astype(np.float32), polygons_from_mask(seen, pixel)


def _debris(params: FieldParams, rng: np.random.Generator) -> tuple[Light, BaseGeometry]:
    """Scatter specks of one to four lumps over the frame, tissue or not."""
    pixel, pad = params.pixel_size_um, pad_px(params)
    height, width = frame_shape(params)
    light = np.zeros((len(CHANNELS), height + 2 * pad, width + 2 * pad), np.float32)
    lumps = []
    for _ in range(rng.poisson(params.debris_per_mm2 * params.width_um * params.height_um / 1e6)):
        x, y = rng.uniform(0, params.width_um), rng.uniform(0, params.height_um)
        bright = params.photons * 2.5 * np.exp(rng.normal(0, 0.5))
        colour = bright * np.exp(rng.normal(0, 0.25, len(CHANNELS)))
        for _ in range(rng.integers(1, 5)):
            dx, dy = rng.normal(0, 1.4, 2)
            radius = rng.uniform(0.6, 2.6)
            lumps.append(shapely.Point(x + dx, y + dy).buffer(radius))
            far = radius + pixel
            i0, j0 = (max(int((at - far) / pixel) + pad, 0) for at in (y + dy, x + dx))
            size = int(2 * far / pixel) + 2
            window = light[:, i0 : i0 + size, j0 : j0 + size]
            i, j = np.indices(window.shape[1:])
            away = np.hypot((i + i0 - pad + 0.5) * pixel - y - dy,
                            (j + j0 - pad + 0.5) * pixel - x - dx)  # fmt: skip
            inside = np.clip((radius - away) / pixel + 0.5, 0, 1)
            np.maximum(window, colour[:, None, None] * inside, out=window)
    frame = shapely.box(0, 0, params.width_um, params.height_um)
    return light, shapely.intersection(shapely.union_all(lumps), frame)


def _folds(params: FieldParams, rng: np.random.Generator) -> tuple[Light, BaseGeometry]:
    """Lay gently bent bands across the frame."""
    width, height = params.width_um, params.height_um
    frame, bands = shapely.box(0, 0, width, height), []
    for _ in range(params.folds):
        x, y = rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height
        angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.1, 0.1)
        t = np.linspace(-1.0, 1.0, 80) * (width + height)
        u = bend * min(width, height) * np.cos(2 * np.pi * t / (width + height))
        c, s = np.cos(angle), np.sin(angle)
        line = shapely.linestrings(x + t * c - u * s, y + t * s + u * c)
        bands.append(line.buffer(rng.uniform(*FOLD_UM) / 2))
    band = shapely.intersection(shapely.union_all(bands), frame)
    rows, columns = frame_shape(params)
    pixel = params.pixel_size_um
    shapely.prepare(band)
    xx, yy = np.meshgrid((np.arange(columns) + 0.5) * pixel, (np.arange(rows) + 0.5) * pixel)
    inside = np.asarray(shapely.intersects_xy(band, xx, yy), np.float32)
    return ndi.gaussian_filter(inside, 1.0 / pixel), band
