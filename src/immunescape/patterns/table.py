"""The table of patterns: one row a slide or patient and pattern, the evidence beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunescape.patterns.course import COURSES, NO_COURSE, NOT_EVALUABLE, STEPS, Step
from immunescape.patterns.evidence import evidence, joined
from immunescape.patterns.numbers import Numbers, numbers_of
from immunescape.patterns.params import PatternParams
from immunescape.patterns.patient import Key, read_patient, step_of, those
from immunescape.patterns.readings import AXES, Axis
from immunescape.patterns.rules import unknown
from immunescape.patterns.sayings import CHANGED, Saying, compared, neither
from immunescape.results import PATTERNS_COLUMNS
from immunescape.samples import Sample, SampleResult, timepoint_order

__all__ = ["RESEARCH_USE", "pattern_table"]

RESEARCH_USE = (
    "Patterns are read from the numbers by fixed rules. For research use, not for diagnosis."
)
"""Stands wherever patterns are shown to people."""

_UNMOVED = "the same with each threshold halved and doubled"
_ONE_TIMEPOINT = "one timepoint only; a course needs two"


def pattern_table(
    results: Sequence[SampleResult], params: PatternParams = PatternParams()
) -> pd.DataFrame:
    """Return what each slide and each patient is consistent with.

    Parameters
    ----------
    results
        Results of one cohort, in any order; of several patients and timepoints, under shared
        gates, each slide's own, or both.
    params
        Thresholds.

    Returns
    -------
    DataFrame
        Columns ``PATTERNS_COLUMNS``. For each slide (level ``slide``) and each patient and
        timepoint (level ``patient``, no ``sample_id``) five rows an axis, ``t_cells`` and
        ``pdl1``: three patterns, that none of them is shown, and that it is not evaluable;
        ``holds`` is True in exactly one of the five. For each patient the courses over time
        (level ``patient``, no ``timepoint``, axis ``course``), of which several may hold.

        ``holds`` is missing where a rule cannot be judged: a missing number is never read as 0,
        nor "not evaluable" as absent. ``otherwise`` says what changes with each threshold at half
        and at double; see `PatternParams.others`. Patients stand in the order of their names,
        slides in that of time and then of ``sample_id``; the order of `results` plays no part.
        Rows of shared gates come first; where each slide's own gates lead to another conclusion
        they say so, as evidence against what is shown and for what is not.

    Raises
    ------
    ValueError
        If a summary has a row twice, or two results have one ``sample_id`` and like gates.
    """
    names = [(result.gates, result.sample.sample_id) for result in results]
    if len(set(names)) < len(names):
        raise ValueError("two results have the same sample_id")
    shared, own = (_rows(results, params, gates) for gates in ("shared", "slide"))
    table = pd.DataFrame([*compared(shared, own), *own], columns=list(PATTERNS_COLUMNS))
    return table.astype({"holds": "boolean", "evaluable": bool})


def _rows(
    results: Sequence[SampleResult], params: PatternParams, gates: str
) -> list[dict[str, Any]]:
    """Return the rows of all patients under one kind of gates."""
    mine = [result for result in results if result.gates == gates]
    patients = [
        _Patient.of([r for r in mine if r.sample.patient == name], params)
        for name in sorted({result.sample.patient for result in mine})
    ]
    return [{**row, "gates": gates} for patient in patients for row in patient.rows()]


@dataclass(frozen=True, eq=False)
class _Patient:
    """One patient: slides by timepoint, their numbers, and what holds with these thresholds."""

    samples: Mapping[str, tuple[Sample, ...]]
    numbers: Mapping[str, Numbers]
    params: PatternParams
    held: Mapping[Key, bool | None]
    otherwise: Mapping[Key, str]

    @classmethod
    def of(cls, results: Sequence[SampleResult], params: PatternParams) -> "_Patient":
        """Read one patient, with the thresholds and with each of them moved."""
        everyone = sorted((r.sample for r in results), key=lambda sample: sample.sample_id)
        samples = {
            t: tuple(s for s in everyone if s.timepoint == t) for t in timepoint_order(everyone)
        }
        numbers = {result.sample.sample_id: numbers_of(result) for result in results}
        held = read_patient(samples, numbers, params)
        changed: dict[Key, list[str]] = {key: [] for key in held}
        for name, value, other in params.others():
            for key, now in read_patient(samples, numbers, other).items():
                if now is not held[key]:
                    changed[key].append(f"{name} {value:g}: {CHANGED[now]}")
        otherwise = {key: "; ".join(said) or _UNMOVED for key, said in changed.items()}
        otherwise["", "", STEPS] = ""  # the steps are told, not judged
        return cls(samples, numbers, params, held, otherwise)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of its slides, of its timepoints, and of its course."""
        for timepoint, samples in self.samples.items():
            for sample in samples:
                for axis in AXES:
                    for row in self._slide(sample, axis):
                        yield self._row("slide", timepoint, sample.sample_id, axis.name, row)
        for timepoint in self.samples:
            for axis in AXES:
                for row in self._timepoint(timepoint, axis):
                    yield self._row("patient", timepoint, "", axis.name, row)
        for row in self._course():
            yield self._row("patient", "", "", "course", row)

    def _row(
        self, level: str, timepoint: str, sample_id: str, axis: str, said: Saying
    ) -> dict[str, Any]:
        key = (timepoint, sample_id, said.pattern)
        held = self.held[key]
        unjudged = held is None or (held and said.pattern.endswith("_not_evaluable"))
        first = next(iter(self.samples.values()))[0]
        return {
            "level": level,
            "patient": first.patient,
            "timepoint": timepoint,
            "sample_id": sample_id,
            "axis": axis,
            "pattern": said.pattern,
            "words": said.words(held),
            "holds": pd.NA if held is None else held,
            "evidence_for": said.evidence_for,
            "evidence_against": said.evidence_against,
            "rule": said.rule,
            "otherwise": self.otherwise[key],
            "evaluable": not unjudged,
            "reason": said.reason if unjudged else "",
        }

    def _slide(self, sample: Sample, axis: Axis) -> Iterator[Saying]:
        numbers, params = self.numbers[sample.sample_id], self.params
        for rule in axis.rules:
            yield Saying(
                rule.pattern,
                rule.title,
                rule.rule(numbers, params),
                *evidence(rule, numbers, params),
                unknown([rule], numbers, params),
            )
        stops = unknown(axis.rules, numbers, params)
        seen = [numbers[c.number] for r in axis.rules for c in r.clauses]
        against = joined([number.text() for number in seen if not number.reason])
        yield from neither(axis, against, stops)

    def _timepoint(self, timepoint: str, axis: Axis) -> Iterator[Saying]:
        samples = self.samples[timepoint]
        alone = samples[0] if len(samples) == 1 else None
        if alone is not None:
            yield from self._slide(alone, axis)
            return
        said = {s.sample_id: {one.pattern: one for one in self._slide(s, axis)} for s in samples}
        for rule in axis.rules:
            sides: dict[bool, list[str]] = {True: [], False: []}
            for sample in samples:
                held = self.held[timepoint, sample.sample_id, rule.pattern]
                one = said[sample.sample_id][rule.pattern]
                what = one.evidence_for if held else one.evidence_against
                sides[held is True].append(f"{sample.sample_id}: {one.words(held)} ({what})")
            yield Saying(
                rule.pattern,
                rule.title,
                "more than half of the slides that can be judged show it and none shows another "
                f"pattern; a slide shows it where {rule.rule(self._any(samples), self.params)}",
                joined(sides[True]),
                joined(sides[False]),
                self._unjudged(samples, axis),
            )
        told = joined([f"{s.sample_id}: {axis.short(self._of(s))}" for s in samples])
        yield from neither(axis, told, self._unjudged(samples, axis))

    def _of(self, sample: Sample) -> dict[str, bool | None]:
        """Return what holds on one slide, by pattern."""
        return those(self.held, sample.timepoint, sample.sample_id)

    def _any(self, samples: Sequence[Sample]) -> Numbers:
        """Return the numbers of one slide, whose units the thresholds are printed in."""
        return self.numbers[samples[0].sample_id]

    def _unjudged(self, samples: Sequence[Sample], axis: Axis) -> str:
        reasons = []
        for sample in samples:
            key = (sample.timepoint, sample.sample_id)
            if self.held[*key, axis.not_evaluable]:
                (last,) = list(self._slide(sample, axis))[-1:]
                reasons.append(f"{sample.sample_id}: {last.reason}")
        return joined(reasons)

    def _course(self) -> Iterator[Saying]:
        steps = [step_of(self.held, timepoint) for timepoint in self.samples]
        flags = list(self._flags())
        yield Saying(
            STEPS, self._trail(steps), "what is shown at each timepoint",
            self._trail_numbers(steps), joined(flags), "",
        )  # fmt: skip
        few = _ONE_TIMEPOINT if len(steps) < 2 else ""
        stops = []
        for course in COURSES:
            parts = () if few else course.parts(steps)
            held = self.held["", "", course.pattern]
            sides: dict[bool | None, list[str]] = {True: [], False: [], None: []}
            for part in parts:
                seen = joined([self._look(*where) for where in part.looked_at])
                sides[part.holds].append(part.words + (f" ({seen})" if seen else ""))
            unknown = joined([f"not evaluable: {words}" for words in sides[None]])
            reason = few or unknown
            stops += [reason] if held is None else []
            against = [f"not shown: {words}" for words in sides[False]]
            against += [unknown, *(flags if held else [])]
            yield Saying(
                course.pattern, course.title, course.rule, joined(sides[True]), joined(against),
                reason,
            )  # fmt: skip
        yield Saying(
            NO_COURSE, "none of the courses", "every course can be judged and none is shown",
            "", "", "",
        )  # fmt: skip
        yield Saying(
            NOT_EVALUABLE, "", "no course is shown and at least one cannot be judged",
            joined(stops), "", joined(stops),
        )  # fmt: skip

    def _trail(self, steps: Sequence[Step]) -> str:
        return " → ".join(
            f"{step.timepoint}: {', '.join(f'{a.title} {a.short(step.held)}' for a in AXES)}"
            for step in steps
        )

    def _trail_numbers(self, steps: Sequence[Step]) -> str:
        """Return the number behind each pattern that is shown, in the order of time."""
        shown = [(s.timepoint, p) for s in steps for a in AXES for p in a.patterns if s.held[p]]
        return joined([self._look(*where) for where in shown])

    def _look(self, timepoint: str, pattern: str) -> str:
        """Return the number behind a pattern at a timepoint, of each of its slides."""
        texts = []
        rules = {rule.pattern: rule for axis in AXES for rule in axis.rules}
        for sample in self.samples[timepoint]:
            if (rule := rules.get(pattern)) is None:
                continue
            number = self.numbers[sample.sample_id][rule.clauses[0].number]
            name = "" if len(self.samples[timepoint]) == 1 else f" {sample.sample_id}"
            texts.append(f"{timepoint}{name}: {number.text()}")
        return joined(texts)

    def _flags(self) -> Iterator[str]:
        """Yield what makes the timepoints unlike each other, whatever the patterns."""
        everyone = [s for samples in self.samples.values() for s in samples]
        for what, differ in (
            ("lesions", {s.lesion for s in everyone}),
            ("sites", {s.site for s in everyone}),
            ("batches of stains", {s.batch for s in everyone}),
            ("sources of the tumour region", {n.tumour_source for n in self.numbers.values()}),
        ):
            known = sorted(filter(None, differ))
            if len(known) > 1:
                yield f"the timepoints have several {what}: {', '.join(known)}"
        widths = {n.margin_width_um for n in self.numbers.values() if n.margin_width_um > 0}
        if len(widths) > 1:
            listed = ", ".join(f"{width:g}" for width in sorted(widths))
            yield f"the margins have several widths: {listed} µm"
