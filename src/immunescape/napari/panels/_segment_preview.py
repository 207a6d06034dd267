"""The nuclei of the visible field, before the slide is segmented."""

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.blocks import Block, Progress
from immunescape.errors import ParameterError
from immunescape.napari.layers import ClassColours, facts_of
from immunescape.napari.showing import insert, remove
from immunescape.napari.view import visible_um
from immunescape.panel import require_nuclear
from immunescape.segment import Preview, load_model, preview_block, preview_nuclei
from immunescape.segment.levels import slide_levels
from immunescape.segment.warming import loops_beside, warm_libraries

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.segment import SegmentParams
    from immunescape.slide import Slide

__all__ = [
    "MOST_UM",
    "PreviewMaker",
    "preview_text",
    "remove_preview",
    "show_preview",
    "visible_block",
]

MOST_UM = {"compact": 500.0, "": 150.0}
"""Longest side of a preview in µm: of the compact network, and of the large ones."""

_NAMES = {"nuclei": "Preview: nuclei", "cells": "Preview: cells"}
_COLOURS = {"nuclei": "#ffffff", "cells": "#00c08b"}


class PreviewMaker:
    """Makes previews; the network and the slide's levels are kept for the next one."""

    def __init__(self) -> None:
        self._model: tuple[Any, Any] = (None, None)
        self._levels: tuple[Any, Any] = (None, None)
        self._lock = threading.Lock()
        self.seconds = 0.0

    def __call__(
        self, slide: "Slide", channels: tuple[str, ...], block: Block, params: "SegmentParams",
        *, progress: Progress,
    ) -> Preview:  # fmt: skip
        """Find the nuclei of a block; for another thread."""
        progress("network", 0, 4)
        begun = time.perf_counter()
        model = self.network(params)
        progress("levels", 1, 4)
        key = slide, channels
        if self._levels[0] != key:
            self._levels = key, tuple(slide_levels(slide, c) for c in channels)
        found = preview_nuclei(
            slide, channels, block, params, model=model, levels=self._levels[1], progress=progress
        )
        self.seconds = time.perf_counter() - begun
        return found

    def warm_up(self, params: "SegmentParams") -> None:
        """Load what the first preview needs; for another thread."""
        warm_libraries()
        self.network(params)

    def network(self, params: "SegmentParams") -> Any:
        """Return the network, loaded at the first call; for another thread."""
        asked = params.model, params.diameter_um, params.device, params.precision
        with self._lock:
            if self._model[0] != asked:
                with loops_beside():
                    model = load_model(
                        params.model, diameter_um=params.diameter_um, device=params.device,
                        precision=params.precision,
                    )  # fmt: skip
                self._model = asked, model
            return self._model[1]


def visible_block(session: "Session") -> tuple["Slide", tuple[str, ...], Block]:
    """Return the slide, its nuclear channels, and the part that a preview is made of.

    Raises
    ------
    PanelError
        If no channel shows nuclei.
    ParameterError
        If the canvas shows nothing of the slide.
    """
    slide, panel = session.slide, session.panel
    assert slide is not None and panel is not None
    channels = tuple(stain.channel for stain in require_nuclear(panel, slide.name))
    own = session.study.segment.model
    quick = own == "compact" or own.endswith(".safetensors")
    bounds = visible_um(session.viewer, session.origin_um)
    block = preview_block(slide, bounds, MOST_UM["compact" if quick else ""])
    if 0 in block.shape:
        raise ParameterError(f"the window shows nothing of {slide.name}; move it onto the slide")
    return slide, channels, block


def show_preview(session: "Session", slide: "Slide", found: Preview) -> None:
    """Show a preview in two layers of outlines, in place of an earlier one."""
    edge = slide.pixel_size_um
    left, top = session.origin_um
    corner = top + (found.block.y0 + 0.5) * edge, left + (found.block.x0 + 0.5) * edge
    shown = {facts_of(layer).get("preview"): layer for layer in session.viewer.layers}
    fresh = []
    for name, plane in (("cells", found.cells), ("nuclei", found.nuclei)):
        facts = {"preview": name, "slide": slide.name}
        # napari's own colormap for one colour has a loop compiled that takes a second
        every = np.ones(int(plane.max(initial=0)) + 1, np.uint8)
        known = shown.get(name)
        if known is not None:  # napari takes a second to remove a layer
            known.colormap.set_classes(every)
            known.data = plane
            known.scale, known.translate = (edge, edge), corner
            known.metadata["immunescape"] = facts
            continue
        meta: dict[str, Any] = {
            "name": _NAMES[name],
            "opacity": 0.9,
            "colormap": ClassColours(every, [_COLOURS[name]]),
            "scale": (edge, edge),
            "translate": corner,
            "units": ("um", "um"),
            "axis_labels": ("y", "x"),
            "metadata": {"immunescape": facts},
        }
        fresh.append((plane, meta, "labels"))
    insert(session.viewer, fresh, outlines_px=1)


def remove_preview(viewer: Any) -> None:
    """Take a preview out of the viewer."""
    remove(viewer, [layer for layer in viewer.layers if facts_of(layer).get("preview")])


def preview_text(slide: "Slide", found: Preview, seconds: float) -> str:
    """Return what a preview found, in words."""
    height, width = (side * slide.pixel_size_um for side in found.block.shape)
    per_mm2 = found.count / (height * width) * 1e6
    return (
        f"{found.count} nuclei in {width:.0f} x {height:.0f} µm, {per_mm2:.0f} per mm², "
        f"found in {seconds:.1f} s"
    )
