"""The layers of a slide and of its result: shown, followed and taken away again."""

import contextlib
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.io.geojson import read_regions
from immunescape.napari.layers import (
    facts_of,
    label_layer,
    regions_layers,
    slide_layers,
)

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.pipeline.finished import Finished
    from immunescape.slide import Slide

__all__ = [
    "dress_slide",
    "hide_result",
    "insert",
    "place_slide",
    "prepare_result",
    "remove",
    "show_result",
]

_REGIONS = "regions.geojson"
_OUTLINE_PX = 1
"""The stains stay in view."""
_CELLS = 2

LayerData = tuple[Any, dict[str, Any], str]
_ready: "weakref.WeakKeyDictionary[Finished, list[LayerData]]" = weakref.WeakKeyDictionary()


def insert(viewer: Any, layers: list[LayerData], *, outlines_px: int = 0) -> None:
    """Add layers to a viewer; what was chosen in its list stays chosen.

    Parameters
    ----------
    viewer
        The napari viewer.
    layers
        Layer data tuples.
    outlines_px
        Width of the outlines as which labels are shown; 0 fills them.
    """
    for made in layers:
        _put(viewer, made, len(viewer.layers), outlines_px)


def remove(viewer: Any, layers: list[Any]) -> None:
    """Remove layers; together, for napari looks through Python's whole memory after each."""
    if not layers:
        return
    together = getattr(viewer.layers, "batched_update", contextlib.nullcontext)
    with together():
        for layer in layers:
            viewer.layers.remove(layer)


def _put(viewer: Any, made: LayerData, place: int, outlines_px: int) -> None:
    from napari.layers import Layer

    layer = Layer.create(*made)
    if outlines_px and made[2] == "labels":
        layer.contour = outlines_px  # before it is shown: napari would draw it twice
    active = viewer.layers.selection.active
    viewer.layers.insert(place, layer)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def prepare_result(finished: "Finished") -> None:
    """Make the layers of a result ready to be shown; for another thread.

    A million cells take a moment to be laid out as features, which the window is spared.
    """
    _ready[finished] = _layers_of(finished)


def _layers_of(finished: "Finished") -> list[LayerData]:
    """Return the layers of a result, for a slide whose origin is the viewer's."""
    job = finished.job
    name, edge = job.opened.slide.name, job.opened.slide.pixel_size_um
    layers: list[LayerData] = []
    path = job.folder / _REGIONS
    if path.is_file():
        regions = read_regions(path, pixel_size_um=edge)
        layers += regions_layers(regions, found=True, slide=name, pixel_size_um=edge)
    for labels in ("nuclei", "cells"):
        if labels in finished.store:
            table = finished.cells if labels == "cells" else None
            shown = table is not None
            layers.append(label_layer(finished.store, labels, table, slide=name, visible=shown))
    for _, meta, _ in layers:
        # measurements follow from the labels as a person corrected them
        meta["metadata"]["immunescape"] |= {"result": job.folder, "key": job.keys.measurements}
    return layers


def show_result(session: "Session", finished: "Finished") -> Iterator[None]:
    """Show labels and regions of a result in place of those of an earlier one of the slide.

    Layers that show the same already, because a result folder was dropped or because only tables
    were made anew, stay as they look and get the new table.

    Parameters
    ----------
    session
        The slide on the workbench.
    finished
        Its result.

    Yields
    ------
    None
        After each act that takes napari a while, so that the window can breathe in between. The
        cells are in the viewer after the first, for panels colour them.
    """
    assert session.slide is not None
    viewer, slide, (left, top) = session.viewer, session.slide.name, session.origin_um
    gone = _results(viewer, slide)
    kept, fresh = [], []
    for data, meta, kind in _ready.pop(finished, None) or _layers_of(finished):
        facts = meta["metadata"]["immunescape"]
        facts["origin_um"] = session.origin_um
        there = next((x for x in gone if _shows(x, data, meta)), None)
        if there is not None:
            gone.remove(there)
            kept.append((there, meta))
            continue
        y, x = meta.get("translate", (0.0, 0.0))
        fresh.append((data, {**meta, "translate": (y + top, x + left)}, kind))
    looks = {_identity(facts_of(layer)): layer.visible for layer in gone}
    for layer, meta in kept:
        layer.metadata["immunescape"] = {**facts_of(layer), **meta["metadata"]["immunescape"]}
    remove(viewer, gone)
    fresh.sort(key=lambda made: _rank(made[1]["metadata"]["immunescape"]) != _CELLS)
    for data, meta, kind in fresh:
        facts = meta["metadata"]["immunescape"]
        meta["visible"] = looks.get(_identity(facts), meta.get("visible", True))
        _put(viewer, (data, meta, kind), _place(viewer, facts), _OUTLINE_PX)
        yield
    for layer, meta in kept:
        if "features" in meta and layer in viewer.layers:
            layer.features = meta["features"]
            yield


