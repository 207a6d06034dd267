"""Rules that make a phenotype of positive and negative markers; what is missing stays unknown."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from immunescape.errors import StudyError
from immunescape.results import PHENOTYPES

__all__ = ["DEFAULT_RULES", "PHENOTYPES", "Place", "Rule", "applicable", "decide", "described"]

Place = Literal["anywhere", "tumour", "outside_tumour"]
_PLACES: tuple[Place, ...] = ("anywhere", "tumour", "outside_tumour")
_NOTHING = -1

Calls3 = npt.NDArray[np.int8]
"""Three-valued calls, ``(n,)``: 1 positive, 0 negative, -1 missing."""


@dataclass(frozen=True)
class Rule:
    """A phenotype, and the markers that make it.

    Parameters
    ----------
    phenotype
        ``tumour``, ``cd8_t`` or ``other``. Cells that no rule claims are ``other``.
    positive, negative
        Markers that must be positive, and that must not; at least one positive.
    place
        Whether the cell must lie inside or outside the tumour region.
    unless
        Markers in whose presence on the panel the rule is not used.

    Raises
    ------
    StudyError
        If the phenotype or the place is unknown, no marker is positive, or the markers are no
        list of keys that a cell can meet.
    """

    phenotype: str
    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    place: Place = "anywhere"
    unless: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.phenotype not in PHENOTYPES[:-1]:
            raise StudyError(
                f"a rule has the phenotype {self.phenotype!r}; "
                f"give one of {', '.join(PHENOTYPES[:-1])}: cells of any further kind are other"
            )
        if self.place not in _PLACES:
            raise StudyError(
                f"the rule of {self.phenotype} has the place {self.place!r}; "
                f"give one of {', '.join(_PLACES)}"
            )
        if not self.positive:
            raise StudyError(
                f"a rule of {self.phenotype} has no positive marker; name at least one"
            )
        for name in ("positive", "negative", "unless"):
            self._check_markers(name, getattr(self, name))
        if both := sorted({*self.positive} & {*self.negative}):
            raise StudyError(
                f"the rule of {self.phenotype} asks for {both[0]} to be positive and negative; "
                "remove one of them"
            )

    def _check_markers(self, name: str, markers: tuple[str, ...]) -> None:
        if len(markers) > 1 and all(len(marker) == 1 for marker in markers):
            word = "".join(markers)  # text where a list is meant comes as its letters
            raise StudyError(
                f"the rule of {self.phenotype} has {name} = {word!r}; write a list of markers, "
                f'such as ["{word}"]'
            )
        for marker in markers:
            if not re.fullmatch(r"[a-z0-9_]+", marker):
                raise StudyError(
                    f"the rule of {self.phenotype} has the marker {marker!r}; give its key in "
                    "lower-case letters, digits and underscores, such as cd8"
                )


DEFAULT_RULES = (
    Rule("cd8_t", positive=("cd8",), negative=("sox10",)),
    Rule("tumour", positive=("sox10",)),
    Rule("tumour", positive=("s100",), place="tumour"),
    Rule("tumour", positive=("s100",), unless=("sox10",)),
)
"""By priority: a cell has the phenotype of the first rule that it meets."""


def described(rule: Rule) -> str:
    """Return a rule in one line.

    Examples
    --------
    >>> described(Rule("cd8_t", ("cd8",), ("sox10",)))
    'cd8_t = cd8+ sox10-'
    """
    clauses = [f"{m}+" for m in rule.positive] + [f"{m}-" for m in rule.negative]
    where = {"anywhere": "", "tumour": " inside the tumour region"}
    clauses_text = " ".join(clauses)
    place = where.get(rule.place, " outside the tumour region")
    return f"{rule.phenotype} = {clauses_text}{place}"


def applicable(
    rules: tuple[Rule, ...],
    present: frozenset[str],
    *,
    placed: bool,
    ungated: frozenset[str] = frozenset(),
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules a slide can be judged by, and one line for each part that is dropped.

    Parameters
    ----------
    rules
        By priority.
    present
        Markers that the slide shows. A clause on another marker is dropped; a rule that keeps no
        positive clause is dropped as a whole.
    placed
        Whether the tumour region is known; without it, rules that ask for a place are left out.
    ungated
        Markers of `present` without a call on any cell. A rule does not ask that they be
        negative: on a slide without tumour SOX10 has no gate, and CD8 T cells are CD8 T cells.
        A rule that asks that one be positive stays, and leaves its cells unknown.
    """
    kept, dropped = [], []
    for rule in rules:
        if any(marker in present for marker in rule.unless):
            continue
        lacking = [m for m in (*rule.positive, *rule.negative) if m not in present]
        positive = tuple(m for m in rule.positive if m in present)
        negative = tuple(m for m in rule.negative if m in present and m not in ungated)
        unread = [m for m in rule.negative if m in present and m in ungated]
        if not positive:
            dropped.append(
                f"rule '{described(rule)}' is not used: the panel lacks {', '.join(lacking)}"
            )
        elif rule.place != "anywhere" and not placed:
            dropped.append(f"rule '{described(rule)}' is not used: there is no tumour region")
        else:
            if lacking:
                dropped.append(
                    f"rule '{described(rule)}' is used without {', '.join(lacking)}, "
                    "which the panel lacks"
                )
            if unread:
                dropped.append(
                    f"rule '{described(rule)}' is used without {', '.join(unread)}, "
                    "which has no gate on this slide"
                )
            kept.append(Rule(rule.phenotype, positive, negative, rule.place))
    return tuple(kept), tuple(dropped)


