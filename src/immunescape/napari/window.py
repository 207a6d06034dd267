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
    """Return a viewer with the workbench and, where a path is given, what lies there in it.

    Raises
    ------
    ImmunescapeError
        If the path is neither a slide, a result nor a sample sheet without problems.
    """
    from napari.layers import Layer

    import napari
    from immunescape.cohort.worklist import is_sheet, read_worklist
    from immunescape.napari.opening import layers_of_path
    from immunescape.napari.session import default_out
    from immunescape.napari.workbench import workbench_of
    from immunescape.study import SlideOptions

    layers, sheet = [], None
    # before there is a window: what is wrong is said where it was typed
    if path is not None and is_sheet(path):
        sheet = read_worklist(path, default_out(path))
    elif path is not None:
        layers = layers_of_path(path, SlideOptions())
    viewer = napari.Viewer(title="immunescape")
    bench = workbench_of(viewer)
    if sheet is not None:
        panel: Any = bench.show_step("cohort")
        panel.take_sheet(sheet)
    for layer in layers:
        viewer.add_layer(Layer.create(*layer))
    viewer.reset_view()
    return viewer
