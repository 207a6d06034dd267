"""What is left to do of a cohort, in the order in which it can be done."""

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from immunescape.cluster import ALLOWED_DEATHS
from immunescape.cohort.attempt import Outcome, failed
from immunescape.cohort.plan import Group, Work
from immunescape.cohort.state import read_state, write_state
from immunescape.cohort.work import conclude, fit_gates, measure, read_gates, tables_key
from immunescape.cohort.workers import Died, Workers

if TYPE_CHECKING:
    from immunescape.cohort.settings import CohortRun

__all__ = ["Tell", "Todo", "duration"]

_DIED = "its worker process was killed {count} times, for lack of memory perhaps"
_DIED_REMEDY = "give it more memory, or take fewer --workers, and pass --retry-failed"

Tell = Callable[[str], None]
"""Called with a line to print."""
Kind = Literal["measure", "gates", "conclude"]


@dataclass
class Todo:
    """Work in the order in which it can be done.

    Parameters
    ----------
    mine
        Slides that are measured here, unless they are.
    groups
        Groups that are finished here; a slide of another one waits once it is measured.
    run
        How the cohort is run.
    tell
        Called with a line for each slide that was measured, finished or failed.
    tasks
        What can be done now, the first of it first.
    """

    mine: list[Work]
    groups: list[Group]
    run: "CohortRun"
    tell: Tell
    tasks: deque[tuple[Kind, Any]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.spent: dict[str, list[float]] = {"measure": [], "conclude": []}
        self.running: dict[int, tuple[Kind, Any]] = {}
        self.group_of = {w.name: group for group in self.groups for w in group.members}
        self.ended: set[str] = set()
        waiting = []
        for work in self.mine:
            if self._to_measure(work):
                state = read_state(work.out, work.name)
                if state.attempts:  # of an earlier run: how often this one tries is counted anew
                    write_state(work.out, dataclasses.replace(state, attempts=0))
                waiting.append(work.name)
                self.tasks.append(("measure", work))
        self.unmeasured = set(waiting)
        for group in self.groups:
            self._next_of(group)

    def _to_measure(self, work: Work) -> bool:
        """Tell whether the cells of a slide are to be measured, or looked for in its folder."""
        state = read_state(work.out, work.name)
        if self.run.collect:
            if state.key == work.key and state.standing == "failed":
                self.ended.add(work.name)
            return False
        if self.run.overwrite or state.key != work.key:
            if state.key and not self.run.overwrite:
                self.tell(f"{work.name}: its files or parameters changed")
            return True
        if state.standing == "failed":
            if not self.run.retry_failed:
                self.ended.add(work.name)
                self.tell(
                    f"{work.name}: failed before ({state.error}); pass --retry-failed to try again"
                )
            return self.run.retry_failed
        there = (work.folder / "provenance.json").is_file()
        return state.standing not in ("measured", "done") or not there

    def work_off(self, workers: Workers) -> None:
        """Do all of it."""
        number = 0
        while self.tasks or self.running:
            while self.tasks and len(self.running) < workers.capacity:
                number += 1
                kind, what = self.running[number] = self.tasks.popleft()
                workers.submit(number, *self._call(kind, what))
            task, result = workers.next()
            kind, what = self.running.pop(task)
            if isinstance(result, Died):
                self._died(kind, what)
            else:
                self._ended(kind, what, result)

    def _call(self, kind: Kind, what: Any) -> tuple[Any, ...]:
        if kind == "measure":
            return measure, what
        if kind == "gates":
            return fit_gates, what, what.members[0].out
        work, gates = what
        return conclude, work, gates

    def _ended(self, kind: Kind, what: Any, outcome: Outcome) -> None:
        if kind == "gates":
            for lost in outcome.lost:
                self.ended.add(lost.name)
                self.tell(self._line(lost))
            if outcome.done:
                self._conclude(what)
            return
        work = what if kind == "measure" else what[0]
        state = read_state(work.out, work.name)
        self.spent[kind].append(max(0.0, state.ended - state.started))
        if kind == "conclude" or not outcome.done:
            self.ended.add(work.name)
        if kind == "measure":
            self.unmeasured.discard(work.name)
        self.tell(self._line(outcome))
        if kind == "measure" and work.name in self.group_of:
            self._next_of(self.group_of[work.name])

    def _next_of(self, group: Group) -> None:
        """Find the gates of a group once all its slides are measured, then make its tables."""
        if any(work.name in self.unmeasured for work in group.members):
            return
        states = {work.name: read_state(work.out, work.name) for work in group.members}
        # a slide that failed after it was measured keeps its share in the gates of the others
        measured = tuple(
            work
            for work in group.members
            if states[work.name].key == work.key and states[work.name].content
        )
        if all(work.name in self.ended for work in measured):
            return
        now = dataclasses.replace(group, members=measured)
        told = read_gates(now)
        made_from = [[work.name, states[work.name].content] for work in measured]
        if told is not None and told["made_from"] == made_from and not self.run.overwrite:
            self._conclude(now)
        else:
            # before the slides of other groups, so that a patient is finished early
            self.tasks.appendleft(("gates", now))

    def _conclude(self, group: Group) -> None:
        told = read_gates(group)
        assert told is not None
        for work in reversed(group.members):
            if work.name in self.ended:
                continue
            state = read_state(work.out, work.name)
            gates = told["gates"][work.name]
            if state.tables != tables_key(state.made_from, gates):
                self.tasks.appendleft(("conclude", (work, gates)))
                continue
            if state.standing != "done":
                write_state(work.out, dataclasses.replace(state, standing="done"))
            self.ended.add(work.name)

    def _died(self, kind: Kind, what: Any) -> None:
        """Try again what lost its process by the fault of others; give up what lost it often."""
        if kind == "gates":
            for work in what.members:
                failed(work, "gates", _DIED.format(count=ALLOWED_DEATHS), _DIED_REMEDY)
                self.ended.add(work.name)
            self.tell(f"{what.kind} {what.name}: {_DIED.format(count=ALLOWED_DEATHS)}")
            return
        work = what if kind == "measure" else what[0]
        attempts = read_state(work.out, work.name).attempts
        if attempts < ALLOWED_DEATHS:
            self.tasks.append((kind, what))
            return
        outcome = failed(work, "", _DIED.format(count=attempts), _DIED_REMEDY)
        self.ended.add(work.name)
        self.unmeasured.discard(work.name)
        self.tell(self._line(outcome))
        if kind == "measure" and work.name in self.group_of:
            self._next_of(self.group_of[work.name])

    def give_up(self) -> None:
        """Tell that what was begun waits, once its workers are gone.

        Another machine cannot know that this one stopped.
        """
        for kind, what in self.running.values():
            if kind == "gates":
                continue
            work = what if kind == "measure" else what[0]
            state = read_state(work.out, work.name)
            if state.standing == "running":
                write_state(work.out, dataclasses.replace(state, standing="waiting", step=""))

    def _line(self, outcome: Outcome) -> str:
        count, total = len(self.ended), len(self.mine)
        left = self._seconds_left()
        about = f", about {duration(left)} left" if left else ""
        return f"[{count}/{total}] {outcome.name}: {outcome.text}{about}"

    def _seconds_left(self) -> float:
        """Return a guess from what was done in this run; 0 where there is none."""
        at_once = max(1, len(self.running) + 1)
        mean = {k: sum(v) / len(v) if v else 0.0 for k, v in self.spent.items()}
        measured = mean["measure"] * len(self.unmeasured)
        return (measured + mean["conclude"] * (len(self.mine) - len(self.ended))) / at_once


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
