"""Core objects as napari's layers, and back: the only place that converts.

Coordinates of the core are µm from the outer corner of the slide's first pixel; napari puts the
centre of a layer's first pixel at its ``translate``. So image and label layers are moved by half
a pixel, and a place in the viewer, ``(y, x)``, is the core's place.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.colormaps import Colormap

from immunescape.errors import ImmunescapeError
from immunescape.io.geojson import read_annotations, read_regions
from immunescape.io.label_store import LabelStore
from immunescape.io.slides import open_slide
from immunescape.io.tables import read_cells
from immunescape.napari.cell_layers import (
    classes_by_label,
    features_of,
    label_layer,
    points_layer,
    table_of,
    table_of_features,
)
from immunescape.napari.colours import marker_colours, rgba
from immunescape.napari.contrast import Limits, common_limits, slide_limits
from immunescape.napari.layer_facts import Facts, LayerData, facts_of, placed
from immunescape.napari.planes import channel_pyramid
from immunescape.napari.recolour import ClassColours, recolour
from immunescape.napari.region_layers import ROLE_TITLES, regions_from_layers, regions_layers
from immunescape.panel import TITLES, Panel, Stain, propose_panel
from immunescape.study import Study, read_study

if TYPE_CHECKING:
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
    "table_of_features",
]

_QUESTION = ("s100", "s100_sox10", "sox10", "cd8", "pdl1")
_EMPTY_GEOJSON = 60


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
            **placed(slide.pixel_size_um, origin_um),
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
    if path.is_file() and not _is_empty(path):
        found = read_regions(path, pixel_size_um=pixel_um)
        layers += regions_layers(found, found=True, slide=name, pixel_size_um=pixel_um)
    kept = folder.with_name(f"{folder.name}.session") / "annotations.geojson"
    drawn = kept if kept.is_file() else _beside(folder, study, "annotations")
    if drawn is not None:
        try:
            regions = read_annotations(drawn, pixel_size_um=pixel_um, slide_name=name)
        except ImmunescapeError:
            if drawn != kept:
                raise
            return layers  # the workbench sets it aside and says so, once the slide is on it
        layers += regions_layers(regions, slide=name, pixel_size_um=pixel_um)
    return layers


def _is_empty(path: Path) -> bool:
    """Whether GeoJSON holds no object; what is damaged is not empty."""
    if path.stat().st_size > _EMPTY_GEOJSON:
        return False
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["features"] == [])
    except (ValueError, KeyError, TypeError):
        return False


def _beside(folder: Path, study: Study, role: str) -> Path | None:
    for named in (i for i in study.input if i.role == role):
        for place in (folder, *list(folder.resolve().parents)[:3]):
            path = place / named.file
            if path.is_dir() or (path.is_file() and path.stat().st_size == named.size_bytes):
                return path
    return None
