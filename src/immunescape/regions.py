"""Named areas and lines of a slide, in µm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

__all__ = ["ANNOTATION_ROLES", "Regions"]

ANNOTATION_ROLES = (
    "tumour",
    "margin_line",
    "analysed",
    "excluded",
    "necrosis",
    "control",
    "lymphoid",
    "epidermis",
    "nerve",
    "stroma_area",
)
"""What an annotation can mean; its geometry is an area, except the margin line."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Names and their geometry in µm, x to the right and y down from the slide's origin.

    Parameters
    ----------
    shapes
        Geometry of each name: polygons with holes, or lines. Empty geometries are kept.
    unknown
        Classes of an imported file that mean nothing to us, with their number of objects; kept
        so that a caller can list them rather than drop them in silence.
    """

    shapes: Mapping[str, BaseGeometry] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def __getitem__(self, name: str) -> BaseGeometry:
        return self.shapes[name]

    def get(self, name: str) -> BaseGeometry:
        """Return the geometry of a name, an empty one where the name is absent."""
        return self.shapes.get(name, shapely.MultiPolygon())

    def area_mm2(self, name: str) -> float:
        """Area of a region in mm², holes left out; 0 for a line or an absent name."""
        return float(shapely.area(self.get(name))) / 1e6

    def covers(self, name: str, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Tell for each ``(n, 2)`` point whether the region covers it, its outline included."""
        shape = self.get(name)
        shapely.prepare(shape)
        return np.asarray(shapely.intersects_xy(shape, points_um[:, 0], points_um[:, 1]), bool)

    def distance_um(self, name: str, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Distance of each ``(n, 2)`` point to the geometry in µm, 0 inside; NaN if it is empty."""
        shape = self.get(name)
        shapely.prepare(shape)
        return np.asarray(shapely.distance(shape, shapely.points(points_um)), np.float64)
