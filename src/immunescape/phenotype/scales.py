"""The logarithmic scales that populations are looked for on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Scales"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scales:
    """The bins of a histogram on several logarithmic scales ``x = log(value + shift)``.

    Parameters
    ----------
    x
        Centres of the bins on each scale, ``(scales, bins)``.
    counts
        Cells in each bin, ``(bins,)``, that the scales are standardised by.
    """

    x: Array
    counts: Array

    @property
    def mean(self) -> Array:
        """Mean of the cells on each scale, ``(scales,)``."""
        return np.asarray(self.x @ self.counts / self.counts.sum())

    @property
    def sd(self) -> Array:
        """Standard deviation of the cells on each scale, ``(scales,)``."""
        away = (self.x - self.mean[:, None]) ** 2
        return np.asarray(np.sqrt(away @ self.counts / self.counts.sum()))

    @property
    def standard(self) -> Array:
        """Bins with mean 0 and standard deviation 1 on each scale, ``(scales, bins)``."""
        return np.asarray((self.x - self.mean[:, None]) / self.sd[:, None])

    def log_stretch(self, counts: Array) -> Array:
        """Log likelihood lost by standardising, ``(rows, scales)``, for counts ``(rows, bins)``.

        It makes likelihoods on different scales comparable: they become those of the values.
        """
        return np.asarray(counts @ self.x.T + counts.sum(axis=1)[:, None] * np.log(self.sd))

    def only(self, scale: int) -> "Scales":
        """Return one scale alone."""
        return Scales(self.x[scale : scale + 1], self.counts)
