"""Nothing of a slide is seen while its cells are reviewed, whenever its layers come."""

from typing import Any

__all__ = ["Blindfold"]


class Blindfold:
    """Keeps every layer of a viewer hidden until it is taken off.

    A glimpse past the review's window would give calls away, and work goes on meanwhile: layers
    come late, are shown, hidden and replaced. Each is hidden at once, and what would have been
    visible without the blindfold is visible when it is taken off.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._layers = viewer.layers
        self._wanted: dict[Any, bool] = {}
        self._gone: dict[str, bool] = {}  # by name: what takes a layer's place looks like it
        self._hiding = False
        for layer in self._layers:
            self._cover(layer, layer.visible)
        self._layers.events.inserted.connect(self._came)
        self._layers.events.removed.connect(self._went)

    def take_off(self) -> None:
        """Show what would be visible now."""
        self._layers.events.inserted.disconnect(self._came)
        self._layers.events.removed.disconnect(self._went)
        for layer, wanted in self._wanted.items():
            layer.events.visible.disconnect(self._changed)
            if wanted:
                layer.visible = True
        self._wanted = {}

    def _came(self, event: Any) -> None:
        layer = event.value
        self._cover(layer, layer.visible or self._gone.pop(layer.name, False))

    def _went(self, event: Any) -> None:
        layer = event.value
        layer.events.visible.disconnect(self._changed)
        self._gone[layer.name] = self._wanted.pop(layer)

    def _changed(self, event: Any) -> None:
        if not self._hiding:
            self._wanted[event.source] = event.source.visible
            self._hide(event.source)

    def _cover(self, layer: Any, wanted: bool) -> None:
        self._wanted[layer] = wanted
        self._hide(layer)
        layer.events.visible.connect(self._changed)

    def _hide(self, layer: Any) -> None:
        if layer.visible:
            self._hiding = True
            try:
                layer.visible = False
            finally:
                self._hiding = False
