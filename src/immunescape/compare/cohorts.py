"""What changed over all patients, or a group of them, and whether it is more than chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from typing import Any

import pandas as pd

from immunescape.compare.effects import difference_of_means, mean_change
from immunescape.compare.metrics import EFFECT_SCALES, Bounds, Key, metric_of
from immunescape.compare.mixed import NOT_FITTED, fit_mixed
from immunescape.compare.params import CompareParams
from immunescape.compare.patients import gate_flags
from immunescape.compare.people import (
    Patient,
    groups_of,
    mixed_flags,
    observations,
    people_of,
    subsets_of,
)
from immunescape.compare.permuting import PValue, relabelling_p, swap_p
from immunescape.compare.reasons import join
from immunescape.compare.specimens import rank_of, specimens_of
from immunescape.compare.steps import steps_of
from immunescape.errors import ParameterError
from immunescape.results import COMPARISONS_COLUMNS
from immunescape.samples import Sample, SampleResult, timepoint_order

__all__ = ["MAIN_FAMILY", "comparison_table"]

MAIN_FAMILY = (
    Key("pdl1_negative_fraction_touching_cd8", "tumour", "tissue"),
    Key("pdl1_negative_fraction_not_touching_cd8", "tumour", "tissue"),
    Key("touching_cd8_fraction", "tumour", "tissue"),
    Key("pdl1_induction_log_odds_ratio", "tumour", "tissue"),
    Key("pdl1_induction_log_odds_ratio", "other", "tissue"),
    Key("cd8_density", "cd8_t", "centre"),
    Key("cd8_density", "cd8_t", "margin"),
    Key("cd8_margin_to_centre_ratio", "cd8_t", "tissue"),
    Key("tumour_proportion_score", "tumour", "tissue"),
)
"""The numbers that a cohort is asked about first, chosen before any was looked at."""

_LEFT_OUT = ("area", "sox10_cd8_conflict_count", "s100_only_count")
"""Metrics that say how much was looked at, or how well, as cells of no known kind do; not what the
tumour does."""
_MOST_GROUPS = 6
"""Groups up to which each is compared with each other one."""
_ALONE = "no test is possible with one patient"


def comparison_table(
    results: Sequence[SampleResult],
    params: CompareParams = CompareParams(),
    group_by: str = "",
) -> pd.DataFrame:
    """Return what changed between timepoints over patients, effects before p values.

    Parameters
    ----------
    results
        Analysed slides, under shared gates, under each slide's own, or both; in any order.
    params
        How patients are compared.
    group_by
        A column of the sample sheet, carried or known, such as ``jak1``: each group's change is
        given too, and by how much the groups' changes differ. A patient whose slides before and
        after tell different values is in the group ``a to b``.

    Returns
    -------
    DataFrame
        Columns ``COMPARISONS_COLUMNS``. The patient is the unit: ``effect`` is the mean over
        patients of the change in ``patients.csv``, lesions of one patient averaged first, and its
        interval Student's t (or a bootstrap over patients) of these changes. ``p_value`` swaps
        timepoints within patients; ``smallest_p_value`` is the least that so many patients can
        give. ``mixed_effect`` is that of a mixed model over all specimens of both timepoints,
        also of patients with one of them. ``q_value`` is that of Benjamini and Hochberg over the
        metrics of one family: one step, group, subset and kind of gates, ``family`` ``main`` or
        ``further``.

        With a group ``b vs a`` the effect is the mean change of b less that of a, and p comes from
        giving the patients other groups; with more than six groups such rows are left out, which
        is flagged. Where tumours drawn and derived, sites, or batches are
        mixed the rows are flagged, and each of them alone is a ``subset`` with the numbers of the
        main family. One patient has an effect, no interval over patients and no test.

    Raises
    ------
    ParameterError
        If no slide has the column `group_by`.
    """
    samples = [result.sample for result in results]
    if group_by:
        _check_column(group_by, samples)
    specimens = specimens_of(results)
    steps = steps_of(specimens)
    moved = gate_flags(steps)
    rows: list[dict[str, Any]] = []
    for start, end in combinations(timepoint_order(samples), 2):
        for gates in sorted({specimen.gates for specimen in specimens}):
            patients = people_of(specimens, steps, start, end, gates)
            groups = groups_of(patients, group_by) if group_by else {}
            many = len(groups) > _MOST_GROUPS
            told = (f"{len(groups)} groups: their differences are not listed",) if many else ()
            asked = _Asked(start, end, gates, group_by, params, moved, told)
            for group, members in {"": patients, **groups}.items():
                for subset, some in subsets_of(members):
                    rows += _corrected(list(asked.changes(group, subset, some)))
            for a, b in () if many else combinations(groups, 2):
                rows += _corrected(list(asked.between((a, b), groups[a], groups[b])))
    return pd.DataFrame(rows, columns=list(COMPARISONS_COLUMNS))


@dataclass(frozen=True, eq=False)
class _Asked:
    """One question: which step, of whom, under which gates."""

    start: str
    end: str
    gates: str
    group_column: str
    params: CompareParams
    moved: Mapping[tuple[tuple[str, str, str, str], Key], tuple[str, ...]]
    told: tuple[str, ...]

    def changes(
        self, group: str, subset: str, patients: Sequence[Patient]
    ) -> Iterator[dict[str, Any]]:
        """Yield the change of every number over some patients."""
        mixed = (*mixed_flags(patients), *(self.told if group else ()))
        for key in _keys(patients):
            if subset != "all" and key not in MAIN_FAMILY:
                continue
            some = [p for p in patients if key in p.effects]
            changes = [p.effects[key] for p in some]
            effect, bounds, note = mean_change(changes, self.params)
            row = self._row(group, subset, key, some, mixed)
            if not some:
                yield {**row, "evaluable": False, "reason": _why_none(key, patients)}
                continue
            fit = NOT_FITTED
            if self.params.mixed_model:
                fit = fit_mixed(*observations(key, patients))
            p = swap_p(changes, self.params)
            yield {
                **row,
                **_told(effect, bounds, p),
                "mixed_effect": fit.effect,
                "mixed_ci_low": fit.low,
                "mixed_ci_high": fit.high,
                "mixed_note": fit.note,
                "reason": join(_ALONE if len(some) == 1 else "", note, _lost(some, patients)),
            }

    def between(
        self, names: tuple[str, str], first: Sequence[Patient], second: Sequence[Patient]
    ) -> Iterator[dict[str, Any]]:
        """Yield by how much more every number changed in the second group than in the first."""
        patients = (*first, *second)
        mixed = mixed_flags(patients)
        for key in _keys(patients):
            sides = [[p for p in group if key in p.effects] for group in (first, second)]
            a, b = ([p.effects[key] for p in side] for side in sides)
            some = [*sides[0], *sides[1]]
            row = self._row(f"{names[1]} vs {names[0]}", "all", key, some, mixed)
            if not (a and b):
                why = "a group has no patient with both timepoints"
                yield {**row, "evaluable": False, "reason": join(why, _why_none(key, patients))}
                continue
            effect, bounds, note = difference_of_means(a, b, self.params)
            alone = (
                "no test is possible with one patient in a group"
                if min(map(len, (a, b))) < 2
                else ""
            )
            yield {
                **row,
                **_told(effect, bounds, relabelling_p(a, b, self.params)),
                "mixed_note": "the difference of two groups has no mixed model",
                "reason": join(
                    f"{len(b)} and {len(a)} patients", alone, note, _lost(some, patients)
                ),
            }

    def _row(
        self,
        group: str,
        subset: str,
        key: Key,
        patients: Sequence[Patient],
        flags: Sequence[str],
    ) -> dict[str, Any]:
        """Return a row without its answer."""
        changes = [
            step.changes[key]
            for patient in patients
            for step in patient.steps
            if key in step.changes and step.changes[key].evaluable
        ]
        return {
            "from_timepoint": self.start,
            "to_timepoint": self.end,
            "group_column": self.group_column,
            "group": group,
            "subset": subset,
            "gates": self.gates,
            "family": "main" if key in MAIN_FAMILY else "further",
            **key._asdict(),
            "n_patients": len(patients),
            "n_slides": sum(change.n_slides for change in changes),
            "n_cells": sum(change.n_cells for change in changes),
            "effect": nan,
            "effect_scale": EFFECT_SCALES[metric_of(key.metric).kind],
            "ci_low": nan,
            "ci_high": nan,
            "ci_method": "",
            "mixed_effect": nan,
            "mixed_ci_low": nan,
            "mixed_ci_high": nan,
            "mixed_note": "",
            "p_value": nan,
            "p_method": "",
            "smallest_p_value": nan,
            "q_value": nan,
            "flags": "; ".join((*flags, *self._gate_flag(key, patients))),
            "evaluable": True,
            "reason": "",
        }

    def _gate_flag(self, key: Key, patients: Sequence[Patient]) -> tuple[str, ...]:
        count = sum(any((s.name, key) in self.moved for s in p.steps) for p in patients)
        people = "1 patient" if count == 1 else f"{count} patients"
        return (f"conclusion differs between gates in {people}",) if count else ()


def _told(effect: float, bounds: Bounds, p: PValue) -> dict[str, Any]:
    return {
        "effect": effect,
        "ci_low": bounds.low,
        "ci_high": bounds.high,
        "ci_method": bounds.method,
        "p_value": p.p,
        "p_method": p.method,
        "smallest_p_value": p.smallest,
    }


def _keys(patients: Sequence[Patient]) -> list[Key]:
    """Return every number to compare, those of the main family first."""
    keys = {
        key
        for patient in patients
        for specimen in (*patient.before, *patient.after)
        for key in specimen.numbers
        if key.metric not in _LEFT_OUT and key.phenotype != "unknown"
    }
    return sorted(keys, key=lambda key: (key not in MAIN_FAMILY, rank_of(key)))


def _why_none(key: Key, patients: Sequence[Patient]) -> str:
    """Return why no patient has a change, the commonest reason first."""
    reasons = pd.Series(
        [s.changes[key].reason for p in patients for s in p.steps if key in s.changes], dtype=object
    )
    counts = reasons.value_counts()
    if not len(counts):
        return "no patient has slides of both timepoints"
    return f"in no patient at both timepoints: {counts.index[0]}"


def _lost(some: Sequence[Patient], patients: Sequence[Patient]) -> str:
    lost = len(patients) - len(some)
    people = "1 patient has" if lost == 1 else f"{lost} patients have"
    return f"{people} no number at both timepoints" if lost else ""


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add q over the tests of each family."""
    from statsmodels.stats.multitest import multipletests

    for family in ("main", "further"):
        tested = [row for row in rows if row["family"] == family and not isnan(row["p_value"])]
        if tested:
            q = multipletests([row["p_value"] for row in tested], method="fdr_bh")[1]
            for row, value in zip(tested, q, strict=True):
                row["q_value"] = float(value)
    return rows


def _check_column(name: str, samples: Sequence[Sample]) -> None:
    carried = sorted({column for sample in samples for column in sample.carried})
    known = ("lesion", "site", "batch", "tumour_source")
    if name not in (*known, *carried):
        there = ", ".join((*known, *carried))
        raise ParameterError(f"no slide has a column {name!r} to group by; give one of {there}")
