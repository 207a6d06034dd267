"""What slides and cohorts take on more workers than there are here.

    python benchmarks/scaling.py --folder DIR [--edges 4000 20000] [--growth whole_slide.csv]

A slide of each size is run in one thread and the time of every block is recorded; the scheduler is
measured with empty blocks. A simulation (`replay.py`) replays these times: first on the machine
itself, where its answer can be checked against the clock, then a slide of 1 Gpx on up to a
thousand workers, and 10,000 of them. A cost model is fitted to what `whole_slide.py` measured
(``--growth``; measured here on small slides where it is not given). Slides and recordings are kept
in the folder; ``--again`` uses the recordings that are there.
"""

import argparse
import json
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
import pandas as pd

mpl.use("agg")
import matplotlib.pyplot as plt

from immunescape.threads import allotted_threads
from peers import GREY, OURS, bare, machine, table
from replay import Cluster, Job, Outcome, Step, Task, enlarged, replay
from scaling_model import COSTS, models
from scaling_record import alone, job_of
from slides import whole_slide
from whole_slide import run as run_measured

ROOT = Path(__file__).resolve().parents[1]
GPX = 1000.0
SLIDES = 10_000
SPREAD = 0.2
"""Standard deviation of the logarithm of a slide's work: slides differ in tissue."""
STORAGE_MB_S = {"no limit": math.inf, "10 GB/s": 10_000.0, "1 GB/s": 1000.0}
WORKERS = (1, 10, 100, 1000)
MANY = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
COLOURS = {"no limit": OURS, "10 GB/s": "#0072b2", "1 GB/s": "#d55e00"}


class Recordings:
    """What was measured, kept in a folder."""

    def __init__(self, folder: Path, *, again: bool) -> None:
        self.folder, self.again = folder, again

    def get(self, name: str, what: str, *arguments: object, threads: int = 0) -> dict[str, Any]:
        """Return a measurement of `scaling_record.py`, made now unless it is there."""
        kept = self.folder / f"scaling-{name}.json"
        if not (self.again and kept.is_file()):
            print(f"measuring {name}", file=sys.stderr, flush=True)
            kept.write_text(json.dumps(alone(what, *arguments, threads=threads)), encoding="utf-8")
        return dict(json.loads(kept.read_text(encoding="utf-8")))


