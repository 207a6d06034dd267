"""The thresholds of the patterns."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from immunescape.errors import ParameterError
from immunescape.params import Between, Params, limits

__all__ = ["PatternParams"]

_Density = Annotated[float, Between(0.0, 20000.0, step=10, unit="per mm²")]
_Odds = Annotated[float, Between(1.0, 100.0, step=0.1)]
_Share = Annotated[float, Between(0.0, 1.0, step=0.01)]


@dataclass(frozen=True, kw_only=True)
class PatternParams(Params):
    """From where on numbers are consistent with a pattern.

    Every threshold is compared with an end of a 95 % interval, never with a value alone.

    Parameters
    ----------
    few_per_mm2
        A centre has few CD8 T cells where the upper end of their density is below this; a margin
        holds T cells that could come in where the lower end is above it.
    many_per_mm2
        A centre is infiltrated where the lower end of its CD8 density is above this; T cells can
        only be excluded from a centre whose upper end is below it, and only a margin whose upper
        end is below it is part of a desert.
    excluded_ratio
        CD8 T cells prefer the margin where the lower end of their density in the margin over that
        in the centre is above this.
    rise_odds_ratio
        PD-L1 rises with contact where the lower end of the odds ratio of PD-L1, touching CD8
        against not, is above this.
    flat_odds_ratio
        PD-L1 is alike with and without contact where the upper end of the same odds ratio is
        below this, and its lower end shows no rise.
    max_p
        Largest p value of the relabelling test with which a rise is taken for more than chance; 1
        leaves the rise to the interval alone.
    absent_share
        PD-L1 is absent on tumour cells where the upper end of the share that is PD-L1-positive,
        of those touching CD8, is below this; other cells answer where the lower end of theirs is
        above it.
    constitutive_share
        PD-L1 is high where the lower end of the share of tumour cells that is PD-L1-positive is
        above this.

    Raises
    ------
    ParameterError
        Also where one threshold would lie on the wrong side of another, so that two patterns
        could hold at once.
    """

    few_per_mm2: _Density = 100.0
    many_per_mm2: _Density = 200.0
    excluded_ratio: Annotated[float, Between(1.0, 100.0, step=0.5)] = 2.0
    rise_odds_ratio: _Odds = 1.5
    flat_odds_ratio: _Odds = 4.0
    max_p: Annotated[float, Between(0.001, 1.0, step=0.005)] = 0.05
    absent_share: _Share = 0.2
    constitutive_share: _Share = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for low, high in _ORDER:
            a, b = getattr(self, low), getattr(self, high)
            if a > b:
                raise ParameterError(
                    f"PatternParams: {low} of {a:g} is above {high} of {b:g}; give it {b:g} or less"
                )

    def others(self) -> Iterator[tuple[str, float, "PatternParams"]]:
        """Yield each threshold at half and at double, the rest as they are.

        A share is at most raised half the way to 1; no threshold leaves its declared range or
        passes another one that it must not pass. What cannot be moved is not yielded.
        """
        ranges = limits(type(self))
        for field in dataclasses.fields(self):
            name, here = field.name, float(getattr(self, field.name))
            raised = min(2 * here, (1 + here) / 2) if ranges[name].max <= 1 else 2 * here
            for value in (here / 2, raised):
                value = min(max(value, ranges[name].min), ranges[name].max)
                for low, high in _ORDER:
                    value = min(value, getattr(self, high)) if name == low else value
                    value = max(value, getattr(self, low)) if name == high else value
                if value != here:
                    yield name, value, dataclasses.replace(self, **{name: value})


_ORDER = (
    ("few_per_mm2", "many_per_mm2"),
    ("rise_odds_ratio", "flat_odds_ratio"),
    ("absent_share", "constitutive_share"),
)
"""Thresholds of which the first must not be above the second."""
