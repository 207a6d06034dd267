"""How a pattern reads, whether it holds or not."""

from collections.abc import Iterator
from dataclasses import dataclass

from immunescape.patterns.course import STEPS
from immunescape.patterns.readings import Axis

__all__ = ["CHANGED", "Saying", "neither"]

CHANGED = {True: "it holds", False: "it does not hold", None: "not evaluable"}


@dataclass(frozen=True)
class Saying:
    """What is said of one pattern, whatever holds."""

    pattern: str
    title: str
    rule: str
    evidence_for: str
    evidence_against: str
    reason: str

    def words(self, held: bool | None) -> str:
        """Return the pattern in words."""
        if self.pattern.endswith("_not_evaluable"):
            return f"not evaluable: {self.reason}" if held else "evaluable"
        if self.pattern == STEPS:
            return self.title
        if self.pattern.endswith("_unnamed"):
            return f"no pattern shown: {self.title}" if held else "a pattern is shown, or unknown"
        if held:
            return f"consistent with {self.title}"
        return f"{'not evaluable' if held is None else 'not shown'}: {self.title}"


def neither(axis: Axis, seen: str, stops: str) -> Iterator[Saying]:
    """Yield the rows that say that no pattern of an axis is shown."""
    yield Saying(
        axis.unnamed, f"{axis.title}: between the patterns, or too few cells to show one",
        "every pattern of this axis can be judged and none is shown", seen, "", "",
    )  # fmt: skip
    yield Saying(
        axis.not_evaluable, "", "no pattern of this axis is shown and one cannot be judged",
        stops, "", stops,
    )  # fmt: skip
