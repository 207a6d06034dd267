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
    from immunescape.napari.drops import take_drops
    from immunescape.napari.layers import layers_of_result
    from immunescape.napari.preferences import prefer_own_reader, read_preferences
    from immunescape.napari.reading import is_result, slide_data
    from immunescape.napari.workbench import workbench_of

    layers = []
    if path is not None:  # before there is a window: what is wrong is said where it was typed
        layers = layers_of_result(path) if is_result(path) else slide_data(path)
    viewer = napari.Viewer(title="immunescape")
    viewer.canvas.overlays.scale_bar.visible = True
    prefer_own_reader()
    read_preferences().use_cache()
    bench = workbench_of(viewer)
    take_drops(viewer, bench, lambda dropped: bench.panel("slide").open_path(dropped))
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    viewer.reset_view()
    return viewer
