"""How well the nuclei were found, in figures that a person can judge."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.blocks import BlockMap, Plane, Progress, in_threads, silent
from immunescape.quality._coverage import Overview, Surface, bin_edge, cover_slide
from immunescape.quality._each import Nuclei, slide_figures, tile_table
from immunescape.quality._nuclear_stain import find_stain
from immunescape.quality._tile_grid import TileGrid
from immunescape.quality._tiles import LEAST_TILES, SegmentationQualityParams, judge_tiles

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.panel import Panel
    from immunescape.slide import Slide

__all__ = ["SegmentationQuality", "SegmentationQualityParams", "segmentation_quality"]

_NOISE = 2.75
"""Two halves of mere noise lie 2.66 standard deviations apart."""
_PROPOSED = 0.2
_EDGES_UM2 = 5.0 * 2 ** (np.arange(29) / 4)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SegmentationQuality:
    """What the nuclei of a slide look like.

    Parameters
    ----------
    tiles
        One row a tile, row by row: ``SEGMENTATION_COLUMNS``.
    figures
        Numbers of the slide by name; NaN where something could not be judged.
    objects
        ``nuclei``, or ``cells`` where only cells are known: what was measured and looked for.
    edges_um2, counts
        Histogram of their areas: edges of the classes, and how many lie in each; those beyond the
        last edges are in the first and the last class.
    odd
        Labels that are small, large or unstained, ascending.
    overview
        The slide as a small picture.
    surface
        Stain and labels as they were judged, to draw pictures of them.
    params
        The limits it was judged by.
    warnings
        What a reader of any number of the slide should know.
    notes
        What could not be judged.
    """

    tiles: "pd.DataFrame"
    figures: Mapping[str, float]
    objects: str
    edges_um2: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    odd: npt.NDArray[np.int64]
    overview: Overview
    surface: Surface
    params: SegmentationQualityParams
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def segmentation_quality(
    slide: "Slide",
    panel: "Panel",
    cells: "CellTable",
    nuclei: Plane | None,
    cell_labels: Plane,
    tissue: Flags,
    grid_um: float,
    params: SegmentationQualityParams = SegmentationQualityParams(),
    *,
    proposals: Mapping[str, Flags] | None = None,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> SegmentationQuality:
    """Judge the nuclei of a slide by their number and size, and by the nuclear stain.

    The stain is judged on squares of about 1 µm: stained is what is above Otsu's threshold of the
    tissue, found without a look at the nuclei. Stain is missed where it lies beyond ``halo_um``
    of any nucleus and is at least 3 µm wide. A nucleus is unstained where its mean is below the
    middle between unstained tissue and that threshold; a whole cell where nothing in it is
    stained, and it is neither small nor large.

    Parameters
    ----------
    slide
        The slide as read; one block of its nuclear stains is in memory at a time a thread.
    panel
        Its ``nuclear`` stains are judged; without one, number and size alone are.
    cells
        With ``x_um, y_um, area_um2, nucleus_area_um2, solidity, eccentricity, touches_frame``.
    nuclei, cell_labels
        Label images ``(y, x)``, 0 is background. Where nuclei are None cells take their place.
    tissue
        ``(y, x)`` bool on the working grid, anchored at the slide's origin.
    grid_um
        Edge of a cell of that grid.
    params
        Limits.
    proposals
        Masks on the working grid of places whose pixels should not be believed, by issue: the
        reason of a flagged tile names those that cover a fifth of it or more.
    progress
        Called after each block.
    mapper
        Where the blocks are looked at.

    Returns
    -------
    SegmentationQuality
        A slide without tissue or without cells has all its tiles, and what cannot be judged is
        missing.
    """
    pixel_um = slide.pixel_size_um
    channels = tuple(stain.channel for stain in panel.nuclear)
    stain = find_stain(slide, channels, tissue, grid_um, bin_edge(pixel_um))
    notes: list[str] = []
    if stain is None or stain.contrast < _NOISE:
        notes.append(
            "the nuclear stain does not part in two levels: only number and size were judged"
            if channels
            else "no channel shows nuclei: only number and size were judged"
        )
        stain = None if stain is None else dataclasses.replace(stain, threshold=np.inf)
    surface = Surface(
        nuclei=cell_labels if nuclei is None else nuclei,
        stain=stain,
        tissue=tissue,
        grid_um=grid_um,
        pixel_um=pixel_um,
        empty_um=params.empty_um,
        halo_um=params.halo_um,
        whole_cells=nuclei is None,
    )
    grid = TileGrid.of(slide.shape, pixel_um, params.tile_um)
    coverage = cover_slide(surface, grid, params.block_px, progress, mapper)
    each = Nuclei.of(cells, coverage, surface, params)
    tiles = judge_tiles(tile_table(each, coverage, grid, params), each.shares(), params)
    for issue, mask in (proposals or {}).items():
        tiles = _with_proposal(tiles, issue, mask, grid_um, grid)
    if tiles["judged"].sum() < LEAST_TILES:
        notes.append(f"fewer than {LEAST_TILES} tiles with tissue: not compared with each other")
    figures = slide_figures(each, coverage, tiles)
    objects = "cells" if nuclei is None else "nuclei"
    inner = np.clip(each.areas_um2, _EDGES_UM2[0], np.nextafter(_EDGES_UM2[-1], 0))
    return SegmentationQuality(
        tiles=tiles,
        figures=figures,
        objects=objects,
        edges_um2=_EDGES_UM2,
        counts=np.histogram(inner, _EDGES_UM2)[0].astype(np.int64),
        odd=each.labels[each.odd],
        overview=coverage.overview,
        surface=surface,
        params=params,
        warnings=_warnings(figures, objects, params),
        notes=tuple(notes),
    )


def _with_proposal(
    tiles: "pd.DataFrame", issue: str, mask: Flags, grid_um: float, grid: TileGrid
) -> "pd.DataFrame":
    """Say of flagged tiles how much of them is proposed for exclusion."""
    rows, columns = (
        places((np.arange(n) + 0.5) * grid_um)
        for places, n in zip((grid.rows, grid.columns), mask.shape, strict=True)
    )
    down, across = np.nonzero(mask)
    at = rows[down] * grid.shape[1] + columns[across]
    area = np.bincount(at, minlength=len(tiles)) * grid_um**2
    share = np.minimum(area / (grid.height_um * grid.width_um), 1)
    told = tiles["flagged"].to_numpy(bool) & (share >= _PROPOSED)
    texts = [f"; {s:.0%} of it is proposed for exclusion as {issue}" for s in share]
    reasons = [r + t if hit else r for r, t, hit in zip(tiles["reason"], texts, told, strict=True)]
    return tiles.assign(reason=reasons)


def _warnings(
    figures: Mapping[str, float], objects: str, params: SegmentationQualityParams
) -> tuple[str, ...]:
    limit = params.warn_share
    one = "nucleus" if objects == "nuclei" else "cell"
    said = {
        "missed_stain_share": f"of the nuclear stain has no {one}: some were missed",
        "unstained_share": f"of the {objects} lie where hardly anything is stained: found in the "
        "background, or not those of this slide",
        "small_share": f"of the {objects} are smaller than {params.small_um2:g} µm²: cut into "
        "pieces, or the pixel size is wrong",
        "large_share": f"of the {objects} are larger than {params.large_um2:g} µm²: joined, or the "
        "pixel size is wrong",
        "flagged_share": "of the tiles with tissue are unlike the rest or hardly covered",
    }
    return tuple(
        f"{figures[name]:.0%} {text}; look at segmentation.html"
        for name, text in said.items()
        if figures[name] > limit
    )
