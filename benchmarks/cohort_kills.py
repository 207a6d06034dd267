"""Kill cohorts, spread them over workers and shards, and compare their tables with a quiet run.

    python benchmarks/cohort_kills.py --kills 20

Tiny drawn slides with label images, so that most of the time goes into what is killed: states,
gates, tables. Exits with 1 if any table differs in a byte.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cohort.small import tables, write_small_cohort

from immunescape.cohort.state import read_state

NAMES = ("P1_baseline", "P1_response", "P2_baseline")
QUICK = ("--sensitivity.tables", "none", "--quiet")
CODE = """
import sys
import immunescape.cli.cohort as command
from immunescape.cli import main
command.report_again = lambda out, warnings: ()  # drawn from the tables once they are there
sys.exit(main(sys.argv[1:]))
"""


def command(sheet: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-c", CODE, "cohort", str(sheet), "-o", str(out), *QUICK, *more]


def run(sheet: Path, out: Path, *more: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command(sheet, out, *more), check=True)
    return time.perf_counter() - begun


def killed_after(sheet: Path, out: Path, seconds: float, *more: str) -> str:
    """Kill a run and all its processes some time after it began to work.

    Returns where the slides were; empty if it ended before.
    """
    before = {name: read_state(out, name).heartbeat for name in NAMES}
    process = subprocess.Popen(command(sheet, out, *more), start_new_session=True)
    while process.poll() is None:
        if any(read_state(out, name).heartbeat != before[name] for name in NAMES):
            break
        time.sleep(0.01)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        states = [read_state(out, name) for name in NAMES]
        busy = [f"{s.sample_id} at {s.step or 'open'}" for s in states if s.standing == "running"]
        return ", ".join(busy) or "between slides"
    return ""


def differing(out: Path, expected: dict[str, bytes]) -> list[str]:
    found = tables(out)
    return sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))


@contextmanager
def scheduler() -> Iterator[str]:
    """Start a Dask scheduler with two workers, as an administrator would."""
    from distributed import LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    try:
        yield cluster.scheduler_address
    finally:
        cluster.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="immunescape-") as temporary:
        folder = Path(temporary)
        sheet = write_small_cohort(folder / "in", NAMES, calls=False)
        whole = run(sheet, folder / "one")
        expected = tables(folder / "one")
        print(f"one worker, uninterrupted: {whole:.1f} s, {len(expected)} tables", flush=True)

        def check(name: str, out: Path) -> None:
            other = differing(out, expected)
            print(f"{name}: {'identical' if not other else f'DIFFERENT: {other}'}", flush=True)
            wrong.extend(other)

        kills = cohorts = 0
        while kills < arguments.kills:
            cohorts += 1
            out = folder / f"killed{cohorts}"
            more = ("--workers", "2") if cohorts % 3 == 0 else ()
            while kills < arguments.kills:
                where = killed_after(sheet, out, chance.uniform(0, 0.25) * whole, *more)
                if not where:
                    break
                kills += 1
                print(f"  kill {kills}: {where}", flush=True)
            run(sheet, out)
            check(f"cohort {cohorts}, killed and gone on with", out)
        for count in (2, 4):
            took = run(sheet, folder / f"workers{count}", "--workers", str(count))
            check(f"{count} workers ({took:.1f} s)", folder / f"workers{count}")
        for shard in (1, 2, 3):
            run(sheet, folder / "shards", "--shard", f"{shard}/3")
        run(sheet, folder / "shards", "--collect")
        check("3 shards, collected", folder / "shards")
        with scheduler() as address:
            run(sheet, folder / "cluster", "--scheduler", address)
        check("a Dask scheduler that was there", folder / "cluster")
    print("all tables identical" if not wrong else f"{len(wrong)} tables differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
