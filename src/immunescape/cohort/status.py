"""How far a cohort is, told from its files alone: on any machine, while it runs or after."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from immunescape.cohort.reporting import PLAN
from immunescape.cohort.state import STATE, State, read_state
from immunescape.cohort.todo import duration
from immunescape.errors import OutputError

__all__ = ["CohortStatus", "cohort_status"]

_TITLES = ("sample", "patient", "timepoint", "state", "step", "cells", "time")
_NUMBERS = ("cells", "time")


@dataclass(frozen=True)
class CohortStatus:
    """How far each sample is.

    Parameters
    ----------
    name
        Name of the folder.
    states
        One a sample, in the order of the sheet.
    """

    name: str
    states: tuple[State, ...]

    def count(self, standing: str) -> int:
        """Return how many samples stand so; ``stopped`` are those whose process is gone."""
        return sum(_standing(state) == standing for state in self.states)

    @property
    def seconds_left(self) -> float | None:
        """Return a guess from what the others took; None where nothing runs, or none is done."""
        running = self.count("running")
        if not running:
            return None
        total = 0.0
        for what, standings in (
            ("measure", ("waiting", "running", "stopped")),
            ("tables", ("waiting", "running", "stopped", "measured")),
        ):
            known = [s.seconds[what] for s in self.states if what in s.seconds]
            left = [
                s for s in self.states if _standing(s) in standings and what not in s.seconds
            ]  # fmt: skip
            if left and not known:
                return None
            total += sum(known) / len(known) * len(left) if left else 0.0
        return total / running

    def text(self) -> str:
        """Return a table of the samples, and a line that sums it up."""
        rows = [_TITLES, *(_row(state) for state in self.states)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(_TITLES))]
        lines = [
            "  ".join(
                cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
                for cell, width, title in zip(row, widths, _TITLES, strict=True)
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        for state in self.states:
            if state.standing == "failed":
                lines.append(f"{state.sample_id}: {state.error}; {state.remedy}")
        counts = [
            f"{self.count(name)} {name}"
            for name in ("done", "measured", "running", "waiting", "stopped", "failed")
            if self.count(name)
        ]
        left = self.seconds_left
        about = f", about {duration(left)} left" if left else ""
        total = len(self.states)
        lines.append(
            f"{self.name}: {total} sample{'' if total == 1 else 's'}, {', '.join(counts)}{about}"
        )
        if self.count("stopped"):
            lines.append("stopped: run the same command again to go on where it stopped")
        return "\n".join(lines)


def cohort_status(out: Path) -> CohortStatus:
    """Read how far a cohort is.

    Parameters
    ----------
    out
        Its folder; it may be incomplete, and other machines may be writing into it.

    Raises
    ------
    OutputError
        If it is no folder of a cohort.
    """
    names = _planned(out / PLAN) or sorted(p.stem for p in (out / STATE).glob("*.json"))
    if not names:
        raise OutputError(
            f"{out.resolve().name} holds no cohort; give the folder that immunescape cohort "
            "was given with -o"
        )
    return CohortStatus(out.resolve().name, tuple(read_state(out, name) for name in names))


def _planned(path: Path) -> Sequence[str]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        return [str(sample["sample_id"]) for sample in plan["samples"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _standing(state: State) -> str:
    return "stopped" if state.stopped else state.standing


def _row(state: State) -> tuple[str, ...]:
    seconds = sum(state.seconds.values())
    if state.standing == "running" and not state.stopped:
        seconds = max(0.0, time.time() - state.started)
    return (
        state.sample_id,
        state.patient,
        state.timepoint,
        _standing(state),
        state.step,
        str(state.cells) if state.cells else "",
        duration(seconds) if seconds else "",
    )
