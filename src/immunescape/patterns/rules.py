"""What makes a slide consistent with a pattern: clauses, each about one end of an interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from immunescape.patterns.numbers import Number, Numbers
from immunescape.patterns.params import PatternParams

__all__ = ["PDL1", "T_CELLS", "Clause", "Rule", "all_of", "unknown"]

_FEW = 2


@dataclass(frozen=True)
class Clause:
    """One condition of a rule.

    Parameters
    ----------
    number
        Name of the number it is about.
    end
        Which end of its interval decides: ``low``, ``high``, or ``p`` for its p value.
    side
        ``above`` or ``below`` the threshold, ``at most`` it; the first two do not hold where
        the end just touches the threshold.
    threshold
        The field of the parameters.
    words
        How the rule says it; the threshold is put in for ``{}``.
    """

    number: str
    end: str
    side: str
    threshold: str
    words: str

    def holds(self, numbers: Numbers, params: PatternParams) -> bool | None:
        """Tell whether it holds; None where the number cannot be judged."""
        number = numbers[self.number]
        value = number.p_value if self.end == "p" else getattr(number, self.end)
        return None if math.isnan(value) else self._meets(value, params)

    def point_meets(self, value: float, params: PatternParams) -> bool:
        """Tell whether a value alone, without its interval, is on the clause's side."""
        return self._meets(value, params)

    def _meets(self, value: float, params: PatternParams) -> bool:
        limit = float(getattr(params, self.threshold))
        if self.side == "above":
            return value > limit
        return value <= limit if self.side == "at most" else value < limit

    def rule(self, numbers: Numbers, params: PatternParams) -> str:
        """Return the clause in plain words, with its threshold."""
        number, limit = numbers[self.number], float(getattr(params, self.threshold))
        return self.words.format(f"{limit:g}" if self.end == "p" else _limit(number, limit))

    def evidence(self, numbers: Numbers, params: PatternParams) -> str:
        """Return the number that it rests on, and on which side of the threshold it is."""
        number, limit = numbers[self.number], float(getattr(params, self.threshold))
        if self.end == "p":
            if math.isnan(number.p_value):
                why = number.reason or number.note or "the summary gives none"
                return f"{number.words}: no p value ({why})"
            at_most = "at most" if number.p_value <= limit else "above"
            return f"{number.words}: p = {number.p_value:.3f}, {at_most} {limit:g}"
        if number.reason:
            return number.text()
        shown = _limit(number, limit)
        if self.side == "at most":
            return f"{number.text()}, {'not ' if self.holds(numbers, params) else ''}above {shown}"
        doubt = "" if self.holds(numbers, params) else "not shown to be "
        return f"{number.text()}, {doubt}{self.side} {shown}"


def _limit(number: Number, limit: float) -> str:
    return number.form(limit).replace(".0 %", " %")


@dataclass(frozen=True)
class Rule:
    """A pattern and the clauses that must all hold.

    Parameters
    ----------
    pattern
        Its key in the table.
    short
        The pattern in a word or two, after the name of its axis.
    title
        What a slide is then consistent with.
    clauses
        All must hold; the number of the first is the one to look at.
    """

    pattern: str
    short: str
    title: str
    clauses: tuple[Clause, ...]

    def holds(self, numbers: Numbers, params: PatternParams) -> bool | None:
        """Tell whether all clauses hold.

        False where one does not, whatever the others; None where none is known to fail and one
        cannot be judged: what is not evaluable is never read as absent.
        """
        return all_of(clause.holds(numbers, params) for clause in self.clauses)

    def rule(self, numbers: Numbers, params: PatternParams) -> str:
        """Return the rule in plain words, with its thresholds."""
        text = "; and ".join(clause.rule(numbers, params) for clause in self.clauses)
        return text.replace("and and ", "and ")


def unknown(rules: Sequence[Rule], numbers: Numbers, params: PatternParams) -> str:
    """Return why rules cannot be judged: each reason once, with the numbers that it concerns.

    The numbers are left out where one reason concerns all that cannot be judged, three or more.
    """
    reasons: dict[str, dict[str, None]] = {}
    for rule in rules:
        if rule.holds(numbers, params) is None:
            for clause in rule.clauses:
                if clause.holds(numbers, params) is None:
                    number = numbers[clause.number]
                    why = number.reason or number.note or "no p value"
                    reasons.setdefault(why, {})[number.words] = None
    if len(reasons) == 1 and all(len(names) > _FEW for names in reasons.values()):
        return next(iter(reasons))
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())


def all_of(parts: Iterable[bool | None]) -> bool | None:
    """Return whether all hold: False wins over unknown, unknown over True.

    Examples
    --------
    >>> all_of([True, None]), all_of([None, False]), all_of([True])
    (None, False, True)
    """
    known = list(parts)
    if False in known:
        return False
    return None if None in known else True


_LOW, _HIGH = "the lower end of its interval", "the upper end of its interval"