def duration(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def client_mb(record: dict[str, Any]) -> float:
    return float(record["after_mb"] + sum(step["client_mb"] for step in record["steps"]))


def tell_tasks(record: dict[str, Any]) -> None:
    mpx = record["mpx"]
    rows = []
    for step in record["steps"]:
        seconds = [task["seconds"] for task in step["tasks"]]
        client = step["before_s"] + sum(task["client_s"] for task in step["tasks"])
        rows.append(
            (
                step["name"], len(seconds), f"{sum(seconds) / mpx:.3f}", f"{np.mean(seconds):.2f}",
                f"{max(seconds):.2f}", f"{client:.2f}",
                f"{sum(task['mb'] for task in step['tasks']) / mpx:.2f}",
                f"{step['client_mb'] / mpx:.2f}",
            )
        )  # fmt: skip
    rows.append(("after the last", "", "", "", "", f"{record['after_s']:.2f}", "",
                 f"{record['after_mb'] / mpx:.2f}"))  # fmt: skip
    print(f"\n### Blocks of a slide of {mpx:g} Mpx, {record['cells']:,} cells, in one thread\n")
    head = ("step", "tasks", "core s a Mpx", "mean s", "longest s", "client s", "MB a Mpx",
            "client MB a Mpx")  # fmt: skip
    print(table(head, rows))
    job = job_of(record)
    print(
        f"\n{job.count} tasks with {job.task_s:.1f} core seconds; the client alone "
        f"{job.client_s:.1f} s ({job.client_s / (job.client_s + job.task_s):.1%}), wall "
        f"{record['wall_s']:.1f} s. Read by calls and written: "
        f"{job.megabytes + client_mb(record):.0f} MB, of which {record['written_mb']:.0f} MB "
        f"written; the slide's file has {record['bytes'] / 1e6:.0f} MB."
    )
    longest = sorted(record["provenance"], key=lambda row: -row["wall_s"])[:6]
    print("Steps of the run: " + ", ".join(f"{s['step']} {s['wall_s']:.1f} s" for s in longest))


def tell_scheduler(found: dict[str, Any]) -> None:
    print("\n### Scheduler (Dask, two processes on this machine)\n")
    rows = [
        ("start of the cluster", f"{found['start_s']:.2f} s"),
        ("a worker's libraries and network", f"{found['warm_s']:.2f} s"),
        (f"a task, of {found['blocks']} empty ones", f"{found['task_s'] * 1e3:.2f} ms"),
        ("a step with one task", f"{found['step_s'] * 1e3:.1f} ms"),
        (f"a step whose function holds {found['sent_mb']:.0f} MB", f"{found['send_s']:.2f} s"),
    ]
    print(table(("what", "takes"), rows))


def on_cluster(found: dict[str, Any], workers: int, **more: float) -> Cluster:
    return Cluster(
        workers, dispatch_s=found["task_s"], send_s=found["step_s"], warm_s=found["warm_s"], **more
    )


def check(
    record: dict[str, Any], found: dict[str, Any], recordings: Recordings, slide: Path
) -> None:
    """Compare what the simulation says of this machine with the clock."""
    job, edge = job_of(record), slide.name.split(".")[0]
    cases = [
        ("one thread", 1, 1, replay([job], Cluster(1, cores=2)).seconds),
        ("two threads", 1, 2, replay([job], Cluster(2, cores=2)).seconds),
        (
            "two processes, Dask", 2, 2,
            replay([job], on_cluster(found, 2, cores=2)).seconds + found["start_s"],
        ),
    ]  # fmt: skip
    rows = []
    for name, workers, threads, said in cases:
        key = f"wall-{edge}-{workers}-{threads}"
        told = recordings.get(key, "wall", slide, workers, threads=threads)
        real = told["wall_s"]
        memory = f"{told['client_gb']:.2f} GB" if told["client_gb"] else "not looked at"
        if told["worker_gb"]:
            memory += f", a worker {told['worker_gb']:.2f} GB"
        rows.append((name, f"{said:.1f} s", f"{real:.1f} s", f"{said / real - 1:+.1%}", memory))
    print(f"\n### Check: {record['mpx']:g} Mpx on this machine\n")
    print(table(("run on", "simulated", "real", "error", "peak memory"), rows))


def check_size(records: list[dict[str, Any]]) -> None:
    """Compare a recorded slide with what smaller ones say of it."""
    print("\n### Check: larger slides from smaller ones\n")
    rows = []
    for small, middle, large in zip(records, records[1:], records[2:], strict=False):
        said = sized(large["mpx"], middle, small)
        real = job_of(large)
        for what, a, b in (
            ("tasks", said.task_s, real.task_s), ("client", said.client_s, real.client_s)
        ):  # fmt: skip
            rows.append(
                (f"{large['mpx']:g} Mpx from {small['mpx']:g} and {middle['mpx']:g}", what,
                 f"{a:.1f} s", f"{b:.1f} s", f"{a / b - 1:+.1%}")
            )  # fmt: skip
    print(table(("slide", "what", "said", "recorded", "error"), rows))


def check_growth(records: list[dict[str, Any]], runs: pd.DataFrame) -> None:
    """Compare runs of the command on all processors with what recorded slides say of them."""
    threads = allotted_threads()
    print(f"\n### Check: the command on {threads} threads, from slides of "
          f"{' and '.join(format(r['mpx'], 'g') for r in records)} Mpx\n")  # fmt: skip
    rows = []
    small = records[0] if len(records) > 1 else None
    for mpx, real in runs.groupby("mpx").wall_s.median().items():
        said = replay([sized(mpx, records[-1], small)], Cluster(threads, cores=threads)).seconds
        rows.append((f"{mpx:g} Mpx", f"{said:.0f} s", f"{real:.0f} s", f"{said / real - 1:+.1%}"))
    print(table(("slide", "simulated", "real", "error"), rows))


def sized(mpx: float, large: dict[str, Any], small: dict[str, Any] | None) -> Job:
    """Return the job of a slide of any size."""
    if small is None:
        return enlarged(job_of(large), mpx / large["mpx"])
    return enlarged(
        job_of(large), mpx / large["mpx"], job_of(small), small["mpx"] / large["mpx"]
    )  # fmt: skip


def spread(slide: Job, found: dict[str, Any]) -> dict[int, Outcome]:
    """Print what one slide takes when many workers share it."""
    outcomes = {w: replay([slide], on_cluster(found, w)) for w in MANY}
    print(f"\n### One slide of 1 Gpx, {slide.count} tasks, shared by workers of one core\n")
    one = outcomes[1].seconds
    rows = [
        (
            w, duration(out.seconds), f"{one / out.seconds:.1f}",
            *(f"{out.use[name]:.0%}" for name in ("workers", "client", "scheduler")),
            out.bottleneck,
        )
        for w, out in outcomes.items()
    ]  # fmt: skip
    print(
        table(("workers", "time", "times as fast", "workers busy", "client busy",
               "scheduler busy", "busiest"), rows)
    )  # fmt: skip
    mean = slide.task_s / slide.count
    print(
        f"\nThe client alone takes {duration(slide.client_s)}, all tasks "
        f"{duration(slide.task_s)} of a core: the client is as busy as the workers from "
        f"{slide.task_s / slide.client_s:.0f} workers on; the scheduler would be from "
        f"{mean / found['task_s']:.0f} on (a task of {mean:.2f} s every "
        f"{found['task_s'] * 1e3:.1f} ms)."
    )
    return outcomes


def grown(sizes: list[float], values: list[float]) -> float:
    """Return the value at 1 Gpx on the line through the smallest and the largest slide."""
    if len(sizes) == 1:
        return values[0] * GPX / sizes[0]
    slope = (values[-1] - values[0]) / (sizes[-1] - sizes[0])
    return values[-1] + slope * (GPX - sizes[-1])


def as_task(slide: Job, cores: int, more_mb: float, again_s: float) -> Task:
    """Return a whole slide as the task of one worker with so many cores."""
    done = replay([slide], Cluster(cores, cores=cores))
    moved = [sum(task.megabytes for task in step.tasks) for step in slide.steps]
    rest = done.seconds - sum(done.step_s) + again_s
    return Task((*zip(done.step_s, moved, strict=True), (rest, more_mb)))


def cohort(task: Task, open_s: float, quick: bool) -> Job:
    """Return ten thousand slides as the job of a cohort; their work differs."""
    count = SLIDES // (20 if quick else 1)
    rng = random.Random(7)
    scales = [math.exp(rng.gauss(-(SPREAD**2) / 2, SPREAD)) for _ in range(count)]
    tasks = tuple(
        Task(tuple((seconds * scale, mb * scale) for seconds, mb in task.parts)) for scale in scales
    )
    return Job((Step("slides", tasks, open_s * count),))


def cohorts(
    slide: Job, records: list[dict[str, Any]], found: dict[str, Any], open_s: float, quick: bool
) -> dict[tuple[int, str, int], Outcome]:
    """Print what ten thousand slides take, each done by one worker."""
    sizes = [record["mpx"] for record in records]
    steps = [{row["step"]: row["wall_s"] for row in r["provenance"]} for r in records]
    more_mb = grown(sizes, [client_mb(record) for record in records])
    # a cohort makes the tables under the gates of the patient, and under those of the slide alone
    again_s = grown(sizes, [step["analyse"] for step in steps])
    twice_mb = 2 * records[-1]["bytes"] / 1e6 * GPX / sizes[-1]
    outcomes, rows = {}, []
    for cores in (1, 2):
        task = as_task(slide, cores, more_mb, again_s)
        job = cohort(task, open_s, quick)
        print(
            f"\nA slide of 1 Gpx on a worker with {cores} core{'s'[: cores > 1]}: "
            f"{duration(task.seconds)}, {task.megabytes / 1e3:.1f} GB read and written "
            f"({task.megabytes / task.seconds:.1f} MB/s)."
        )
        for name, limit in STORAGE_MB_S.items():
            for workers in WORKERS:
                cluster = Cluster(
                    workers, dispatch_s=found["task_s"], warm_s=found["warm_s"],
                    storage_mb_s=limit,
                )  # fmt: skip
                out = replay([job], cluster)
                outcomes[cores, name, workers] = out
                rows.append(
                    (
                        cores, name, f"{workers:,}", duration(out.seconds),
                        *(f"{out.use[what]:.0%}" for what in ("workers", "storage", "client")),
                    )
                )  # fmt: skip
            if math.isfinite(limit):
                full = limit * task.seconds / task.megabytes
                least = limit * task.seconds / twice_mb
                print(
                    f"Storage of {name} is as busy as the workers from {full:,.0f} workers on; "
                    f"were the file read twice and nothing else asked for, from {least:,.0f} on."
                )
    print(f"The client opens a slide in {open_s * 1e3:.0f} ms, all before the first one is begun.")
    print(f"\n### {job.count:,} slides of 1 Gpx, each done by one worker\n")
    head = ("cores a worker", "storage", "workers", "time", "workers computing", "storage busy",
            "client busy")  # fmt: skip
    print(table(head, rows))
    return outcomes


def tell_model(runs: pd.DataFrame) -> None:
    print("\n### Cost model\n")
    rows = []
    over_mpx, over_cells = models(runs, "mpx"), models(runs, "cells")
    for cost, (title, unit, _) in COSTS.items():
        (a, used), (b, _) = over_mpx[cost], over_cells[cost]
        told = (f"{rest:+.0%} at {mpx:g}" for rest, mpx in zip(a.residuals, used.mpx, strict=True))
        rows.append(
            (
                title, *(f"{float(f'{value:.3g}'):g} {unit}"
                         for value in (a.fixed, a.slope * 1e3, b.slope * 1e6)), ", ".join(told),
            )
        )  # fmt: skip
    head = ("cost", "fixed", "a Gpx", "a million cells", "measured over fitted, at Mpx")
    print(table(head, rows))


def plot_model(runs: pd.DataFrame, folder: Path) -> None:
    sizes = runs.groupby("mpx").median()
    least, most = sizes.index.min() / 1.3, 1300.0
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    over = models(runs, "mpx")
    shown = (("wall_s",), ("peak_gb",), ("disk_gb", "result_gb"))
    for ax, costs in zip(axes, shown, strict=True):
        for cost, colour in zip(costs, (OURS, "#0072b2"), strict=False):
            title, unit, _ = COSTS[cost]
            line, used = over[cost]
            x = np.geomspace(used.mpx.min(), most, 100)
            ax.plot(x, line.at(x), "-", color=colour, linewidth=1.3)
            ax.plot(sizes.index, sizes[cost], "o", color=colour, label=f"{title} in {unit}")
        ax.axvspan(sizes.index.max(), most, color="#f2f2f2", zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="slide in Mpx (six channels)")
        ax.set_xlim(least, most)
        low, high = ax.get_ylim()
        ax.set_ylim(low / 1.5, high * 3)
        marks = [m for m in 10.0 ** np.arange(-4, 6) if low / 1.5 <= m <= high * 3]
        ax.set_yticks(marks, [f"{mark:g}" for mark in marks])
        ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
        ax.legend(frameon=False, loc="upper left", fontsize=9)
        ax.minorticks_off()
        bare(ax)
    axes[1].set_yscale("linear")
    axes[1].set_ylim(0, over["peak_gb"][0].at(most) * 1.3)
    axes[1].yaxis.set_major_locator(mpl.ticker.AutoLocator())
    axes[1].yaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
    figure.suptitle(
        "Whole slides: measured (dots), fitted (lines), not measured (grey)", fontsize=10
    )
    save(figure, folder, "model")


def plot_scaling(
    shared: dict[int, Outcome], apart: dict[tuple[int, str, int], Outcome], folder: Path
) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    workers = list(shared)
    gain = [shared[1].seconds / out.seconds for out in shared.values()]
    top = max(gain) * 4
    left.plot(workers, workers, "--", color=GREY, linewidth=1)
    left.annotate("as many times\nas workers", (top / 2.2, top / 2.2), (8, -6),
                  textcoords="offset points", color=GREY, fontsize=8.5)  # fmt: skip
    left.plot(workers, gain, "o-", color=OURS)
    best = int(np.argmax(gain))
    left.annotate(f"{gain[best]:.1f} times", (workers[best], gain[best]), (0, 8),
                  textcoords="offset points", ha="center", color=OURS, fontsize=9)  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="workers of one core", ylabel="times as fast",
             ylim=(0.8, top))  # fmt: skip
    left.set_title("one slide of 1 Gpx shared by all workers", fontsize=10)
    marks = [mark for mark in (1, 2, 5, 10, 20, 50, 100, 200) if mark < top]
    left.set_yticks(marks, [str(mark) for mark in marks])
    serial = {w: shared[w].seconds * SLIDES / 86400 for w in (1, 8, 64, 256, 1000)}
    right.plot(list(serial), list(serial.values()), "s:", color=GREY, markersize=5,
               label="one slide after the other,\neach shared by all workers")  # fmt: skip
    for at, name in enumerate(reversed(STORAGE_MB_S)):
        days = [apart[1, name, w].seconds / 86400 for w in WORKERS]
        text = "storage without limit" if name == "no limit" else f"storage of {name}"
        right.plot(WORKERS, days, "o-", color=COLOURS[name], linewidth=3.5 - at,
                   markersize=9 - 2 * at, label=f"a slide a worker, {text}")  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="workers of one core", ylabel="days")
    right.set_title(f"{SLIDES:,} slides of 1 Gpx", fontsize=10)
    low, high = right.get_ylim()
    marks = [mark for mark in (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000) if low < mark < high]
    right.set_yticks(marks, [f"{mark:g}" for mark in marks])
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  frameon=False, fontsize=8.5)  # fmt: skip
    for ax in (left, right):
        ax.minorticks_off()
        ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
        bare(ax)
    save(figure, folder, "workers")


