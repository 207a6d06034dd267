"""Finding the nuclei of a slide."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.errors import SlideError
from immunescape.io.scratch import FilePlane, PatchPlane, scratch_folder
from immunescape.params import Between, Params
from immunescape.segment.interrupts import interrupts_wait
from immunescape.segment.levels import slide_levels
from immunescape.segment.models import Model, load_model
from immunescape.segment.precision import Precision
from immunescape.segment.stitch import Stitched, reading_order, stitch
from immunescape.slide import Slide
from immunescape.threads import allotted_threads

if TYPE_CHECKING:
    from immunescape.segment.predict import Stain
    from immunescape.segment.sampling import Grid

__all__ = ["SegmentParams", "Segmentation", "segment_nuclei"]

_WRITE_PX = 4096
"""Label stores keep so many pixels a side together: blocks of them are written independently."""
_COARSE_UM = 0.8
_SUSPECTS, _FEW_SUSPECTS = 0.01, 10


@dataclass(frozen=True, kw_only=True)
class SegmentParams(Params):
    """How nuclei are found, and grown to cells.

    Parameters
    ----------
    model
        Network: compact (ours, quick, shipped), cpsam_v2, cpdino, cpdino-vitb (Cellpose's, large,
        downloaded), or the path of weights you trained.
    diameter_um
        Typical diameter of a nucleus, by which the picture is scaled for Cellpose's networks;
        compact does not use it.
    cellprob_threshold
        Higher finds fewer and smaller nuclei, lower more and larger ones (the network's logit).
    flow_threshold
        How far the shape of a nucleus may disagree with the network's flows; 0 keeps all shapes.
    min_area_um2
        Nuclei smaller than this are dropped.
    grow_um
        How far a cell reaches beyond its nucleus, unless it meets a neighbour first.
    tile_px
        Edge of a tile, in pixels of the network; less needs less memory and finds the same cells.
    device
        Where the network runs; auto takes a graphics processor where there is one.
    precision
        Type the network computes in; auto takes bfloat16, twice as fast, where the processor
        multiplies it natively, and float32 elsewhere; Cellpose's networks take bfloat16 on
        graphics processors, as in Cellpose.
    """

    model: str = "compact"
    diameter_um: Annotated[float, Between(2, 40, step=0.5, unit="µm")] = 8.0
    cellprob_threshold: Annotated[float, Between(-6, 6, step=0.1)] = 0.0
    flow_threshold: Annotated[float, Between(0, 3, step=0.05)] = 0.4
    min_area_um2: Annotated[float, Between(0, 500, step=0.5, unit="µm²")] = 7.5
    grow_um: Annotated[float, Between(0, 20, step=0.5, unit="µm")] = 3.0
    tile_px: Annotated[int, Between(256, 16384, step=256, unit="px")] = 2048
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Precision = "auto"


@dataclass(frozen=True)
class Segmentation:
    """What was found, and with what.

    Parameters
    ----------
    count
        Number of nuclei; their labels are 1 to ``count``, row by row of their middles.
    model, model_sha256
        Name of the network and hash of its weights.
    device, threads, precision
        Where it ran, and in which type.
    warnings
        What a user should know.
    crossing, suspects
        How often a nucleus was seen by two tiles, across the border between them, and how often
        these did not agree on it.
    """

    count: int
    model: str
    model_sha256: str
    device: str
    threads: int
    precision: str = "float32"
    warnings: tuple[str, ...] = ()
    crossing: int = 0
    suspects: int = 0


def segment_nuclei(
    slide: Slide,
    channels: tuple[str, ...],
    out: Any,
    params: SegmentParams | None = None,
    *,
    progress: Progress = silent,
    model: Model | None = None,
    mapper: BlockMap = in_threads,
    scratch: Path | None = None,
) -> Segmentation:
    """Label the nuclei of a slide.

    Parameters
    ----------
    slide
        The slide.
    channels
        Names of its nuclear stains; where there are several, each is scaled by itself and the
        brightest counts.
    out
        Writable ``(y, x)`` int32 of the slide's shape (zarr or numpy); every pixel is written.
    params
        How to segment.
    progress
        Told the patches and tiles done.
    model
        A loaded network to use instead of ``params.model``.
    mapper
        Where patches and tiles are worked on. On other processes than this the network is loaded
        once in each; ``out`` must then be a stored array that they can write to.
    scratch
        Folder for what lies between, which stays; by default a temporary one.

    Returns
    -------
    Segmentation
        With a count of 0 for a slide without contrast.

    Raises
    ------
    SlideError
        If no channel is named, or the slide lacks one.
    ModelError
        If the network cannot be had.

    Notes
    -----
    Flows are computed on patches anchored at the slide's origin, where there is light, with enough
    of the neighbourhood that they do not depend on where patches end, and kept in temporary files
    (6 bytes a pixel where something was computed, and 4 for labels). Masks are found tile by tile
    with the network's halo around each, which is how far a nucleus may reach from its middle, and
    joined by ``stitch``. The pixel size of the network replaces the slide's where they differ by
    more than a tenth.
    """
    # compiled loops: loading the compiler would slow a command that finds no nuclei
    from immunescape.segment.predict import Stain
    from immunescape.segment.sampling import Grid

    params = params or SegmentParams()
    if not channels:
        raise SlideError(f"{slide.name} has no nuclear channel; name one with --nuclear")
    for channel in channels:
        slide.index(channel)
    with interrupts_wait():
        model = model or load_model(
            params.model,
            diameter_um=params.diameter_um,
            device=params.device,
            precision=params.precision,
        )
    levels = [slide_levels(slide, channel) for channel in channels]
    grid = Grid.between(slide.shape, slide.pixel_size_um, model.pixel_um)
    warnings = [
        f"channel {channel} of {slide.name} has no contrast: no nuclei can be found in it"
        for channel, level in zip(channels, levels, strict=True)
        if not level.high > level.low
    ]
    if slide.pixel_size_um > _COARSE_UM:
        warnings.append(
            f"{slide.name} has pixels of {slide.pixel_size_um:g} µm, which is coarse: nuclei that "
            "touch may be found as one"
        )
    stain = Stain(slide, channels, levels, grid)
    with scratch_folder(scratch) as folder:
        stitched = _fill(stain, model, params, folder, out, progress, mapper)
    count = len(stitched.middles)
    if not count and not warnings:
        warnings.append(f"no nuclei were found in {slide.name}")
    if stitched.suspects > max(_FEW_SUSPECTS, _SUSPECTS * stitched.crossing):
        warnings.append(
            f"on {stitched.suspects} of {stitched.crossing} nuclei of {slide.name} across the "
            "borders of tiles the tiles do not agree; take larger ones with --segment.tile-px "
            "and --overwrite"
        )
    return Segmentation(
        count, model.name, model.sha256, model.device, model.threads, model.precision,
        tuple(warnings), stitched.crossing, stitched.suspects,
    )  # fmt: skip


def _fill(
    stain: "Stain", model: Model, params: SegmentParams, folder: Path, out: Any,
    progress: Progress, mapper: BlockMap,
) -> Stitched:  # fmt: skip
    """Find and write all nuclei; no file in the folder is held open afterwards."""
    from immunescape.segment.predict import fill_flows

    grid = stain.grid
    place = folder / "flows"
    place.mkdir(exist_ok=True)
    flows = PatchPlane(place, (3, *grid.shape), model.patch_px)
    fill_flows(stain, model, flows, progress, mapper)
    tiles = len(list(iter_blocks(grid.shape, params.tile_px)))
    pixel_um = stain.slide.pixel_size_um * grid.ratio
    # several tiles at once keep all processors busy; of a few each takes them all
    alone = tiles < 2 * allotted_threads()
    find = partial(
        _find, flows, params, params.min_area_um2 / pixel_um**2, 0 if alone else 1
    )  # fmt: skip
    labels = FilePlane(folder / "labels", grid.shape, "int32")
    labels.clear()
    stitched = stitch(
        find, labels, params.tile_px, model.halo_px,
        lambda done: progress("nuclei", done, tiles), mapper,
    )  # fmt: skip
    blocks = list(iter_blocks(grid.slide_shape, _WRITE_PX))
    write = partial(_write, labels, reading_order(stitched.middles), grid, out)
    for done, _ in enumerate(mapper("write nuclei", write, blocks), start=1):
        progress("write nuclei", done, len(blocks))
    return stitched


def _find(
    flows: PatchPlane, params: SegmentParams, min_area_px: float, threads: int, block: Block
) -> npt.NDArray[np.int32]:
    from immunescape.segment.masks import masks_from_flows
    from immunescape.segment.predict import kept_flows

    return masks_from_flows(
        kept_flows(flows.read(block)),
        cellprob_threshold=params.cellprob_threshold,
        flow_threshold=params.flow_threshold,
        min_area_px=min_area_px,
        threads=threads,
    )


def _write(
    labels: Plane, fresh: npt.NDArray[np.int32], grid: "Grid", out: Any, block: Block
) -> None:
    """Write labels in reading order on the slide's own pixels."""
    out[block.slices] = grid.enlarge(fresh[labels[grid.around(block).slices]], block)
