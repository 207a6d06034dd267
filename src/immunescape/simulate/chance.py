"""All chance of a simulation comes from one seed, spawned by name."""

import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["generator", "smooth_noise"]


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of a seed that belongs to some names.

    Order and number of other generators change nothing: the stream depends on the seed and the
    names alone.

    Examples
    --------
    >>> a, b = generator(1, "P01", "cells"), generator(1, "P01", "cells")
    >>> bool(a.random() == b.random() != generator(1, "P01", "light").random())
    True
    """
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def smooth_noise(
    shape: tuple[int, int], sigma: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return Gaussian noise of mean 0 and standard deviation 1, smoothed over ``sigma`` pixels.

    It is drawn on a grid no finer than the smoothing needs; it is periodic in neither axis.
    """
    from scipy import ndimage as ndi

    step = max(int(sigma / 2), 1)
    coarse = tuple(-(-n // step) + 3 for n in shape)
    noise = ndi.gaussian_filter(rng.standard_normal(coarse), sigma / step, mode="wrap")
    unit = ((noise - noise.mean()) / (noise.std() or 1.0)).astype(np.float32)
    if step == 1:
        return np.asarray(unit[: shape[0], : shape[1]], np.float32)
    rows = np.arange(shape[0]) / step
    columns = np.arange(shape[1]) / step
    return _bilinear(unit, rows, columns)


def _bilinear(
    grid: npt.NDArray[np.float32],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    i, j = rows.astype(int), columns.astype(int)
    v, u = (rows - i).astype(np.float32)[:, None], (columns - j).astype(np.float32)[None]
    across = grid[:, j] * (1 - u) + grid[:, j + 1] * u
    return np.asarray(across[i] * (1 - v) + across[i + 1] * v, np.float32)
