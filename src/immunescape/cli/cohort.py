"""``immunescape cohort``: all slides of a sample sheet, and what comes of them together."""

import re
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from immunescape.cli.study_flags import StudyFlags
from immunescape.cohort import CohortOutcome, CohortRun, run_cohort
from immunescape.cohort.reporting import report_again
from immunescape.compare import CompareParams
from immunescape.errors import ParameterError
from immunescape.patterns import PatternParams

__all__ = ["cohort"]

_COMPARE = Group.create_ordered("Comparisons of timepoints and groups")
_PATTERNS = Group.create_ordered("Patterns")


def cohort(
    sheet: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    workers: int = 1,
    scheduler: str = "",
    shard: str = "",
    collect: Annotated[bool, Parameter(negative=())] = False,
    retry_failed: Annotated[bool, Parameter(negative=())] = False,
    group_by: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    scratch: Path | None = None,
    csv: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    flags: StudyFlags = StudyFlags(),
    compare: Annotated[CompareParams, Parameter(group=_COMPARE)] = CompareParams(),
    patterns: Annotated[PatternParams, Parameter(group=_PATTERNS)] = PatternParams(),
) -> int:
    """Analyse all slides of a sample sheet and compare timepoints.

    Parameters
    ----------
    sheet
        Table with a row a slide: ``slide, patient, timepoint``; if wanted ``sample_id, specimen,
        lesion, site, batch, annotations, labels, calls, study, control, edits, day``; further
        columns are carried along. CSV with commas, semicolons or tabs, or xlsx. A ``lesions.csv``
        beside it holds the lesions' areas over days.
    out
        Folder of the cohort.
    workers
        Processes on this machine; they share the processors that this one may use.
    scheduler
        Address of a Dask scheduler, such as ``tcp://HOST:8786``, in place of processes here.
    shard
        ``K/N``: do the K-th of N parts alone, without any contact between machines.
    collect
        Measure nothing: finish what the shards have measured and write the cohort's tables.
    retry_failed
        Try slides again that failed, though neither their files nor parameters changed.
    group_by
        A column of the sheet whose groups are compared, such as ``jak1``; may be repeated.
    scratch
        Folder for what is kept of a slide until its result is written, such as a quick disk of
        each machine; by default beside the results.
    csv
        Write the cells as CSV in place of parquet.
    overwrite
        Make everything again; files of your own stay.
    quiet
        Show no progress and print nothing but errors.
    flags
        What decides the numbers.
    compare
        How timepoints and groups are compared.
    patterns
        From where on numbers are consistent with a pattern.
    """
    if workers < 1:
        raise ParameterError(f"--workers is {workers}; give a number from 1")
    part = _part(shard)
    if collect and part != (0, 0):
        raise ParameterError("--shard does a part and --collect what follows all; give one of them")
    chosen = flags.chosen()
    run = CohortRun(
        workers=workers, scheduler=scheduler, shard=part, collect=collect,
        retry_failed=retry_failed, overwrite=overwrite, csv=csv, sweeps=flags.sweep,
        compare=compare, patterns=patterns, group_by=group_by, scratch=scratch,
    )  # fmt: skip

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    ended = run_cohort(
        sheet, out, chosen.study, run, study_file=flags.study, notes=chosen.notes, tell=tell
    )
    if part == (0, 0):
        report_again(out, warnings=ended.warnings)
    if not quiet:
        _print_end(ended, out, part)
    return 1 if ended.failed or (ended.waiting and part == (0, 0)) else 0


def _part(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ParameterError(f"--shard is {text!r}; give K/N, such as 1/8, with K from 1 to N")
    return int(found[1]), int(found[2])


def _print_end(ended: CohortOutcome, out: Path, part: tuple[int, int]) -> None:
    for warning in ended.warnings:
        print(f"warning: {warning}")
    counts = [f"{len(ended.done)} done"]
    counts += [f"{len(ended.failed)} failed"] if ended.failed else []
    counts += [f"{len(ended.waiting)} waiting"] if ended.waiting else []
    print(f"{', '.join(counts)}; results in {out}/")
    if part != (0, 0):
        print("when all shards have ended, run the same command with --collect in place of --shard")
        return
    print(
        "report.html shows every patient; patients/ holds a page for each, report.xlsx all tables"
    )
    if ended.failed or ended.waiting:
        print("what failed stands in failures.csv with its remedy")
