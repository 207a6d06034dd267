"""A napari window with the workbench in it."""

from pathlib import Path
from typing import Any

__all__ = ["make_window", "show"]


def show(path: Path | None = None) -> None:
    """Open a window, and give it back when it is closed."""
    import napari

    make_window(path)
    napari.run()


def make_window(path: Path | None = None) -> Any:
    """Return a viewer with the workbench and, where a path is given, the slide or result in it.

    Raises
    ------
    ImmunescapeError
        If the path is neither a slide nor a result.
    """
    from napari.layers import Layer

    import napari
    from immunescape.napari.opening import layers_of_path
    from immunescape.napari.workbench import workbench_of
    from immunescape.study import SlideOptions

    layers = []
    if path is not None:  # before there is a window: what is wrong is said where it was typed
        layers = layers_of_path(path, SlideOptions())
    viewer = napari.Viewer(title="immunescape")
    workbench_of(viewer)
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    viewer.reset_view()
    return viewer