def decide(
    rules: tuple[Rule, ...],
    calls: dict[str, Calls3],
    inside_tumour: npt.NDArray[np.bool_] | None,
    n: int,
) -> npt.NDArray[np.object_]:
    """Return the phenotype of each cell, ``(n,)`` strings.

    A missing call is neither positive nor negative. A cell is ``unknown`` only if its missing
    calls could give it more than one phenotype: a cell negative for CD8 is no CD8 cell, whatever
    its missing SOX10 may be.

    Parameters
    ----------
    rules
        By priority, with markers that are all in `calls`.
    calls
        Three-valued calls of each marker.
    inside_tumour
        Whether each cell lies inside the tumour region; needed if a rule asks for a place.
    n
        Number of cells.
    """
    result = np.full(n, _NOTHING, dtype=np.int8)
    undecided = np.ones(n, dtype=bool)
    for rule in (*rules, None):
        met = np.ones(n, dtype=np.int8) if rule is None else _met(rule, calls, inside_tumour, n)
        name = PHENOTYPES.index("other" if rule is None else rule.phenotype)
        possible = undecided & (met != 0)
        differs = possible & (result != _NOTHING) & (result != name)
        result[possible & (result == _NOTHING)] = name
        result[differs] = PHENOTYPES.index("unknown")
        undecided &= ~((met == 1) | differs)
    return np.array(PHENOTYPES, dtype=object)[result]


def _met(
    rule: Rule,
    calls: dict[str, Calls3],
    inside_tumour: npt.NDArray[np.bool_] | None,
    n: int,
) -> Calls3:
    """Whether each cell meets a rule: 1 yes, 0 no, -1 it depends on a missing call."""
    clauses = [calls[m] for m in rule.positive]
    clauses += [np.where(calls[m] < 0, -1, 1 - calls[m]).astype(np.int8) for m in rule.negative]
    if rule.place != "anywhere":
        if inside_tumour is None:
            raise ValueError("a rule asks for a place, but no tumour region is given")
        clauses.append((inside_tumour == (rule.place == "tumour")).astype(np.int8))
    stacked = np.stack(clauses)
    result = np.ones(n, dtype=np.int8)
    result[(stacked < 0).any(axis=0)] = -1
    result[(stacked == 0).any(axis=0)] = 0
    return result
