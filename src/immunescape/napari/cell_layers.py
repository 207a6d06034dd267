"""Cells as napari's layers: labels that carry the cell table, and points for a few of them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.errors import SlideError
from immunescape.napari.colours import PHENOTYPE_COLOURS
from immunescape.napari.layer_facts import LayerData, facts_of, placed
from immunescape.napari.planes import LabelPlane, Overview
from immunescape.napari.recolour import ClassColours
from immunescape.results import PHENOTYPES

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.io.label_store import LabelStore

__all__ = [
    "classes_by_label",
    "features_of",
    "label_layer",
    "points_layer",
    "table_of",
    "table_of_features",
]

_MOST_POINTS = 10_000
_FIRST = (
    "phenotype", "region", "pdl1_positive", "cd8_positive", "sox10_positive", "s100_positive",
    "touching_cd8", "n_cd8_contacts", "distance_to_margin_um", "distance_to_cd8_um", "edited",
)  # fmt: skip
"""What stands first in the status bar when a person points at a cell."""


def label_layer(
    store: "LabelStore",
    name: str = "cells",
    table: "CellTable | None" = None,
    *,
    slide: str = "",
    visible: bool = True,
    origin_um: tuple[float, float] = (0.0, 0.0),
    prefix: str = "",
) -> LayerData:
    """Return a labels layer of a label store.

    Parameters
    ----------
    store
        The label store.
    name
        Which labels: ``cells`` or ``nuclei``.
    table
        The cells; they become the layer's features, what a reader wants to know first at the
        front, and phenotypes colour the cells.
    slide
        Name of the slide, kept with the layer.
    visible
        Whether it is shown at first.
    origin_um, prefix
        As for `slide_layers`.

    Returns
    -------
    tuple
        Multiscale labels, drawn as outlines. Without a table every cell has a colour of its own.
    """
    facts = {
        "slide": slide, "labels": name, "store": store.path, "origin_um": origin_um,
    }  # fmt: skip
    meta: dict[str, Any] = {
        "name": f"{prefix}{name.capitalize()}",
        "multiscale": True,
        "opacity": 0.8,
        "visible": visible,
        "metadata": {"immunescape": facts},
        **placed(store.scale_um(name), origin_um),
    }
    if table is not None:
        meta["features"] = features_of(table)
        meta["metadata"]["immunescape"]["columns"] = tuple(table.frame.columns)
        if "phenotype" in table:
            named = pd.Categorical(table["phenotype"], categories=PHENOTYPES)
            classes = (named.codes + 1).astype(np.uint8)  # a missing one has the code -1
            colours = [PHENOTYPE_COLOURS[p] for p in PHENOTYPES]
            meta["colormap"] = ClassColours(classes_by_label(table, classes), colours)
            meta["metadata"]["immunescape"]["class_colours"] = colours
    levels: list[Any] = [LabelPlane(level) for level in store.levels(name)]
    if len(levels) == 1:  # napari lets people paint into a single level; corrections go elsewhere
        levels.append(Overview(levels[0], 2))
    return levels, meta, "labels"


def classes_by_label(table: "CellTable", classes: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return the class of each label, by the label, from the class of each row of a table.

    Parameters
    ----------
    table
        ``n`` cells.
    classes
        ``(n,)`` class of each, 0 to 250.

    Returns
    -------
    numpy.ndarray
        As long as the largest label plus one; labels without a row have class 0.
    """
    labels = table.labels
    by_label = np.zeros(int(labels.max(initial=0)) + 1, np.uint8)
    by_label[labels] = np.asarray(classes)
    return by_label


def features_of(table: "CellTable") -> pd.DataFrame:
    """Return a cell table as napari wants features: the label in a column named ``index``."""
    frame = table.frame
    first = [c for c in _FIRST if c in frame.columns]
    rest = [c for c in frame.columns if c not in first]
    features = frame[first + rest].reset_index()
    return features.rename(columns={"label": "index"})


def table_of(layer: Any) -> "CellTable":
    """Return the cell table that a labels layer carries, its columns in their usual order.

    Raises
    ------
    SlideError
        If the layer carries none.
    """
    return table_of_features(layer.features, facts_of(layer).get("columns", ()), layer.name)


def table_of_features(
    features: pd.DataFrame, columns: tuple[str, ...] = (), name: str = "the layer"
) -> "CellTable":
    """Return the cell table in a layer's features; see `table_of`."""
    from immunescape.cells import CellTable

    if not {"index", "x_um", "y_um"} <= set(features.columns):
        raise SlideError(f"{name} carries no cell table; choose the layer Cells of a result")
    frame = features.rename(columns={"index": "label"}).set_index("label")
    order = [c for c in columns if c in frame.columns]
    return CellTable(frame[order + [c for c in frame.columns if c not in order]])


def points_layer(
    cells: "CellTable",
    mask: npt.ArrayLike,
    *,
    name: str = "Cells chosen",
    colour: str = "#ffffff",
    size_um: float = 8.0,
) -> LayerData:
    """Return a points layer of some cells, rings round their centroids.

    Parameters
    ----------
    cells
        ``n`` cells.
    mask
        ``(n,)`` which of them; at most 10,000, for more belong into the labels layer.
    name, colour, size_um
        How they are shown.

    Raises
    ------
    ValueError
        If the mask chooses too many.
    """
    frame = cells.frame[np.asarray(mask, bool)]
    if len(frame) > _MOST_POINTS:
        raise ValueError(f"{len(frame)} cells are too many for points; recolour the labels")
    meta = {
        "name": name,
        "size": size_um,
        "face_color": "transparent",
        "border_color": colour,
        "border_width": 0.15,
        "features": frame.reset_index()[["label"]],
        "metadata": {"immunescape": {"points": True}},
        "scale": (1.0, 1.0),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
        "ndim": 2,
    }
    return frame[["y_um", "x_um"]].to_numpy(float), meta, "points"
