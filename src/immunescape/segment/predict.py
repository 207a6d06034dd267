"""Flows of a whole slide, patch by patch, where there is something to see."""

import threading
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Progress, in_threads, iter_blocks
from immunescape.io.scratch import PatchPlane
from immunescape.segment.levels import Levels
from immunescape.segment.models import Model
from immunescape.segment.sampling import Grid
from immunescape.slide import Slide

__all__ = ["Stain", "fill_flows", "kept_flows", "patch_flows"]

_CUT = 30.0
"""Logits are kept above this, so that a plane of zeros says that the network was not asked. Half
precision then keeps those near 0 to a sixtieth."""

_ONE_AT_A_TIME = threading.Lock()
"""A network takes all threads of its process; two at once would take twice the memory."""
_SQUARE_PX = 16
_FRAME_PX = 16
_EMPTY = 0.02
"""A square this little brighter than the darkest ones of the slide holds no nucleus: a share of
the range from the slide's background to its brightest nuclei."""


@dataclass(frozen=True, eq=False)
class Stain:
    """The nuclear stain of a slide on the pixels of a network.

    Parameters
    ----------
    slide
        The slide.
    channels, levels
        Its nuclear channels, and what is 0 and 1 in each.
    grid
        Where the network's pixels lie.
    """

    slide: Slide
    channels: tuple[str, ...]
    levels: list[Levels]
    grid: Grid

    def read(self, block: Block) -> npt.NDArray[np.float32]:
        """Return the stain of a block of network pixels, the brightest of all channels."""
        part = self.grid.footprint(block)
        pixels = self.slide.read(part, self.channels)
        shown = [level.apply(layer) for level, layer in zip(self.levels, pixels, strict=True)]
        if self.slide.imaged is not None:  # as dark as the rim that stands for the frame
            gap = ~self.slide.imaged.mask(part)
            for layer in shown:
                layer[gap] = 0.0
        layers = [self.grid.shrink(layer, block) for layer in shown]
        return np.asarray(np.maximum.reduce(layers), dtype=np.float32)

    def darkest(self) -> float:
        """Return the mean stain of the darkest squares, in the brightest of all channels."""
        return max((level.dark for level in self.levels if level.high > level.low), default=0.0)


def fill_flows(
    stain: Stain,
    model: Model,
    flows: PatchPlane,
    progress: Progress,
    mapper: BlockMap = in_threads,
) -> None:
    """Ask the network for the flows of every patch.

    Parameters
    ----------
    stain
        What it sees.
    model
        The network.
    flows
        ``(3, y, x)`` float16, with the patches of the model; read it with `kept_flows`.
    progress
        Told the patches done.
    mapper
        Where the network runs; in one process one patch after the other, on all its threads,
        while others are read.

    Notes
    -----
    Patches lie on a grid anchored at the slide's origin. Of a patch only the rectangle is computed
    that holds all squares of 16 x 16 pixels with more light than the slide's darkest; a patch
    without any is left out. Around the rectangle as much is read as the network sees, except
    beyond the frame of the slide, where a narrow dark rim stands for all that is not there.
    """
    patches = list(iter_blocks(stain.grid.shape, model.patch_px))
    ask = partial(_ask, stain, model, flows, stain.darkest() + _EMPTY)
    for number, _ in enumerate(mapper("flows", ask, patches), start=1):
        progress("flows", number, len(patches))


def _ask(stain: Stain, model: Model, flows: PatchPlane, empty: float, patch: Block) -> None:
    flows.write(patch, *(patch_flows(stain, model, patch, empty) or (None, None)))


def patch_flows(
    stain: Stain, model: Model, patch: Block, empty: float | None = None
) -> tuple[Block, npt.NDArray[np.float16]] | None:
    """Ask the network for the flows of one patch.

    Parameters
    ----------
    stain
        What it sees.
    model
        The network.
    patch
        Network pixels; its sides lie on multiples of 16, or on the frame of the slide.
    empty
        Stain up to which a square holds no nucleus; found in the slide's levels where absent.

    Returns
    -------
    tuple or None
        The part of the patch in which there is light, and its flows as `fill_flows` keeps them;
        None where there is none.
    """
    empty = stain.darkest() + _EMPTY if empty is None else empty
    outer = patch.grown(model.halo_px, stain.grid.shape)
    image = stain.read(outer)
    part = _lit(image, patch, outer, empty)
    if part is None:
        return None
    seen = part.grown(model.halo_px, stain.grid.shape)
    framed, top, left = _framed(image[seen.inside(outer)], seen, stain.grid.shape)
    rows, columns = (
        slice(inner.start + by, inner.stop + by)
        for inner, by in zip(part.inside(seen), (top, left), strict=True)
    )
    with _ONE_AT_A_TIME:
        found = model.predict(framed)[:, rows, columns]
    np.clip(found, -_CUT, _CUT, out=found)
    found[2] += _CUT
    return part, found.astype(np.float16)


def kept_flows(stored: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Return what the network said, ``(3, y, x)``, from how it is stored: logits from -30 to 30.

    Where it was not asked, flows are 0 and the logit is -30.
    """
    found = stored.astype(np.float32)
    found[2] -= _CUT
    return found


def _lit(image: npt.NDArray[np.float32], patch: Block, outer: Block, empty: float) -> Block | None:
    """Return the part of a patch in which something is brighter than ``empty``, if any is.

    Its sides lie on the grid of squares, or on those of the patch; a square more on each side
    holds the dim rims of nuclei.
    """
    height, width = image.shape
    squares = np.add.reduceat(
        np.add.reduceat(image, np.arange(0, height, _SQUARE_PX), axis=0),
        np.arange(0, width, _SQUARE_PX),
        axis=1,
    )
    rows = np.diff(np.r_[np.arange(0, height, _SQUARE_PX), height])
    columns = np.diff(np.r_[np.arange(0, width, _SQUARE_PX), width])
    lit = squares > empty * np.outer(rows, columns)
    if not lit.any():
        return None
    low, high = [], []
    for axis, start, inner in (
        (1, outer.y0, (patch.y0, patch.y1)),
        (0, outer.x0, (patch.x0, patch.x1)),
    ):
        there = np.flatnonzero(lit.any(axis=axis))
        first = start + (int(there[0]) - 1) * _SQUARE_PX
        last = start + (int(there[-1]) + 2) * _SQUARE_PX
        low.append(max(first, inner[0]))
        high.append(min(last, inner[1]))
    if low[0] >= high[0] or low[1] >= high[1]:
        return None
    return Block(low[0], high[0], low[1], high[1])


def _framed(
    image: npt.NDArray[np.float32], seen: Block, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], int, int]:
    """Add a dark rim where the slide ends: the network was taught that nuclei are cut there."""
    top, bottom = _FRAME_PX * (seen.y0 == 0), _FRAME_PX * (seen.y1 == shape[0])
    left, right = _FRAME_PX * (seen.x0 == 0), _FRAME_PX * (seen.x1 == shape[1])
    return np.pad(image, ((top, bottom), (left, right))), top, left
