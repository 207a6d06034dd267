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

__all__ = ["Imaged", "Slide"]


@dataclass(frozen=True, eq=False)
class Imaged:
    """Where a slide has pixels: rectangles, which may overlap; the rest was not imaged.

    Parameters
    ----------
    boxes
        ``(n, 4)`` integers, a row a rectangle: ``y0, y1, x0, x1`` in full-resolution pixels, half
        open; n is at least 1.

    Examples
    --------
    >>> imaged = Imaged(np.array([[0, 2, 0, 2], [0, 2, 3, 4]]))
    >>> imaged.mask(Block(1, 3, 0, 4)).astype(int).tolist()
    [[1, 1, 0, 1], [0, 0, 0, 0]]
    """

    boxes: npt.NDArray[np.int64]

    def touched(self, block: Block) -> npt.NDArray[np.intp]:
        """Return the rows of the rectangles that share a pixel with a block, in order."""
        import shapely

        # a little inside, so that a rectangle that only adjoins is not among them
        wanted = shapely.box(block.x0 + 0.25, block.y0 + 0.25, block.x1 - 0.25, block.y1 - 0.25)
        return np.sort(self._tree.query(wanted, predicate="intersects")).astype(np.intp)

    def mask(self, block: Block) -> npt.NDArray[np.bool_]:
        """Tell for each pixel of a block whether it was imaged, ``(y, x)``."""
        seen = np.zeros(block.shape, bool)
        for y0, y1, x0, x1 in self.boxes[self.touched(block)]:
            rows = slice(max(y0 - block.y0, 0), max(y1 - block.y0, 0))
            seen[rows, max(x0 - block.x0, 0) : max(x1 - block.x0, 0)] = True
        return seen

    def whole(self, block: Block) -> bool:
        """Tell whether every pixel of a block was imaged."""
        return bool(self.mask(block).all())

    @cached_property
    def area_px(self) -> int:
        """Number of pixels that were imaged."""
        import shapely

        return round(float(shapely.union_all(self._shapes).area))

    def at(
        self, x_um: npt.NDArray[np.float64], y_um: npt.NDArray[np.float64], pixel_size_um: float
    ) -> npt.NDArray[np.bool_]:
        """Tell for each place of a raster whether it was imaged.

        Parameters
        ----------
        x_um, y_um
            Rising positions of its columns and rows.
        pixel_size_um
            Edge of a pixel.

        Returns
        -------
        numpy.ndarray
            ``(y, x)`` bool; a place on the far edge of a rectangle lies outside of it.
        """
        seen = np.zeros((len(y_um), len(x_um)), bool)
        ends = self.boxes * pixel_size_um
        rows, columns = np.searchsorted(y_um, ends[:, :2]), np.searchsorted(x_um, ends[:, 2:])
        for (y0, y1), (x0, x1) in zip(rows, columns, strict=True):
            seen[y0:y1, x0:x1] = True
        return seen

    @cached_property
    def _shapes(self) -> Any:
        import shapely

        y0, y1, x0, x1 = self.boxes.T
        return shapely.box(x0, y0, x1, y1)

    @cached_property
    def _tree(self) -> Any:
        import shapely

        return shapely.STRtree(self._shapes)

    def __getstate__(self) -> dict[str, Any]:
        return {"boxes": self.boxes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


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
    imaged
        Where there are pixels; None if everywhere. What was not imaged reads as 0 and is
        neither dark nor glass: whoever judges pixels leaves it out.
    facts
        Lines that ``immunescape info`` prints of a slide made of several files.
    exposure_ms
        For how long each channel was exposed, None where the file does not say; empty where it
        says of none. Images of unmixed components have no exposure of their own.

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
    imaged: Imaged | None = None
    facts: tuple[str, ...] = ()
    exposure_ms: tuple[float | None, ...] = ()

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
