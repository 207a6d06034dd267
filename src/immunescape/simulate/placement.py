"""Where cells lie: kinds, sizes and hard-core positions, in µm."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit
from scipy import ndimage as ndi
from scipy.spatial import KDTree
from shapely.geometry.base import BaseGeometry

from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.nests import Ground, nerve_about
from immunescape.simulate.scenarios import Scenario
from immunescape.simulate.settings import KINDS, FieldParams

__all__ = ["Bodies", "place_cells"]

RIM_UM = 14.0
"""Cells are placed this far beyond the frame, so that the frame cuts through cells."""
GRID_UM = 3.0
NERVE_PER_MM2 = 12000.0
RETICULAR_PER_MM2 = 250.0
"""Fibroblasts per area of lymphoid tissue."""
TUMOUR, CD8_T, LYMPHOCYTE, MACROPHAGE, FIBROBLAST, DENDRITIC, NERVE = range(len(KINDS))

_LONG_UM = {
    TUMOUR: (4.4, 6.0), CD8_T: (3.0, 3.5), LYMPHOCYTE: (3.0, 3.5),
    MACROPHAGE: (3.9, 5.0), FIBROBLAST: (5.5, 10.5), DENDRITIC: (3.8, 4.8),
    NERVE: (5.0, 8.5),
}  # fmt: skip
_SLENDER = {
    TUMOUR: (0.68, 0.95), CD8_T: (0.88, 1.0), LYMPHOCYTE: (0.88, 1.0),
    MACROPHAGE: (0.62, 0.85), FIBROBLAST: (0.2, 0.36), DENDRITIC: (0.6, 0.8),
    NERVE: (0.22, 0.34),
}  # fmt: skip
_ROOM_UM = {
    TUMOUR: 1.7, CD8_T: 0.9, LYMPHOCYTE: 0.9, MACROPHAGE: 2.0, FIBROBLAST: 1.2, DENDRITIC: 2.0,
    NERVE: 1.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bodies:
    """Cells as bodies: arrays of one length, in µm and radians.

    Parameters
    ----------
    x, y
        Centres.
    kind
        Index into ``KINDS``.
    a, b
        Semi-axes of the nucleus.
    theta
        Direction of its long axis, from x towards y.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int64]
    a: npt.NDArray[np.float64]
    b: npt.NDArray[np.float64]
    theta: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)

    def at(self, index: npt.NDArray[np.int64 | np.bool_]) -> "Bodies":
        """Return the bodies at an index, or where a mask is true."""
        return Bodies(*(getattr(self, field.name)[index] for field in fields(self)))


def place_cells(
    ground: Ground, scenario: Scenario, params: FieldParams, rng: np.random.Generator
) -> Bodies:
    """Place the cells of a field at random, no two nuclei nearer than their bodies allow.

    Scarce kinds come first, by Poisson numbers at their density; tumour cells and fibroblasts
    then fill what is left up to theirs. Lymphocytes cluster, fibroblasts lie along the outline.
    """
    terrain = _survey(ground, params, rng)
    outside, inside = terrain.distance > 2, terrain.distance < -2
    nerve = terrain.nerve
    outside &= ~nerve
    fibroblasts = np.where(terrain.lymphoid, RETICULAR_PER_MM2, params.stroma_density_per_mm2)
    tumour_cells = params.tumour_density_per_mm2
    by_region = terrain.by_region
    scattered = (
        (CD8_T, by_region(scenario.cd8_per_mm2, clustered=True)),
        (LYMPHOCYTE, by_region(scenario.lymphocytes_per_mm2, clustered=True)),
        (MACROPHAGE, by_region(scenario.macrophages_per_mm2)),
        (DENDRITIC, np.where(terrain.distance > 20, params.dendritic_per_mm2, 0.0)),
        (NERVE, np.where(nerve, NERVE_PER_MM2, 0.0)),
        (FIBROBLAST, np.where(inside, 60.0, 0.0)),
        (TUMOUR, np.where(outside & (terrain.distance < 120), 25.0, 0.0)),
        (FIBROBLAST, np.where(outside, 1.6 * fibroblasts, 0.0)),
        (TUMOUR, np.where(inside, 25.0 * tumour_cells, 0.0)),
    )
    candidates = [_scattered(kind, terrain, per_mm2, rng) for kind, per_mm2 in scattered]
    most = [len(c) for c in candidates]
    most[-2] = min(most[-2], int(terrain.expected(np.where(outside, fibroblasts, 0.0))))
    most[-1] = min(most[-1], int(terrain.expected(np.where(inside, tumour_cells, 0.0))))
    group = np.repeat(np.arange(len(candidates)), [len(c) for c in candidates])
    bodies = _joined(candidates)
    room = np.array([_ROOM_UM[k] for k in range(len(KINDS))])[bodies.kind]
    room = np.where(rng.random(len(bodies)) < params.overlap_fraction, room - 2.8, room)
    shape = bodies.x, bodies.y, bodies.a, bodies.b, bodies.theta
    kept = _pack(*shape, room, group, np.array(most))
    return bodies.at(kept)


