"""The reports of a cohort: after its tables were written, or again from its files alone."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunescape.cohort.collect import read_result
from immunescape.cohort.plan import SLIDES
from immunescape.errors import OutputError
from immunescape.io.output import atomic_path
from immunescape.report.figures import save_figures
from immunescape.report.html.cohort_figures import cohort_sketches
from immunescape.report.html.cohort_write import write_cohort_reports
from immunescape.samples import Sample, SampleResult

__all__ = ["PLAN", "TABLES", "plan_of", "report_again", "save_cohort_figures"]

PLAN = "cohort.json"
"""File in the folder of a cohort that tells which samples it has."""
TABLES = ("specimens", "patients", "comparisons", "patterns", "staining", "failures")
_NAMES = (
    "sample_id", "patient", "timepoint", "specimen", "lesion", "site", "batch", "from_timepoint",
    "to_timepoint", "group_column", "group", "subset", "not_comparable_with",
)  # fmt: skip
_PLACES = ("slide", "annotations", "labels", "calls", "study", "control", "edits")


def plan_of(
    samples: Sequence[Sample], lesions: pd.DataFrame, group_by: Sequence[str]
) -> dict[str, Any]:
    """Return what a report needs of a sample sheet, as plain values for JSON; no path is kept."""
    rows = []
    for sample in samples:
        told = {k: v for k, v in dataclasses.asdict(sample).items() if k not in _PLACES}
        rows.append({**told, "carried": dict(sample.carried), "slide": sample.slide.name})
    known = lesions.astype(object).where(lesions.notna(), None)
    return {
        "samples": rows,
        "lesions": known.to_dict("records"),
        "group_by": list(group_by),
    }


def report_again(out: Path, *, warnings: Sequence[str] | None = None) -> tuple[Path, ...]:
    """Write the reports of a cohort, from its files alone.

    Parameters
    ----------
    out
        Folder of the cohort.
    warnings
        What a reader of the whole should know; it is kept with the cohort. None takes what was
        kept.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    OutputError
        If it holds no cohort, a table or result of it is damaged, or it cannot be written.
    """
    plan = _plan(out)
    if warnings is not None and list(warnings) != plan.get("warnings"):
        plan["warnings"] = list(warnings)
        with atomic_path(out / PLAN) as beside:
            text = json.dumps(plan, indent=1, ensure_ascii=False)
            beside.write_text(text + "\n", encoding="utf-8")
    kept = _kept(out, plan)
    return write_cohort_reports(
        out, kept.results, kept.tables, kept.lesions, samples=kept.samples,
        group_by=kept.group_by, warnings=plan.get("warnings", ()),
    )  # fmt: skip


def save_cohort_figures(out: Path, folder: Path) -> tuple[Path, ...]:
    """Write every figure of a cohort's pages as SVG and as PNG, and return the files.

    Parameters
    ----------
    out
        Folder of the cohort.
    folder
        Where to; made where it is not there.

    Raises
    ------
    OutputError
        As `report_again`.
    """
    kept = _kept(out, _plan(out))
    found = cohort_sketches(
        kept.results, kept.tables, kept.lesions, samples=kept.samples, group_by=kept.group_by
    )
    return tuple(p for before, sketch in found for p in save_figures([sketch], folder, before))


@dataclass(frozen=True, eq=False)
class _Kept:
    """What the files of a cohort tell."""

    samples: Sequence[Sample]
    results: Sequence[SampleResult]
    tables: Mapping[str, pd.DataFrame]
    lesions: pd.DataFrame
    group_by: str


def _plan(out: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads((out / PLAN).read_text(encoding="utf-8"))
        return plan
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{out.name} holds no cohort whose {PLAN} can be read; run the cohort again, "
            "finished slides stay"
        ) from error


def _kept(out: Path, plan: Mapping[str, Any]) -> _Kept:
    try:
        samples = [_sample(row) for row in plan["samples"]]
        lesions = pd.DataFrame(plan["lesions"], columns=["patient", "lesion", "day", "area_mm2"])
        swept = ("sweep",) if (out / "sweep.csv").is_file() else ()
        tables = {name: _read(out / f"{name}.csv") for name in (*TABLES, *swept)}
        done = _read(out / "cohort.csv").groupby("sample_id")["gates"].agg(set)
    except FileNotFoundError as error:
        raise OutputError(
            f"{out.name} holds no finished cohort: {Path(str(error.filename)).name} is absent; "
            "run the cohort to its end first"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"the tables of {out.name} cannot be read; run the cohort again, finished slides stay"
        ) from error
    # a folder may hold a result that was not finished, or failed when it was made again
    results = [
        r
        for sample in samples
        if sample.sample_id in done.index
        for r in read_result(
            sample, out / SLIDES / sample.sample_id,
            by_slide="shared" not in done[sample.sample_id],
        )
    ]  # fmt: skip
    return _Kept(samples, results, tables, lesions, next(iter(plan.get("group_by", ())), ""))


def _read(path: Path) -> pd.DataFrame:
    """Read a table; a patient may be called 007, or NA."""
    return pd.read_csv(
        path, dtype=dict.fromkeys(_NAMES, "str"), keep_default_na=False, na_values=[""]
    )


def _sample(row: Mapping[str, Any]) -> Sample:
    return Sample(**{**row, "slide": Path(str(row["slide"]))})
