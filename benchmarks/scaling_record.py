"""What the simulation of `scaling.py` starts from, measured in processes of their own.

A slide is run with a map that does one block after the other in one thread and notes how long each
took, what was read and written meanwhile, and how long the client was busy until it asked for the
next: by the clock, or, where others use the machine, by the processor's time. The scheduler is
measured with blocks on which nothing is done.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from immunescape.blocks import Block, iter_blocks
from immunescape.threads import THREAD_SETTINGS
from replay import Job, Step, Task

_EMPTY_BLOCKS = 2000
_SENT_BYTES = 50_000_000
_MB = 1e6


def alone(what: str, *arguments: object, threads: int = 0) -> dict[str, Any]:
    """Do one of the measurements below in a fresh process, with so many threads."""
    environment = dict(os.environ)
    for name in THREAD_SETTINGS:
        environment.pop(name, None)
    if threads:
        environment |= dict.fromkeys(THREAD_SETTINGS, str(threads))
    command = [sys.executable, __file__, what, *(str(one) for one in arguments)]
    with tempfile.TemporaryFile("w+") as told:
        done = subprocess.run(command, stdout=told, env=environment, check=False)
        if done.returncode:
            sys.exit(f"{what} failed")
        told.seek(0)
        return dict(json.loads(told.read().splitlines()[-1]))


def job_of(record: dict[str, Any]) -> Job:
    """Return a recorded run as a job."""
    steps = []
    for step in record["steps"]:
        tasks = tuple(
            Task(((task["seconds"], task["mb"]),), task["client_s"]) for task in step["tasks"]
        )
        steps.append(Step(step["name"], tasks, step["before_s"]))
    return Job(tuple(steps), record["after_s"])


class Recording:
    """Does blocks one by one and notes what each took.

    Parameters
    ----------
    clock
        ``wall`` or ``cpu``.
    """

    def __init__(self, clock: str) -> None:
        self.process = psutil.Process()
        self.steps: list[dict[str, Any]] = []
        # what was loaded before counts as work of the client
        if clock == "cpu":
            self.clock, self.since = time.process_time, 0.0
        else:
            begun = time.time() - self.process.create_time()
            self.clock, self.since = time.perf_counter, time.perf_counter() - begun
        self.moved = self.client_mb = 0.0
        self._moved()  # libraries are not counted

    def __call__(
        self, step: str, function: Callable[[Block], Any], blocks: Sequence[Block], /
    ) -> Iterator[Any]:
        """Do the blocks of a step; see `immunescape.blocks.BlockMap`."""
        tasks: list[dict[str, Any]] = []
        own: dict[str, Any] = {"name": step, "before_s": self._client(), "tasks": tasks}
        own["client_mb"], self.client_mb = self.client_mb, 0.0
        self.steps.append(own)
        for block in blocks:
            begun = self.clock()
            result = function(block)
            self.since = self.clock()
            tasks.append(
                {
                    "block": [block.y0, block.y1, block.x0, block.x1],
                    "seconds": self.since - begun, "mb": self._moved(), "client_s": 0.0,
                }
            )  # fmt: skip
            yield result
            if self.steps[-1] is not own:
                raise RuntimeError(f"{step} and {self.steps[-1]['name']} are done at once")
            tasks[-1]["client_s"] = self._client()
            own["client_mb"] += self.client_mb
            self.client_mb = 0.0

    def _client(self) -> float:
        """Return what the client took since the last block, or since the process began."""
        spent = self.clock() - self.since
        self.since = self.clock()
        self.client_mb += self._moved()
        return spent

    def _moved(self) -> float:
        """Megabytes read by calls and written in any way since the last time."""
        if not hasattr(self.process, "io_counters"):
            return 0.0
        now = self.process.io_counters()
        read, written = getattr(now, "read_chars", now.read_bytes), now.write_bytes
        before, self.moved = self.moved, (read + written) / _MB
        return self.moved - before

    def ended(self) -> dict[str, Any]:
        """Return all that was noted, when the client is done."""
        after = self._client()
        total = self.process.io_counters() if hasattr(self.process, "io_counters") else None
        return {
            "steps": self.steps, "after_s": after, "after_mb": self.client_mb,
            "written_mb": 0.0 if total is None else total.write_bytes / _MB,
            "wall_s": time.time() - self.process.create_time(),
            "cpu_s": sum(self.process.cpu_times()[:2]),
        }  # fmt: skip


def record(slide: str, clock: str) -> dict[str, Any]:
    """Run a slide in one thread; return the times of all its blocks."""
    import immunescape.segment.masks  # noqa: F401, so that no library is read from disk later
    from immunescape.pipeline import Inputs, Means, run_slide
    from immunescape.segment.models import load_model
    from immunescape.study import Study

    load_model("compact")
    recording = Recording(clock)
    with tempfile.TemporaryDirectory(prefix="immunescape-") as out:
        result = run_slide(
            Inputs(slide=Path(slide)), Path(out), Study(), means=Means(mapper=recording)
        )
        found = recording.ended()
    steps = result.provenance["steps"]
    shape = result.provenance["shape_px"]
    return {
        **found, "provenance": steps, "mpx": shape[0] * shape[1] / 1e6,
        "cells": len(result.cells), "bytes": Path(slide).stat().st_size,
    }  # fmt: skip


def wall(slide: str, workers: str) -> dict[str, Any]:
    """Run a slide as the command does; return the wall time since the process began, and memory."""
    from immunescape.cluster import block_map
    from immunescape.pipeline import Inputs, Means, run_slide
    from immunescape.study import Study

    with (
        tempfile.TemporaryDirectory(prefix="immunescape-") as out,
        block_map(int(workers)) as mapper,
    ):
        run_slide(Inputs(slide=Path(slide)), Path(out), Study(), means=Means(mapper=mapper))
        own = psutil.Process()
        spent = time.time() - own.create_time()
        peaks = [_peak_gb(process.pid) for process in own.children(recursive=True)]
    return {"wall_s": spent, "client_gb": _peak_gb(own.pid), "worker_gb": max(peaks, default=0.0)}


def _peak_gb(pid: int) -> float:
    """Return the most memory a process had resident so far; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return max((int(x.split()[1]) * 1024 / 1e9 for x in lines if x.startswith("VmHWM")), default=0)


