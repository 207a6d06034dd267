"""What became of a patient from the first timepoint to the last."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from immunescape.patterns.readings import AXES, Held
from immunescape.patterns.rules import all_of

__all__ = [
    "COURSES", "NOT_EVALUABLE", "NO_COURSE", "STEPS", "Course", "Part", "Step", "read_course",
]  # fmt: skip

STEPS = "course_steps"
"""Key of the row that says what is shown at each timepoint; it always holds."""
NO_COURSE = "course_unnamed"
"""Key of the row that holds where all courses can be judged and none holds."""
NOT_EVALUABLE = "course_not_evaluable"
"""Key of the row that holds where none holds and one cannot be judged."""


@dataclass(frozen=True)
class Step:
    """One timepoint of a patient and which patterns hold there."""

    timepoint: str
    held: Held

    def judged(self, axis: str) -> bool:
        """Tell whether this axis could be judged at all."""
        return not self.held[f"{axis}_not_evaluable"]


@dataclass(frozen=True)
class Part:
    """One condition of a course.

    Parameters
    ----------
    words
        What it asks.
    holds
        Whether it holds; None where it cannot be judged.
    looked_at
        Timepoints and patterns that it rests on.
    """

    words: str
    holds: bool | None
    looked_at: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Course:
    """A course and the conditions that must all hold.

    Parameters
    ----------
    pattern
        Its key in the table.
    title
        What the patient is then consistent with.
    rule
        The conditions in plain words.
    parts
        Returns the conditions for the steps of a patient, in the order of time, two at least.
    """

    pattern: str
    title: str
    rule: str
    parts: Callable[[Sequence[Step]], tuple[Part, ...]]

    def holds(self, steps: Sequence[Step]) -> bool | None:
        """Tell whether all conditions hold; None where that cannot be judged."""
        if len(steps) < 2:
            return None
        return all_of(part.holds for part in self.parts(steps))


def read_course(steps: Sequence[Step]) -> dict[str, bool | None]:
    """Return which courses hold; several can, and where none does one of two keys is True."""
    held = {course.pattern: course.holds(steps) for course in COURSES}
    named, unknown = True in held.values(), None in held.values()
    closed = {NO_COURSE: not named and not unknown, NOT_EVALUABLE: not named and unknown}
    return {STEPS: True, **held, **closed}


def _last(pattern: str, words: str) -> Callable[[Sequence[Step]], Part]:
    def part(steps: Sequence[Step]) -> Part:
        last = steps[-1]
        return Part(
            f"{words} at {last.timepoint}", last.held[pattern], ((last.timepoint, pattern),)
        )

    return part


def _before(patterns: tuple[str, ...], words: str) -> Callable[[Sequence[Step]], Part]:
    """Ask for one of the patterns at any timepoint before the last."""

    def part(steps: Sequence[Step]) -> Part:
        held = [(s.timepoint, p, s.held[p]) for s in steps[:-1] for p in patterns]
        shown = _any_of(now for _, _, now in held)
        where = tuple((timepoint, p) for timepoint, p, now in held if now is shown)
        return Part(f"{words} before {steps[-1].timepoint}", shown, where)

    return part


def _never_before(axis: str, pattern: str, words: str) -> Callable[[Sequence[Step]], Part]:
    """Ask that a pattern was judged before the last timepoint, and held at none of them."""

    def part(steps: Sequence[Step]) -> Part:
        judged = [step for step in steps[:-1] if step.judged(axis)]
        shown = all_of(_not(step.held[pattern]) for step in judged) if judged else None
        where = tuple((s.timepoint, _shown(s, axis)) for s in judged)
        return Part(f"{words} at no timepoint before {steps[-1].timepoint}", shown, where)

    return part


def _always(axis: str, patterns: tuple[str, ...], words: str) -> Callable[[Sequence[Step]], Part]:
    """Ask for one of the patterns at each timepoint that can be judged, the last among them."""

    def part(steps: Sequence[Step]) -> Part:
        judged = [step for step in steps if step.judged(axis)]
        shown: bool | None = all_of(
            True in [step.held[pattern] for pattern in patterns] for step in judged
        )
        if shown and (len(judged) < 2 or judged[-1] is not steps[-1]):
            shown = None
        where = tuple((s.timepoint, _shown(s, axis)) for s in judged)
        return Part(f"{words} at every timepoint that can be judged", shown, where)

    return part


def _one_of_last(patterns: tuple[str, str], words: str) -> Callable[[Sequence[Step]], Part]:
    def part(steps: Sequence[Step]) -> Part:
        last = steps[-1]
        shown = _any_of(last.held[pattern] for pattern in patterns)
        where = tuple((last.timepoint, p) for p in patterns if last.held[p] is shown)
        return Part(f"{words} at {last.timepoint}", shown, where)

    return part


def _shown(step: Step, axis: str) -> str:
    """Return the key of the axis that is True at this step."""
    (found,) = (a for a in AXES if a.name == axis)
    keys = (*found.patterns, found.unnamed, found.not_evaluable)
    return next(key for key in keys if step.held[key])


def _any_of(parts: Iterable[bool | None]) -> bool | None:
    """Return whether one holds: True wins over unknown, unknown over False."""
    return _not(all_of(_not(part) for part in parts))


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _parts(
    *asked: Callable[[Sequence[Step]], Part],
) -> Callable[[Sequence[Step]], tuple[Part, ...]]:
    return lambda steps: tuple(_each(asked, steps))


def _each(
    asked: Sequence[Callable[[Sequence[Step]], Part]], steps: Sequence[Step]
) -> Iterator[Part]:
    for ask in asked:
        yield ask(steps)


_INFILTRATED, _EXCLUDED, _DESERT = "t_cells_infiltrated", "t_cells_excluded", "t_cells_desert"
_ABSENT, _CONSTITUTIVE = "pdl1_absent_on_tumour", "pdl1_constitutive"
_LOST = (
    _last(_ABSENT, "PD-L1 absent on tumour cells although other cells answer"),
    _before(("pdl1_reactive", _CONSTITUTIVE), "PD-L1 reactive or constitutive"),
    _never_before("pdl1", _ABSENT, "PD-L1 absent on tumour cells"),
)

COURSES = (
    Course(
        "course_of_the_paper",
        "the course of Zaretsky et al. 2016: T cells come in and are then held at the margin, "
        "while tumour cells lose PD-L1 although other cells answer",
        "T cells infiltrated at a timepoint before the last; and excluded to the margin at the "
        "last; and PD-L1 absent on tumour cells although other cells answer at the last; and "
        "reactive or constitutive before, and at no timepoint before absent",
        _parts(
            _before((_INFILTRATED,), "T cells infiltrated"),
            _last(_EXCLUDED, "T cells excluded to the margin"),
            *_LOST,
        ),
    ),
    Course(
        "pdl1_lost_on_tumour",
        "PD-L1 lost on tumour cells: absent at the last timepoint although other cells answer, "
        "and not before",
        "PD-L1 absent on tumour cells although other cells answer at the last timepoint; and "
        "reactive or constitutive before, and at no timepoint before absent",
        _parts(*_LOST),
    ),
    Course(
        "pdl1_never_on_tumour",
        "PD-L1 absent on tumour cells from the first, although other cells answer",
        "PD-L1 absent on tumour cells although other cells answer at every timepoint that can be "
        "judged, two or more of them and the last among them",
        _parts(_always("pdl1", (_ABSENT,), "PD-L1 absent on tumour cells")),
    ),
    Course(
        "pdl1_constitutive_course",
        "constitutive PD-L1 at the last timepoint, whatever the T cells do",
        "PD-L1 constitutive at the last timepoint",
        _parts(_last(_CONSTITUTIVE, "PD-L1 constitutive")),
    ),
    Course(
        "t_cells_lost",
        "T cells lost from the tumour: infiltrated before, at the last timepoint excluded or "
        "a desert",
        "T cells infiltrated at a timepoint before the last; and excluded to the margin or a "
        "desert at the last",
        _parts(
            _before((_INFILTRATED,), "T cells infiltrated"),
            _one_of_last((_EXCLUDED, _DESERT), "T cells excluded to the margin or a desert"),
        ),
    ),
    Course(
        "t_cells_never_inside",
        "T cells never inside the tumour: excluded or a desert throughout",
        "T cells excluded to the margin or a desert at every timepoint that can be judged, two "
        "or more of them and the last among them",
        _parts(
            _always("t_cells", (_EXCLUDED, _DESERT), "T cells excluded to the margin or a desert")
        ),
    ),
    Course(
        "answered_but_grew",
        "T cells inside the tumour and PD-L1 that answers them at the last timepoint: neither "
        "axis tells why it grew",
        "T cells infiltrated and PD-L1 reactive at the last timepoint, which is named relapse",
        lambda steps: (
            Part("the last timepoint is named relapse", steps[-1].timepoint == "relapse"),
            _last(_INFILTRATED, "T cells infiltrated")(steps),
            _last("pdl1_reactive", "PD-L1 reactive")(steps),
        ),
    ),
)
"""Courses, the most specific first; several can hold at once."""
