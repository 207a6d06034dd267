"""How often planted patterns are named in a simulated cohort, and how often unplanted ones.

Twelve patients with a planted course over three timepoints and twelve in whom nothing is planted.
A patient is right where at every timepoint both axes show what was planted, nothing else, and the
courses over time are those that follow. Bounds: 11 of 12 planted patients right; no pattern and
no course named in more than 1 of 12 patients where nothing was planted.

    python benchmarks/cohort.py                        cells as points, planted calls; minutes
    python benchmarks/cohort.py --cohorts 20           how the count varies from cohort to cohort
    python benchmarks/cohort.py --labels               rendered; true labels and calls are given
    python benchmarks/cohort.py --pixels               the whole cohort command on the images
    python benchmarks/cohort.py --pixels --patients 2 --unplanted 1 -- --sensitivity.tables none

What follows ``--`` is passed on to the cohort command. With fewer patients none may be wrong.

The thresholds were chosen from publications and on cohorts of other seeds: ``--seed 1`` to 5.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from immunescape.patterns import AXES, COURSES, pattern_table
from immunescape.samples import Sample, SampleResult
from immunescape.simulate import (
    CohortParams,
    FieldParams,
    PlantedPatient,
    PlantedTimepoint,
    PointParams,
    point_params,
    simulate_cells,
    simulate_cohort,
    write_cohort,
)
from immunescape.spatial import summarise
from immunescape.study import Study

SEED = 101
LEAST_RIGHT, MOST_NAMED, OF = 11, 1, 12
POINTS = PointParams(
    width_um=2500.0, height_um=2000.0, tumour_share=0.55, cd8="clustered", cluster_cells=4.0,
    pdl1="patchy", patch_share=0.4,
)  # fmt: skip
IMAGES = FieldParams(width_um=1200.0, height_um=1000.0)
FOLLOWS = {
    "course_of_the_paper": {"course_of_the_paper", "pdl1_lost_on_tumour", "t_cells_lost"},
    "t_cells_excluded_at_relapse": {"t_cells_lost"},
    "pdl1_lost_inside": {"pdl1_lost_on_tumour"},
    "pdl1_constitutive": {"pdl1_constitutive_course"},
    "t_cells_gone_at_relapse": {"t_cells_lost"},
    "never_inside": {"t_cells_never_inside"},
    "pdl1_never_on_tumour": {"pdl1_never_on_tumour", "t_cells_never_inside"},
    "answered_but_grew": {"answered_but_grew"},
    "nothing": set(),
}
"""Courses that follow from what is planted."""


@dataclass(frozen=True)
class Judged:
    """One patient: what was planted, what was named, and what of it is wrong."""

    patient: PlantedPatient
    named: tuple[str, ...]
    courses: frozenset[str]
    wrong: tuple[str, ...]
    evidence: str

    @property
    def planted(self) -> bool:
        """Whether anything was planted."""
        return self.patient.course != "nothing"


def sample_of(patient: PlantedPatient, planted: PlantedTimepoint) -> Sample:
    """Return the row of the sheet of one field."""
    name = f"{patient.name}_{planted.timepoint}"
    return Sample(
        sample_id=name, slide=Path(f"{name}.ome.tif"), patient=patient.name,
        timepoint=planted.timepoint, specimen=name, lesion="L1", site="skin", batch=patient.name,
    )  # fmt: skip


def from_points(
    patient: PlantedPatient, size_um: tuple[float, float] | None = None
) -> list[SampleResult]:
    """Return the results of a patient whose cells are points with planted calls."""
    results = []
    field = replace(POINTS, width_um=size_um[0], height_um=size_um[1]) if size_um else POINTS
    for k, planted in enumerate(patient.timepoints):
        made = simulate_cells(point_params(planted, field), patient.seed + k)
        summary = summarise(made.cells, made.pairs, made.areas, seed=k)
        sample = sample_of(patient, planted)
        results.append(SampleResult(sample, Path(sample.sample_id), {"summary": summary}))
    return results


def from_labels(task: tuple[PlantedPatient, Path]) -> list[SampleResult]:
    """Return the results of a rendered patient, true labels and calls given to the program."""
    from immunescape.pipeline import Inputs, run_slide

    patient, folder = task
    study = Study()
    study = replace(study, sensitivity=replace(study.sensitivity, tables="none"))
    results = []
    for planted in patient.timepoints:
        sample = sample_of(patient, planted)
        name, truth = sample.sample_id, folder / "truth"
        inputs = Inputs(
            slide=folder / f"{name}.ome.tif",
            annotations=folder / f"{name}.geojson",
            labels=(truth / f"{name}_nuclei.tif", truth / f"{name}_cells.tif"),
            calls=truth / f"{name}_cells.csv",
        )
        result = run_slide(inputs, folder / "results", study)
        results.append(SampleResult(sample, folder / "results" / name, result.tables))
    return results


def judge(patient: PlantedPatient, table: pd.DataFrame) -> Judged:
    """Compare what the table names with what was planted."""
    mine = table[(table["patient"] == patient.name) & (table["level"] == "patient")]
    shown = mine[mine["holds"].fillna(False).astype(bool)]
    named, wrong = [], []
    for planted in patient.timepoints:
        here = shown[shown["timepoint"] == planted.timepoint]
        for axis, state in zip(AXES, (planted.t_cells, planted.pdl1), strict=True):
            found = set(here["pattern"]) & set(axis.patterns)
            expected = {f"{axis.name}_{state}"} if state else set()
            silent = not found and axis.name == "pdl1" and planted.t_cells == "desert"
            if found != expected and not silent:
                said = ", ".join(found) or "nothing"
                wrong.append(f"{planted.timepoint}: {said}, planted {state or 'nothing'}")
            named += sorted(found)
    courses = frozenset(shown["pattern"]) & {course.pattern for course in COURSES}
    if courses != FOLLOWS[patient.course]:
        wrong.append(f"courses {', '.join(sorted(courses)) or 'none'}")
    steps = mine[mine["pattern"] == "course_steps"].iloc[0]
    evidence = f"{steps['words']}. {steps['evidence_for']}"
    return Judged(patient, tuple(named), courses, tuple(wrong), evidence)


def cohort_table(
    patients: Sequence[PlantedPatient], seed: int, options: argparse.Namespace, pool: Executor
) -> pd.DataFrame:
    """Return the patterns of a cohort, made in the way that was asked for."""
    if not (options.labels or options.pixels):
        sizes = [options.field_um] * len(patients)
        return pattern_table([r for some in pool.map(from_points, patients, sizes) for r in some])
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(options.keep or passing)
        folder.mkdir(parents=True, exist_ok=True)
        params = CohortParams(patients=options.patients, unplanted=options.unplanted)
        size = dict(zip(("width_um", "height_um"), options.field_um or (), strict=False))
        for field in write_cohort(folder, seed, params, replace(IMAGES, **size)):
            print(f"rendered {field.name}", file=sys.stderr)
        if options.pixels:
            return through_the_command(folder, options.workers, options.flags)
        tasks = [(patient, folder) for patient in patients]
        return pattern_table([r for some in pool.map(from_labels, tasks) for r in some])


def through_the_command(folder: Path, workers: int, flags: Sequence[str]) -> pd.DataFrame:
    """Run the cohort command on the sheet in a folder; return the patterns that it writes."""
    command = shutil.which("immunescape", path=str(Path(sys.executable).parent))
    if command is None:
        raise SystemExit("the command immunescape is not installed beside this Python")
    out = folder / "out"
    sheet = str(folder / "samples.csv")
    subprocess.run(
        [command, "cohort", sheet, "-o", str(out), "--workers", str(workers), *flags], check=True
    )
    table = pd.read_csv(out / "patterns.csv", keep_default_na=False, na_values={"holds": [""]})
    shared = table[table["gates"] == "shared"]
    return shared.assign(holds=shared["holds"].map({"True": True, "False": False, True: True}))


def lines(judged: Sequence[Judged], *, evidence: bool) -> Iterator[str]:
    """Yield the table of a cohort: patient, planted, named, evidence."""
    for one in judged:
        mark = "right" if not one.wrong else "WRONG: " + "; ".join(one.wrong)
        named = ", ".join(sorted(one.courses)) or "no course"
        yield f"{one.patient.name}  planted {one.patient.course:<28} named {named}  [{mark}]"
        if evidence:
            yield f"     {one.evidence}"


def unplanted_names(judged: Sequence[Judged]) -> Counter[str]:
    """Count in how many patients without a planted course each pattern or course is named."""
    return Counter(
        name
        for one in judged
        if not one.planted
        for name in {*one.named, *one.courses}
    )  # fmt: skip


@dataclass(frozen=True)
class Count:
    """How one cohort came out."""

    right: int
    planted: int
    most: int
    unplanted: int

    @property
    def broken(self) -> bool:
        """Whether a bound is broken: of each twelve patients one may be wrong."""
        wrong = self.planted - self.right
        too_many = wrong * OF > self.planted * (OF - LEAST_RIGHT)
        return too_many or self.most * OF > self.unplanted * MOST_NAMED


def seeds_of(options: argparse.Namespace) -> range:
    """Return the seeds of the cohorts that were asked for."""
    return range(options.seed, options.seed + options.cohorts)


def print_cohort(seed: int, options: argparse.Namespace, pool: Executor) -> Count:
    """Make one cohort, print its table, and count."""
    params = CohortParams(patients=options.patients, unplanted=options.unplanted)
    patients = simulate_cohort(params, seed)
    table = cohort_table(patients, seed, options, pool)
    judged = [judge(patient, table) for patient in patients]
    print(f"\ncohort of seed {seed}")
    print("\n".join(lines(judged, evidence=options.cohorts == 1)))
    names = unplanted_names(judged)
    right = [not one.wrong for one in judged if one.planted]
    print(f"{sum(right)} of {len(right)} planted patients right; named where nothing was planted: "
          f"{dict(names) or 'nothing'}")  # fmt: skip
    most = max(names.values(), default=0)
    return Count(sum(right), len(right), most, len(judged) - len(right))


def main() -> int:
    """Print the tables; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED, help="of the first cohort")
    parser.add_argument("--cohorts", type=int, default=1, help="cohorts, of seeds that follow")
    parser.add_argument("--patients", type=int, default=OF, help="with a planted course")
    parser.add_argument("--unplanted", type=int, default=OF, help="without")
    parser.add_argument("--labels", action="store_true", help="rendered; labels and calls given")
    parser.add_argument("--pixels", action="store_true", help="rendered; all from pixels")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument(
        "--field-um", type=float, nargs=2, metavar=("WIDTH", "HEIGHT"),
        help="of a slide; 2500 x 2000 as points, 1200 x 1000 rendered",
    )  # fmt: skip
    parser.add_argument("--keep", help="folder to keep slides and results in")
    parser.add_argument("flags", nargs="*", help="after --: passed on to the cohort command")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        found = [print_cohort(seed, options, pool) for seed in seeds_of(options)]
    broken = sum(cohort.broken for cohort in found)
    print(f"\nplanted patients right, by cohort: {[cohort.right for cohort in found]}")
    print(f"most often named where nothing was planted: {[cohort.most for cohort in found]}")
    print(f"cohorts that break a bound: {broken} of {len(found)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
