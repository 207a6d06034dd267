"""Saving from napari's layers: the cell table, and regions as QuPath reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.errors import AnnotationError, OutputError
from immunescape.io.geojson import write_regions
from immunescape.io.output import atomic_path
from immunescape.io.tables import write_csv
from immunescape.napari.drawn_geometry import geometry_of
from immunescape.napari.layers import facts_of, table_of_features
from immunescape.napari.region_layers import role_of
from immunescape.regions import Regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = ["write_cell_table", "write_regions_geojson"]


def write_cell_table(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write the cell table that a labels layer carries.

    Parameters
    ----------
    path
        File to write: ``.csv`` or ``.parquet``.
    data
        The labels; not needed.
    attributes
        Settings of the layer, its features among them.

    Returns
    -------
    list
        The file written.

    Raises
    ------
    SlideError
        If the layer carries no cell table.
    OutputError
        If the file cannot be written, or its ending is another.
    """
    facts = attributes.get("metadata", {}).get("immunescape", {})
    table = table_of_features(
        attributes["features"], facts.get("columns", ()), str(attributes.get("name", "the layer"))
    )
    target = Path(path)
    frame = table.frame.reset_index()
    if target.suffix.lower() == ".csv":
        write_csv(target, frame, exact=True)
    elif target.suffix.lower() == ".parquet":
        with atomic_path(target) as beside:
            frame.to_parquet(beside, index=False, compression="zstd")
    else:
        raise OutputError(f"{target.name} is neither .csv nor .parquet; give one of the two")
    return [str(target)]


def write_regions_geojson(path: str, layer_data: Sequence[Any]) -> list[str]:
    """Write what Shapes layers draw as annotations that QuPath opens on the slide.

    Parameters
    ----------
    path
        File to write.
    layer_data
        Layer data tuples of Shapes layers. Layers of a role are written under its class, others
        under their own name; coordinates are pixels of the slide.

    Returns
    -------
    list
        The file written.

    Raises
    ------
    AnnotationError
        If nothing is drawn, or no layer tells the pixel size.
    """
    from napari.layers import Layer

    layers = [Layer.create(*entry) for entry in layer_data]
    shapes: dict[str, BaseGeometry] = {}
    for layer in layers:
        name = role_of(layer) or facts_of(layer).get("role") or layer.name
        geometry = geometry_of(layer, line=name in ("margin_line", "interface"))
        if geometry.is_empty:
            continue
        shapes[name] = shapes[name].union(geometry) if name in shapes else geometry
    target = Path(path)
    if not shapes:
        raise AnnotationError(f"{target.name}: nothing is drawn in these layers; draw first")
    write_regions(target, Regions(shapes), _pixel_size(layers, target))
    return [str(target)]


def _pixel_size(layers: Sequence[Any], target: Path) -> float:
    for layer in layers:
        if size := facts_of(layer).get("pixel_size_um"):
            return float(size)
    from napari import current_viewer

    viewer = current_viewer()
    slides = [] if viewer is None else [facts_of(x).get("opened") for x in viewer.layers]
    sizes = {s.pixel_size_um for s in slides if s is not None}
    if len(sizes) != 1:
        raise AnnotationError(
            f"{target.name}: the pixel size is not known; open the slide these regions belong to"
        )
    return float(sizes.pop())
