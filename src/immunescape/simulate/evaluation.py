"""Fields kept for evaluation: no network, gate or threshold is trained or tuned on them.

They differ from fields that anything may be trained on in what the renderer does, in the geometry
and in their seeds; `is_kept` tells them apart.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from immunescape.simulate.chance import generator
from immunescape.simulate.field import SimulatedField, simulate_field
from immunescape.simulate.scenarios import Scenario, scenario_named
from immunescape.simulate.settings import CHANNELS, FieldParams

__all__ = [
    "EVALUATION",
    "FIRST_EVALUATION_SEED",
    "KEPT_SETTINGS",
    "evaluation_field",
    "evaluation_params",
    "is_kept",
]

FIRST_EVALUATION_SEED = 1_000_000
"""This seed and all above are kept for evaluation."""

KEPT_SETTINGS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "width_um": (610.0, 690.0),
        "height_um": (550.0, 590.0),
        "nest_fraction": (0.42, 0.48),
        "roughness_um": (19.0, 24.0),
        "overlap_fraction": (0.07, 0.1),
        "haze_fraction": (0.16, 0.2),
        "bleed_through": (0.025, 0.035),
        "photons": (210.0, 240.0),
        "background_photons": (8.0, 10.0),
        "uneven_illumination": (0.18, 0.24),
        "pedestal": (120.0, 160.0),
    }
)
"""Ranges of settings, ends included, that are kept for evaluation: training stays out of each."""

EVALUATION = FieldParams(
    width_um=640.0,
    height_um=570.0,
    nest_fraction=0.45,
    roughness_um=21.0,
    overlap_fraction=0.08,
    haze_fraction=0.17,
    bleed_through=0.03,
    photons=225.0,
    background_photons=9.0,
    uneven_illumination=0.2,
    pedestal=140.0,
    dendritic_per_mm2=60.0,
    pigment=0.01,
    debris_per_mm2=5.0,
)
"""The usual field of the evaluation: with a little melanin and debris, as melanoma has it."""

_SIDES = (3, 1, 2, 3, 0)
_SATELLITES = (0, 1, 0, 0, 1, 0, 2)
_ISLANDS = (0, 0, 1)
_NERVES = (0, 0, 0, 1)
_DRIFT = 0.04
"""Standard deviation of the logarithm of a stain's strength between the fields of one batch."""


def evaluation_params(number: int) -> FieldParams:
    """Return the parameters of a field of the evaluation: 0 is the first.

    Form and number of nests, stromal islands and nerves go round with different periods, so that
    a few fields hold each.
    """
    return replace(
        EVALUATION,
        nest_sides=_SIDES[number % len(_SIDES)],
        satellites=_SATELLITES[number % len(_SATELLITES)],
        stromal_islands=_ISLANDS[number % len(_ISLANDS)],
        nerves=_NERVES[number % len(_NERVES)],
    )


def evaluation_field(
    scenario: str | Scenario, number: int, params: FieldParams | None = None
) -> SimulatedField:
    """Simulate a field of the evaluation, stained in one batch with the others of its scenario.

    Parameters
    ----------
    scenario
        One of ``SCENARIOS`` by name, or one of one's own.
    number
        Which of its fields, from 0.
    params
        Other parameters than `evaluation_params` gives.

    Returns
    -------
    SimulatedField
        Called ``<scenario>_<number>``.
    """
    biology = scenario_named(scenario) if isinstance(scenario, str) else scenario
    seed = FIRST_EVALUATION_SEED + number
    name = f"{biology.name}_{number:02d}"
    drift = generator(seed, name, "drift").normal(0, _DRIFT, len(CHANNELS))
    gain = tuple(float(g) for g in np.exp(drift))
    return simulate_field(params or evaluation_params(number), biology, seed, name, gain)


def is_kept(params: FieldParams, seed: int) -> bool:
    """Tell whether a field is kept for evaluation, by its seed or by any of its settings."""
    return seed >= FIRST_EVALUATION_SEED or any(
        low <= getattr(params, name) <= high for name, (low, high) in KEPT_SETTINGS.items()
    )