def save(figure: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"scaling_{name}.png"
    figure.savefig(path, dpi=130, bbox_inches="tight", facecolor="white")
    print(f"\nplot: {path.name}")


def growth(asked: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """Return the runs of `whole_slide.py`, or such of small slides."""
    if asked.growth:
        return pd.read_csv(asked.growth)
    kept = folder / "scaling-growth.csv"
    if not (asked.again and kept.is_file()):
        edges = (1000, 1500) if asked.quick else (1000, 2000, 4000)
        with tempfile.TemporaryDirectory(prefix="immunescape-") as out:
            runs = [run_measured(whole_slide(folder, edge), Path(out) / "out") for edge in edges]
        pd.DataFrame(runs).to_csv(kept, index=False)
    return pd.read_csv(kept)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="keeps slides and recordings")
    parser.add_argument("--edges", type=int, nargs="+", default=[4000, 8000, 20000])
    parser.add_argument("--growth", type=Path, help="whole_slide.csv")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu where the machine is in use"
    )
    parser.add_argument("--quick", action="store_true", help="small slides")
    parser.add_argument("--again", action="store_true", help="use what the folder holds")
    parser.add_argument("--images", type=Path, help="folder of the plots")
    asked = parser.parse_args()
    images = asked.images or (ROOT / ".out" / "bench" if asked.quick else ROOT / "docs" / "images")
    edges = (1000, 1500) if asked.quick else sorted(asked.edges)
    with tempfile.TemporaryDirectory(prefix="immunescape-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print(machine())
        recordings = Recordings(folder, again=asked.again)
        slides = [whole_slide(folder, edge) for edge in edges]
        records = [
            recordings.get(f"record-{edge}", "record", slide, asked.clock, threads=1)
            for edge, slide in zip(edges, slides, strict=True)
        ]
        found = recordings.get("scheduler", "scheduler", 2)
        open_s = recordings.get("header", "header", slides[-1])["open_s"]
        tell_tasks(records[-1])
        tell_scheduler(found)
        check(records[0], found, recordings, slides[0])
        if len(records) > 2:
            check_size(records)
        slide = sized(GPX, records[-1], records[0] if len(records) > 1 else None)
        shared = spread(slide, found)
        apart = cohorts(slide, records, found, open_s, asked.quick)
        runs = growth(asked, folder)
        check_growth(records, runs)
        tell_model(runs)
        plot_model(runs, images)
        plot_scaling(shared, apart, images)
    return 0


if __name__ == "__main__":
    sys.exit(main())
