"""From light to a stored image: optics, spectral bleed-through, background and noise."""

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage as ndi

from immunescape.simulate.artefacts import Artefacts, spoil_focus, spoil_stain
from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.masks import frame_shape, pad_px
from immunescape.simulate.nests import Ground
from immunescape.simulate.settings import CHANNELS, FieldParams

__all__ = ["bleed_matrix", "blur", "expose", "saturated"]

COUNTS_PER_PHOTON = 1.0
READ_NOISE_PHOTONS = 1.6
FULL_WELL = 4095
"""Largest stored value: the camera has 12 bits."""
HAZE_UM = 2.5
_TISSUE_GLOW = (1.0, 1.3, 1.0, 0.8, 0.6)
"""Autofluorescence of tissue in each channel, relative to the parameter."""

Light = npt.NDArray[np.float32]


def bleed_matrix(params: FieldParams) -> npt.NDArray[np.float64]:
    """Return how light of each stain (column) spreads over the channels (row)."""
    n = len(CHANNELS)
    matrix = np.eye(n)
    matrix += params.bleed_through * np.eye(n, k=-1)
    matrix += params.bleed_through / 3 * np.eye(n, k=1)
    return matrix


def blur(light: Light, params: FieldParams) -> Light:
    """Blur one plane by the optics: a sharp kernel and a wide one for what is out of focus."""
    pixel = params.pixel_size_um
    sharp = ndi.gaussian_filter(light, params.psf_um / pixel, mode="nearest", truncate=3.5)
    if params.haze_fraction == 0:
        return np.asarray(sharp, np.float32)
    wide = ndi.gaussian_filter(light, HAZE_UM / pixel, mode="nearest", truncate=3.0)
    return np.asarray((1 - params.haze_fraction) * sharp + params.haze_fraction * wide, np.float32)


def expose(
    light: Light,
    ground: Ground,
    stain_gain: npt.NDArray[np.float64],
    params: FieldParams,
    rng: np.random.Generator,
    artefacts: Artefacts | None = None,
) -> npt.NDArray[np.uint16]:
    """Take the picture: the frame's part of the canvas as ``(c, y, x)`` uint16.

    Parameters
    ----------
    light
        Photons of each stain on the canvas.
    stain_gain
        Strength of each stain on this slide; 1 is usual.
    artefacts
        What spoils the picture, if anything does.
    """
    light = light * _stained(stain_gain, params)[:, None, None]
    if artefacts is not None:
        light = spoil_stain(light, artefacts, params)
    pad = pad_px(params)
    height, width = frame_shape(params)
    window = slice(pad, pad + height), slice(pad, pad + width)
    seen = np.stack([blur(plane, params)[window] for plane in light])
    seen = np.tensordot(bleed_matrix(params).astype(np.float32), seen, axes=1)
    glow = np.array(_TISSUE_GLOW, np.float32)[:, None, None]
    seen = seen + glow * _tissue_glow(ground, params, rng)
    if artefacts is not None:
        seen = spoil_focus(seen, artefacts, params)
    image = np.empty(seen.shape, np.uint16)
    for c in range(len(CHANNELS)):
        plane = seen[c]
        plane *= _illumination((height, width), params, rng)
        plane += params.background_photons * _drift((height, width), params, rng)
        electrons = rng.poisson(plane).astype(np.float32)
        electrons += READ_NOISE_PHOTONS * rng.standard_normal(plane.shape, np.float32)
        counts = np.rint(params.pedestal + _gain(electrons, params) * electrons)
        image[c] = np.clip(counts, 0, FULL_WELL).astype(np.uint16)
    return image


def saturated(image: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    """Mark the pixels ``(y, x)`` that clip in any channel."""
    return np.asarray((image >= FULL_WELL).any(axis=0))


def _stained(stain_gain: npt.NDArray[np.float64], params: FieldParams) -> Light:
    """Strength of each stain, 0 for the one that failed."""
    failed = {"cd8": 1, "pdl1": 2, "s100": 3, "sox10": 4}.get(params.unstained)
    gain = stain_gain.astype(np.float32)
    return gain if failed is None else np.where(np.arange(len(gain)) == failed, 0, gain)


def _gain(electrons: Light, params: FieldParams) -> float:
    """Return counts per photon: one, or as many as make the share of pixels clip that should."""
    if params.saturated_fraction == 0:
        return COUNTS_PER_PHOTON
    brightest = float(np.quantile(electrons, 1 - params.saturated_fraction))
    return max((FULL_WELL - params.pedestal) / max(brightest, 1.0), COUNTS_PER_PHOTON)


def _tissue_glow(ground: Ground, params: FieldParams, rng: np.random.Generator) -> Light:
    """Photons of unstained tissue: cloudy, with fibres in the stroma."""
    pixel = params.pixel_size_um
    height, width = frame_shape(params)
    step = max(int(4.0 / pixel), 1)
    y = np.arange(0, height, step) * pixel + 0.5 * step * pixel
    x = np.arange(0, width, step) * pixel + 0.5 * step * pixel
    xx, yy = np.meshgrid(x, y)
    masks = (shapely.intersects_xy(shape, xx, yy) for shape in (ground.section, ground.nests))
    section, nests = (
        ndi.gaussian_filter(np.kron(m, np.ones((step, step), np.float32))[:height, :width], step)
        for m in masks
    )
    cloud = np.exp(0.3 * smooth_noise((height, width), 18 / pixel, rng))
    ridges = np.abs(smooth_noise((height, width), 6.0 / pixel, rng))
    ridges += 0.5 * np.abs(smooth_noise((height, width), 2.0 / pixel, rng))
    fibres = np.exp(-((ridges / 0.5) ** 2)) * (1 - nests)
    glow = section * cloud * (0.75 + 0.6 * fibres)
    return np.asarray(params.photons * params.autofluorescence * glow, np.float32)


def _illumination(shape: tuple[int, int], params: FieldParams, rng: np.random.Generator) -> Light:
    """Brightness of the lamp over the field, 1 at its brightest."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    cy, cx = rng.uniform(-0.3, 0.3, 2)
    squared = ((y - cy) ** 2)[:, None] + ((x - cx) ** 2)[None]
    return np.asarray(1 - params.uneven_illumination * squared / squared.max(), np.float32)


def _drift(shape: tuple[int, int], params: FieldParams, rng: np.random.Generator) -> Light:
    """Unevenness of the background, about 1."""
    return np.asarray(
        np.exp(params.uneven_background * smooth_noise(shape, max(shape) / 5, rng)), np.float32
    )
