"""Where the slide holds tissue, on the working grid."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.io.scratch import FilePlane, scratch_folder
from immunescape.margin.glass import tissue_of
from immunescape.margin.grid import GridMask, grid_shape
from immunescape.params import Between, Params

if TYPE_CHECKING:
    from immunescape.slide import Slide

__all__ = ["Tissue", "TissueParams", "tissue_mask"]

_LITTLE = 0.1
"""Less tissue than this share of the frame is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class TissueParams(Params):
    """How tissue is told from glass.

    Parameters
    ----------
    method
        ``image`` tells tissue from glass by all stains together; ``whole`` takes the whole frame.
    smooth_um
        Width (full width at half maximum) of the smoothing before the threshold.
    min_hole_um2
        Holes in the tissue smaller than this are filled.
    min_glass_um2
        Glass whose depth, one ``smooth_um`` from any tissue, is smaller than this is not believed.
    grid_um
        Edge of the cells of the working grid, on which tissue is found and areas are counted.
    """

    method: Literal["image", "whole"] = "image"
    smooth_um: Annotated[float, Between(2, 200, step=1, unit="µm")] = 25.0
    min_hole_um2: Annotated[float, Between(0, 1e6, step=100, unit="µm²")] = 2500.0
    min_glass_um2: Annotated[float, Between(0, 1e6, step=100, unit="µm²")] = 5000.0
    grid_um: Annotated[float, Between(0.1, 20, step=0.1, unit="µm")] = 2.0


@dataclass(frozen=True, eq=False)
class Tissue:
    """Where tissue is, and what was noticed on the way.

    Parameters
    ----------
    mask
        Tissue on the working grid.
    warnings
        What a reader of the numbers should know.
    """

    mask: GridMask
    warnings: tuple[str, ...] = ()


def tissue_mask(
    slide: "Slide | None",
    cells: Plane | None,
    pixel_size_um: float,
    params: TissueParams = TissueParams(),
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
    block: int = 2048,
    scratch: Path | None = None,
) -> Tissue:
    """Find the tissue of a slide.

    All channels are averaged on the working grid, each counted by its contrast, and smoothed.
    Glass is accepted only where the darkest level has depth, is as flat as a detector's
    background beside the texture of tissue, and hardly a cell lies on it: a field that tissue
    fills comes out whole, however pale its stroma. The edge is half way between the levels of
    glass and of the tissue beside it. Small holes are filled, and the footprint of every cell is
    tissue.

    Parameters
    ----------
    slide
        The image; each pixel is read once. None gives the whole frame.
    cells
        Label image of the cells at full resolution, 0 is background; None where there is none.
        One of the two must be given.
    pixel_size_um
        Edge of a full-resolution pixel in µm.
    params
        Method and sizes.
    progress
        Called after each block.
    mapper
        Where the blocks are looked at.
    block
        Edge of the blocks in pixels; it changes memory, not the result.
    scratch
        Folder for what does not fit in memory while it is looked at; a temporary one by default.

    Returns
    -------
    Tissue
        The mask covers the frame of the image exactly.

    Notes
    -----
    Where a slide was not imaged there is neither tissue nor glass: such places are left out of
    every mean and percentile, and bound the tissue as the frame does.
    """
    if slide is None and cells is None:
        raise ValueError("tissue is found from a slide, from cells or from both; give one")
    shape = slide.shape if slide is not None else cells.shape[-2:]  # type: ignore[union-attr]
    height, width = int(shape[0]), int(shape[1])
    frame = (width * pixel_size_um, height * pixel_size_um)
    whole = GridMask.whole(frame, params.grid_um)
    if slide is not None:
        whole = whole.of_imaged(slide.imaged, pixel_size_um)
    if params.method == "whole" or slide is None:
        return Tissue(whole)
    cells_shape = grid_shape(frame, params.grid_um)
    exact = _exact_type(slide.dtype, params.grid_um / pixel_size_um)
    blocks = list(iter_blocks((height, width), block))
    look = partial(_block_sums, slide, cells, pixel_size_um, params.grid_um, cells_shape, exact)
    with scratch_folder(scratch) as folder:
        # light on all of the working grid, one stain at a time in memory
        sums = [
            FilePlane(folder / f"light{k}", cells_shape, np.dtype(exact).str, shared=False)
            for k in range(len(slide.channels))
        ]
        for plane in sums:
            plane.clear()
        count = np.zeros(cells_shape, np.float32)
        footprint = np.zeros(cells_shape, bool)
        for done, part in enumerate(mapper("tissue", look, blocks), start=1):
            count[part.at] += part.count
            for plane, more in zip(sums, part.sums, strict=True):
                plane[part.at] = plane[part.at] + more
            footprint[part.at] |= part.footprint
            progress("tissue", done, len(blocks))
        over = _pixels_over((height, width), cells_shape, pixel_size_um, params.grid_um)
        count, footprint = count[over], footprint[over]
        np.maximum(count, 1, out=count)
        stains = (_mean(plane, over, count) for plane in sums)
        seen = whole.mask
        mask = tissue_of(stains, seen, footprint if cells is not None else None, params)
        for plane in sums:
            plane.path.unlink()
    share = float(mask.sum() / max(seen.sum(), 1))
    warnings = (
        (f"tissue covers only {share:.0%} of {slide.name}; check the outline of the tissue",)
        if share < _LITTLE
        else ()
    )
    return Tissue(whole.with_mask(mask), warnings)


