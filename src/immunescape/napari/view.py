"""What the canvas shows, and going to a place, in µm of the slide on the workbench."""

from typing import Any

__all__ = ["go_to", "visible_um"]

_MARGIN = 1.1
"""A place is shown with a twentieth of its size around it on each side."""


def visible_um(
    viewer: Any, origin_um: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float, float, float]:
    """Return the rectangle that the canvas shows.

    Parameters
    ----------
    viewer
        The napari viewer.
    origin_um
        Where x and y of the slide's origin are shown.

    Returns
    -------
    tuple
        ``(x_min, y_min, x_max, y_max)`` in µm of the slide; it may reach beyond the slide.
    """
    camera = viewer.scene.camera
    y, x = camera.center[-2:]
    height, width = (side / camera.zoom for side in viewer.canvas.size)
    x, y = x - origin_um[0], y - origin_um[1]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def go_to(
    viewer: Any,
    bounds_um: tuple[float, float, float, float],
    origin_um: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Let the canvas show a rectangle, as large as it fits.

    Parameters
    ----------
    viewer
        The napari viewer.
    bounds_um
        ``(x_min, y_min, x_max, y_max)`` in µm of the slide.
    origin_um
        Where x and y of the slide's origin are shown.
    """
    x_min, y_min, x_max, y_max = bounds_um
    height, width = viewer.canvas.size
    camera = viewer.scene.camera
    middle = (y_min + y_max) / 2 + origin_um[1], (x_min + x_max) / 2 + origin_um[0]
    camera.center = (0.0, *middle)
    across, down = max(x_max - x_min, 1e-3), max(y_max - y_min, 1e-3)
    camera.zoom = min(width / across, height / down) / _MARGIN
