"""How cells of a field of points stand: its ground, its CD8 T cells, the rest, PD-L1 in patches."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from immunescape.params import Between, Params
from immunescape.results import BLOCK_COLUMNS, BLOCK_UM, REGION_NAMES, RegionAreas

__all__ = ["SUMS", "Ground", "PointParams", "latent_pdl1", "lay_ground", "place_cd8", "place_rest"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

GRID_UM = 2.0
BAND_UM = 20.0
REACH_UM = 500.0
SUMS = {"margin": (1, 2), "tumour": (0, 1), "tissue": (0, 1, 2, 3)}
_Share = Annotated[float, Between(0.0, 1.0, step=0.01)]
_Density = Annotated[float, Between(0.0, 20000.0, step=10, unit="per mm²")]


@dataclass(frozen=True, kw_only=True)
class PointParams(Params):
    """What a field of points looks like.

    Parameters
    ----------
    width_um, height_um
        Size of the field; tumour lies below a wavy front, stroma above, tissue everywhere.
    tumour_share
        Share of the field that is tumour.
    wave_um
        Amplitude of the front's wave.
    margin_width_um
        Width of the margin on each side of the front.
    cd8
        How CD8 T cells stand: no two nearer than `hard_core_um`, each for itself, or in clusters.
    cd8_centre_per_mm2, cd8_inner_per_mm2, cd8_outer_per_mm2, cd8_stroma_per_mm2
        Planted intensity in centre, inner margin, outer margin and stroma.
    hard_core_um
        Least distance of two CD8 T cells that stand regularly.
    cluster_um
        Standard deviation of a clustered CD8 T cell's place about the middle of its cluster.
    cluster_cells
        Mean number of cells of a cluster, where the intensity is highest; elsewhere clusters are
        as many and smaller.
    tumour_per_mm2, other_in_tumour_per_mm2, other_in_stroma_per_mm2
        Density of the remaining cells, which stand on a shaken lattice.
    contact_um
        Centres of cells at most this far apart touch.
    pdl1
        Whether cells have PD-L1 each for itself or in patches.
    patch_um
        Length scale of patches: places r apart are correlated by ``exp(-r² / (2 patch_um²))``.
    patch_share
        Share of the latent variance of PD-L1 that patches have; the rest is each cell's own.
    negative_touching, negative_apart
        Planted probability that a tumour cell is PD-L1-negative, given that it touches a CD8 T
        cell or not.
    other_negative_touching, other_negative_apart
        The same of the cells that are neither tumour nor CD8 T cells.
    cd8_negative
        The same of CD8 T cells.
    """

    width_um: Annotated[float, Between(200, 5000, step=50, unit="µm")] = 900.0
    height_um: Annotated[float, Between(200, 5000, step=50, unit="µm")] = 900.0
    tumour_share: _Share = 0.5
    wave_um: Annotated[float, Between(0, 200, step=10, unit="µm")] = 40.0
    margin_width_um: Annotated[float, Between(20, 500, step=20, unit="µm")] = 100.0
    cd8: Literal["regular", "independent", "clustered"] = "independent"
    cd8_centre_per_mm2: _Density = 150.0
    cd8_inner_per_mm2: _Density = 300.0
    cd8_outer_per_mm2: _Density = 600.0
    cd8_stroma_per_mm2: _Density = 300.0
    hard_core_um: Annotated[float, Between(0.1, 20, step=0.5, unit="µm")] = 10.0
    cluster_um: Annotated[float, Between(1, 200, step=1, unit="µm")] = 25.0
    cluster_cells: Annotated[float, Between(0.1, 200, step=1, unit="cells")] = 8.0
    tumour_per_mm2: _Density = 4000.0
    other_in_tumour_per_mm2: _Density = 600.0
    other_in_stroma_per_mm2: _Density = 2500.0
    contact_um: Annotated[float, Between(1, 50, step=0.5, unit="µm")] = 15.0
    pdl1: Literal["independent", "patchy"] = "independent"
    patch_um: Annotated[float, Between(5, 500, step=5, unit="µm")] = 60.0
    patch_share: _Share = 1.0
    negative_touching: _Share = 0.6
    negative_apart: _Share = 0.8
    other_negative_touching: _Share = 0.5
    other_negative_apart: _Share = 0.7
    cd8_negative: _Share = 0.9

    @property
    def cd8_per_mm2(self) -> tuple[float, float, float, float]:
        """Planted intensity in the four disjoint regions."""
        return (
            self.cd8_centre_per_mm2,
            self.cd8_inner_per_mm2,
            self.cd8_outer_per_mm2,
            self.cd8_stroma_per_mm2,
        )


@dataclass(frozen=True, eq=False)
class Ground:
    """Grid of one geometry: region, signed distance, censoring by pixel, and the areas."""

    region: npt.NDArray[np.int8]
    distance: npt.NDArray[np.float32]
    censored: npt.NDArray[np.bool_]
    areas: RegionAreas

    def pixel(self, points: Floats) -> tuple[Codes, Codes]:
        """Return row and column of the pixel of each point."""
        at = np.floor(points / GRID_UM).astype(np.int64)
        limits = np.array(self.region.shape[::-1]) - 1
        at = np.clip(at, 0, limits)
        return at[:, 1], at[:, 0]


@lru_cache(maxsize=16)
def lay_ground(width: float, height: float, share: float, wave: float, margin: float) -> Ground:
    """Draw a front with two waves across the field; tumour is below it."""
    along = np.arange(-REACH_UM, width + REACH_UM, 1.0)
    turn = 2 * np.pi * along / 600.0
    front = height * (1 - share) + wave * np.sin(turn) + wave / 3 * np.sin(2.7 * turn + 1.0)
    x = (np.arange(int(width / GRID_UM)) + 0.5) * GRID_UM
    y = (np.arange(int(height / GRID_UM)) + 0.5) * GRID_UM
    inside = y[:, None] > np.interp(x, along, front)
    # Beyond the frame there is no interface.
    visible = (along >= 0) & (along <= width) & (front >= 0) & (front <= height)
    line = cKDTree(np.column_stack([along, front])[visible])
    mesh = np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1).reshape(-1, 2)
    far = np.asarray(line.query(mesh)[0], np.float64).reshape(len(y), len(x))
    to_frame = np.minimum(np.minimum(x, width - x)[None], np.minimum(y, height - y)[:, None])
    region = np.where(inside, np.where(far <= margin, 1, 0), np.where(far <= margin, 2, 3))
    distance = np.where(inside, -far, far)
    censored = to_frame < far
    starts = np.arange(-REACH_UM, REACH_UM, BAND_UM)
    kept = ~censored & (distance >= -REACH_UM) & (distance < REACH_UM)
    band = np.where(kept, np.floor((distance + REACH_UM) / BAND_UM), -1).astype(np.int64)
    table = pd.DataFrame(
        {
            "row": np.repeat((y // BLOCK_UM).astype(np.int64), len(x)),
            "column": np.tile((x // BLOCK_UM).astype(np.int64), len(y)),
            "region": region.ravel(),
            "band": band.ravel(),
        }
    )
    pixel_mm2 = GRID_UM**2 / 1e6
    sizes = table.value_counts(sort=False).sort_index().reset_index()
    by_block = sizes.assign(
        region=np.array(REGION_NAMES[:4], dtype=object)[sizes["region"]],
        from_um=np.append(starts, np.nan)[sizes["band"]],
        area_mm2=sizes["count"] * pixel_mm2,
    )[list(BLOCK_COLUMNS)]
    parts = np.bincount(region.ravel(), minlength=4) * pixel_mm2
    area = dict(zip(REGION_NAMES[:4], map(float, parts), strict=True))
    area |= {name: float(sum(parts[p] for p in held)) for name, held in SUMS.items()}
    in_band = np.bincount(band[band >= 0], minlength=len(starts)) * pixel_mm2
    seen = np.column_stack([along, front])[visible]
    areas = RegionAreas(
        areas_mm2=area,
        not_evaluable={},
        bands=pd.DataFrame({"from_um": starts, "to_um": starts + BAND_UM, "area_mm2": in_band}),
        edge_censored_mm2=float(censored.sum() * pixel_mm2),
        margin_width_um=margin,
        margin_length_mm=float(np.hypot(*np.diff(seen, axis=0).T).sum() / 1e3),
        tumour_source="drawn",
        by_block=by_block,
    )
    return Ground(region.astype(np.int8), distance.astype(np.float32), censored, areas)


def place_cd8(params: PointParams, ground: Ground, rng: np.random.Generator) -> Floats:
    """Draw a stationary process of the highest intensity and thin it to each region's."""
    top = max(params.cd8_per_mm2)
    size = np.array([params.width_um, params.height_um])
    if top == 0:
        return np.zeros((0, 2))
    if params.cd8 == "independent":
        points = rng.random((rng.poisson(top * size.prod() / 1e6), 2)) * size
    elif params.cd8 == "regular":
        points = _hard_core(top, params.hard_core_um, size, rng)
    else:
        reach = 5 * params.cluster_um
        parents = rng.poisson(top / params.cluster_cells * (size + 2 * reach).prod() / 1e6)
        centres = rng.random((parents, 2)) * (size + 2 * reach) - reach
        points = np.repeat(centres, rng.poisson(params.cluster_cells, parents), axis=0)
        points = points + params.cluster_um * rng.standard_normal(points.shape)
    points = points[((points >= 0) & (points < size)).all(axis=1)]
    share = np.array(params.cd8_per_mm2)[ground.region[ground.pixel(points)]] / top
    return np.asarray(points[rng.random(len(points)) < share], np.float64)


