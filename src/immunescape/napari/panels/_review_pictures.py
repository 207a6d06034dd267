"""Pictures of single cells: one marker, the outline of a nucleus, brightness fixed by the slide."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from immunescape.blocks import Block, Plane

if TYPE_CHECKING:
    from concurrent.futures import Future

    from immunescape.slide import Slide

__all__ = ["CellPicture", "PictureQueue", "block_around", "cell_picture"]

HALF_UM = 24.0
"""Half the width of a picture: a cell and its neighbours."""
TARGET, AROUND = (230, 159, 0), (86, 180, 233)
"""Colours of the outlines: orange and blue of Okabe and Ito's palette."""

_SIDE_PX = 600
_AHEAD = 6


@dataclass(frozen=True, eq=False)
class CellPicture:
    """A cell in the middle of its neighbourhood.

    Parameters
    ----------
    bare, outlined
        ``(y, x, 3)`` uint8, without and with outlines.
    um_per_px
        Edge of one pixel of the picture.
    """

    bare: npt.NDArray[np.uint8]
    outlined: npt.NDArray[np.uint8]
    um_per_px: float


def block_around(x_um: float, y_um: float, half_um: float, pixel_um: float) -> Block:
    """Return the square of pixels around a position; it may reach beyond the slide."""
    half = max(round(half_um / pixel_um), 1)
    row, column = int(y_um // pixel_um), int(x_um // pixel_um)
    return Block(row - half, row + half + 1, column - half, column + half + 1)


def cell_picture(
    slide: "Slide",
    channel: str,
    limits: tuple[float, float],
    labels: Plane,
    label: int,
    at_um: tuple[float, float],
) -> CellPicture:
    """Read one cell from the slide; only the pixels of the picture are read.

    Parameters
    ----------
    slide
        The slide.
    channel
        Channel of the marker.
    limits
        What is black and what is white, in the units of the pixels.
    labels
        Nuclei, or cells where no nuclei are known; outlines follow them.
    label
        The cell that is asked about.
    at_um
        Its x and y.

    Returns
    -------
    CellPicture
        Grey, the outline of the cell in orange and of its neighbours in blue; black beyond the
        frame of the slide.
    """
    block = block_around(*at_um, HALF_UM, slide.pixel_size_um)
    inside = block.grown(0, slide.shape)
    pixels = np.full(block.shape, limits[0], np.float32)
    found = np.zeros(block.shape, np.int32)
    pixels[inside.inside(block)] = slide.read(inside, (channel,))[0]
    found[inside.inside(block)] = np.asarray(labels[inside.slices])
    low, high = limits
    grey = (np.clip((pixels - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    times = max(_SIDE_PX // block.shape[0], 1)
    bare = np.repeat(_large(grey, times)[:, :, None], 3, axis=2)
    outlined = bare.copy()
    edges, shown = _edges(found, times)
    outlined[edges & (shown != label)] = AROUND
    outlined[edges & (shown == label)] = TARGET
    return CellPicture(bare, outlined, slide.pixel_size_um / times)


def _large(image: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    return np.repeat(np.repeat(image, times, axis=0), times, axis=1)


def _edges(
    labels: npt.NDArray[np.int32], times: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
    """Return where the inner edge of a label runs in the enlarged picture, and its labels."""
    large = _large(labels, times)
    padded = np.pad(large, 1, mode="edge")
    edges = np.zeros(large.shape, bool)
    inner = slice(1, -1)
    for beside in (slice(2, None), slice(None, -2)):
        edges |= padded[beside, inner] != large
        edges |= padded[inner, beside] != large
    return edges & (large > 0), large


class PictureQueue(QObject):
    """Pictures made on another thread, a few ahead of the one that is shown.

    Parameters
    ----------
    make
        Makes the picture of a number; called on the other thread, one at a time.
    count
        How many there are.
    """

    ready = Signal(int, object)
    """A number, and its ``CellPicture`` or the error that came instead."""

    def __init__(self, make: Any, count: int) -> None:
        super().__init__()
        self._make, self._count = make, count
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._made: dict[int, Any] = {}
        self._asked: dict[int, Future[None]] = {}

    def ask(self, number: int) -> Any:
        """Return the picture of a number if it is there; it and the next ones are made else.

        Those far from it are forgotten.
        """
        wanted = range(max(number - 1, 0), min(number + _AHEAD, self._count))
        for k in [k for k in self._made if k not in wanted]:
            del self._made[k]
        for k in [k for k in self._asked if k not in wanted]:
            self._asked.pop(k).cancel()
        for k in sorted(wanted, key=lambda k: abs(k - number)):
            if k not in self._made and k not in self._asked:
                self._asked[k] = self._pool.submit(self._one, k)
        return self._made.get(number)

    @property
    def held(self) -> frozenset[int]:
        """Numbers whose pictures are in memory."""
        return frozenset(self._made)

    def close(self) -> None:
        """Make no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, number: int) -> None:
        try:
            picture = self._make(number)
        except Exception as error:  # told where it is shown
            picture = error
        self._made[number] = picture
        self._asked.pop(number, None)
        self.ready.emit(number, picture)