@dataclass(frozen=True, eq=False)
class _Terrain:
    """Ground on a working grid: signed distance to the outline, way of the fibres, crowding."""

    x0: float
    y0: float
    distance: npt.NDArray[np.float32]
    tissue: npt.NDArray[np.bool_]
    lymphoid: npt.NDArray[np.bool_]
    nerve: npt.NDArray[np.bool_]
    along: npt.NDArray[np.float32]
    crowding: npt.NDArray[np.float32]
    margin_um: float

    def by_region(
        self, per_mm2: tuple[float, float, float, float], clustered: bool = False
    ) -> npt.NDArray[np.float64]:
        """Density on the grid, changing over a few µm where two regions meet."""
        m, soft = self.margin_um, min(12.0, 0.3 * self.margin_um)
        at = (-m - soft, -m + soft, -2.0, 2.0, m - soft, m + soft)
        centre, inner, outer, stroma = per_mm2
        density = np.interp(self.distance, at, (centre, inner, inner, outer, outer, stroma))
        density = np.where(self.nerve, 0.1 * density, density)
        return np.asarray(density * self.crowding if clustered else density)

    def expected(self, per_mm2: npt.NDArray[np.float64]) -> float:
        """Return the expected number of cells in tissue at a density given on the grid."""
        return float(per_mm2[self.tissue].sum()) * GRID_UM**2 / 1e6

    def index(
        self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Grid element of each point."""
        return (
            ((y - self.y0) / GRID_UM).astype(np.int64),
            ((x - self.x0) / GRID_UM).astype(np.int64),
        )


def _survey(ground: Ground, params: FieldParams, rng: np.random.Generator) -> _Terrain:
    far = 60.0
    nx = int(np.ceil((params.width_um + 2 * far) / GRID_UM))
    ny = int(np.ceil((params.height_um + 2 * far) / GRID_UM))
    x = -far + (np.arange(nx) + 0.5) * GRID_UM
    y = -far + (np.arange(ny) + 0.5) * GRID_UM
    xx, yy = np.meshgrid(x, y)
    shapely.prepare(ground.nests)
    shapely.prepare(ground.section)
    inside = np.asarray(shapely.intersects_xy(ground.nests, xx, yy))
    rim = RIM_UM
    in_reach = (
        (xx > -rim) & (yy > -rim) & (xx < params.width_um + rim) & (yy < params.height_um + rim)
    )
    tissue = shapely.intersects_xy(ground.section, xx, yy) & in_reach
    if inside.all() or not inside.any():
        distance = np.full(inside.shape, -1e4 if inside.all() else 1e4, np.float32)
        towards = np.zeros_like(distance)
    else:
        out, within = ndi.distance_transform_edt(~inside), ndi.distance_transform_edt(inside)
        distance = np.where(inside, 0.5 - within, out - 0.5).astype(np.float32) * GRID_UM
        gy, gx = np.gradient(ndi.gaussian_filter(distance, 4))
        towards = np.arctan2(gy, gx).astype(np.float32) + np.pi / 2
    lymphoid = np.asarray(shapely.intersects_xy(ground.lymphoid, xx, yy)) & tissue
    wander = smooth_noise((ny, nx), 60 / GRID_UM, rng)
    loosening = np.clip(np.abs(distance) / 150.0, 0.15, 1.0)
    along = (towards + wander * loosening * 1.2).astype(np.float32)
    nerve = np.zeros(inside.shape, bool)
    for strand in ground.strands:
        of = np.asarray(shapely.intersects_xy(nerve_about(strand), xx, yy))
        along[of] = _direction(strand, np.column_stack([xx[of], yy[of]]))
        nerve |= of & tissue
    spread = params.cd8_clustering
    crowds = spread * smooth_noise((ny, nx), 22 / GRID_UM, rng)
    crowds[lymphoid] *= 0.4
    crowding = np.exp(crowds - crowds.var() / 2)
    return _Terrain(
        -far, -far, distance, tissue, lymphoid, nerve, along, crowding, params.margin_width_um
    )


def _direction(strand: BaseGeometry, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the direction of a strand, from x towards y, where it is nearest to each point."""
    line = shapely.get_coordinates(strand)
    nearest = KDTree(line).query(points_um)[1]
    tangent = np.gradient(line, axis=0)[nearest]
    return np.asarray(np.arctan2(tangent[:, 1], tangent[:, 0]))


def _scattered(
    kind: int,
    terrain: _Terrain,
    per_mm2: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Bodies:
    """Scatter a Poisson number of cells of one kind at a density given on the grid."""
    expected = np.where(terrain.tissue, per_mm2, 0.0) * GRID_UM**2 / 1e6
    counts = rng.poisson(expected)
    i, j = (np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    n = len(i)
    x = terrain.x0 + (j + rng.random(n)) * GRID_UM
    y = terrain.y0 + (i + rng.random(n)) * GRID_UM
    a = rng.uniform(*_LONG_UM[kind], n)
    b = a * rng.uniform(*_SLENDER[kind], n)
    aligned = terrain.along[i, j] + rng.normal(0, 0.22, n)
    theta = aligned if kind in (FIBROBLAST, NERVE) else rng.uniform(0, np.pi, n)
    order = rng.permutation(n)
    return Bodies(x, y, np.full(n, kind, np.int64), a, b, theta).at(order)


def _joined(groups: list[Bodies]) -> Bodies:
    names = [field.name for field in fields(Bodies)]
    return Bodies(*(np.concatenate([getattr(g, name) for g in groups]) for name in names))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _reach(a: float, b: float, theta: float, dx: float, dy: float) -> float:
    """Radius of an ellipse in a direction."""
    c, s = np.cos(theta), np.sin(theta)
    u, v = dx * c + dy * s, -dx * s + dy * c
    r = np.sqrt(u * u + v * v)
    return r / np.sqrt((u / a) ** 2 + (v / b) ** 2)  # type: ignore[no-any-return]


@njit(cache=True)
def _pack(x, y, a, b, theta, room, group, most):  # type: ignore[no-untyped-def]
    """Accept candidates in order where their body is free and their group not yet full."""
    n = len(x)
    kept = np.zeros(n, np.bool_)
    if n == 0:
        return kept
    size = 2 * a.max() + max(room.max(), 0.0) + 1e-6
    x0, y0 = x.min(), y.min()
    columns = int((x.max() - x0) / size) + 1
    rows = int((y.max() - y0) / size) + 1
    head = np.full(rows * columns, -1, np.int64)
    following = np.full(n, -1, np.int64)
    taken = np.zeros(len(most), np.int64)
    for k in range(n):
        if taken[group[k]] >= most[group[k]]:
            continue
        row, column = int((y[k] - y0) / size), int((x[k] - x0) / size)
        free = True
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                other = head[r * columns + c]
                while other >= 0 and free:
                    dx, dy = x[k] - x[other], y[k] - y[other]
                    apart = np.sqrt(dx * dx + dy * dy)
                    if apart < 1e-9:
                        free = False
                        break
                    needed = (
                        _reach(a[k], b[k], theta[k], dx, dy)
                        + _reach(a[other], b[other], theta[other], dx, dy)
                        + 0.5 * (room[k] + room[other])
                    )
                    free = apart >= needed
                    other = following[other]
                if not free:
                    break
            if not free:
                break
        if free:
            kept[k] = True
            taken[group[k]] += 1
            following[k] = head[row * columns + column]
            head[row * columns + column] = k
    return kept
