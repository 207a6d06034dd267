"""Places whose pixels should not be believed, proposed as exclusions that a person can edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from immunescape.blocks import BlockMap, Plane, Progress, in_threads, silent
from immunescape.panel import Panel
from immunescape.quality._bright import bright_everywhere, specks, whole_cells
from immunescape.quality._features import BINS, find_features
from immunescape.quality._focus import folds_and_blur
from immunescape.quality.params import QualityParams
from immunescape.slide import Slide

__all__ = ["ISSUES", "Quality", "assess_quality"]

ISSUES = ("saturated", "fold", "blurred", "pigment", "debris")
"""What can be proposed, in the order of tables."""

_LARGE = 0.25
"""A proposal of more than this share of the tissue is worth doubting."""
_SATURATED = 0.001

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Quality:
    """What is proposed to be left out; nothing is left out by itself.

    Parameters
    ----------
    proposals
        For each of ``ISSUES`` that was found a ``(y, x)`` bool mask on the grid that was given,
        within the tissue.
    record
        Numbers behind the proposals: for each channel ``<channel>: background, saturated_share``,
        for the slide ``sharpness``, and the share of tissue of each proposal.
    warnings
        What a reader of the numbers should know.
    """

    proposals: Mapping[str, Flags]
    record: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def assess_quality(
    slide: Slide,
    panel: Panel,
    tissue: Flags,
    grid_um: float,
    cells: Plane | None = None,
    params: QualityParams = QualityParams(),
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> Quality:
    """Find saturation, folds, places out of focus, pigment and debris in one pass.

    Parameters
    ----------
    slide
        The slide as read, not corrected: a corrected one no longer shows where it saturates.
    panel
        Its stains. Focus is judged on the nuclear stains; pigment and debris on every channel not
        ignored, four at least.
    tissue
        ``(y, x)`` bool on the working grid, anchored at the slide's origin.
    grid_um
        Edge of a cell of that grid in µm.
    cells
        Label image at full resolution; pigment is proposed with the whole of each cell that it
        covers by a quarter. None proposes the bright places alone.
    params
        When a place is proposed.
    progress
        Called after each block.
    mapper
        Where the blocks are looked at.

    Returns
    -------
    Quality
        Proposals are limited to the tissue; a clean slide has none.
    """
    found = find_features(slide, panel, params.block_px, progress, mapper)
    tiles = _resample(tissue, grid_um, found.low.shape[1:], BINS * found.bin_um)
    bins = _resample(tissue, grid_um, found.everywhere.shape, found.bin_um)
    warnings: list[str] = []
    record: dict[str, dict[str, float]] = {
        channel: {
            "background": float(found.empty_level[c]),
            "saturated_share": found.shares[c],
        }
        for c, channel in enumerate(slide.channels)
    }
    for c, channel in enumerate(slide.channels):
        if found.shares[c] > _SATURATED:
            warnings.append(
                f"{found.shares[c]:.1%} of the pixels of {channel} are saturated at "
                f"{found.levels[c]:g}: its brightest cells are brighter than measured"
            )
    masks: dict[str, Flags] = {}
    masks["saturated"] = specks(found.saturated & bins, found.bin_um, params.min_speck_um2)
    fold, blurred = folds_and_blur(found, tiles, params)
    for name, mask in (("fold", fold), ("blurred", blurred)):
        masks[name] = np.kron(mask, np.ones((BINS, BINS), bool)) & bins
    masks["pigment"], masks["debris"] = bright_everywhere(found, panel, bins, params)
    if cells is not None and masks["pigment"].any():
        masks["pigment"] = bins & whole_cells(
            masks["pigment"], found.bin_um, cells, slide.pixel_size_um, params.block_px
        )
    if found.fine is None:
        warnings.append("no channel shows nuclei: focus and folds were not judged")
    proposals: dict[str, Flags] = {}
    total = int(tissue.sum())
    for name in ISSUES:
        mask = _resample(masks[name], found.bin_um, tissue.shape, grid_um) & tissue
        if not mask.any():
            continue
        proposals[name] = mask
        share = float(mask.sum()) / total
        record[name] = {"share_of_tissue": share}
        if share > _LARGE:
            warnings.append(f"{share:.0%} of the tissue is proposed for exclusion as {name}")
    return Quality(proposals, record, tuple(warnings))


def _resample(mask: Flags, edge_um: float, shape: tuple[int, ...], wanted_um: float) -> Flags:
    """Return a mask on another grid with the same origin, by the middle of each cell."""
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * wanted_um / edge_um).astype(np.intp), m - 1)
        for n, m in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]
