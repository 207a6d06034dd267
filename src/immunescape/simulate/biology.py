"""Which cells are positive for what."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from immunescape.simulate.chance import smooth_noise
from immunescape.simulate.membranes import faced_share, rim_shares
from immunescape.simulate.neighbours import contact_pairs, touches
from immunescape.simulate.placement import (
    CD8_T,
    DENDRITIC,
    FIBROBLAST,
    LYMPHOCYTE,
    MACROPHAGE,
    NERVE,
    TUMOUR,
    Bodies,
)
from immunescape.simulate.scenarios import Scenario
from immunescape.simulate.settings import FieldParams

__all__ = ["Marks", "decide_marks"]

NEAR_UM = 30.0
"""Interferon reaches this far beyond a contact: the second of each three probabilities."""
PATCH_UM, PATCH_GRID_UM = 25.0, 5.0
PROBIT_SCALE = 0.346
"""Variance of log odds that a normal one of 1 adds, relative to the logistic's own: (16√3/15π)²."""
S100_LOST = 0.04
"""Share of tumour cells that are SOX10+ and S100-."""

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Marks:
    """Positivity of each body for each marker, and its PD-L1 membrane.

    Parameters
    ----------
    sox10, s100, cd8, pdl1
        Positive or not.
    pdl1_rim_share
        Share of its rim that stains for PD-L1: 0 negative, 1 whole.
    encircled
        Share of its border along which a PD-L1-positive neighbour lies.
    """

    sox10: Flags
    s100: Flags
    cd8: Flags
    pdl1: Flags
    pdl1_rim_share: Floats
    encircled: Floats


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
    chance[np.isin(bodies.kind, (FIBROBLAST, NERVE))] = scenario.pdl1_stroma
    chance[np.isin(bodies.kind, (CD8_T, LYMPHOCYTE))] = scenario.pdl1_lymphocyte
    chance = _in_patches(chance, bodies, params, rng)
    tumour = bodies.kind == TUMOUR
    lost = rng.random(len(bodies)) < S100_LOST
    pdl1 = rng.random(len(bodies)) < chance[np.arange(len(bodies)), state]
    answers = rng.random(len(bodies)) < chance[:, 0]
    if params.encircled_fraction > 0:
        pdl1 |= _encircling(pairs, tumour & ~pdl1, answers & ~cd8, params, rng)
    return Marks(
        sox10=tumour,
        s100=(tumour & ~lost) | np.isin(bodies.kind, (DENDRITIC, NERVE)),
        cd8=cd8,
        pdl1=pdl1,
        pdl1_rim_share=rim_shares(pdl1, params.partial_fraction, rng),
        encircled=faced_share(cells, pdl1, int(params.gap_um / params.pixel_size_um + 1e-9)),
    )


def _in_patches(
    chance: Floats, bodies: Bodies, params: FieldParams, rng: np.random.Generator
) -> Floats:
    """Let probabilities rise and fall from place to place, their mean nearly as it was.

    The log odds of each gain a smooth random field. They are stretched first, so that averaging
    over the field gives about the probability itself; 0 and 1 stay what they are.
    """
    spread = params.pdl1_clustering
    if spread == 0 or len(bodies) == 0:
        return chance
    x, y = ((axis - axis.min()) / PATCH_GRID_UM for axis in (bodies.x, bodies.y))
    field = smooth_noise((int(y.max()) + 1, int(x.max()) + 1), PATCH_UM / PATCH_GRID_UM, rng)
    here = field[y.astype(int), x.astype(int)].astype(float)
    with np.errstate(divide="ignore"):
        odds = np.log(chance) - np.log1p(-chance)
    stretched = odds * np.sqrt(1 + PROBIT_SCALE * spread**2) + spread * here[:, None]
    return np.asarray(1 / (1 + np.exp(-stretched)))


def _encircling(
    pairs: npt.NDArray[np.int64],
    negative: Flags,
    may: Flags,
    params: FieldParams,
    rng: np.random.Generator,
) -> Flags:
    """Choose the neighbours that make some negative tumour cells encircled by positive ones.

    Neighbours that the scenario lets answer a CD8 T cell do so here too; of the negative tumour
    cells those with most such neighbours are encircled, ties by chance. They stay negative.
    """
    n = len(negative)
    neighbours, able = np.zeros(n), np.zeros(n)
    one, two = np.concatenate([pairs, pairs[:, ::-1]]).T - 1
    np.add.at(neighbours, one, 1.0)
    np.add.at(able, one, may[two].astype(float))
    share = able / np.maximum(neighbours, 1) + 1e-3 * rng.random(n)
    wanted = round(params.encircled_fraction * np.count_nonzero(negative))
    share[~negative | (neighbours < 3)] = -1.0
    chosen = np.argsort(-share, kind="stable")[:wanted]
    inner = np.zeros(n, bool)
    inner[chosen[share[chosen] > 0]] = True
    ring = np.zeros(n, bool)
    ring[two[inner[one]]] = True
    return np.asarray(ring & may & ~inner)
