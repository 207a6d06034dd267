"""A slide: one multichannel image with channel names and a pixel size, read lazily."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, Volume
from immunescape.errors import SlideError

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["Slide"]


@dataclass(frozen=True, eq=False)
class Slide:
    """One multichannel image ``(c, y, x)`` with a pixel size in µm; pixels are read on demand.

    Parameters
    ----------
    name
        Name of the slide, used for its output folder and in messages.
    arrays
        Pyramid of lazily indexable ``(c, y, x)`` arrays, full resolution first.
    channels
        Name of each channel as the file gives it, in order; names are unique.
    pixel_size_um
        Edge of a full-resolution pixel in µm; pixels are square.
    path
        File or folder it was read from; None for a slide made in memory.
    format
        What the file was understood as, for ``immunescape info``.
    warnings
        What a reader noticed and a user should know.

    Raises
    ------
    SlideError
        If the number of names disagrees with the number of channels, a name stands twice, an
        array is not ``(c, y, x)``, or the pixel size is not a positive number.
    """

    name: str
    arrays: tuple[Volume, ...]
    channels: tuple[str, ...]
    pixel_size_um: float
    path: Path | None = None
    format: str = "memory"
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.arrays or any(len(a.shape) != 3 for a in self.arrays):
            raise SlideError(f"{self.name} is not a (channel, y, x) image")
        if len(self.channels) != self.arrays[0].shape[0]:
            raise SlideError(
                f"{self.name} has {self.arrays[0].shape[0]} channels but {len(self.channels)} "
                "channel names; pass --channel-names with one name a channel"
            )
        if len(set(self.channels)) != len(self.channels):
            twice = sorted({c for c in self.channels if self.channels.count(c) > 1})
            raise SlideError(
                f"{self.name} names the channel {twice[0]!r} twice; pass --channel-names"
            )
        if not (np.isfinite(self.pixel_size_um) and self.pixel_size_um > 0):
            raise SlideError(
                f"{self.name} has a pixel size of {self.pixel_size_um} µm; pass --pixel-size-um"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in full-resolution pixels."""
        _, height, width = self.arrays[0].shape
        return int(height), int(width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored pixels."""
        dtype: np.dtype[Any] = np.dtype(self.arrays[0].dtype)
        return dtype

    @property
    def downsamples(self) -> tuple[float, ...]:
        """Edge of a pixel of each level, in full-resolution pixels."""
        height = self.shape[0]
        return tuple(height / int(a.shape[1]) for a in self.arrays)

    @cached_property
    def levels(self) -> "tuple[da.Array, ...]":
        """The pyramid as dask arrays, full resolution first."""
        import dask.array as da

        return tuple(
            a if isinstance(a, da.Array) else da.from_array(a, chunks=_chunks(a), name=False)
            for a in self.arrays
        )

    def index(self, channel: str) -> int:
        """Return the position of a channel.

        Raises
        ------
        SlideError
            If the slide has no channel of that name; the message lists those it has.
        """
        try:
            return self.channels.index(channel)
        except ValueError:
            raise SlideError(
                f"{self.name} has no channel {channel!r}; it has {', '.join(self.channels)}"
            ) from None

    def __getitem__(self, channel: str) -> "da.Array":
        return self.levels[0][self.index(channel)]

    def read(
        self, block: Block, channels: tuple[str, ...] | None = None, level: int = 0
    ) -> npt.NDArray[Any]:
        """Read one block of pixels into memory.

        Parameters
        ----------
        block
            Rectangle in pixels of that level.
        channels
            Names of the channels wanted, in that order; None for all.
        level
            Level of the pyramid, 0 is full resolution.

        Returns
        -------
        numpy.ndarray
            ``(c, y, x)`` in the stored type.
        """
        array = self.arrays[level]
        rows, columns = block.slices
        if channels is None:
            return np.asarray(array[:, rows, columns])
        return np.stack([np.asarray(array[self.index(c), rows, columns]) for c in channels])


def _chunks(array: Volume) -> Any:
    return getattr(array, "chunks", None) or (1, 2048, 2048)