def _pixels_over(
    pixels: tuple[int, int], cells: tuple[int, int], pixel_size_um: float, grid_um: float
) -> tuple[Any, ...]:
    """Return where on the grid the light of each of its cells was added up.

    That is the cell itself, but where pixels are larger than cells: each takes the pixel over it.
    """
    own = [_cells_of(0, n, pixel_size_um, grid_um, m) for n, m in zip(pixels, cells, strict=True)]
    if all(np.unique(at).size == m for at, m in zip(own, cells, strict=True)):
        return (slice(None), slice(None))
    return np.ix_(
        *(
            at[_pixels_at(m, grid_um, pixel_size_um, n)]
            for at, n, m in zip(own, pixels, cells, strict=True)
        )
    )


def _mean(
    plane: FilePlane, over: tuple[Any, ...], count: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    mean = plane[:][over]
    mean /= count
    return np.asarray(mean, np.float32)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What one block adds to the working grid: where, pixels, light of each channel, cells."""

    at: tuple[slice, slice]
    count: npt.NDArray[np.float32]
    sums: list[npt.NDArray[np.floating[Any]]]
    footprint: npt.NDArray[np.bool_]


def _exact_type(dtype: np.dtype[Any], pixels: float) -> type[np.floating[Any]]:
    """Return the smallest type in which sums over a grid cell do not depend on their order.

    Parameters
    ----------
    dtype
        Type of a pixel.
    pixels
        Edge of a grid cell in pixels.
    """
    whole = dtype.kind in "ui" and dtype.itemsize <= 2
    largest = np.iinfo(dtype).max * (np.ceil(pixels) + 1) ** 2 if whole else np.inf
    return np.float32 if largest < 2**24 else np.float64


def _block_sums(
    slide: "Slide",
    cells: Plane | None,
    pixel_size_um: float,
    grid_um: float,
    shape: tuple[int, int],
    exact: type[np.floating[Any]],
    block: Block,
) -> _Sums:
    y = _cells_of(block.y0, block.y1, pixel_size_um, grid_um, shape[0])
    x = _cells_of(block.x0, block.x1, pixel_size_um, grid_um, shape[1])
    sums = []
    for plane in slide.read(block):
        finite = plane if plane.dtype.kind in "ui" else np.nan_to_num(plane)
        sums.append(_sum(finite.astype(exact), y, x))
    seen = np.ones(block.shape) if slide.imaged is None else slide.imaged.mask(block)
    count = _sum(seen.astype(np.float32), y, x)
    footprint = np.zeros(count.shape, bool)
    if cells is not None:
        footprint = _sum((np.asarray(cells[block.slices]) != 0).astype(np.float32), y, x) > 0
    return _Sums((slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)), count, sums, footprint)


def _cells_of(
    start: int, stop: int, pixel_size_um: float, grid_um: float, number: int
) -> npt.NDArray[np.intp]:
    """Return the grid row or column in which the middle of each pixel lies."""
    middle = (np.arange(start, stop) + 0.5) * pixel_size_um
    return np.asarray(np.minimum(np.floor(middle / grid_um), number - 1), np.intp)


def _pixels_at(
    number: int, grid_um: float, pixel_size_um: float, pixels: int
) -> npt.NDArray[np.intp]:
    middle = (np.arange(number) + 0.5) * grid_um
    return np.asarray(np.minimum(np.floor(middle / pixel_size_um), pixels - 1), np.intp)


def _sum(
    plane: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]
) -> npt.NDArray[np.floating[Any]]:
    """Add up pixels by grid cell; a grid cell without pixels gets 0."""
    rows = np.r_[0, np.nonzero(np.diff(y))[0] + 1]
    columns = np.r_[0, np.nonzero(np.diff(x))[0] + 1]
    reduced = np.add.reduceat(np.add.reduceat(plane, rows, axis=0), columns, axis=1)
    total = np.zeros((y[-1] - y[0] + 1, x[-1] - x[0] + 1), plane.dtype)
    total[np.ix_(y[rows] - y[0], x[columns] - x[0])] = reduced
    return total
