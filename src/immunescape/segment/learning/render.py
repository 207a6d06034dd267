"""Nuclear stains rendered onto label images, and the distortions that training applies."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "DEBRIS_SPECKS",
    "HAZE_PX",
    "HAZE_SHARE",
    "distort",
    "levelled",
    "render_stain",
    "warp",
]

Image = npt.NDArray[np.float32]

# Ranges that training has seen, named so that an evaluation can stay out of them.
HAZE_PX = (6.0, 15.0)
"""Standard deviation of the blur of light from out of focus."""
HAZE_SHARE = (0.0, 0.15)
"""Share of the light that comes from out of focus."""
DEBRIS_SPECKS = (1, 12)
"""Specks on a patch that has any, the upper end left out."""


def render_stain(
    labels: npt.NDArray[Any],
    rng: np.random.Generator,
    *,
    ghosts: npt.NDArray[Any] | None = None,
    membranes: npt.NDArray[Any] | None = None,
    hollow: float = 0.0,
    clumped: float = 0.0,
) -> Image:
    """Render a fluorescent nuclear stain as a microscope would see these nuclei.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background: the nuclei in focus.
    rng
        Source of all chance.
    ghosts
        Labels of the same shape that lie out of focus above or below.
    membranes
        Image of the same shape that bleeds into the nuclear channel.
    hollow
        Share by which the middle of a large nucleus is dimmer than its rim, 0 to 1, as in
        vesicular nuclei; nuclei of less than about 8 pixels are less so.
    clumped
        Standard deviation, as a share of the brightness, of a second texture of two to three
        pixels: chromatin in clumps. 0 draws none, and takes nothing from ``rng``.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` float32, photons scaled so that a typical nucleus is about 1; noise included.

    Notes
    -----
    Each nucleus has its own brightness (log-normal, a third of the fields with a brighter second
    population), chromatin texture at one to three pixels and a rounded rim. Haze, uneven light,
    debris, blur, shot noise and read noise follow.
    """
    from scipy import ndimage as ndi

    shape = labels.shape
    sharp = _bodies(labels, rng, hollow)
    if rng.random() < 0.3:
        rim = ndi.gaussian_filter(sharp, rng.uniform(1.0, 2.0))
        sharp = np.maximum(sharp, rim * rng.uniform(0.5, 1.0))
    sharp *= _texture(shape, rng, rng.uniform(0.05, 0.3))
    if clumped:
        sharp *= _texture(shape, rng, clumped, 1.5)
    image = ndi.gaussian_filter(sharp, rng.uniform(0.4, 1.4))
    if ghosts is not None:
        blurred = ndi.gaussian_filter(_bodies(ghosts, rng), rng.uniform(3.0, 8.0))
        image += rng.uniform(0.05, 0.5) * blurred
    image += rng.uniform(0.0, 0.2) * _slow(shape, rng)
    if rng.random() < 0.5:
        image += rng.uniform(*HAZE_SHARE) * ndi.gaussian_filter(sharp, rng.uniform(*HAZE_PX))
    if membranes is not None:
        image += rng.uniform(0.02, 0.3) * ndi.gaussian_filter(
            membranes.astype(np.float32) * _slow(shape, rng), rng.uniform(0.5, 1.5)
        )
    if rng.random() < 0.4:
        image += _debris(shape, rng)
    image *= 1.0 - rng.uniform(0.0, 0.5) * _slow(shape, rng)
    photons = np.exp(rng.uniform(np.log(15.0), np.log(2000.0)))
    image = rng.poisson(np.maximum(image, 0.0) * photons).astype(np.float32) / photons
    image += np.float32(rng.uniform(0.0, 0.04)) * rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(image, dtype=np.float32)


def distort(picture: Image, rng: np.random.Generator) -> Image:
    """Blur, coarsen, add noise to, scale and bend the brightness of a picture.

    Parameters
    ----------
    picture
        ``(y, x)`` float32, ``levelled``.
    rng
        Source of all chance.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` float32: background near 0, the brightest nuclei near 1, give or take the gain
        by which one field of a slide may be dimmer than the slide.
    """
    from scipy import ndimage as ndi

    image: Any = picture
    if rng.random() < 0.4:
        image = ndi.gaussian_filter(image, rng.uniform(0.3, 1.8))
    if rng.random() < 0.3:
        image = _coarsened(image, rng.uniform(1.2, 2.6))
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + np.float32(rng.uniform(0.0, 0.08)) * noise
    if rng.random() < 0.5:
        image = np.maximum(image, 0.0) ** np.float32(np.exp(rng.normal(0.0, 0.25)))
    if rng.random() < 0.3:
        image = image * (1.0 - np.float32(rng.uniform(0.0, 0.6)) * _slow(image.shape, rng))
    gain = np.exp(rng.uniform(np.log(0.3), np.log(1.4))) if rng.random() < 0.6 else 1.0
    offset = rng.uniform(-0.03, 0.08) if rng.random() < 0.5 else 0.0
    return np.asarray(image * np.float32(gain) + np.float32(offset), dtype=np.float32)


def levelled(picture: Image, rng: np.random.Generator) -> Image:
    """Bring a picture to levels 0 and 1 between two of its outer percentiles, drawn at random.

    A constant picture becomes 0; 1, and less than -0.5 and more than 4, are as the levels of a
    slide would have them.
    """
    low, high = np.percentile(picture[::2, ::2], (rng.uniform(0.1, 3.0), rng.uniform(99.0, 99.95)))
    if not high > low:
        return np.zeros_like(picture, dtype=np.float32)
    scaled = (picture - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(scaled, -0.5, 4.0), dtype=np.float32)


def warp(
    array: npt.NDArray[Any],
    matrix: npt.NDArray[np.float64],
    centre: Any,
    size: int,
    order: Literal[0, 1],
) -> npt.NDArray[Any]:
    """Cut a square patch out of a plane through an affine map.

    Parameters
    ----------
    array
        ``(y, x)``; outside it everything is 0.
    matrix
        2 x 2, from offsets in the patch to offsets in the array.
    centre
        Where in the array the middle of the patch lies.
    size
        Edge of the patch in pixels.
    order
        0 takes the nearest pixel, 1 interpolates linearly.
    """
    from scipy import ndimage as ndi

    middle = (size - 1) / 2
    offset = np.asarray(centre, dtype=float) - matrix @ np.array([middle, middle])
    reach = np.abs(matrix).sum(axis=1) * (size / 2) + 2
    low = np.maximum(np.floor(np.asarray(centre) - reach).astype(int), 0)
    high = np.maximum(np.ceil(np.asarray(centre) + reach).astype(int) + 1, low + 1)
    part = array[low[0] : high[0], low[1] : high[1]]
    return np.asarray(
        ndi.affine_transform(
            part, matrix, offset - low, (size, size), order=order, mode="constant", prefilter=False
        )
    )


def _coarsened(image: Image, factor: float) -> Image:
    """Show a picture as pixels so many times as large would, interpolated back."""
    from scipy import ndimage as ndi

    sharp = ndi.gaussian_filter(image, 0.4 * factor)
    small = ndi.zoom(sharp, 1.0 / factor, order=1, grid_mode=True, mode="nearest")
    back = [side / part for side, part in zip(image.shape, small.shape, strict=True)]
    return np.asarray(ndi.zoom(small, back, order=1, grid_mode=True, mode="nearest"))


def _bodies(labels: npt.NDArray[Any], rng: np.random.Generator, hollow: float = 0.0) -> Image:
    """Brightness of each nucleus, fading towards its rim, and within the rim where hollow."""
    from scipy import ndimage as ndi

    top = int(labels.max(initial=0))
    bright = rng.lognormal(0.0, rng.uniform(0.1, 0.5), top + 1)
    if rng.random() < 0.33:
        bright[rng.random(top + 1) < rng.uniform(0.1, 0.5)] *= rng.uniform(1.5, 3.0)
    bright[0] = 0.0
    image = bright[labels].astype(np.float32)
    inner = labels > 0
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(labels, step, axis) == labels
    depth = ndi.distance_transform_edt(inner).astype(np.float32)
    fade, floor = rng.uniform(0.5, 2.0), rng.uniform(0.4, 0.9)
    if hollow:
        # The rim is as wide in large nuclei as in small ones, whose middle is hardly hollow.
        image *= 1.0 - hollow * (1.0 - np.exp(-np.square(depth / np.float32(4.0))))
    return np.asarray(image * (1.0 - (1.0 - floor) * np.exp(-depth / fade)), dtype=np.float32)


def _texture(
    shape: tuple[int, ...], rng: np.random.Generator, amount: float, finest: float = 0.8
) -> Image:
    """Chromatin: noise about 1 of that standard deviation, ``finest`` to three pixels coarse."""
    from scipy import ndimage as ndi

    width = rng.uniform(finest, 3.0)
    noise = ndi.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), width)
    noise /= max(float(noise.std()), 1e-6)
    return np.asarray(np.clip(1.0 + amount * noise, 0.1, 3.0), dtype=np.float32)


def _slow(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Smooth field between 0 and 1 that varies over a large part of the picture."""
    from scipy import ndimage as ndi

    knots = int(rng.integers(3, 9))
    coarse = rng.random((knots, knots), dtype=np.float32)
    field = ndi.zoom(
        coarse, (shape[0] / knots, shape[1] / knots), order=1, grid_mode=True, mode="nearest"
    )
    return np.asarray(field[: shape[0], : shape[1]], dtype=np.float32)


def _debris(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Return a few specks, smaller than nuclei and often brighter."""
    from scipy import ndimage as ndi

    image = np.zeros(shape, dtype=np.float32)
    count = int(rng.integers(*DEBRIS_SPECKS))
    sigma = rng.uniform(0.5, 1.6)
    spots = rng.integers(0, shape, (count, 2))
    image[spots[:, 0], spots[:, 1]] = rng.uniform(0.5, 3.0, count) * 2 * np.pi * sigma**2
    return np.asarray(ndi.gaussian_filter(image, sigma), dtype=np.float32)
