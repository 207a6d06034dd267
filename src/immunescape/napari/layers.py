"""Core objects as napari's layers, and back: the only place that converts.

Coordinates of the core are µm from the outer corner of the slide's first pixel; napari puts the
centre of a layer's first pixel at its ``translate``. So image and label layers are moved by half
a pixel, and a place in the viewer, ``(y, x)``, is the core's place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.utils.colormaps import Colormap

from immunescape.errors import ImmunescapeError, SlideError
from immunescape.io.geojson import read_annotations, read_regions
from immunescape.io.label_store import LabelStore
from immunescape.io.slides import open_slide
from immunescape.io.tables import read_cells
from immunescape.napari.colours import PHENOTYPE_COLOURS, marker_colours, rgba
from immunescape.napari.contrast import Limits, common_limits, slide_limits
from immunescape.napari.planes import LabelPlane, Overview, channel_pyramid
from immunescape.napari.recolour import ClassColours, recolour
from immunescape.napari.region_layers import ROLE_TITLES, regions_from_layers, regions_layers
from immunescape.panel import TITLES, Panel, Stain, propose_panel
from immunescape.results import PHENOTYPES
from immunescape.study import Study, read_study

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.slide import Slide

__all__ = [
    "ROLE_TITLES",
    "ClassColours",
    "Facts",
    "LayerData",
    "Limits",
    "classes_by_label",
    "common_limits",
    "facts_of",
    "features_of",
    "label_layer",
    "layers_of_result",
    "points_layer",
    "recolour",
    "regions_from_layers",
    "regions_layers",
    "slide_layers",
    "slide_limits",
    "slide_of_result",
    "table_of",
]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari's readers return for a layer: data, its settings, the kind of layer."""
Facts = Mapping[str, Any]
"""What a layer of ours knows: ``slide, path, marker, channel, labels, role, result`` ..."""

_MOST_POINTS = 10_000
_FIRST = (
    "phenotype", "region", "pdl1_positive", "cd8_positive", "sox10_positive", "s100_positive",
    "touching_cd8", "n_cd8_contacts", "distance_to_margin_um", "distance_to_cd8_um", "edited",
)  # fmt: skip
"""What stands first in the status bar when a person points at a cell."""
_QUESTION = ("s100", "s100_sox10", "sox10", "cd8", "pdl1")
_EMPTY_GEOJSON = 60


def facts_of(layer: Any) -> Facts:
    """Return what a layer of ours knows about itself; empty for any other layer."""
    facts = layer.metadata.get("immunescape")
    return facts if isinstance(facts, dict) else {}


def slide_layers(
    slide: "Slide",
    panel: Panel | None = None,
    limits: Limits | None = None,
    *,
    origin_um: tuple[float, float] = (0.0, 0.0),
    prefix: str = "",
) -> list[LayerData]:
    """Return an image layer for each channel of a slide, nuclei at the bottom, PD-L1 at the top.

    Parameters
    ----------
    slide
        The slide; its pixels are read when they are looked at.
    panel
        Its stains; None reads them from the channel names.
    limits
        Black and full colour by marker key, such as those common to a patient's slides; markers
        not in it get their own.
    origin_um
        Where x and y of the slide's origin are shown, for slides side by side.
    prefix
        Put before the names of the layers.

    Returns
    -------
    list
        Layer data tuples: additive, in the colour of the marker, with the pixel size in µm.
        Autofluorescence, ignored and unused nuclear channels, and channels the panel leaves out,
        are hidden.
    """
    if panel is None:
        panel = propose_panel(slide.channels, slide_name=slide.name).panel
    stains = {s.channel: s for s in panel.stains}
    given = dict(limits or {})
    if any(s.marker not in given for s in panel.stains):
        given = {**slide_limits(slide, panel), **given}
    colours = marker_colours(panel)
    layers = []
    for channel in slide.channels:
        stain = stains.get(channel)
        colour = colours[stain.marker] if stain else "#b0b0b0"
        name = _title(stain, channel)
        facts = {
            "slide": slide.name,
            "path": slide.path,
            "channel": channel,
            "marker": stain.marker if stain else "",
            "role": stain.role if stain else "ignored",
            "opened": slide,
            "origin_um": origin_um,
        }
        meta = {
            "name": prefix + name,
            "colormap": Colormap(
                [[0, 0, 0, 1], rgba(colour)], name=f"{name} {colour}", display_name=name
            ),
            "blending": "additive",
            "visible": stain is not None and stain.role in ("nuclear", "marker"),
            "metadata": {"immunescape": facts},
            **_placed(slide.pixel_size_um, origin_um),
        }
        if stain and stain.marker in given:
            meta["contrast_limits"] = given[stain.marker]
        levels = channel_pyramid(slide, channel)
        many = len(levels) > 1
        layers.append((levels if many else levels[0], {**meta, "multiscale": many}, "image"))
    return sorted(layers, key=lambda layer: _rank(layer[1]["metadata"]["immunescape"]))


