"""The ground a field stands on: tumour nests, tissue and the interface between them, in µm."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from immunescape.simulate.settings import FieldParams

__all__ = ["NERVE_RADIUS_UM", "Ground", "lay_ground", "nerve_about"]

NERVE_RADIUS_UM = 13.0
RIND_UM = 14.0
"""Width of the stroma between a nest and the lymphoid tissue of its node."""
PAD_UM = 250.0
"""How far the ground goes on beyond the frame, so that cells cut by the frame have neighbours."""


@dataclass(frozen=True, eq=False)
class Ground:
    """Geometry of one field in µm.

    Parameters
    ----------
    frame
        The image.
    nests
        Tumour nests, going on beyond the frame, with holes where stroma lies within.
    section
        Tissue, going on beyond the frame.
    lymphoid
        A lymph node's own tissue about the nests, going on beyond the frame.
    strands
        Middle lines of nerves, which lie within the frame.
    """

    frame: Polygon
    nests: BaseGeometry
    section: BaseGeometry
    lymphoid: BaseGeometry
    strands: tuple[BaseGeometry, ...]

    @property
    def tissue(self) -> BaseGeometry:
        """Tissue within the frame."""
        return self.section & self.frame

    @property
    def tumour(self) -> BaseGeometry:
        """Tumour within the frame."""
        return _areas(self.nests & self.tissue)

    @property
    def interface(self) -> BaseGeometry:
        """The tumour outline where tissue lies beyond it; empty where there is none."""
        return self.nests.boundary & self.tissue

    @property
    def nerve(self) -> BaseGeometry:
        """Nerves: what lies near a strand."""
        return shapely.union_all([nerve_about(strand) for strand in self.strands])

    @property
    def special(self) -> dict[str, BaseGeometry]:
        """Nerves and lymphoid tissue within the frame, those that there are."""
        shapes = {"nerve": self.nerve, "lymphoid": _areas(self.lymphoid & self.tissue)}
        return {name: shape for name, shape in shapes.items() if not shape.is_empty}


def nerve_about(strand: BaseGeometry) -> BaseGeometry:
    """Return the area of the nerve whose middle line is given."""
    return strand.buffer(NERVE_RADIUS_UM, quad_segs=16)


def lay_ground(params: FieldParams, rng: np.random.Generator, *, nodal: bool = False) -> Ground:
    """Draw nests and section of a field.

    The side by which a nest enters is chance; a nest that leaves by two sides leaves by a corner.

    Parameters
    ----------
    nodal
        Whether the tissue about the nests is that of a lymph node.
    """
    turn = int(rng.integers(4))
    width, height = params.width_um, params.height_um
    w, h = (width, height) if turn % 2 == 0 else (height, width)
    nest = _main_nest(params, w, h, rng)
    glass = _glass(params, w, h, rng)
    nest = _with_holes(nest, params, box(0, 0, w, h) - glass, rng)
    nest = _with_satellites(nest, params, box(0, 0, w, h) - glass, rng)
    section = box(-PAD_UM, -PAD_UM, w + PAD_UM, h + PAD_UM) - glass
    strands = _strands(box(0, 0, w, h) - glass - nest.buffer(20.0), params.nerves, rng)
    lymphoid = section - nest.buffer(RIND_UM) if nodal else Polygon()
    return Ground(
        frame=box(0, 0, width, height),
        nests=_turned(nest, turn, width, height),
        section=_turned(section, turn, width, height),
        lymphoid=_turned(lymphoid, turn, width, height),
        strands=tuple(_turned(strand, turn, width, height) for strand in strands),
    )


def _main_nest(params: FieldParams, w: float, h: float, rng: np.random.Generator) -> BaseGeometry:
    """Draw the nest so that it leaves by the left, then also by the top, then by the bottom."""
    outline: BaseGeometry
    if params.nest_fraction == 0:
        return Polygon()
    area = params.nest_fraction * w * h
    most = 2.5 * params.roughness_um
    far = PAD_UM + 50.0
    if params.nest_sides == 4:
        return box(-far, -far, w + far, h + far)
    if params.nest_sides == 3:
        outline = box(-far, -far, params.nest_fraction * w, h + far)
    else:
        most = min(most, 0.07 * min(w, h))
        if params.nest_sides == 2:
            a, b = (n * min(np.sqrt(4 * params.nest_fraction / np.pi), 0.93) for n in (w, h))
            centre = (0.0, 0.0)
        elif params.nest_sides == 1:
            b = 0.42 * h
            a = min(2 * area / (np.pi * b), 0.9 * w)
            centre = (0.0, 0.5 * h)
        else:
            b = min(np.sqrt(area / np.pi * h / w), 0.42 * h)
            a = min(area / (np.pi * b), 0.42 * w)
            centre = (0.5 * w, 0.5 * h)
        circle = shapely.Point(0, 0).buffer(1.0, quad_segs=256)
        outline = affinity.translate(affinity.scale(circle, a, b, origin=(0, 0)), *centre)
    return _roughened(outline, params.roughness_um, most, rng)


def _glass(params: FieldParams, w: float, h: float, rng: np.random.Generator) -> BaseGeometry:
    if params.glass_fraction == 0:
        return Polygon()
    far = 2 * PAD_UM
    edge = box((1 - params.glass_fraction) * w, -far, w + far, h + far)
    return _roughened(edge, params.roughness_um, 2.5 * params.roughness_um, rng)


def _with_holes(
    nest: BaseGeometry, params: FieldParams, frame: BaseGeometry, rng: np.random.Generator
) -> BaseGeometry:
    room: BaseGeometry = (nest & frame).buffer(-30.0)
    for _ in range(params.stromal_islands):
        hole = _blob_within(room, (22.0, 45.0), params.roughness_um, rng)
        nest, room = nest - hole, room - hole.buffer(30.0)
    return nest


def _with_satellites(
    nest: BaseGeometry, params: FieldParams, frame: BaseGeometry, rng: np.random.Generator
) -> BaseGeometry:
    room: BaseGeometry = frame.buffer(-12.0) - nest.buffer(30.0)
    for _ in range(params.satellites):
        satellite = _blob_within(room, (28.0, 55.0), params.roughness_um, rng)
        nest, room = nest | satellite, room - satellite.buffer(30.0)
    return nest


def _strands(room: BaseGeometry, count: int, rng: np.random.Generator) -> list[BaseGeometry]:
    """Draw middle lines of nerves that lie in the room, as many of the count as fit."""
    strands: list[BaseGeometry] = []
    for _ in range(60 * count):
        if len(strands) == count or room.is_empty:
            break
        x0, y0, x1, y1 = room.bounds
        length, bend = rng.uniform(90.0, 200.0), rng.uniform(-0.25, 0.25)
        t = np.linspace(-0.5, 0.5, 40)
        line = np.column_stack([length * t, bend * length * (1 - 4 * t**2)])
        strand = affinity.translate(
            affinity.rotate(LineString(line), rng.uniform(0, 360), origin=(0, 0)),
            rng.uniform(x0, x1), rng.uniform(y0, y1),
        )  # fmt: skip
        if room.contains(nerve_about(strand)):
            strands.append(strand)
            room = room - nerve_about(strand).buffer(20.0)
    return strands


def _blob_within(
    room: BaseGeometry, radii_um: tuple[float, float], rough_um: float, rng: np.random.Generator
) -> BaseGeometry:
    """Return a blob that lies in the room, empty if none of many tries fits."""
    if room.is_empty:
        return Polygon()
    x0, y0, x1, y1 = room.bounds
    for _ in range(300):
        radius = rng.uniform(*radii_um)
        spot = shapely.Point(rng.uniform(x0, x1), rng.uniform(y0, y1)).buffer(radius, quad_segs=48)
        spot = affinity.rotate(affinity.scale(spot, 1.25, 0.8), rng.uniform(0, 180))
        rough = min(rough_um, 0.12 * radius)
        blob = _roughened(spot, rough, 2.0 * rough, rng)
        if room.contains(blob):
            return blob
    return Polygon()


def _roughened(
    outline: BaseGeometry, rough_um: float, most_um: float, rng: np.random.Generator
) -> BaseGeometry:
    """Displace an outline along its normals by smooth noise, ``most_um`` at most."""
    if rough_um == 0:
        return outline
    ring = shapely.get_coordinates(shapely.segmentize(outline.boundary, 3.0))[:-1]
    step = np.hypot(*(np.roll(ring, -1, axis=0) - ring).T)
    along = np.concatenate([[0.0], np.cumsum(step)[:-1]])
    length = float(step.sum())
    waves = np.arange(max(int(length / 450.0), 1), max(int(length / 55.0), 3) + 1)
    weight = rng.standard_normal(len(waves)) / waves
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    noise = (weight * np.cos(2 * np.pi * waves * along[:, None] / length + phase)).sum(axis=1)
    noise *= rough_um / noise.std()
    tangent = np.roll(ring, -2, axis=0) - np.roll(ring, 2, axis=0)
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]])
    normal /= np.hypot(*normal.T)[:, None]
    shift = most_um * np.tanh(noise / most_um)
    rough = Polygon(ring + normal * shift[:, None]).buffer(0)
    return max(shapely.get_parts(rough), key=shapely.area)  # type: ignore[no-any-return]


def _turned(shape: BaseGeometry, turn: int, width: float, height: float) -> BaseGeometry:
    """Carry a shape that enters by the left to the left, top, right or bottom."""

    def move(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x, y = points.T
        placed = ((x, y), (y, x), (width - x, y), (y, height - x))[turn]
        return np.column_stack(placed)

    return shapely.transform(shape, move)


def _areas(shape: BaseGeometry) -> BaseGeometry:
    """Keep the areas of a geometry; points and lines left by an intersection have none."""
    parts = [p for p in shapely.get_parts(shape) if isinstance(p, Polygon) and p.area > 0]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
