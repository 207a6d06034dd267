"""Fields on which a number is easily wrong: each prints what it gives, and what it must give."""

from dataclasses import replace as changed
from pathlib import Path

import pandas as pd

from immunescape.pipeline import run_pooled, run_slide
from immunescape.simulate import SCENARIOS, evaluation_field, evaluation_params, write_field
from truth_runs import inputs_of, quick, true_sums, with_model

FIRST = 500
"""Number of the first of these fields, apart from those of the scenarios."""
NEGATIVE = changed(SCENARIOS["relapse"], name="negative", pdl1_tumour=(0.0, 0.0, 0.0))
KINDS = ("pixels", "labels", "calls")


def print_special(folder: Path, model: str) -> list[str]:
    """Analyse the special fields and print what they give; return what broke."""
    broken: list[str] = []

    def say(name: str, row: pd.Series, held: bool) -> None:
        value = "no value" if pd.isna(row["value"]) else f"{row['value']:.3f}"
        if pd.notna(row["ci_low"]):
            value += f" ({row['ci_low']:.3f} to {row['ci_high']:.3f}, {row['ci_method']})"
        reason = f"; {row['reason']}" if isinstance(row["reason"], str) and row["reason"] else ""
        mark = "" if held else "  <-- broken"
        print(f"{name}: {value}, evaluable {bool(row['evaluable'])}{reason}{mark}")
        if not held:
            broken.append(name)

    print("\nfields on which a number is easily wrong")
    made = evaluation_field(NEGATIVE, FIRST)
    write_field(made, folder)
    true = true_sums(made)
    assert true.touching == true.touching_negative
    for kind in KINDS:
        row = headline(run(folder, made.name, kind, model))
        near = row["value"] == 1.0 if kind == "calls" else row["value"] > 0.92
        say(
            f"relapse without one PD-L1+ tumour cell, from {kind}, n {row['denominator']:.0f}",
            row, bool(row["evaluable"]) and bool(near) and row["ci_low"] < 1,
        )  # fmt: skip
    for number, stain in ((FIRST + 1, "pdl1"), (FIRST + 2, "cd8")):
        params = changed(evaluation_params(number), unstained=stain)
        scenario = changed(SCENARIOS["baseline"], name=f"without_{stain}")
        made = evaluation_field(scenario, number, params)
        write_field(made, folder)
        for kind in ("pixels", "labels"):
            summary = run(folder, made.name, kind, model)
            row = headline(summary)
            say(f"{stain} unstained, headline from {kind}", row, refused(row))
            if stain == "cd8":
                row = one(summary, "cd8_density", "tumour")
                say(f"{stain} unstained, CD8 density in tumour from {kind}", row, refused(row))
    params = changed(evaluation_params(FIRST + 3), nest_fraction=0.0, satellites=0)
    made = evaluation_field(changed(SCENARIOS["baseline"], name="tumour_free"), FIRST + 3, params)
    write_field(made, folder)
    for kind in KINDS:
        row = headline(run(folder, made.name, kind, model))
        say(f"no tumour, headline from {kind}", row, refused(row))
    other = evaluation_field(SCENARIOS["baseline"], FIRST + 4)
    write_field(other, folder)
    true = true_sums(made)
    for kind in KINDS[:2]:
        both = [inputs_of(folder, f.name, labels=kind == "labels") for f in (made, other)]
        found, _ = run_pooled(both, folder / f"special_{kind}", quick(with_model(model)))
        row = one(found.tables["summary"], "cd8_density", "tissue")
        may = max(0.1 * true.cd8["tissue"], 3) / true.area_mm2["tissue"]
        truly = true.cd8["tissue"] / true.area_mm2["tissue"]
        say(
            f"no tumour, gates of the batch, CD8 per mm² from {kind}, truly {truly:.1f}",
            row, bool(row["evaluable"]) and abs(row["value"] - truly) <= may,
        )  # fmt: skip
    return broken


def refused(row: pd.Series) -> bool:
    """Tell whether a number is not evaluable, and says why."""
    return not row["evaluable"] and isinstance(row["reason"], str) and bool(row["reason"])


def run(folder: Path, name: str, kind: str, model: str) -> pd.DataFrame:
    """Return the summary of a field from its pixels, its true labels, or these and its calls."""
    inputs = inputs_of(folder, name, labels=kind != "pixels", calls=kind == "calls")
    return run_slide(inputs, folder / f"special_{kind}", with_model(model)).tables["summary"]


def headline(summary: pd.DataFrame) -> pd.Series:
    """Return the headline's row of the whole slide."""
    return one(summary, "pdl1_negative_fraction_touching_cd8", "tissue", "tumour", "contact")


def one(
    summary: pd.DataFrame, metric: str, region: str, phenotype: str = "cd8_t",
    neighbourhood: str = "",
) -> pd.Series:  # fmt: skip
    """Return one row of a summary."""
    found = summary[
        (summary["metric"] == metric)
        & (summary["region"] == region)
        & (summary["phenotype"] == phenotype)
        & (summary["neighbourhood"].fillna("") == neighbourhood)
    ]
    return found.iloc[0]
