"""What every layer of ours knows about itself, and where it lies."""

from collections.abc import Mapping
from typing import Any

__all__ = ["Facts", "LayerData", "facts_of", "placed"]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari's readers return for a layer: data, its settings, the kind of layer."""
Facts = Mapping[str, Any]
"""What a layer of ours knows: ``slide, path, marker, channel, labels, role, result`` ..."""


def facts_of(layer: Any) -> Facts:
    """Return what a layer of ours knows about itself; empty for any other layer."""
    facts = layer.metadata.get("immunescape")
    return facts if isinstance(facts, dict) else {}


def placed(pixel_um: float, origin_um: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
    """Return where a layer of pixels lies."""
    return {
        "scale": (pixel_um, pixel_um),
        "translate": (origin_um[1] + pixel_um / 2, origin_um[0] + pixel_um / 2),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }
