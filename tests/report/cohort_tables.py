"""Tables of a drawn cohort: numbers chosen by hand, so that pages can be read against them."""

from pathlib import Path

import pandas as pd

from immunescape.results import (
    COMPARISONS_COLUMNS,
    FAILURES_COLUMNS,
    GATES_COLUMNS,
    PATIENTS_COLUMNS,
    PATTERNS_COLUMNS,
    REGIONS_COLUMNS,
    SPECIMENS_COLUMNS,
    SUMMARY_COLUMNS,
    empty_table,
)
from immunescape.samples import Sample, SampleResult

NEGATIVE = "pdl1_negative_fraction_touching_cd8"
APART = "pdl1_negative_fraction_not_touching_cd8"
DENSITY = "cd8_density"
RATIO = "cd8_margin_to_centre_ratio"

# patient: jak1, then timepoint: day, touching tumour cells (negative, all), CD8 inside (cells, mm²)
COURSE = {
    "P01": ("wild type", {
        "baseline": (0, (30, 100), (200, 0.5)),
        "response": (90, (10, 100), (800, 0.4)),
        "relapse": (540, (95, 100), (60, 0.6)),
    }),
    "P02": ("mutant", {
        "baseline": (0, (50, 80), (150, 0.5)),
        "relapse": (300, (78, 80), (0, 0.7)),
    }),
    "P03": ("", {
        "baseline": (0, (3, 9), (20, 0.4)),  # too few cells for a fraction
        "response": (60, (12, 60), (400, 0.5)),
        "relapse": (400, (20, 60), (300, 0.5)),
    }),
}  # fmt: skip


def frame(columns, rows):
    """Return a table with the promised columns from rows that name only some."""
    if not rows:
        return empty_table(columns)
    return pd.DataFrame([{c: row.get(c) for c in columns} for row in rows], columns=list(columns))


def specimen_rows(patient, timepoint, day, touching, inside, gates="shared"):
    """Return the rows of one specimen; its margin is half as dense again as its centre."""
    negative, near = touching
    cells, area = inside
    whose = {
        "patient": patient, "timepoint": timepoint, "specimen": f"{patient}_L1_{timepoint}",
        "lesion": "L1", "site": "skin", "batch": "B1", "day": float(day), "gates": gates,
        "tumour_source": "drawn", "n_slides": 1, "n_cells": 5000,
    }  # fmt: skip
    enough = near >= 20
    share = negative / near if enough else None
    why = "" if enough else f"{near} cells, 20 needed"
    fractions = [
        (NEGATIVE, "tumour", share, negative, near),
        (APART, "tumour", 0.7, 700, 1000),
        (NEGATIVE, "other", 0.4, 40, 100),
        ("touching_cd8_fraction", "tumour", near / (1000 + near), near, 1000 + near),
    ]
    rows = [
        {**whose, "metric": metric, "phenotype": who, "region": "tissue", "value": value,
         "unit": "1", "numerator": above, "denominator": below,
         "ci_low": None if value is None else max(value - 0.1, 0),
         "ci_high": None if value is None else min(value + 0.1, 1),
         "ci_method": None if value is None else "block_bootstrap",
         "evaluable": value is not None, "reason": why if value is None else ""}
        for metric, who, value, above, below in fractions
    ]  # fmt: skip
    for region, more in (("centre", 1.0), ("tumour", 1.0), ("margin", 1.5)):
        density = cells / area * more
        rows.append(
            {**whose, "metric": DENSITY, "phenotype": "cd8_t", "region": region, "value": density,
             "unit": "per_mm2", "numerator": cells * more, "denominator": area,
             "ci_low": density / 2, "ci_high": density * 2 + 5, "ci_method": "block_bootstrap",
             "evaluable": True, "reason": ""}
        )  # fmt: skip
    dense = cells > 0
    rows.append(
        {**whose, "metric": RATIO, "phenotype": "cd8_t", "region": "tissue",
         "value": 1.5 if dense else None, "unit": "1", "numerator": cells, "denominator": cells,
         "ci_low": 1.2 if dense else None, "ci_high": 1.9 if dense else None,
         "ci_method": "exact_conditional" if dense else None, "evaluable": dense,
         "reason": "" if dense else "no CD8 T cells at margin or centre"}
    )  # fmt: skip
    rows.append(
        {**whose, "metric": "tumour_proportion_score", "phenotype": "tumour", "region": "tissue",
         "value": 30.0, "unit": "percent", "numerator": 300, "denominator": 1000, "ci_low": 25.0,
         "ci_high": 35.0, "ci_method": "block_bootstrap", "evaluable": True, "reason": ""}
    )  # fmt: skip
    rows.append(
        {**whose, "metric": "area", "phenotype": "any", "region": "tissue", "value": 2 * area,
         "unit": "mm2", "numerator": 2 * area, "evaluable": True, "reason": ""}
    )  # fmt: skip
    return rows


def specimens(course=COURSE, gates=("shared", "slide")):
    return frame(
        SPECIMENS_COLUMNS,
        [
            row
            for by in gates
            for patient, (_, taken) in course.items()
            for timepoint, (day, touching, inside) in taken.items()
            for row in specimen_rows(patient, timepoint, day, touching, inside, by)
        ],
    )


def sample(patient, timepoint, day, jak1, folder=Path()):
    return Sample(
        sample_id=f"{patient}_{timepoint}", slide=folder / f"{patient}_{timepoint}.ome.tif",
        patient=patient, timepoint=timepoint, specimen=f"{patient}_L1_{timepoint}", lesion="L1",
        site="skin", batch="B1", day=float(day), carried={"jak1": jak1},
    )  # fmt: skip


def slide_tables(rows):
    """Return the tables of a slide whose summary holds what its specimen does."""
    summary = [
        {**row, "neighbourhood": "contact" if "fraction" in row["metric"] else None,
         "gate_low_value": row["value"], "gate_high_value": row["value"], "margin_width_um": 100,
         "reviewed_by": "AB"}
        for row in rows
    ]  # fmt: skip
    regions = [
        {"region": "tumour", "phenotype": "cd8_t", "pdl1": "any", "count": 200, "area_mm2": 0.5,
         "density_per_mm2": 400.0, "ci_low": 300.0, "ci_high": 500.0, "ci_method": "garwood",
         "evaluable": True, "reason": ""}
    ]  # fmt: skip
    gates = [
        {"marker": "pdl1", "parent": "tumour", "statistic": "pdl1_membrane_unshared",
         "method": "gmm", "source": "patient:tumour", "threshold": 172.8, "gate_low": 167.7,
         "gate_high": 176.1, "positive": 245, "negative": 656, "missing": 0, "confirmed": False,
         "note": ""}
    ]  # fmt: skip
    return {
        "summary": frame(SUMMARY_COLUMNS, summary),
        "regions": frame(REGIONS_COLUMNS, regions),
        "gates": frame(GATES_COLUMNS, gates),
    }


def results(course=COURSE, folder=Path(), gates=("shared", "slide")):
    return [
        SampleResult(
            sample=sample(patient, timepoint, day, jak1),
            folder=folder / "slides" / f"{patient}_{timepoint}",
            tables=slide_tables(specimen_rows(patient, timepoint, day, touching, inside)),
            warnings=(f"something to know of {patient} {timepoint}",),
            gates=by,
        )
        for by in gates
        for patient, (jak1, taken) in course.items()
        for timepoint, (day, touching, inside) in taken.items()
    ]


CHANGE = {
    "lesion": "L1", "from_timepoint": "baseline", "to_timepoint": "relapse", "gates": "shared",
    "phenotype": "tumour", "region": "tissue", "ci_method": "block_bootstrap", "n_slides": 2,
    "n_cells": 10000, "flags": "", "evaluable": True, "reason": "",
}  # fmt: skip


def changes():
    fraction = {**CHANGE, "metric": NEGATIVE, "unit": "1", "effect_scale": "difference"}
    dense = {
        **CHANGE, "metric": DENSITY, "phenotype": "cd8_t", "region": "centre", "unit": "per_mm2",
        "effect_scale": "log_density",
    }  # fmt: skip
    return frame(
        PATIENTS_COLUMNS,
        [
            {**fraction, "patient": "P01", "from_value": 0.3, "to_value": 0.95, "effect": 0.65,
             "ci_low": 0.55, "ci_high": 0.74},
            {**fraction, "patient": "P01", "gates": "slide", "from_value": 0.3, "to_value": 0.9,
             "effect": 0.6, "ci_low": 0.5, "ci_high": 0.7},
            {**dense, "patient": "P01", "from_value": 400.0, "to_value": 100.0, "effect": -1.3863,
             "ci_low": -1.9, "ci_high": -0.8},
            {**fraction, "patient": "P02", "from_value": 0.625, "to_value": 0.975, "effect": 0.35,
             "ci_low": -0.02, "ci_high": 0.5,
             "flags": "conclusion differs between shared and slide gates"},
            {**fraction, "patient": "P03", "to_value": 1 / 3, "evaluable": False,
             "reason": "baseline: 9 cells, 20 needed"},
        ],
    )  # fmt: skip


def comparisons():
    row = {
        "from_timepoint": "baseline", "to_timepoint": "relapse", "group_column": "", "group": "",
        "subset": "all", "gates": "shared", "metric": NEGATIVE, "phenotype": "tumour",
        "region": "tissue", "n_patients": 2, "n_slides": 4, "n_cells": 20000, "effect": 0.5,
        "effect_scale": "difference", "ci_method": "patient_bootstrap", "p_value": 0.5,
        "p_method": "exact", "family": "main", "smallest_p_value": 0.5, "q_value": 0.75,
        "flags": "", "evaluable": True, "reason": "", "mixed_note": "2 patients, 5 needed",
    }  # fmt: skip
    return frame(
        COMPARISONS_COLUMNS,
        [
            {**row, "ci_low": 0.35, "ci_high": 0.65},
            {**row, "metric": DENSITY, "phenotype": "cd8_t", "region": "centre",
             "effect": -2.0, "effect_scale": "log_density", "ci_low": -3.1, "ci_high": -0.9,
             "q_value": 0.75},
            {**row, "group_column": "jak1", "group": "mutant", "n_patients": 1, "n_slides": 2,
             "n_cells": 10000, "effect": 0.35, "p_value": None, "q_value": None,
             "smallest_p_value": None, "p_method": "", "evaluable": False,
             "reason": "one patient: no test is possible"},
        ],
    )  # fmt: skip


