"""How a pattern reads, whether it holds or not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunescape.patterns.course import STEPS
from immunescape.patterns.readings import Axis

__all__ = ["CHANGED", "Saying", "compared", "neither"]

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


_OWN = "with the gates of each slide alone"


def compared(
    shared: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of shared gates, saying where each slide's own gates conclude otherwise."""
    there = {_place(row): row for row in own}
    for row in shared:
        other = there.get(_place(row))
        yield {**row, **(_differing(row, other) if other is not None else {})}


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[c] for c in ("level", "patient", "timepoint", "sample_id", "pattern"))


def _differing(row: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """Return the evidence of a row with what the other gates say, where they say otherwise."""
    here, there = (not pd.isna(one["holds"]) and bool(one["holds"]) for one in (row, other))
    if row["pattern"] == STEPS:
        differ, column = row["words"] != other["words"], "evidence_against"
    else:
        differ, column = here is not there, "evidence_against" if here else "evidence_for"
    parts = (row[column], f"{_OWN}: {other['words']}")
    return {column: "; ".join(filter(None, parts))} if differ else {}
