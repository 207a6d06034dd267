"""Size, shape and stain of every cell, by compartment, in one pass over the pixels."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.blocks import BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.cells import CellTable
from immunescape.errors import LabelsError
from immunescape.measure.block import CLASSES, Part, Plan, reach_of
from immunescape.measure.rims import Pieces, join_pieces, rim_columns
from immunescape.measure.shapes import Shapes, find_shapes
from immunescape.panel import COMPARTMENTS, Panel, Stain
from immunescape.params import Between, Params
from immunescape.slide import Slide

__all__ = ["MeasureParams", "measure_cells"]

_STEP = "measure"
Floats = npt.NDArray[np.float64]
# Which of the four disjoint parts make up a compartment: bit 0 is the nucleus, bit 1 the rim.
_PARTS = {"nucleus": (1, 3), "cytoplasm": (0, 2), "membrane": (2, 3), "cell": (0, 1, 2, 3)}


@dataclass(frozen=True, kw_only=True)
class MeasureParams(Params):
    """How cells are measured.

    Parameters
    ----------
    membrane_width_um
        Width of the rim inside a cell's border that counts as its membrane, in µm. Pixels whose
        centre lies within it are rim; pixels that border on another cell or on background always
        are.
    spill_um
        How far from a neighbour its light is still seen in the rim beside it: a pixel of the
        rim is shared with every cell that begins within this distance of the pixel's centre,
        over background too.
    block_px
        Edge of the blocks in which the slide is read, in pixels; the result does not depend on
        it, the memory used does.
    """

    membrane_width_um: Annotated[float, Between(0.1, 10.0, step=0.1, unit="µm")] = 1.0
    spill_um: Annotated[float, Between(0.1, 10.0, step=0.1, unit="µm")] = 1.0
    block_px: Annotated[int, Between(64, 16384, step=64, unit="px")] = 1024


def measure_cells(
    slide: Slide,
    nuclei: Plane | None,
    cells: Plane,
    panel: Panel,
    params: MeasureParams = MeasureParams(),
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> CellTable:
    """Measure position, size, shape and stains of every cell.

    Compartments are parts of a cell: the nucleus is where ``nuclei`` holds the cell's own label,
    the cytoplasm the rest, the membrane a rim inside the border, nucleus or not. The border runs
    along other labels and background; the image frame is no border. A pixel belongs to the rim
    if the nearest point outside the cell is at most ``membrane_width_um`` from its centre.
    Nucleus pixels outside their cell are not counted, and a nucleus without a cell has no row.

    Parameters
    ----------
    slide
        Image the labels were made on. One block of one channel is in memory at a time a thread.
    nuclei, cells
        Label images ``(y, x)`` of integers below 2³¹, of the slide's shape; 0 is background, and
        a nucleus has the label of its cell. Labels need not be consecutive and a label may be in
        several pieces. ``nuclei`` may be None.
    panel
        Its ``measured`` stains are measured, in that order.
    params
        Width of the rim and block size.
    progress
        Called after each block.
    mapper
        Where the blocks are measured.

    Returns
    -------
    CellTable
        One row a label of ``cells``, sorted by label; without rows if there is none.

        - ``x_um, y_um``: mean of the cell's pixel centres.
        - ``area_um2, nucleus_area_um2``; the latter is missing where a cell has no nucleus.
        - ``eccentricity``: of the ellipse with the same second moments of pixel centres, 0 for a
          circle and for a single pixel, 1 for a line.
        - ``solidity``: pixels of the cell over pixels whose centre lies in or on the convex hull
          of the middles of its pixels' edges; 1 for a convex cell.
        - ``touches_frame``: whether a pixel of the cell lies in the outermost row or column.
        - ``<marker>_<compartment>_mean``: over the compartment's pixels whose value is a number;
          missing if there is none. Nucleus and cytoplasm are missing where a cell has no
          nucleus.
        - for membrane markers, that is those the panel reads in the membrane:
          ``<marker>_membrane_unshared``, the level of the part of the rim that is not shared
          with a brighter neighbour (see Notes); ``<marker>_membrane_p35``, the 35th percentile
          of all pixels of the rim, exactly, between two values by proportion;
          ``<marker>_membrane_fraction``, missing until there is a gate, see
          :func:`immunescape.measure.rim_fraction`; ``<marker>_inner_mean``, the mean of the
          cytoplasm without the rim, missing where there is none.
        - last, for :func:`immunescape.measure.split_rims` to take out, ``<marker>_rim_0`` to
          ``_rim_7``, the mean of what is the cell's own in each eighth of its rim, counted from
          the direction of x towards y, as seen from the mean of its pixels; missing where
          nothing is. And ``<marker>_rim_share``, the unshared share of the rim.

    Notes
    -----
    A membrane's level is the mean over the brightest quarter of the pixels of a part of the rim,
    whole eighths first and each pixel with the mean of its eighth: so a cell that stains a
    quarter of its rim reads as one that stains all of it, and one bright pixel as next to
    nothing. Of two cells within reach of each other the brighter is the one whose level is
    higher on the rim away from the other, never the one on whose side of the border the light
    lies: borders drawn from nuclei miss the membrane by as much as its width. What either shares
    with cells that are brighter still is left out of that comparison, which is therefore made
    three times. Levels that differ by less than a billionth are equal, and neither is brighter.

    Where less than an eighth of a rim is unshared, the parts beside the least bright of the
    brighter neighbours are added until it is an eighth; ``<marker>_rim_share`` below 1/8 tells
    these cells, whose value holds light of their neighbours.

    Raises
    ------
    LabelsError
        If the labels do not have the slide's shape.
    SlideError
        If the slide lacks a channel of the panel.
    """
    for what, plane in (("nuclei", nuclei), ("cells", cells)):
        if plane is not None and tuple(plane.shape) != slide.shape:
            raise LabelsError(
                f"{slide.name} has {slide.shape[0]} x {slide.shape[1]} pixels but its {what} have "
                f"{' x '.join(map(str, plane.shape))}; give labels made on this slide"
            )
    stains = panel.measured
    pixel = slide.pixel_size_um
    for stain in stains:
        slide.index(stain.channel)  # before any pixel is read
    rims = tuple(
        c for c, s in enumerate(stains) if s.compartment == "membrane" and s.role == "marker"
    )
    blocks = list(iter_blocks(slide.shape, params.block_px))
    shapes = find_shapes(cells, blocks, mapper)
    solidity = shapes.solidity
    # nothing else asks for the hulls, and those of a whole slide are large
    shapes = replace(shapes, hull=np.zeros((0, 3), np.int64))
    plan = Plan(
        slide=slide,
        nuclei=nuclei,
        cells=cells,
        channels=tuple(stain.channel for stain in stains),
        rims=rims,
        shapes=shapes,
        rim_reach=reach_of(params.membrane_width_um / pixel),
        spill_reach=reach_of(params.spill_um / pixel),
    )
    sums = _Sums.zero(len(shapes), len(stains), len(rims))
    for done, part in enumerate(mapper(_STEP, plan.measure, blocks), start=1):
        if part is not None:
            sums.add(part)
        progress(_STEP, done, len(blocks))
    markers = [stains[c].marker for c in rims]
    pieces = join_pieces(sums.pieces, len(rims))
    statistics, sectors = rim_columns(pieces, markers, sums.p35, len(shapes))
    columns = {
        **_shape_columns(shapes, solidity, sums, pixel, nuclei is not None),
        **_stain_columns(sums, stains, nuclei is not None, statistics),
        **sectors,
    }
    return CellTable(pd.DataFrame(columns, index=pd.Index(shapes.labels, name="label")))


@dataclass(frozen=True, eq=False)
class _Sums:
    """What all blocks know, row by row of the table; see :class:`Part`."""

    pixels: npt.NDArray[np.int64]
    stain: Floats
    left_out: npt.NDArray[np.int32]
    p35: Floats
    pieces: list[Pieces]

    @classmethod
    def zero(cls, n: int, n_stains: int, n_rims: int) -> "_Sums":
        """Return what is known before any block is read."""
        shape = n, n_stains, CLASSES
        p35 = np.full((n_rims, n), np.nan)
        return cls(
            np.zeros((n, CLASSES), np.int64), np.zeros(shape), np.zeros(shape, np.int32), p35, []
        )

    def add(self, part: Part) -> None:
        """Add one block; a label stands at most once in its rows."""
        self.pixels[part.rows] += part.pixels
        self.stain[part.rows] += part.stain
        self.left_out[part.rows] += part.left_out.astype(np.int32)
        whole = ~np.isnan(part.p35)
        marker, cell = np.nonzero(whole)
        self.p35[marker, part.rows[cell]] = part.p35[whole]
        if part.pieces is not None:
            self.pieces.append(part.pieces)

    def nucleus_px(self) -> npt.NDArray[np.int64]:
        """Pixels of each cell's nucleus."""
        return np.asarray(self.pixels[:, _PARTS["nucleus"]].sum(axis=1), np.int64)


