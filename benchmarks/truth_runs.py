"""Fields kept for evaluation, their runs, and the counts and areas read from the tables."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.pipeline import Inputs, run_pooled, run_slide
from immunescape.results import SlideResult
from immunescape.simulate import FieldParams, SimulatedField, evaluation_field, write_field
from immunescape.study import Study

REGIONS = ("centre", "inner_margin", "outer_margin", "stroma", "margin", "tumour", "tissue")
STATISTICS = ("pdl1_membrane_unshared", "pdl1_membrane_mean", "pdl1_membrane_p35")
WIDTH_UM = FieldParams().margin_width_um


@dataclass(frozen=True)
class Sums:
    """Counts and areas of one field; None where a gate is missing."""

    cells: int
    cd8: Mapping[str, int] | None
    area_mm2: Mapping[str, float]
    touching: int | None
    touching_negative: int | None


@dataclass(frozen=True)
class Prepared:
    """One field: its files, its truth, and its numbers from true labels and calls."""

    scenario: str
    number: int
    name: str
    folder: Path
    true: Sums
    given: Sums
    tumour: BaseGeometry
    tissue: BaseGeometry
    seconds: float

    def inputs(self, *, labels: bool = False, calls: bool = False) -> Inputs:
        """Return its files, with the true labels or calls if they are to be given."""
        return inputs_of(self.folder, self.name, labels=labels, calls=calls)

    def true_cells(self) -> pd.DataFrame:
        """Return the table of true cells, by label."""
        path = self.folder / "truth" / f"{self.name}_cells.csv"
        return pd.read_csv(path).set_index("label")


@dataclass(frozen=True)
class Judged:
    """The fields of one scenario with gates that they share.

    Parameters
    ----------
    fields
        The fields.
    pixels, labelled
        Sums of each from its pixels, and from its true labels.
    ways
        Sums from pixels in other ways to judge them.
    framed
        CD8 sums from pixels if the frame were margin; None where there are no calls.
    cells
        Statistics of the PD-L1 membrane of all true cells, and ``truly``.
    gates
        Gates of the first field, from pixels.
    """

    fields: tuple[Prepared, ...]
    pixels: tuple[Sums, ...]
    labelled: tuple[Sums, ...]
    ways: Mapping[str, tuple[Sums, ...]]
    framed: tuple[Sums | None, ...]
    cells: pd.DataFrame
    gates: pd.DataFrame


def inputs_of(folder: Path, name: str, *, labels: bool = False, calls: bool = False) -> Inputs:
    """Return the files of a simulated field; nothing is drawn where there is no tumour."""
    truth, drawn = folder / "truth", folder / f"{name}.geojson"
    both = (truth / f"{name}_nuclei.tif", truth / f"{name}_cells.tif")
    return Inputs(
        slide=folder / f"{name}.ome.tif",
        annotations=drawn if drawn.exists() else None,
        labels=both if labels else (),
        calls=truth / f"{name}_cells.csv" if calls else None,
    )


def sums_of(tables: Mapping[str, pd.DataFrame]) -> Sums:
    """Read the sums of one field from its tables, ours or the simulator's: same columns."""
    rows = tables["regions"]
    rows = rows[rows["pdl1"] == "any"].set_index(["phenotype", "region"])
    counts = {r: rows.loc[("cd8_t", r), "count"] for r in REGIONS}
    summary = tables["summary"]
    summary = summary[
        (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (summary["region"] == "tissue")
    ]
    if "phenotype" in summary:
        summary = summary[
            (summary["phenotype"] == "tumour") & (summary["neighbourhood"] == "contact")
        ]
    headline = summary.iloc[0]
    known = bool(pd.notna(headline["denominator"]) and pd.notna(headline["numerator"]))
    kinds = ("any",) if ("any", "tissue") in rows.index else ("tumour", "cd8_t", "other")
    return Sums(
        cells=int(sum(rows.loc[(kind, "tissue"), "count"] for kind in kinds)),
        cd8=None if any(map(pd.isna, counts.values())) else {r: int(counts[r]) for r in REGIONS},
        area_mm2={r: float(rows.loc[("cd8_t", r), "area_mm2"]) for r in REGIONS},
        touching=int(headline["denominator"]) if known else None,
        touching_negative=int(headline["numerator"]) if known else None,
    )


def prepare(task: tuple[str, int, str, str]) -> Prepared:
    """Render one field, find its cells, and analyse it from its true labels and calls.

    The task is scenario, number, model and folder. Whatever an earlier run left in the folder is
    taken over where it fits.
    """
    scenario, number, model, place = task
    folder = Path(place)
    made = evaluation_field(scenario, number)
    write_field(made, folder)
    study = with_model(model)
    begun = time.perf_counter()
    run_slide(inputs_of(folder, made.name), folder / "pixels", quick(study))
    seconds = time.perf_counter() - begun
    run_slide(inputs_of(folder, made.name, labels=True), folder / "labels", quick(study))
    calls = inputs_of(folder, made.name, labels=True, calls=True)
    given = run_slide(calls, folder / "given", quick(study))
    return Prepared(
        scenario, number, made.name, folder, true_sums(made), sums_of(given.tables),
        made.regions["tumour"], made.regions["tissue"], seconds,
    )  # fmt: skip


def true_sums(made: SimulatedField) -> Sums:
    """Return the sums of a field's truth."""
    return sums_of({"regions": made.truth.regions, "summary": made.truth.summary})


def with_model(model: str) -> Study:
    """Return the study of the evaluation: everything as it comes, with a model."""
    study = Study()
    return changed(study, segment=changed(study.segment, model=model))


def quick(study: Study, **gating: object) -> Study:
    """Return the study without ranges of its gates and other ways to judge; other gates too."""
    return changed(
        study,
        gating=changed(study.gating, bootstrap_draws=0, **gating),
        sensitivity=changed(study.sensitivity, tables="none"),
    )


def pooled(
    fields: Sequence[Prepared], study: Study, *, labels: bool = False
) -> tuple[SlideResult, ...]:
    """Analyse the fields of one scenario with gates that they share."""
    out = fields[0].folder / ("labels" if labels else "pixels")
    return run_pooled([f.inputs(labels=labels) for f in fields], out, study)


def judge(task: tuple[Sequence[Prepared], str]) -> Judged:
    """Judge the fields of one scenario together, in every way; the task is fields and model."""
    fields, model = task
    study = quick(with_model(model))
    labelled = pooled(fields, study, labels=True)
    ways = {
        "plain rim mean": pooled(fields, quick(study, membrane_statistic="mean")),
        "gate of each slide": pooled(fields, quick(study, share="slide")),
    }
    pixels = pooled(fields, study)
    return Judged(
        tuple(fields),
        tuple(sums_of(r.tables) for r in pixels),
        tuple(sums_of(r.tables) for r in labelled),
        {way: tuple(sums_of(r.tables) for r in results) for way, results in ways.items()},
        tuple(frame_counted(f, r) for f, r in zip(fields, pixels, strict=True)),
        pd.concat([with_truth(f, r) for f, r in zip(fields, labelled, strict=True)]),
        pixels[0].tables["gates"],
    )


def frame_counted(field: Prepared, result: SlideResult) -> Sums | None:
    """Return CD8 sums as if the tumour's border with the frame were margin too."""
    cells = result.cells.frame
    if "phenotype" not in cells:
        return None
    cd8 = cells[cells["phenotype"] == "cd8_t"]
    near = field.tumour.boundary.buffer(WIDTH_UM)
    shapes = {"centre": field.tumour - near, "margin": field.tissue & near}
    at = shapely.points(cd8[["x_um", "y_um"]].to_numpy())
    return Sums(
        cells=len(cells),
        cd8={r: int(shapely.intersects(shape, at).sum()) for r, shape in shapes.items()},
        area_mm2={r: shape.area / 1e6 for r, shape in shapes.items()},
        touching=None,
        touching_negative=None,
    )


def with_truth(field: Prepared, result: SlideResult) -> pd.DataFrame:
    """Return the statistics of PD-L1 membranes of each true cell, and whether it is positive."""
    frame = result.cells.frame
    statistics = frame[[s for s in STATISTICS if s in frame]]
    return statistics.join(field.true_cells()["pdl1_positive"].rename("truly"), how="inner")


def best_errors(cells: pd.DataFrame) -> dict[str, float]:
    """Return the share of wrong PD-L1 calls at the best of all thresholds on true labels.

    The threshold is chosen knowing the truth, one for all cells: no gate can err less.
    """
    errors = {}
    for statistic in (s for s in STATISTICS if s in cells):
        some = cells[cells[statistic].notna()]
        truly = some.sort_values(statistic)["truly"].to_numpy(bool)
        missed = np.concatenate([[0], np.cumsum(truly)])
        false = (~truly).sum() - np.concatenate([[0], np.cumsum(~truly)])
        errors[statistic] = float((missed + false).min() / len(truly))
    return errors
