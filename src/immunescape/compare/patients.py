"""What happened to each patient from one timepoint to another."""

from collections.abc import Mapping, Sequence

import pandas as pd

from immunescape.compare.metrics import EFFECT_SCALES, Key, metric_of
from immunescape.compare.specimens import specimens_of
from immunescape.compare.steps import Change, Step, steps_of
from immunescape.results import PATIENTS_COLUMNS
from immunescape.samples import SampleResult

__all__ = ["gate_flags", "patient_table"]

_HEADLINE = "pdl1_negative_fraction_touching_cd8"
_HALF = 0.5
_MOVED = "conclusion differs between shared and slide gates"


def patient_table(results: Sequence[SampleResult]) -> pd.DataFrame:
    """Return how each number of each patient changed between timepoints.

    Parameters
    ----------
    results
        Analysed slides, under shared gates, under each slide's own, or both; in any order.

    Returns
    -------
    DataFrame
        Columns ``PATIENTS_COLUMNS``: for each patient, lesion, kind of gates and step from one
        timepoint to a later one every number of ``specimens.csv``. Timepoints are in the order of
        `timepoint_order` over all slides. Where no lesion of a patient was taken at both, the step
        goes from all lesions of the first to all of the second and is flagged.

        ``effect`` is later minus earlier on ``effect_scale``: ``log_density``, natural logarithms
        of (count + 0.5) / area, for densities and counts; ``log_ratio`` for ratios, half a cell
        added to each count, and for areas; ``difference`` for fractions, scores (in their unit)
        and log odds ratios. Several specimens of a lesion at a timepoint are averaged on that
        scale; ``from_value`` and ``to_value`` are plain means.

        The interval comes from those of the slides, by squares added, and holds chance within
        these slides only: not what another biopsy of the same lesion would have shown.

        ``flags`` lists what makes the timepoints less alike: ``lesion differs``, ``tumour_source
        differs``, ``site differs``, ``batch differs``, days against the order of timepoints, and
        that a conclusion differs between shared and slide gates: the change is clear, by its
        interval, under one and not, or the other way, under the other, or most tumour cells that
        touch CD8 are PD-L1-negative under one alone. A step that cannot be judged says why.
    """
    steps = steps_of(specimens_of(results))
    moved = gate_flags(steps)
    rows = []
    for step in steps:
        for key, change in step.changes.items():
            rows.append(
                {
                    "patient": step.patient,
                    "lesion": step.lesion,
                    "from_timepoint": step.start,
                    "to_timepoint": step.end,
                    "gates": step.gates,
                    **key._asdict(),
                    "from_value": change.from_value,
                    "to_value": change.to_value,
                    "unit": change.unit,
                    "effect": change.effect,
                    "effect_scale": EFFECT_SCALES[metric_of(key.metric).kind],
                    "ci_low": change.bounds.low,
                    "ci_high": change.bounds.high,
                    "ci_method": change.bounds.method,
                    "n_slides": change.n_slides,
                    "n_cells": change.n_cells,
                    "flags": "; ".join((*step.flags, *moved.get((step.name, key), ()))),
                    "evaluable": change.evaluable,
                    "reason": change.reason,
                }
            )
    return pd.DataFrame(rows, columns=list(PATIENTS_COLUMNS))


def gate_flags(
    steps: Sequence[Step],
) -> Mapping[tuple[tuple[str, str, str, str], Key], tuple[str, ...]]:
    """Return which numbers of which steps lead to another conclusion under other gates."""
    by_gates: dict[tuple[str, str, str, str], dict[str, Step]] = {}
    for step in steps:
        by_gates.setdefault(step.name, {})[step.gates] = step
    found = {}
    for name, both in by_gates.items():
        if len(both) < 2:
            continue
        shared, own = both["shared"].changes, both["slide"].changes
        for key in shared.keys() & own.keys():
            if _concluded(key, shared[key]) != _concluded(key, own[key]):
                found[name, key] = (_MOVED,)
    return found


def _concluded(key: Key, change: Change) -> tuple[object, ...]:
    """Return what a reader would conclude from a change."""
    values = (change.from_value, change.to_value) if key.metric == _HEADLINE else ()
    return change.direction, *(value > _HALF for value in values)
