"""Patients between two timepoints: their changes, their groups, and what is mixed among them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from immunescape.compare.metrics import Key
from immunescape.compare.slides import told
from immunescape.compare.specimens import Specimen
from immunescape.compare.steps import Step

__all__ = ["Patient", "groups_of", "mixed_flags", "observations", "people_of", "subsets_of"]

_MIXABLE = ("tumour_source", "site", "batch")
"""What is not mixed in one comparison without a word."""


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient between two timepoints, under one kind of gates.

    Parameters
    ----------
    name
        Who it is.
    before, after
        Specimens at either timepoint; one of them may be empty.
    steps
        A step a lesion from one to the other; none without specimens at both.
    """

    name: str
    before: tuple[Specimen, ...]
    after: tuple[Specimen, ...]
    steps: tuple[Step, ...]

    def label(self, name: str) -> str:
        """Return what a property is: one value, or ``a to b`` where the timepoints differ."""
        if self.steps:
            return told(step.label(name) for step in self.steps)
        return told(specimen.label(name) for specimen in (*self.before, *self.after))

    @cached_property
    def effects(self) -> Mapping[Key, float]:
        """Change of every number that can be judged, a mean over lesions."""
        found: dict[Key, list[float]] = defaultdict(list)
        for step in self.steps:
            for key, change in step.changes.items():
                if change.evaluable:
                    found[key].append(change.effect)
        return {key: sum(effects) / len(effects) for key, effects in found.items()}


def people_of(
    specimens: Sequence[Specimen], steps: Sequence[Step], start: str, end: str, gates: str
) -> list[Patient]:
    """Return every patient with a specimen at one of two timepoints, in the order of their names.

    Parameters
    ----------
    specimens, steps
        Of all patients, timepoints and gates.
    start, end, gates
        Which timepoints, and under which gates.
    """
    found: dict[str, tuple[list[Specimen], list[Specimen]]] = {}
    for specimen in specimens:
        if specimen.gates == gates and specimen.timepoint in (start, end):
            sides = found.setdefault(specimen.patient, ([], []))
            sides[specimen.timepoint == end].append(specimen)
    mine: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        if (step.start, step.end, step.gates) == (start, end, gates):
            mine[step.patient].append(step)
    return [
        Patient(name, tuple(before), tuple(after), tuple(mine[name]))
        for name, (before, after) in sorted(found.items())
    ]


def groups_of(patients: Sequence[Patient], column: str) -> dict[str, Sequence[Patient]]:
    """Return the patients of each value of a column; one whose slides tell none is in no group."""
    found: dict[str, list[Patient]] = defaultdict(list)
    for patient in patients:
        if label := patient.label(column):
            found[label].append(patient)
    return dict(sorted(found.items()))


def subsets_of(patients: Sequence[Patient]) -> Iterator[tuple[str, Sequence[Patient]]]:
    """Yield all patients, then those alike in what should not be mixed, where it is mixed."""
    yield "all", patients
    for name in _MIXABLE:
        kinds = sorted({patient.label(name) for patient in patients if patient.steps})
        if len(kinds) > 1:
            for kind in kinds:
                some = [patient for patient in patients if patient.label(name) == kind]
                yield f"{name}={kind or 'not told'}", some


def mixed_flags(patients: Sequence[Patient]) -> tuple[str, ...]:
    """Return what is mixed among patients, or differs within some of them."""
    found = []
    for name in _MIXABLE:
        if len({patient.label(name) for patient in patients if patient.steps}) > 1:
            found.append(f"{name} mixed")
        within = f"{name} differs"
        count = sum(any(within in step.flags for step in patient.steps) for patient in patients)
        if count:
            people = "1 patient" if count == 1 else f"{count} patients"
            found.append(f"{name} differs between timepoints in {people}")
    return tuple(found)


def observations(
    key: Key, patients: Sequence[Patient]
) -> tuple[list[float], list[bool], list[str]]:
    """Return every specimen's number on the scale of its change, its timepoint and its patient."""
    values, later, names = [], [], []
    for patient in patients:
        for side, after in ((patient.before, False), (patient.after, True)):
            for specimen in side:
                number = specimen.numbers.get(key)
                if number and number.evaluable and isfinite(number.effect):
                    values.append(number.effect)
                    later.append(after)
                    names.append(patient.name)
    return values, later, names
