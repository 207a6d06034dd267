"""The nuclei of a part of a slide, as a run on the whole slide will find them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, Progress, silent
from immunescape.segment.engine import SegmentParams
from immunescape.segment.grow import grow_cells
from immunescape.segment.levels import Levels, slide_levels
from immunescape.segment.models import Model, load_model
from immunescape.segment.warming import loops_beside
from immunescape.slide import Slide

__all__ = ["Preview", "preview_block", "preview_nuclei"]

_SQUARE_PX = 16
_REACH_PX = 48


@dataclass(frozen=True, eq=False)
class Preview:
    """What was found in a part of a slide.

    Parameters
    ----------
    block
        The part, in pixels of the slide.
    nuclei, cells
        ``(y, x)`` int32 of the block, 0 is background; a cell and its nucleus share one label.
    count
        Number of nuclei that have a pixel in the block.
    """

    block: Block
    nuclei: npt.NDArray[np.int32]
    cells: npt.NDArray[np.int32]
    count: int


def preview_nuclei(
    slide: Slide,
    channels: tuple[str, ...],
    block: Block,
    params: SegmentParams | None = None,
    *,
    model: Model | None = None,
    levels: tuple[Levels, ...] = (),
    progress: Progress = silent,
) -> Preview:
    """Find the nuclei and cells of a part of a slide.

    Parameters
    ----------
    slide
        The slide.
    channels
        Names of its nuclear stains; as `segment_nuclei` takes them.
    block
        The part, in pixels of the slide; it is cut at the slide's frame.
    params
        How to segment.
    model
        A loaded network to use instead of ``params.model``.
    levels
        Levels of each channel, if they are known; they are those of the whole slide.
    progress
        Told the steps done.

    Returns
    -------
    Preview
        The compact network's outlines are those of a run on the whole slide, but for what has
        hardly any stain. Of nuclei that cross the block's edge the part inside is shown.

    Raises
    ------
    ModelError
        If the network cannot be had.
    SlideError
        If the slide lacks a channel.
    """
    from immunescape.segment.masks import masks_from_flows
    from immunescape.segment.predict import Stain, kept_flows, patch_flows
    from immunescape.segment.sampling import Grid
    from immunescape.segment.stitch import candidates

    params = params or SegmentParams()
    steps = 4
    progress("network", 0, steps)
    if model is None:
        with loops_beside():
            model = load_model(
                params.model,
                diameter_um=params.diameter_um,
                device=params.device,
                precision=params.precision,
            )
    progress("levels", 1, steps)
    levels = levels or tuple(slide_levels(slide, channel) for channel in channels)
    grid = Grid.between(slide.shape, slide.pixel_size_um, model.pixel_um)
    reach_px = int(params.grow_um / slide.pixel_size_um) + 1
    asked = block.grown(0, slide.shape)
    wide = asked.grown(reach_px, slide.shape)
    here = grid.around(wide)
    window = _on_squares(here.grown(_REACH_PX, grid.shape), grid.shape)
    progress("flows", 2, steps)
    stain = Stain(slide, channels, list(levels), grid)
    flows = np.zeros((3, *window.shape), np.float16)
    if (lit := patch_flows(stain, model, window)) is not None:
        rows, columns = lit[0].inside(window)
        flows[:, rows, columns] = lit[1]
    progress("nuclei", 3, steps)
    pixel_um = slide.pixel_size_um * grid.ratio
    labels = masks_from_flows(
        kept_flows(flows),
        cellprob_threshold=params.cellprob_threshold,
        flow_threshold=params.flow_threshold,
        min_area_px=params.min_area_um2 / pixel_um**2,
    )
    seen = np.zeros(here.shape, np.int32)
    # numbered as the run does: where two cells meet half way, the lower number decides
    nuclei_here = sorted(
        candidates(labels, here, window, grid.shape),
        key=lambda f: (f.y.sum() // len(f.y), f.x.sum() // len(f.x)),
    )
    for label, nucleus in enumerate(nuclei_here, start=1):
        inside = (nucleus.y >= here.y0) & (nucleus.y < here.y1)
        inside &= (nucleus.x >= here.x0) & (nucleus.x < here.x1)
        seen[nucleus.y[inside] - here.y0, nucleus.x[inside] - here.x0] = label
    nuclei = grid.enlarge(seen, wide)
    imaged = None if slide.imaged is None else slide.imaged.mask(wide)
    cells = np.zeros_like(nuclei)
    # as a run does: nothing lies where the slide was not imaged
    if imaged is not None:
        nuclei[~imaged] = 0
    grow_cells(nuclei, cells, slide.pixel_size_um, params.grow_um)
    if imaged is not None:
        cells[~imaged] = 0
    rows, columns = asked.inside(wide)
    nuclei, cells = nuclei[rows, columns], cells[rows, columns]
    progress("nuclei", steps, steps)
    return Preview(asked, nuclei, cells, len(np.unique(nuclei[nuclei > 0])))


def preview_block(
    slide: Slide, bounds_um: tuple[float, float, float, float], most_um: float
) -> Block:
    """Return the pixels of a rectangle, less what is more than a preview may take.

    Parameters
    ----------
    slide
        The slide.
    bounds_um
        ``(x_min, y_min, x_max, y_max)`` in µm; what lies beyond the slide is cut away.
    most_um
        Longest side; of a longer one the middle is kept.

    Returns
    -------
    Block
        Empty where the rectangle does not meet the slide.
    """
    sides = []
    for low, high, count in (
        (bounds_um[1], bounds_um[3], slide.shape[0]),
        (bounds_um[0], bounds_um[2], slide.shape[1]),
    ):
        end = count * slide.pixel_size_um
        low, high = min(max(low, 0.0), end), min(max(high, 0.0), end)
        if high - low > most_um:
            low, high = (low + high - most_um) / 2, (low + high + most_um) / 2
        first = int(low / slide.pixel_size_um)
        last = min(int(np.ceil(high / slide.pixel_size_um)), count)
        sides += [first, max(last, first)]
    return Block(*sides)


def _on_squares(block: Block, shape: tuple[int, int]) -> Block:
    """Return the block with its sides on the network's squares, or on the frame."""
    return Block(
        block.y0 // _SQUARE_PX * _SQUARE_PX,
        min(-(-block.y1 // _SQUARE_PX) * _SQUARE_PX, shape[0]),
        block.x0 // _SQUARE_PX * _SQUARE_PX,
        min(-(-block.x1 // _SQUARE_PX) * _SQUARE_PX, shape[1]),
    )
