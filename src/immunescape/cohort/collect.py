"""The tables of a cohort, from the results of its slides alone."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from immunescape.cohort.attempt import BY_SLIDE, LOGS
from immunescape.cohort.plan import Group, Work
from immunescape.cohort.sheet import Sheet
from immunescape.cohort.staining import staining_table, staining_warnings
from immunescape.cohort.state import read_state
from immunescape.cohort.work import read_gates
from immunescape.compare import comparison_table, patient_table, specimen_table
from immunescape.errors import OutputError
from immunescape.io.tables import write_csv
from immunescape.patterns import pattern_table
from immunescape.pipeline.sweep import SWEEP_COLUMNS
from immunescape.results import COHORT_COLUMNS, FAILURES_COLUMNS, empty_table
from immunescape.samples import Sample, SampleResult

if TYPE_CHECKING:
    from immunescape.cohort.settings import CohortRun

__all__ = ["Collected", "collect", "read_result"]

_NO_TABLES = ("cells", "edits", "edits.replaced")
_SAMPLE = COHORT_COLUMNS[: COHORT_COLUMNS.index("gates")]
_NOT_RUN = "its shard has not measured it"
_NOT_RUN_REMEDY = "run that shard again, or the whole command without --shard and --collect"


@dataclass(frozen=True, eq=False)
class Collected:
    """What a cohort came to.

    Parameters
    ----------
    tables
        Names of the files written.
    warnings
        What a reader of the numbers should know.
    """

    tables: tuple[str, ...]
    warnings: tuple[str, ...]


def collect(
    sheet: Sheet,
    works: Sequence[Work],
    groups: Sequence[Group],
    standing: Mapping[str, str],
    out: Path,
    run: "CohortRun",
    results: Sequence[SampleResult],
) -> Collected:
    """Write the tables of a cohort; each whole or not at all.

    Parameters
    ----------
    sheet
        The samples; tables follow their order, whoever analysed them and when.
    works, groups
        What was to be done.
    standing
        ``done``, ``failed`` or ``waiting`` by sample.
    out
        Folder of the cohort.
    run
        How numbers are compared and read.
    results
        Of the samples that are done, in the order of the sheet; each under the gates it shares
        and then under its own.
    """
    staining = staining_table((group, _staining(group)) for group in groups)
    tables: dict[str, pd.DataFrame] = {
        "cohort": _stacked(results, "summary", sheet.carried, COHORT_COLUMNS),
        "specimens": specimen_table(results),
        "patients": patient_table(results),
        "comparisons": _comparisons(results, run),
        "patterns": pattern_table(results, run.patterns),
        "staining": staining,
        "failures": _failures(works, standing),
    }
    sweep = (*_SAMPLE, "gates", *SWEEP_COLUMNS)
    swept = _stacked(results, "sweep", sheet.carried, sweep)
    if len(swept):
        tables["sweep"] = swept
    else:
        (out / "sweep.csv").unlink(missing_ok=True)
    for name, table in tables.items():
        for stale in out.glob(f".{name}.*.csv"):  # of a run that was killed while it wrote
            stale.unlink(missing_ok=True)
        write_csv(out / f"{name}.csv", table)
    told = (*_twice(results), *_parted(groups), *staining_warnings(staining))
    return Collected(tuple(f"{name}.csv" for name in tables), told)


def read_result(sample: Sample, folder: Path, *, by_slide: bool) -> list[SampleResult]:
    """Read the result of a sample under the gates it shares and then under its own.

    Parameters
    ----------
    sample
        Where it comes from.
    folder
        The folder of its result.
    by_slide
        Whether it shares no gates, so that its own are all there are.

    Raises
    ------
    OutputError
        If the result cannot be read.
    """
    if by_slide:
        return [_read(sample, folder, folder, "slide")]
    return [
        _read(sample, folder, folder, "shared"),
        _read(sample, folder, folder / BY_SLIDE, "slide"),
    ]


def _read(
    sample: Sample, result: Path, folder: Path, gates: Literal["shared", "slide"]
) -> SampleResult:
    try:
        told = json.loads((result / "provenance.json").read_text(encoding="utf-8"))
        tables = {
            path.stem: pd.read_csv(path)
            for path in sorted(folder.glob("*.csv"))
            if path.stem not in _NO_TABLES
        }
        _ = tables["summary"], tables["regions"]
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(
            f"the result of {sample.sample_id} is damaged; pass --retry-failed to make its tables "
            "again"
        ) from error
    return SampleResult(
        sample=sample, folder=folder, tables=tables, provenance=told,
        warnings=tuple(map(str, told.get("warnings", ()))), gates=gates,
    )  # fmt: skip


def _stacked(
    results: Sequence[SampleResult],
    name: str,
    carried: tuple[str, ...],
    columns: tuple[str, ...],
) -> pd.DataFrame:
    """Return one table of all samples, with the columns of the sheet beside it."""
    parts = []
    for result in results:
        if name not in result.tables:
            continue
        sample = result.sample
        table = result.tables[name].astype(object)
        told = {c: _of(sample, c) for c in _SAMPLE} | {"gates": result.gates}
        parts.append(table.assign(**told, **sample.carried))
    wanted = [*columns, *carried]
    if not parts:
        return empty_table(tuple(wanted))
    return pd.concat(parts, ignore_index=True).infer_objects().reindex(columns=wanted)


def _of(sample: Sample, column: str) -> Any:
    value = getattr(sample, column)
    return None if value is None or value == "" else value


def _comparisons(results: Sequence[SampleResult], run: "CohortRun") -> pd.DataFrame:
    """Return the comparisons of all patients, and of the groups by each column that was named."""
    columns = run.group_by or ("",)
    found = [comparison_table(results, run.compare, column) for column in columns]
    first, *others = found
    grouped = [table[table["group"].fillna("") != ""] for table in others]
    return _joined([first, *grouped])


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    with warnings.catch_warnings():
        # of columns that are empty in one of them: they stay as they are
        warnings.simplefilter("ignore", FutureWarning)
        return pd.concat(tables, ignore_index=True)


def _failures(works: Sequence[Work], standing: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each sample without a result."""
    rows = []
    for work in works:
        if standing[work.name] == "done":
            continue
        state = read_state(work.out, work.name)
        failed = standing[work.name] == "failed"
        rows.append(
            {
                "sample_id": work.name,
                "patient": work.sample.patient,
                "step": state.step or "open" if failed else "waiting",
                "error": state.error if failed else _NOT_RUN,
                "remedy": state.remedy if failed else _NOT_RUN_REMEDY,
                "attempts": state.attempts if failed else 0,
                "log": f"{LOGS}/{work.name}.log" if failed else "",
            }
        )
    return pd.DataFrame(rows, columns=list(FAILURES_COLUMNS))


def _staining(group: Group) -> list[dict[str, Any]]:
    told = read_gates(group)
    return [] if told is None else list(told["staining"])


def _twice(results: Sequence[SampleResult]) -> Iterator[str]:
    """Yield samples that are the same slide under two names: it would count twice."""
    seen: dict[tuple[str, Any], str] = {}
    for result in results:
        told = result.provenance
        name = result.sample.sample_id
        key = str(told["input"]["sha256"]), json.dumps(told.get("shape_px"))
        first = seen.setdefault(key, name)
        if first != name:
            yield f"{name} is the same file as {first}: its cells count twice"


def _parted(groups: Sequence[Group]) -> Iterator[str]:
    """Yield patients and batches whose slides cannot share gates: their settings differ."""
    found: dict[tuple[str, str], int] = {}
    for group in groups:
        found[group.kind, group.name] = found.get((group.kind, group.name), 0) + 1
    for (kind, name), count in found.items():
        if count > 1:
            yield (
                f"{kind} {name}: its slides have {count} different settings of gates and share "
                "them only where these agree"
            )
