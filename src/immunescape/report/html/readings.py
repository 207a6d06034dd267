"""What the numbers of a slide are consistent with, in words that fit a page."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from immunescape.patterns import pattern_table
from immunescape.report.plots_parts import shortened
from immunescape.report.told import Told
from immunescape.samples import Sample, SampleResult

__all__ = ["Reading", "readings"]

_NOWHERE = Path()
_PIECES = re.compile(r"; (?![^(]*\))")
_MOST_PIECES = 3
_MOST_LETTERS = 240
_MOST_RULE = 300
_NO_PATTERN = ("_not_evaluable", "_unnamed")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A pattern in words, with what speaks for it and against it.

    Parameters
    ----------
    words
        What it is, and whether it is shown.
    holds
        Whether it is shown; None where that cannot be judged.
    for_, against
        Evidence; empty where there is none.
    rule
        What makes it hold.
    otherwise
        What other thresholds would say.
    reason
        Why it cannot be judged.
    """

    words: str
    holds: bool | None
    for_: str
    against: str
    rule: str
    otherwise: str
    reason: str

    @property
    def short(self) -> "Reading":
        """The same with no more of it than a first page has room for."""
        rule = self.rule
        if len(rule) > _MOST_RULE:
            rule = f"{shortened(rule, _MOST_RULE)} (in full below)"
        return replace(
            self,
            words=shortened(self.words, _MOST_LETTERS),
            for_=_first(self.for_),
            against=_first(self.against),
            rule=rule,
            otherwise=shortened(self.otherwise, _MOST_LETTERS),
        )


def readings(told: Told) -> tuple[Reading, ...]:
    """Return what the slide's numbers are consistent with, one for each pattern and axis."""
    name = told.result.name
    sample = Sample(
        sample_id=name, slide=_NOWHERE, patient=name, timepoint="this slide", specimen=name
    )
    tables = {k: t for k, t in told.tables.items() if k in ("summary", "sensitivity", "gates")}
    table = pattern_table([SampleResult(sample, _NOWHERE, tables)])
    return tuple(
        Reading(
            words=_text(row["words"]),
            holds=None if pd.isna(row["holds"]) else bool(row["holds"]),
            for_=_text(row["evidence_for"]),
            against=_text(row["evidence_against"]),
            rule=_text(row["rule"]),
            otherwise=_text(row["otherwise"]),
            reason=_text(row["reason"]),
        )
        for row in table[table["level"] == "slide"].to_dict("records")
        if row["holds"] is not False or not str(row["pattern"]).endswith(_NO_PATTERN)
    )


def _first(evidence: str) -> str:
    """Return the first pieces of evidence; a semicolon within brackets parts none."""
    pieces = _PIECES.split(evidence)
    kept = pieces[:1]
    for piece in pieces[1:_MOST_PIECES]:
        if sum(map(len, kept)) + len(piece) <= _MOST_LETTERS:
            kept.append(piece)
    left = len(pieces) - len(kept)
    return shortened("; ".join(kept), _MOST_RULE) + (f"; and {left} more, below" if left else "")


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)