def _rank(facts: Facts) -> int:
    """Return the place of a channel in the list of layers: the question's markers at the top."""
    if facts["role"] != "marker":
        return 1 if facts["role"] == "nuclear" else 0
    return 3 + _QUESTION.index(facts["marker"]) if facts["marker"] in _QUESTION else 2


def _title(stain: Stain | None, channel: str) -> str:
    if stain is None:
        return channel
    if stain.role == "nuclear":
        return f"Nuclei ({channel})"
    return TITLES.get(stain.marker, channel)


def _placed(pixel_um: float, origin_um: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
    """Return where a layer of pixels lies."""
    return {
        "scale": (pixel_um, pixel_um),
        "translate": (origin_um[1] + pixel_um / 2, origin_um[0] + pixel_um / 2),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }


def label_layer(
    store: LabelStore,
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
        **_placed(store.scale_um(name), origin_um),
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


def slide_of_result(folder: Path) -> Path | None:
    """Return the slide of a result, where it lies in or beside the folder or the folder above.

    Parameters
    ----------
    folder
        A result folder.

    Returns
    -------
    Path or None
        None where the slide lies elsewhere, or another file has its name.
    """
    return _beside(folder, read_study(folder / "study.toml"), "slide")


def layers_of_result(folder: Path, *, slide: "Slide | None" = None) -> list[LayerData]:
    """Return the layers of a finished result: slide, labels, what was drawn, what was found.

    Parameters
    ----------
    folder
        A result folder.
    slide
        Its slide, opened; None looks for it beside the folder and leaves it out where it is not.

    Returns
    -------
    list
        Layer data tuples. What was drawn comes back editable.

    Raises
    ------
    ImmunescapeError
        If study, labels or table of the result cannot be read.
    """
    study = read_study(folder / "study.toml")
    path = slide_of_result(folder) if slide is None else slide.path
    if slide is None and path is not None:
        slide = _opened(path, study)
    name = slide.name if slide is not None else folder.name
    layers: list[LayerData] = []
    if slide is not None:
        layers += slide_layers(slide, _panel(slide, study))
    store = LabelStore.open(folder / "labels.zarr")
    table = read_cells(folder)
    for labels in ("nuclei", "cells"):
        if labels in store:
            with_table = table if labels == "cells" else None
            shown = labels == "cells"
            layers.append(label_layer(store, labels, with_table, slide=name, visible=shown))
    layers += _result_regions(folder, study, store.pixel_size_um, name)
    for _, meta, _ in layers:
        meta["metadata"]["immunescape"]["result"] = folder
    return layers


def _opened(path: Path, study: Study) -> "Slide | None":
    options = study.slide
    try:
        return open_slide(
            path,
            pixel_size_um=options.pixel_size_um,
            channel_names=options.channel_names or None,
            scene=options.scene,
        )
    except ImmunescapeError:
        return None  # the rest of the result can be looked at all the same


def _panel(slide: "Slide", study: Study) -> Panel:
    if study.panel and all(s.channel in slide.channels for s in study.panel):
        return Panel(study.panel)
    nuclear = study.slide.nuclear
    return propose_panel(slide.channels, nuclear=nuclear, slide_name=slide.name).panel


def _result_regions(folder: Path, study: Study, pixel_um: float, name: str) -> list[LayerData]:
    layers: list[LayerData] = []
    path = folder / "regions.geojson"
    if path.is_file() and path.stat().st_size > _EMPTY_GEOJSON:
        found = read_regions(path, pixel_size_um=pixel_um)
        layers += regions_layers(found, found=True, slide=name, pixel_size_um=pixel_um)
    drawn = _drawn(folder, study)
    if drawn is not None:
        regions = read_annotations(drawn, pixel_size_um=pixel_um, slide_name=name)
        layers += regions_layers(regions, slide=name, pixel_size_um=pixel_um)
    return layers


def _drawn(folder: Path, study: Study) -> Path | None:
    """Return what a person drew: kept by the workbench, or the file the result was made with."""
    kept = folder.with_name(f"{folder.name}.session") / "annotations.geojson"
    if kept.is_file():
        return kept
    return _beside(folder, study, "annotations")


def _beside(folder: Path, study: Study, role: str) -> Path | None:
    for named in (i for i in study.input if i.role == role):
        for place in (folder, *list(folder.resolve().parents)[:3]):
            path = place / named.file
            if path.is_dir() or (path.is_file() and path.stat().st_size == named.size_bytes):
                return path
    return None