def _place(viewer: Any, facts: Any) -> int:
    """Return where a layer of a result belongs: regions below nuclei, nuclei below cells."""
    above = [
        place
        for place, other in enumerate(viewer.layers)
        if _of_result(other, facts["slide"]) and _rank(facts_of(other)) > _rank(facts)
    ]
    return min(above, default=len(viewer.layers))


def hide_result(session: "Session") -> None:
    """Take the layers of the slide's result out of the viewer."""
    if session.slide is not None:
        remove(session.viewer, _results(session.viewer, session.slide.name))


def place_slide(viewer: Any, before: "Slide", after: "Slide") -> None:
    """Let the layers of a slide follow when it is opened with another pixel size.

    Parameters
    ----------
    viewer
        The napari viewer.
    before, after
        The slide as it was opened and as it is now; the same channels.
    """
    edge = after.pixel_size_um
    for layer in viewer.layers:
        facts = facts_of(layer)
        if facts.get("opened") is before:
            left, top = facts.get("origin_um", (0.0, 0.0))
            layer.scale = (edge, edge)
            layer.translate = (top + edge / 2, left + edge / 2)
            layer.metadata["immunescape"] = {**facts, "opened": after}


def dress_slide(session: "Session") -> None:
    """Let names and colours of a slide's layers follow its panel; no pixel is read."""
    slide, panel = session.slide, session.panel
    if slide is None or panel is None:
        return
    unread = {stain.marker: (0.0, 1.0) for stain in panel.stains}
    wanted = {
        facts["channel"]: (meta, facts)
        for _, meta, _ in slide_layers(slide, panel, unread)
        for facts in (meta["metadata"]["immunescape"],)
    }
    for layer in session.viewer.layers:
        known = facts_of(layer)
        if known.get("opened") is not slide or known.get("channel") not in wanted:
            continue
        meta, facts = wanted[known["channel"]]
        if (known["marker"], known["role"]) == (facts["marker"], facts["role"]):
            continue
        layer.name, layer.colormap = meta["name"], meta["colormap"]
        layer.visible = meta["visible"]
        layer.metadata["immunescape"] = {
            **known, "marker": facts["marker"], "role": facts["role"],
        }  # fmt: skip


def _results(viewer: Any, slide: str) -> list[Any]:
    """Return the layers of results of a slide: labels and found regions."""
    return [layer for layer in viewer.layers if _of_result(layer, slide)]


def _of_result(layer: Any, slide: str) -> bool:
    facts = facts_of(layer)
    of_result = facts.get("slide") == slide and facts.get("result") is not None
    return of_result and bool(facts.get("labels") or facts.get("found"))


def _shows(layer: Any, data: Any, meta: dict[str, Any]) -> bool:
    """Whether a layer shows already what another one is to show."""
    facts, wanted = facts_of(layer), meta["metadata"]["immunescape"]
    if _identity(facts) != _identity(wanted) or facts.get("result") != wanted["result"]:
        return False
    if facts.get("origin_um") != wanted["origin_um"]:
        return False
    if wanted.get("labels"):
        return bool(facts.get("key", wanted["key"]) == wanted["key"])
    kinds = [str(kind) for kind in layer.shape_type]
    return kinds == list(meta.get("shape_type", ())) and all(
        # napari keeps corners in single precision
        np.array_equal(np.asarray(shape, np.float32), np.asarray(ring, np.float32))
        for shape, ring in zip(layer.data, data or (), strict=True)
    )


def _identity(facts: Any) -> tuple[str, str]:
    return facts.get("labels", ""), facts.get("role", "")


def _rank(facts: Any) -> int:
    """Return how high a layer of a result lies among the others."""
    return ("", "nuclei", "cells").index(facts.get("labels", ""))