def _hard_core(per_mm2: float, core_um: float, size: Floats, rng: np.random.Generator) -> Floats:
    """Draw Matérn's second hard-core process: of points too near the earliest one stays.

    Of independent points with intensity p, ``(1 - exp(-p π r²)) / (π r²)`` stay.
    """
    disc = np.pi * core_um**2 / 1e6
    if per_mm2 * disc >= 0.99:
        raise ValueError(f"{per_mm2:g} cells per mm² cannot be {core_um:g} µm apart")
    first = -np.log1p(-per_mm2 * disc) / disc
    wide = size + 2 * core_um
    points = rng.random((rng.poisson(first * wide.prod() / 1e6), 2)) * wide - core_um
    near = cKDTree(points).query_pairs(core_um, output_type="ndarray")
    gone = np.zeros(len(points), bool)
    gone[near.max(axis=1)] = True  # positions are ages: points come in random order
    return np.asarray(points[~gone], np.float64)


def place_rest(
    params: PointParams, ground: Ground, cd8: Floats, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Place tumour cells, then other cells, none on top of a CD8 T cell."""
    inside = ground.region <= 1
    found = []
    kind = []
    for density, where, tumour in (
        (params.tumour_per_mm2, inside, True),
        (params.other_in_tumour_per_mm2, inside, False),
        (params.other_in_stroma_per_mm2, ~inside, False),
    ):
        points = _lattice(density, np.array([params.width_um, params.height_um]), rng)
        points = points[where[ground.pixel(points)]]
        found.append(points)
        kind.append(np.full(len(points), tumour))
    points, tumour_cell = np.concatenate(found), np.concatenate(kind)
    if len(cd8):
        free = cKDTree(cd8).query(points)[0] > 0.4 * params.contact_um
        points, tumour_cell = points[free], tumour_cell[free]
    return points, tumour_cell


def _lattice(per_mm2: float, size: Floats, rng: np.random.Generator) -> Floats:
    """Draw a shaken square lattice with a random start."""
    if per_mm2 == 0:
        return np.zeros((0, 2))
    step = 1e3 / np.sqrt(per_mm2)
    x, y = (np.arange(-1, s / step + 1) * step + rng.random() * step for s in size)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    points = points + step * rng.uniform(-0.35, 0.35, points.shape)
    return np.asarray(points[((points >= 0) & (points < size)).all(axis=1)], np.float64)


def latent_pdl1(params: PointParams, points: Floats, rng: np.random.Generator) -> Floats:
    """Return a standard normal value for each cell, correlated between near ones if patchy."""
    own = rng.standard_normal(len(points))
    if params.pdl1 == "independent" or params.patch_share == 0:
        return own
    step = params.patch_um / 2
    weights = []
    for axis, length in enumerate((params.width_um, params.height_um)):
        nodes = np.arange(-3 * params.patch_um, length + 3 * params.patch_um + step, step)
        weight = np.exp(-(((points[:, axis, None] - nodes) / params.patch_um) ** 2))
        weights.append(weight / np.sqrt((weight**2).sum(axis=1, keepdims=True)))
    noise = rng.standard_normal((weights[1].shape[1], weights[0].shape[1]))
    patch = ((weights[1] @ noise) * weights[0]).sum(axis=1)
    return np.asarray(
        np.sqrt(params.patch_share) * patch + np.sqrt(1 - params.patch_share) * own, np.float64
    )