_MANY_IN_CENTRE = Clause(
    "cd8_centre", "low", "above", "many_per_mm2",
    f"CD8 density in the centre is above {{}} ({_LOW})",
)  # fmt: skip
_CENTRE_NOT_FULL = Clause(
    "cd8_centre", "high", "below", "many_per_mm2",
    f"CD8 density in the centre is below {{}} ({_HIGH})",
)  # fmt: skip
_FEW_IN_CENTRE = Clause(
    "cd8_centre", "high", "below", "few_per_mm2",
    f"CD8 density in the centre is below {{}} ({_HIGH})",
)  # fmt: skip
_SOME_IN_MARGIN = Clause(
    "cd8_margin", "low", "above", "few_per_mm2",
    f"CD8 density in the margin is above {{}} ({_LOW})",
)  # fmt: skip
_MARGIN_NOT_FULL = Clause(
    "cd8_margin", "high", "below", "many_per_mm2",
    f"CD8 density in the margin is below {{}} ({_HIGH})",
)  # fmt: skip
_NO_MORE_THAN_FEW = Clause(
    "cd8_margin", "low", "at most", "few_per_mm2",
    f"and not shown to be above {{}} ({_LOW})",
)  # fmt: skip
_PREFER_MARGIN = Clause(
    "cd8_ratio", "low", "above", "excluded_ratio",
    f"CD8 density in the margin over that in the centre is above {{}} ({_LOW})",
)  # fmt: skip

T_CELLS = (
    Rule(
        "t_cells_excluded",
        "excluded",
        "T cells excluded to the margin",
        (_PREFER_MARGIN, _SOME_IN_MARGIN, _CENTRE_NOT_FULL),
    ),
    Rule("t_cells_infiltrated", "infiltrated", "an infiltrated tumour", (_MANY_IN_CENTRE,)),
    Rule(
        "t_cells_desert",
        "desert",
        "an immune desert",
        (_FEW_IN_CENTRE, _MARGIN_NOT_FULL, _NO_MORE_THAN_FEW),
    ),
)
"""Where the T cells are; no two can hold at once."""

_TUMOUR, _OTHER = "tumour cells", "other cells"
_OF_TOUCHING = "of the {} touching CD8, the share that is PD-L1-positive is"


def _rises(name: str, cells: str) -> tuple[Clause, Clause]:
    return (
        Clause(
            name, "low", "above", "rise_odds_ratio",
            f"the odds ratio of PD-L1 on {cells}, touching CD8 against not, is above {{}} ({_LOW})",
        ),
        Clause(name, "p", "at most", "max_p", f"its p value on {cells} is at most {{}}"),
    )  # fmt: skip


_TUMOUR_RISES = _rises("tumour_odds", _TUMOUR)
_OTHERS_RISE = _rises("other_odds", _OTHER)

PDL1 = (
    Rule(
        "pdl1_reactive",
        "reactive",
        "reactive PD-L1: it rises with contact, in tumour and other cells",
        (
            *_TUMOUR_RISES,
            Clause(
                "tumour_touching", "low", "above", "absent_share",
                f"{_OF_TOUCHING.format(_TUMOUR)} above {{}} ({_LOW})",
            ),
            *_OTHERS_RISE,
        ),
    ),
    Rule(
        "pdl1_absent_on_tumour",
        "absent on tumour cells",
        "PD-L1 absent on tumour cells although other cells answer: the pattern "
        "of interferon-gamma insensitivity",
        (
            Clause(
                "tumour_touching", "high", "below", "absent_share",
                f"{_OF_TOUCHING.format(_TUMOUR)} below {{}} ({_HIGH})",
            ),
            Clause(
                "other_touching", "low", "above", "absent_share",
                f"{_OF_TOUCHING.format(_OTHER)} above {{}} ({_LOW})",
            ),
            *_OTHERS_RISE,
        ),
    ),
    Rule(
        "pdl1_constitutive",
        "constitutive",
        "constitutive PD-L1: high on tumour cells, touching CD8 or not",
        (
            Clause(
                "tumour_touching", "low", "above", "constitutive_share",
                f"{_OF_TOUCHING.format(_TUMOUR)} above {{}} ({_LOW})",
            ),
            Clause(
                "tumour_apart", "low", "above", "constitutive_share",
                "of the tumour cells not touching CD8, the share that is PD-L1-positive is above "
                f"{{}} ({_LOW})",
            ),
            Clause(
                "tumour_odds", "high", "below", "flat_odds_ratio",
                "the odds ratio of PD-L1 on tumour cells, touching CD8 against not, is below {} "
                f"({_HIGH})",
            ),
            Clause(
                "tumour_odds", "low", "at most", "rise_odds_ratio",
                f"and shows no rise: it is not above {{}} ({_LOW})",
            ),
        ),
    ),
)  # fmt: skip
"""What PD-L1 does; no two can hold at once."""