def header(slide: str) -> dict[str, Any]:
    """Return what a cohort takes to look at a slide before anything runs."""
    from immunescape.io import open_slide
    from immunescape.pipeline.slide_panel import panel_of
    from immunescape.study import Study

    study, times = Study(), []
    for _ in range(6):
        begun = time.process_time()
        panel_of(open_slide(Path(slide)), study)
        times.append(time.process_time() - begun)
    return {"open_s": sorted(times[1:])[2]}


def _nothing(block: Block) -> None:
    """Do nothing."""


class _Holding:
    """A function that brings something large along."""

    def __init__(self, count: int) -> None:
        import numpy as np

        self.held = np.random.default_rng(1).integers(0, 255, count, np.uint8)

    def __call__(self, block: Block) -> int:
        return len(self.held)


def _ready(block: Block) -> tuple[int, float]:
    """Load what the first block of a slide makes a worker load; say who did and how long."""
    begun = time.perf_counter()
    from immunescape.pipeline import run_slide
    from immunescape.segment.models import load_model

    assert run_slide is not None
    load_model("compact")
    spent = time.perf_counter() - begun
    time.sleep(0.5)  # so that another worker takes the next block
    return os.getpid(), spent


def scheduler(workers: str) -> dict[str, Any]:
    """Return what a cluster of processes here takes beside the work itself."""
    from immunescape.cluster import block_map

    begun = time.perf_counter()
    blocks = list(iter_blocks((1, _EMPTY_BLOCKS), 1))
    with block_map(int(workers)) as mapper:
        started = time.perf_counter() - begun
        loaded = dict(mapper("load", _ready, blocks[: 2 * int(workers)]))
        steps = []
        for _ in range(21):
            begun = time.perf_counter()
            for _ in mapper("one", _nothing, blocks[:1]):
                pass
            steps.append(time.perf_counter() - begun)
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            for _ in mapper("nothing", _nothing, blocks):
                pass
            times.append((time.perf_counter() - begun) / len(blocks))
        held, sent = _Holding(_SENT_BYTES), []
        for _ in range(3):
            begun = time.perf_counter()
            for _ in mapper("holding", held, blocks[: int(workers)]):
                pass
            sent.append(time.perf_counter() - begun)
    return {
        "start_s": started, "warm_s": max(loaded.values()), "task_s": sorted(times)[1],
        "step_s": sorted(steps)[10],
        "blocks": len(blocks), "sent_mb": _SENT_BYTES / _MB, "send_s": sorted(sent)[1],
    }  # fmt: skip


if __name__ == "__main__":
    measure = {one.__name__: one for one in (record, wall, header, scheduler)}[sys.argv[1]]
    print(json.dumps(measure(*sys.argv[2:])))
