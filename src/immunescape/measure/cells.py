"""Size, shape and stain of every cell, by compartment, in one pass over the pixels."""

from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.blocks import Block, Plane, Progress, iter_blocks, map_blocks, silent
from immunescape.cells import CellTable
from immunescape.errors import LabelsError
from immunescape.panel import COMPARTMENTS, Panel, Stain
from immunescape.params import Between, Params
from immunescape.slide import Slide

__all__ = ["MeasureParams", "measure_cells"]

_STEP = "measure"
_ROUNDING = 1e-9
_CLASSES = 4
_LATER = ("unshared", "p35", "fraction")
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
    block_px
        Edge of the blocks in which the slide is read, in pixels; the result does not depend on
        it, the memory used does.
    """

    membrane_width_um: Annotated[float, Between(0.1, 10.0, step=0.1, unit="µm")] = 1.0
    block_px: Annotated[int, Between(64, 16384, step=64, unit="px")] = 1024


@dataclass(frozen=True, eq=False)
class _Sums:
    """What one block, or several merged, knows of its labels; everything adds up.

    ``moments`` is ``(n, 6)``, ``pixels`` ``(n, 4)`` and the two stain arrays ``(n, c, 4)``, the
    last axis the disjoint parts of a cell; ``hull`` holds rows ``position, 2y, 2x``.
    """

    labels: npt.NDArray[np.int64]
    moments: npt.NDArray[np.int64]
    framed: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    stain: npt.NDArray[np.float64]
    left_out: npt.NDArray[np.int64]
    hull: npt.NDArray[np.int64]


def measure_cells(
    slide: Slide,
    nuclei: Plane | None,
    cells: Plane,
    panel: Panel,
    params: MeasureParams = MeasureParams(),
    *,
    progress: Progress = silent,
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
        - for membrane markers ``<marker>_membrane_unshared``, ``_p35`` and ``_fraction``, all
          missing: they are for statistics that tell a neighbour's membrane apart.

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
    indices = [slide.index(stain.channel) for stain in stains]
    reach = _rim_reach(params.membrane_width_um / slide.pixel_size_um)
    blocks = list(iter_blocks(slide.shape, params.block_px))
    lock = Lock()

    def one(block: Block) -> _Sums:
        return _measure_block(slide, nuclei, cells, indices, block, reach, lock)

    found = []
    for done, part in enumerate(map_blocks(one, blocks), start=1):
        found.append(part)
        progress(_STEP, done, len(blocks))
    return _table(_merge(found, len(stains)), stains, slide.pixel_size_um, nuclei is not None)


def _rim_reach(width_px: float) -> npt.NDArray[np.int64]:
    """Return for each row offset the largest column offset whose pixel touches the disc.

    The disc of that radius, at least half a pixel, lies about a pixel's centre.

    Examples
    --------
    >>> _rim_reach(2.0)
    array([1, 2, 2, 2, 1])
    """
    radius = max(width_px, 0.5) + _ROUNDING
    k = int(radius + 0.5)
    dy = np.maximum(np.abs(np.arange(-k, k + 1)) - 0.5, 0.0)
    return np.asarray(np.sqrt(radius**2 - dy**2) + 0.5, np.int64)


def _measure_block(
    slide: Slide,
    nuclei: Plane | None,
    cells: Plane,
    indices: list[int],
    block: Block,
    reach: npt.NDArray[np.int64],
    lock: Lock,
) -> _Sums:
    """Measure the pixels of one block; the halo only decides what is rim."""
    from immunescape.measure._hull import hull_points
    from immunescape.measure._kernels import find_runs, moments, slots, sum_slots

    outer = block.grown(int(reach.max()), slide.shape)
    with lock:  # readers of files need not be safe to share between threads
        labels = _compact(cells[outer.slices], np.int32)
    top, left = block.y0 - outer.y0, block.x0 - outer.x0
    height, width = block.shape
    runs, found = find_runs(labels, top, left, height, width)
    n = len(found)
    shape = (n, len(indices), _CLASSES)
    stain = np.zeros(shape, np.float64)
    left_out = np.zeros(shape, np.int64)
    if not n:
        nothing = np.zeros((0, 0), np.int64)
        return _Sums(
            found.astype(np.int64), nothing.reshape(0, 6), np.zeros(0, bool),
            nothing.reshape(0, _CLASSES), stain, left_out, nothing.reshape(0, 3),
        )  # fmt: skip
    sums, framed = moments(runs, n, block.y0, block.x0, *slide.shape)
    if nuclei is None:
        nucleus = np.zeros((0, 0), np.int32)
    else:
        with lock:
            nucleus = _compact(nuclei[block.slices], np.int32)
    slot = slots(labels, nucleus, runs, n, top, left, height, width, reach)
    pixels = np.bincount(slot.ravel(), minlength=_CLASSES * n)[: _CLASSES * n]
    for c, index in enumerate(indices):
        with lock:
            values = slide.read(block, (slide.channels[index],))[0]
        total, missing = sum_slots(slot, _compact(values), _CLASSES * n)
        stain[:, c] = total.reshape(n, _CLASSES)
        left_out[:, c] = missing.reshape(n, _CLASSES)
    return _Sums(
        found.astype(np.int64), sums, framed, pixels.reshape(n, _CLASSES), stain, left_out,
        hull_points(runs, n, block.y0, block.x0),
    )  # fmt: skip


def _compact(pixels: Any, dtype: Any = None) -> npt.NDArray[Any]:
    """Return pixels of one memory layout, for which the loops are compiled only once."""
    return np.require(np.asarray(pixels), dtype, ["C", "W"])


def _merge(parts: list[_Sums], n_stains: int) -> _Sums:
    """Add up the sums of each label over the blocks; labels come out sorted."""
    parts = [part for part in parts if len(part.labels)]
    if not parts:
        empty = np.zeros((0, n_stains, _CLASSES))
        none = np.zeros((0, 6), np.int64)
        return _Sums(
            none[:, 0], none, none[:, 0] > 0, none[:, :_CLASSES], empty, empty.astype(np.int64),
            none[:, :3],
        )  # fmt: skip
    labels, which = np.unique(np.concatenate([p.labels for p in parts]), return_inverse=True)
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(len(labels)))

    def total(name: str) -> Any:
        stacked = np.concatenate([getattr(p, name) for p in parts])
        return np.add.reduceat(stacked[order], first, axis=0)

    offsets = np.cumsum([0] + [len(p.labels) for p in parts])
    hull = np.concatenate([p.hull for p in parts])
    owner = np.repeat(offsets[:-1], [len(p.hull) for p in parts]) + hull[:, 0]
    hull[:, 0] = which[owner]
    return _Sums(
        labels, total("moments"), total("framed"), total("pixels"), total("stain"),
        total("left_out"), hull[np.argsort(hull[:, 0], kind="stable")],
    )  # fmt: skip


def _table(sums: _Sums, stains: tuple[Stain, ...], pixel: float, has_nuclei: bool) -> CellTable:
    n, sx, sy = (sums.moments[:, i] for i in range(3))
    nucleus_px = sums.pixels[:, _PARTS["nucleus"]].sum(axis=1)
    has_nucleus = (nucleus_px > 0) & has_nuclei
    columns: dict[str, npt.NDArray[Any]] = {
        "x_um": (sx / n + 0.5) * pixel,
        "y_um": (sy / n + 0.5) * pixel,
        "area_um2": n * pixel**2,
        "nucleus_area_um2": np.where(has_nucleus, nucleus_px * pixel**2, np.nan),
        "eccentricity": _eccentricity(sums.moments),
        "solidity": n / _convex_px(sums),
        "touches_frame": np.asarray(sums.framed, bool),
    }
    valid = sums.pixels[:, None, :] - sums.left_out
    for c, stain in enumerate(stains):
        for compartment in COMPARTMENTS:
            parts = _PARTS[compartment]
            count = valid[:, c, parts].sum(axis=1)
            if compartment in ("nucleus", "cytoplasm"):
                count = np.where(has_nucleus, count, 0)
            mean = np.full(len(n), np.nan)
            np.divide(sums.stain[:, c, parts].sum(axis=1), count, out=mean, where=count > 0)
            columns[f"{stain.marker}_{compartment}_mean"] = mean
        if stain.compartment == "membrane" and stain.role == "marker":
            for name in _LATER:
                columns[f"{stain.marker}_membrane_{name}"] = np.full(len(n), np.nan)
    return CellTable(pd.DataFrame(columns, index=pd.Index(sums.labels, name="label")))


def _eccentricity(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the eccentricity of each label from its sums of coordinates."""
    n, sx, sy, sxx, sxy, syy = sums.T
    # Shifted by whole pixels, so that squares of far coordinates cancel without rounding.
    ox, oy = sx // np.maximum(n, 1), sy // np.maximum(n, 1)
    dx, dy = sx - n * ox, sy - n * oy
    xx = (sxx - 2 * ox * sx + n * ox * ox) / n - (dx / n) ** 2
    yy = (syy - 2 * oy * sy + n * oy * oy) / n - (dy / n) ** 2
    xy = (sxy - ox * sy - oy * sx + n * ox * oy) / n - (dx / n) * (dy / n)
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = middle + spread, np.maximum(middle - spread, 0.0)
    ratio = np.ones(len(n))
    np.divide(short, long, out=ratio, where=long > 0)
    return np.asarray(np.sqrt(1 - ratio), np.float64)


def _convex_px(sums: _Sums) -> npt.NDArray[np.int64]:
    """Return the number of pixels in the convex hull of each label."""
    from immunescape.measure._hull import convex_areas

    start = np.searchsorted(sums.hull[:, 0], np.arange(len(sums.labels) + 1))
    return np.asarray(
        convex_areas(np.ascontiguousarray(sums.hull[:, 1:]), start.astype(np.int64)), np.int64
    )
