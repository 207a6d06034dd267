"""Patients whose course is planted: which pattern each timepoint shows, and what makes it so.

Names of states and courses are those of the patterns that a reader of the numbers should find.
Every figure is ours, chosen to lie on a pattern's side of its threshold and not at an extreme.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy import special

from immunescape.params import Between, Params
from immunescape.simulate.chance import generator
from immunescape.simulate.field import TIMEPOINTS
from immunescape.simulate.point_patterns import PointParams
from immunescape.simulate.scenarios import Scenario

__all__ = [
    "PLANTED_COURSES",
    "CohortParams",
    "PlantedPatient",
    "PlantedTimepoint",
    "point_params",
    "simulate_cohort",
]

_Four = tuple[float, float, float, float]
_Three = tuple[float, float, float]
_State = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class CohortParams(Params):
    """How many patients a simulated cohort has, and how they differ.

    Parameters
    ----------
    patients
        Patients with a planted course; the courses come in a fixed order, again after the last.
    unplanted
        Further patients in whom nothing is planted: CD8 T cells alike everywhere, PD-L1 whatever
        they do.
    patient_spread
        Standard deviation of the logarithm of cell densities between patients; of the log odds
        of PD-L1 it is as large.
    specimen_spread
        The same between the specimens of one patient.
    """

    patients: Annotated[int, Between(0, 1000, step=1)] = 4
    unplanted: Annotated[int, Between(0, 1000, step=1)] = 1
    patient_spread: Annotated[float, Between(0.0, 1.0, step=0.05)] = 0.2
    specimen_spread: Annotated[float, Between(0.0, 1.0, step=0.05)] = 0.15


@dataclass(frozen=True)
class _CD8:
    """CD8 T cells and other lymphocytes per mm², by region."""

    cd8: _Four
    lymphocytes: _Four


@dataclass(frozen=True)
class _PDL1:
    """Probability of PD-L1: touching CD8, with one within 30 µm, and otherwise."""

    tumour: _Three
    macrophage: _Three
    stroma: _Three


_T_CELLS: Mapping[str, _CD8] = {
    "excluded": _CD8((45, 180, 1000, 380), (20, 60, 380, 300)),
    "infiltrated": _CD8((650, 800, 700, 320), (110, 160, 400, 300)),
    "desert": _CD8((10, 18, 36, 28), (5, 15, 60, 60)),
    "": _CD8((140, 140, 140, 140), (60, 60, 150, 150)),
}
_PDL1S: Mapping[str, _PDL1] = {
    "reactive": _PDL1((0.65, 0.35, 0.10), (0.80, 0.50, 0.20), (0.35, 0.14, 0.04)),
    "absent_on_tumour": _PDL1((0.03, 0.02, 0.015), (0.85, 0.55, 0.22), (0.42, 0.17, 0.05)),
    "constitutive": _PDL1((0.85, 0.84, 0.83), (0.75, 0.45, 0.20), (0.30, 0.12, 0.04)),
    "": _PDL1((0.30, 0.30, 0.30), (0.40, 0.40, 0.40), (0.15, 0.15, 0.15)),
}
_LYMPHOCYTE_PDL1 = 0.03
_MACROPHAGE_SHARE = 0.5
"""Of the other cells of a field of points; the rest are fibroblasts."""
_PAPER = (("excluded", "reactive"), ("infiltrated", "reactive"), ("excluded", "absent_on_tumour"))
_NOTHING_MOVES = 0.3
"""So far chance moves a patient in whom nothing is planted; further, and a pattern would be."""
_ANSWERED: _State = ("infiltrated", "reactive")
_NOTHING: _State = ("", "")

PLANTED_COURSES: Mapping[str, tuple[_State, _State, _State]] = {
    "course_of_the_paper": _PAPER,
    "t_cells_excluded_at_relapse": (_ANSWERED, _ANSWERED, ("excluded", "reactive")),
    "pdl1_lost_inside": (_PAPER[0], _ANSWERED, ("infiltrated", "absent_on_tumour")),
    "pdl1_constitutive": ((("infiltrated", "constitutive"),) * 3),
    "t_cells_gone_at_relapse": (_ANSWERED, _ANSWERED, ("desert", "reactive")),
    "never_inside": ((("excluded", "reactive"),) * 3),
    "pdl1_never_on_tumour": ((("excluded", "absent_on_tumour"),) * 3),
    "answered_but_grew": (_PAPER[0], _ANSWERED, _ANSWERED),
    "nothing": (_NOTHING, _NOTHING, _NOTHING),
}
"""States of T cells and of PD-L1 at baseline, response and relapse, by course; an empty state
has nothing planted."""
_ORDER = tuple(name for name in PLANTED_COURSES if name != "nothing")


@dataclass(frozen=True)
class PlantedTimepoint:
    """One timepoint of a patient.

    Parameters
    ----------
    timepoint
        ``baseline``, ``response`` or ``relapse``.
    t_cells
        ``excluded``, ``infiltrated``, ``desert``; empty where nothing is planted.
    pdl1
        ``reactive``, ``absent_on_tumour``, ``constitutive``; empty where nothing is planted. In a
        desert too few cells may touch a CD8 T cell to show it.
    scenario
        The biology of this specimen, its chance deviations included.
    """

    timepoint: str
    t_cells: str
    pdl1: str
    scenario: Scenario


@dataclass(frozen=True)
class PlantedPatient:
    """One patient of a simulated cohort.

    Parameters
    ----------
    name
        ``P01`` ... with a planted course, ``N01`` ... without.
    course
        One of ``PLANTED_COURSES``.
    seed
        From which the patient's fields are made.
    timepoints
        In the order of time.
    """

    name: str
    course: str
    seed: int
    timepoints: tuple[PlantedTimepoint, ...]


def simulate_cohort(
    params: CohortParams = CohortParams(), seed: int = 0
) -> tuple[PlantedPatient, ...]:
    """Plan a cohort: who has which course, and the biology of each specimen.

    Parameters
    ----------
    params
        How many patients, and how they differ.
    seed
        Of all chance; a patient is the same however many others there are.

    Returns
    -------
    tuple of PlantedPatient
        Those with a planted course first.

    Examples
    --------
    >>> first, *_ = simulate_cohort(CohortParams(patients=1), seed=3)
    >>> first.name, first.course, [t.pdl1 for t in first.timepoints]
    ('P01', 'course_of_the_paper', ['reactive', 'reactive', 'absent_on_tumour'])
    """
    planted = [(f"P{k + 1:02d}", _ORDER[k % len(_ORDER)]) for k in range(params.patients)]
    nothing = [(f"N{k + 1:02d}", "nothing") for k in range(params.unplanted)]
    return tuple(_patient(name, course, params, seed) for name, course in (*planted, *nothing))


def point_params(planted: PlantedTimepoint, field: PointParams = PointParams()) -> PointParams:
    """Return the same biology as a field of points.

    Parameters
    ----------
    planted
        The timepoint.
    field
        What the field looks like otherwise.

    Returns
    -------
    PointParams
        With the planted CD8 densities and probabilities of PD-L1. A field of points knows only
        touching and apart: the probability near a CD8 T cell is not used. Its other cells are
        macrophages and fibroblasts in equal parts.
    """
    biology = planted.scenario
    centre, inner, outer, stroma = biology.cd8_per_mm2
    share = _MACROPHAGE_SHARE
    other = [
        share * m + (1 - share) * s
        for m, s in zip(biology.pdl1_macrophage, biology.pdl1_stroma, strict=True)
    ]
    return PointParams(
        **{
            **{name: getattr(field, name) for name in field.__dataclass_fields__},
            "cd8_centre_per_mm2": centre,
            "cd8_inner_per_mm2": inner,
            "cd8_outer_per_mm2": outer,
            "cd8_stroma_per_mm2": stroma,
            "negative_touching": 1 - biology.pdl1_tumour[0],
            "negative_apart": 1 - biology.pdl1_tumour[2],
            "other_negative_touching": 1 - other[0],
            "other_negative_apart": 1 - other[2],
            "cd8_negative": 1 - biology.pdl1_lymphocyte,
        }
    )


def _patient(name: str, course: str, params: CohortParams, seed: int) -> PlantedPatient:
    chance = generator(seed, name, "cohort")
    mine = params.patient_spread * chance.standard_normal(2)
    timepoints = []
    for timepoint, (t_cells, pdl1) in zip(TIMEPOINTS, PLANTED_COURSES[course], strict=True):
        density, odds = mine + params.specimen_spread * chance.standard_normal(2)
        if course == "nothing":
            density, odds = np.clip((density, odds), -_NOTHING_MOVES, _NOTHING_MOVES)
        cells, marks = _T_CELLS[t_cells], _PDL1S[pdl1]
        timepoints.append(
            PlantedTimepoint(
                timepoint,
                t_cells,
                pdl1,
                Scenario(
                    name=timepoint,
                    cd8_per_mm2=_times(cells.cd8, density),
                    lymphocytes_per_mm2=_times(cells.lymphocytes, density),
                    macrophages_per_mm2=_times((90.0, 140.0, 340.0, 230.0), density),
                    pdl1_tumour=_shifted(marks.tumour, odds),
                    pdl1_macrophage=_shifted(marks.macrophage, odds),
                    pdl1_stroma=_shifted(marks.stroma, odds),
                    pdl1_lymphocyte=_LYMPHOCYTE_PDL1,
                ),
            )
        )
    return PlantedPatient(name, course, int(chance.integers(2**31)), tuple(timepoints))


def _times(per_mm2: _Four, log_factor: float) -> _Four:
    a, b, c, d = (float(p * np.exp(log_factor)) for p in per_mm2)
    return a, b, c, d


def _shifted(chance: _Three, log_odds: float) -> _Three:
    a, b, c = (float(special.expit(special.logit(p) + log_odds)) for p in chance)
    return a, b, c