def _shape_columns(
    shapes: Shapes, solidity: Floats, sums: _Sums, pixel: float, has_nuclei: bool
) -> dict[str, npt.NDArray[Any]]:
    n, sx, sy = (shapes.moments[:, i] for i in range(3))
    nucleus = sums.nucleus_px()
    return {
        "x_um": (sx / n + 0.5) * pixel,
        "y_um": (sy / n + 0.5) * pixel,
        "area_um2": n * pixel**2,
        "nucleus_area_um2": np.where((nucleus > 0) & has_nuclei, nucleus * pixel**2, np.nan),
        "eccentricity": shapes.eccentricity,
        "solidity": solidity,
        "touches_frame": shapes.framed,
    }


def _stain_columns(
    sums: _Sums, stains: tuple[Stain, ...], has_nuclei: bool, rims: dict[str, Floats]
) -> dict[str, Floats]:
    columns: dict[str, Floats] = {}
    has_nucleus = (sums.nucleus_px() > 0) & has_nuclei
    valid = sums.pixels[:, None, :] - sums.left_out
    for c, stain in enumerate(stains):
        for compartment in COMPARTMENTS:
            parts = _PARTS[compartment]
            count = valid[:, c, parts].sum(axis=1)
            if compartment in ("nucleus", "cytoplasm"):
                count = np.where(has_nucleus, count, 0)
            mean = np.full(len(count), np.nan)
            np.divide(sums.stain[:, c, parts].sum(axis=1), count, out=mean, where=count > 0)
            columns[f"{stain.marker}_{compartment}_mean"] = mean
        if f"{stain.marker}_membrane_unshared" in rims:
            for name in ("unshared", "p35"):
                column = f"{stain.marker}_membrane_{name}"
                columns[column] = rims[column]
            columns[f"{stain.marker}_membrane_fraction"] = np.full(len(valid), np.nan)
            columns[f"{stain.marker}_inner_mean"] = _inner_mean(sums.stain[:, c], valid[:, c],
                                                                has_nucleus)  # fmt: skip
    return columns


def _inner_mean(
    stain: Floats, valid: npt.NDArray[np.int64], has_nucleus: npt.NDArray[np.bool_]
) -> Floats:
    """Return the mean of what is neither nucleus nor rim, of cells with a nucleus."""
    count = np.where(has_nucleus, valid[:, 0], 0)
    mean = np.full(len(count), np.nan)
    np.divide(stain[:, 0], count, out=mean, where=count > 0)
    return mean
