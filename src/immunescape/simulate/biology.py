"""Which cells are positive for what."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from immunescape.simulate.neighbours import contact_pairs, touches
from immunescape.simulate.placement import (
    CD8_T,
    DENDRITIC,
    FIBROBLAST,
    LYMPHOCYTE,
    MACROPHAGE,
    TUMOUR,
    Bodies,
)
from immunescape.simulate.settings import FieldParams, Scenario

__all__ = ["Marks", "decide_marks"]

NEAR_UM = 30.0
"""Interferon reaches this far beyond a contact: the second of each three probabilities."""
S100_LOST = 0.04
"""Share of tumour cells that are SOX10+ and S100-."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Marks:
    """Positivity of each body for each marker."""

    sox10: Flags
    s100: Flags
    cd8: Flags
    pdl1: Flags


def decide_marks(
    bodies: Bodies,
    cells: npt.NDArray[np.int32],
    scenario: Scenario,
    params: FieldParams,
    rng: np.random.Generator,
) -> Marks:
    """Decide each cell's markers: lineage by its kind, PD-L1 by chance and by CD8 T cells near.

    Parameters
    ----------
    bodies
        The cells, body k - 1 of label k.
    cells
        Label image on the canvas, so that contacts across the frame count too.
    """
    cd8 = bodies.kind == CD8_T
    pairs = contact_pairs(cells, params.pixel_size_um, params.min_contact_um, params.gap_um)
    touching = touches(pairs, np.concatenate([[False], cd8]))[1:]
    near = np.zeros(len(bodies), bool)
    if cd8.any():
        points = np.column_stack([bodies.x, bodies.y])
        near = np.asarray(KDTree(points[cd8]).query(points)[0]) <= NEAR_UM
    state = np.where(touching, 0, np.where(near, 1, 2))
    chance = np.full((len(bodies), 3), scenario.pdl1_lymphocyte)
    chance[bodies.kind == TUMOUR] = scenario.pdl1_tumour
    chance[np.isin(bodies.kind, (MACROPHAGE, DENDRITIC))] = scenario.pdl1_macrophage
    chance[bodies.kind == FIBROBLAST] = scenario.pdl1_stroma
    chance[np.isin(bodies.kind, (CD8_T, LYMPHOCYTE))] = scenario.pdl1_lymphocyte
    tumour = bodies.kind == TUMOUR
    lost = rng.random(len(bodies)) < S100_LOST
    return Marks(
        sox10=tumour,
        s100=(tumour & ~lost) | (bodies.kind == DENDRITIC),
        cd8=cd8,
        pdl1=rng.random(len(bodies)) < chance[np.arange(len(bodies)), state],
    )