NUMBERS = "; ".join(
    f"{timepoint}: CD8 margin / centre 15 (95 % interval 8 to 32; 190 and 16 cells); "
    f"{timepoint}: odds ratio of PD-L1 by contact, tumour cells 5.2 (95 % interval 3.7 to 7.3; "
    "143 cells touching, 2855 not)"
    for timepoint in ("baseline", "response", "relapse")
)
"""As many numbers as a course over three timepoints rests on."""

MORE_COURSES = (
    "consistent with the course of a paper: T cells come in and are then held at the margin, while "
    "tumour cells lose PD-L1 although other cells answer",
    "consistent with T cells lost from the tumour: infiltrated before, at the last timepoint "
    "excluded or a desert",
)


def patterns():
    row = {"gates": "shared", "evaluable": True, "reason": "", "otherwise": ""}
    return frame(
        PATTERNS_COLUMNS,
        [
            {**row, "level": "slide", "patient": "P01", "timepoint": timepoint,
             "sample_id": f"P01_{timepoint}", "pattern": pattern, "words": words, "holds": holds,
             "axis": "pdl1" if pattern.startswith("pdl1") else "t_cells",
             "evidence_for": "CD8 inside the tumour 400 per mm²", "evidence_against": against,
             "rule": "density inside the tumour at least 100 per mm²"}
            for timepoint, pattern, words, holds, against in (
                ("baseline", "t_cells_infiltrated", "consistent with infiltration", True, ""),
                ("baseline", "t_cells_desert", "consistent with a desert", False, "400 per mm²"),
                ("relapse", "pdl1_absent_on_tumour", "consistent with PD-L1 absent on tumour", True,
                 "PD-L1 gate not confirmed"),
            )
        ]
        + [
            {**row, "level": "slide", "patient": "P02", "timepoint": "relapse",
             "sample_id": "P02_relapse", "axis": "t_cells",
             "pattern": "t_cells_not_evaluable", "words": "not evaluable",
             "holds": True, "evaluable": False, "reason": "no CD8 T cells show the stain worked"},
            {**row, "level": "patient", "patient": "P01", "timepoint": "", "sample_id": "",
             "axis": "course", "pattern": "course_lost_pdl1",
             "words": "consistent with lost PD-L1 induction",
             "holds": True, "evidence_for": "30 % to 95 %", "evidence_against": "one lesion",
             "rule": "rises by 20 points", "otherwise": "at 70 points: not"},
        ]
        + [
            {**row, "level": "patient", "patient": "P01", "timepoint": "", "sample_id": "",
             "axis": "course", "pattern": pattern, "words": words, "holds": True,
             "evidence_for": told, "evidence_against": "", "rule": "one timepoint after another"}
            for pattern, words, told in (
                ("course_of_the_paper", MORE_COURSES[0], f"PD-L1 absent at the last ({NUMBERS})"),
                ("course_t_cells_lost", MORE_COURSES[1], f"infiltrated before ({NUMBERS})"),
                ("course_steps",
                 "baseline: T cells excluded, PD-L1 reactive → response: T cells infiltrated, "
                 "PD-L1 reactive → relapse: T cells excluded, PD-L1 absent on tumour cells",
                 NUMBERS),
            )
        ],
    )  # fmt: skip


def failures():
    return frame(
        FAILURES_COLUMNS,
        [
            {"sample_id": "P04_baseline", "patient": "P04", "step": "open",
             "error": "P04.ome.tif has no pixel size", "remedy": "pass --pixel-size-um",
             "attempts": 2, "log": "slides/P04_baseline.log"},
        ],
    )  # fmt: skip


def lesions():
    return pd.DataFrame(
        {
            "patient": ["P01"] * 5 + ["P02"] * 2,
            "lesion": ["L1", "L1", "L1", "L1", "L2", "L1", "L1"],
            "day": [0.0, 90.0, 300.0, 540.0, 500.0, 0.0, 300.0],
            "area_mm2": [400.0, 120.0, 60.0, 350.0, 90.0, 200.0, 260.0],
        }
    )


def tables(course=COURSE):
    return {
        "specimens": specimens(course),
        "patients": changes(),
        "comparisons": comparisons(),
        "patterns": patterns(),
        "failures": failures(),
    }


def many(count):
    """Return the course of many patients, each a little unlike the last."""
    return {
        f"P{n:02d}": (
            ("wild type", "mutant", "")[n % 3],
            {
                "baseline": (0, (20 + n, 100), (100 + 13 * n, 0.5)),
                "response": (60 + n, (10 + n // 2, 100), (400 + 31 * n % 700, 0.5)),
                "relapse": (300 + n, (35 + n, 100), (40 + 57 * n % 300, 0.5)),
            },
        )
        for n in range(1, count + 1)
    }
