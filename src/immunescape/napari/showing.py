"""The layers of a slide and of its result: shown, followed and taken away again."""

import weakref
from typing import TYPE_CHECKING, Any

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
    "show_result",
]

_REGIONS = "regions.geojson"
_OUTLINE_PX = 1

LayerData = tuple[Any, dict[str, Any], str]
_ready: "weakref.WeakKeyDictionary[Finished, list[LayerData]]" = weakref.WeakKeyDictionary()


def insert(viewer: Any, layers: list[LayerData]) -> None:
    """Add layers to a viewer; what was chosen in its list stays chosen."""
    from napari.layers import Layer

    active = viewer.layers.selection.active
    for data, meta, kind in layers:
        viewer.add_layer(Layer.create(data, meta, kind))
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


def show_result(session: "Session", finished: "Finished") -> None:
    """Show labels and regions of a result in place of those of an earlier one of the slide.

    Labels that are in the viewer already, because a result folder was dropped or because only
    tables were made anew, stay as they look and get the new table.
    """
    before = _results(session)
    known = {facts_of(layer).get("labels"): layer for layer in before}
    left, top = session.origin_um
    kept, fresh = [], []
    for data, meta, kind in _ready.pop(finished, None) or _layers_of(finished):
        facts = meta["metadata"]["immunescape"]
        there = known.get(facts.get("labels")) if kind == "labels" else None
        if there is not None and _same_labels(there, facts):
            kept.append(there)
            now = {name: facts[name] for name in ("key", "columns") if name in facts}
            there.metadata["immunescape"] = {**facts_of(there), **now}
            if "features" in meta:
                there.features = meta["features"]
            continue
        facts["origin_um"] = session.origin_um
        y, x = meta.get("translate", (0.0, 0.0))
        fresh.append((data, {**meta, "translate": (y + top, x + left)}, kind))
    gone = [layer for layer in before if layer not in kept]
    looks = {_identity(facts_of(layer)): layer.visible for layer in gone}
    for layer in gone:
        session.viewer.layers.remove(layer)
    for _, meta, _ in fresh:
        known_look = looks.get(_identity(meta["metadata"]["immunescape"]))
        meta["visible"] = meta.get("visible", True) if known_look is None else known_look
    insert(session.viewer, fresh)
    for layer in _results(session):
        if facts_of(layer).get("labels") and layer not in kept:
            layer.contour = _OUTLINE_PX  # the stains stay in view


def hide_result(session: "Session") -> None:
    """Take the layers of the slide's result out of the viewer."""
    for layer in _results(session):
        session.viewer.layers.remove(layer)


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


def _results(session: "Session") -> list[Any]:
    """Return the layers of results of the slide on the workbench: labels and found regions."""
    if session.slide is None:
        return []
    return [
        layer
        for layer in session.viewer.layers
        for facts in (facts_of(layer),)
        if facts.get("slide") == session.slide.name
        and facts.get("result") is not None
        and (facts.get("labels") or facts.get("found"))
    ]


def _same_labels(layer: Any, wanted: Any) -> bool:
    facts = facts_of(layer)
    same = facts.get("result") == wanted["result"]
    return bool(same and facts.get("key", wanted["key"]) == wanted["key"])


def _identity(facts: Any) -> tuple[str, str]:
    return facts.get("labels", ""), facts.get("role", "")
