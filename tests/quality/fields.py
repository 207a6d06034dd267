"""Simulated fields that the tests of quality look at, and grids for them."""

from functools import cache

import numpy as np
import shapely

from immunescape.panel import match_panel
from immunescape.quality import assess_quality
from immunescape.simulate import CHANNELS, FieldParams, simulate_field

GRID_UM = 2.0
PANEL = match_panel(CHANNELS).panel


@cache
def field(scenario: str, seed: int, **params):
    """One field of 400 µm."""
    size = {"width_um": 400, "height_um": 400}
    return simulate_field(FieldParams(**(size | params)), scenario, seed)


def on_grid(shape, like_um: float = 400.0) -> np.ndarray:
    """Rasterise an area: grid cells whose middle it covers."""
    n = int(like_um / GRID_UM)
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) * GRID_UM] * 2)
    return np.asarray(shapely.intersects_xy(shape, x, y))


@cache
def judged(scenario: str, seed: int, **params):
    """Quality of such a field, with its tissue and cells known."""
    made = field(scenario, seed, **params)
    return assess_quality(made.slide, PANEL, on_grid(made.regions["tissue"]), GRID_UM, made.cells)
