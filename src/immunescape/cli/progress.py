"""Progress on stderr: a bar with the time left on a terminal, a line a step elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from immunescape.blocks import Progress, silent

__all__ = ["show_progress"]

_LINE_EVERY_S = 10.0


@contextmanager
def show_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Give a callback that shows how far each step is and how long it will still take.

    Parameters
    ----------
    quiet
        Show nothing.

    Yields
    ------
    Progress
        To be called with the step, the work done and its total.
    """
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield _Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def update(step: str, done: int, total: int) -> None:
            if step not in tasks or done < bars.tasks[tasks[step]].completed:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(bars.task_ids[tasks[step]], completed=done, total=total)

        yield update


class _Lines:
    """One line when a step begins to take long, then every ten seconds, and one at its end."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._last = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        begun = self._begun.setdefault(step, now)
        finished = done >= total
        if not finished and now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        spent = now - begun
        if finished:
            del self._begun[step]
            text = f"{step}: done in {spent:.1f} s"
        else:
            left = f", about {spent * (total - done) / done:.0f} s left" if done else ""
            text = f"{step}: {done} of {total}{left}"
        print(text, file=sys.stderr, flush=True)
