"""One slide in, the promised files out, and again from what they hold."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.slides import (
    CHANNELS,
    drawn_image,
    drawn_labels,
    square,
    write_geojson,
    write_labels,
    write_slide,
)

from immunescape.cli import main
from immunescape.io import write_ome_tiff
from immunescape.io.labels import read_imported_labels
from immunescape.pipeline import Inputs, analyse, measure_slide, run_slide
from immunescape.pipeline.inputs import open_inputs
from immunescape.simulate import FieldParams, simulate_field, write_field
from immunescape.slide import Slide
from immunescape.study import Study, read_study

pytestmark = pytest.mark.usefixtures("without_reports")

FILES = {
    "study.toml", "edits.csv", "cells.parquet", "labels.zarr", "regions.geojson", "regions.csv",
    "bands.csv", "contacts.csv", "summary.csv", "sensitivity.csv", "quality.csv", "gates.csv",
    "segmentation.csv", "segmentation.html", "report.html", "report.xlsx", "pictures",
    "provenance.json", "blocks.csv",
}  # fmt: skip
COLUMNS = {
    "regions": "region, phenotype, pdl1, count, area_mm2, density_per_mm2, ci_low, ci_high, "
    "ci_method, evaluable, reason",
    "bands": "phenotype, pdl1, from_um, to_um, count, area_mm2, density_per_mm2, ci_low, ci_high, "
    "ci_method",
    "contacts": "from_phenotype, from_pdl1, to_phenotype, to_pdl1, region, from_count, to_count, "
    "from_touching, to_touching, pairs",
    "summary": "metric, phenotype, region, neighbourhood, statistic, value, unit, numerator, "
    "denominator, ci_low, ci_high, ci_method, gate_low_value, gate_high_value, p_value, "
    "margin_width_um, tumour_source, reviewed_by, evaluable, reason",
    "sensitivity": "kind, variant, metric, phenotype, region, value, unit, numerator, "
    "denominator, main_value, difference, evaluable, reason",
    "quality": "issue, region, cells, tumour_cells, cd8_cells, area_mm2, applied, note",
    "segmentation": "tile, x_um, y_um, width_um, height_um, tissue_mm2, cells, density_per_mm2, "
    "median_area_um2, small_share, large_share, ragged_share, unstained_share, empty_share, "
    "stained_share, missed_stain_share, judged, flagged, severity, issues, reason",
    "gates": "marker, parent, statistic, method, source, threshold, gate_low, gate_high, positive, "
    "negative, missing, confirmed, note",
    "edits": "time, user, action, x_um, y_um, before, after, reason",
}
CELLS = (
    "piece, x_um, y_um, area_um2, nucleus_area_um2, eccentricity, solidity, touches_frame, "
    "dapi_nucleus_mean, dapi_cytoplasm_mean, dapi_membrane_mean, dapi_cell_mean, "
    "cd8_nucleus_mean, cd8_cytoplasm_mean, cd8_membrane_mean, cd8_cell_mean, "
    "cd8_membrane_unshared, cd8_membrane_p35, cd8_membrane_fraction, "
    "cd8_inner_mean, "
    "pdl1_nucleus_mean, pdl1_cytoplasm_mean, pdl1_membrane_mean, pdl1_cell_mean, "
    "pdl1_membrane_unshared, pdl1_membrane_p35, pdl1_membrane_fraction, "
    "pdl1_inner_mean, "
    "s100_nucleus_mean, s100_cytoplasm_mean, s100_membrane_mean, s100_cell_mean, "
    "sox10_nucleus_mean, sox10_cytoplasm_mean, sox10_membrane_mean, sox10_cell_mean"
).split(", ")
CALLS = {"cd8_positive", "pdl1_positive", "s100_positive", "sox10_positive", "phenotype"}
AFTER = (
    "region, distance_to_margin_um, edge_censored, n_contacts, n_cd8_contacts, touching_cd8, "
    "distance_to_cd8_um, edited"
).split(", ")


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    """A simulated field with its truth beside it."""
    folder = tmp_path_factory.mktemp("field")
    params = FieldParams(width_um=300, height_um=260, roughness_um=8)
    write_field(simulate_field(params, "response", 5, "made"), folder)
    return folder


def true_inputs(field: Path, **changed) -> Inputs:
    truth = field / "truth"
    return replace(
        Inputs(
            slide=field / "made.ome.tif",
            annotations=field / "made.geojson",
            labels=(truth / "made_nuclei.tif", truth / "made_cells.tif"),
            calls=truth / "made_cells.csv",
        ),
        **changed,
    )


@pytest.fixture(scope="module")
def result(field, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out / "made", run_slide(true_inputs(field), out, Study())


def tables(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(folder.glob("*.csv"))}


def test_every_promised_file_has_its_columns(result):
    folder, _ = result
    assert {p.name for p in folder.iterdir()} == FILES
    for name, columns in COLUMNS.items():
        header = (folder / f"{name}.csv").read_text().splitlines()[0]
        assert header == columns.replace(", ", ",")
    cells = pd.read_parquet(folder / "cells.parquet").set_index("label")
    columns = list(cells.columns)
    assert columns[: len(CELLS)] == CELLS
    assert set(columns) >= CALLS
    assert columns[-len(AFTER) :] == AFTER


def test_with_true_labels_and_calls_counts_are_the_truth(field, result):
    _, found = result
    truth = pd.read_csv(field / "truth" / "made_regions.csv")
    ours = found.tables["regions"].set_index(["region", "phenotype", "pdl1"])
    for row in truth.itertuples():
        mine = ours.loc[(row.region, row.phenotype, row.pdl1)]
        assert mine["count"] == row.count
        assert mine["area_mm2"] == pytest.approx(row.area_mm2, rel=0.01, abs=2e-5)


def test_with_true_labels_and_calls_contacts_are_the_truth(field, result):
    _, found = result
    truth = pd.read_csv(field / "truth" / "made_contacts.csv")
    ours = found.tables["contacts"]
    ours = ours[ours["region"] == "tissue"].set_index(
        ["from_phenotype", "from_pdl1", "to_phenotype", "to_pdl1"]
    )
    assert len(truth) > 4
    for row in truth.itertuples():
        key = (row.from_phenotype, row.from_pdl1, row.to_phenotype, row.to_pdl1)
        assert ours.loc[key, "pairs"] == row.pairs, key


def test_with_true_labels_and_calls_fractions_are_the_truth(field, result):
    _, found = result
    truth = pd.read_csv(field / "truth" / "made_summary.csv")
    ours = found.tables["summary"]
    ours = ours[(ours["neighbourhood"] == "contact") & (ours["phenotype"] == "tumour")]
    ours = ours.set_index(["metric", "region"])
    compared = 0
    for row in truth[truth["metric"].str.contains("touching")].itertuples():
        mine = ours.loc[(row.metric, row.region)]
        assert (mine["numerator"], mine["denominator"]) == (row.numerator, row.denominator)
        if mine["evaluable"]:
            assert mine["value"] == pytest.approx(row.value)
            compared += 1
    assert compared > 3


def test_the_result_repeats_itself_from_its_own_study(field, result, tmp_path):
    folder, _ = result
    for path in field.rglob("*.*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    study = read_study(folder / "study.toml")
    assert [i.role for i in study.input] == ["slide", "annotations", "labels", "labels", "calls"]
    run_slide(Inputs(slide=tmp_path / "made.ome.tif"), tmp_path / "again", study)
    assert tables(tmp_path / "again" / "made") == tables(folder)


def test_a_study_lends_another_slide_its_settings_but_not_its_annotations(tmp_path):
    first = write_slide(tmp_path, "first")
    second = tmp_path / "second.ome.tif"
    second.write_bytes(first.read_bytes() + b"another")
    drawn = write_geojson(tmp_path, square(0, 0, 180, 240))
    study = replace(Study(), margin=replace(Study().margin, width_um=25.0))
    given = {"annotations": drawn, "labels": (write_labels(tmp_path),)}
    run_slide(Inputs(slide=first, **given), tmp_path / "out", study)
    kept = read_study(tmp_path / "out" / "first" / "study.toml")
    opened = open_inputs(Inputs(slide=second), kept)
    assert "tumour" not in opened.annotations
    assert opened.labels is None
    assert [w.split(":")[1] for w in opened.warnings] == [
        " its annotations regions.geojson are not used for second.ome.tif; pass --annotations if "
        "there are some for this slide",
        " its labels cells.tif are not used for second.ome.tif; pass --labels if there are some "
        "for this slide",
    ]
    assert kept.margin.width_um == 25.0
    renamed = tmp_path / "renamed.ome.tif"
    renamed.write_bytes(first.read_bytes())
    for same in (first, renamed):
        opened = open_inputs(Inputs(slide=same), kept)
        assert "tumour" in opened.annotations
        assert opened.labels is not None
    chosen = open_inputs(Inputs(slide=second, annotations=drawn), kept)
    assert "tumour" in chosen.annotations


def test_a_tumour_drawn_beyond_the_frame_is_told(tmp_path):
    slide = write_slide(tmp_path)
    exclusion, tumour = square(0, 0, 20, 20, "Ignore*"), square(400, 300, 500, 400)
    drawn = write_geojson(tmp_path, exclusion, tumour)
    opened = open_inputs(Inputs(slide=slide, annotations=drawn), Study())
    expected = "regions.geojson: what is drawn as tumour lies wholly outside the slide"
    assert opened.warnings == (expected,)
    partly = write_geojson(tmp_path, exclusion, square(300, 200, 500, 400))
    assert open_inputs(Inputs(slide=slide, annotations=partly), Study()).warnings == ()


def test_another_margin_needs_no_pixels(field, tmp_path, monkeypatch):
    inputs = true_inputs(field)
    run_slide(inputs, tmp_path, Study())
    cells = pd.read_parquet(tmp_path / "made" / "cells.parquet")

    def no_pixels(*_args, **_keywords):
        raise AssertionError("pixels were read")

    monkeypatch.setattr(Slide, "read", no_pixels)
    wide = replace(Study(), margin=replace(Study().margin, width_um=40.0))
    again = run_slide(inputs, tmp_path, wide)
    reused = {s["step"] for s in again.provenance["steps"] if s["reused"]}
    assert reused == {"segment", "measure", "contacts", "inspect", "pictures"}
    summary = pd.read_csv(tmp_path / "made" / "summary.csv")
    assert set(summary["margin_width_um"]) == {40.0}
    now = pd.read_parquet(tmp_path / "made" / "cells.parquet")
    measured = [c for c in CELLS if c != "piece"]
    pd.testing.assert_frame_equal(now[measured], cells[measured])
    assert (now["region"] != cells["region"]).any()
    monkeypatch.undo()
    fresh = run_slide(inputs, tmp_path / "fresh", wide)
    assert tables(tmp_path / "fresh" / "made") == tables(tmp_path / "made")
    assert not any(s["reused"] for s in fresh.provenance["steps"])


def test_a_changed_rim_keeps_the_labels(field, tmp_path):
    inputs = true_inputs(field)
    run_slide(inputs, tmp_path, Study())
    thin = replace(Study(), measure=replace(Study().measure, membrane_width_um=0.5))
    again = run_slide(inputs, tmp_path, thin)
    assert {s["step"] for s in again.provenance["steps"] if s["reused"]} == {"segment", "pictures"}
    run_slide(inputs, tmp_path / "fresh", thin)
    assert tables(tmp_path / "fresh" / "made") == tables(tmp_path / "made")


def test_what_was_noticed_of_the_labels_outlives_every_run(tmp_path):
    """A warning about the nuclei is still there when a later run takes their labels over twice."""
    slide = write_slide(tmp_path)
    image = np.zeros((5, 64, 64), np.uint16)
    image[1:] = np.arange(64, dtype=np.uint16)
    write_ome_tiff(slide, image, CHANNELS, 0.5)
    study = Study()
    studies = (
        study,
        replace(study, margin=replace(study.margin, width_um=50.0)),
        replace(study, measure=replace(study.measure, membrane_width_um=0.5)),
    )
    for chosen in studies:
        run = run_slide(Inputs(slide=slide), tmp_path / "out", chosen)
        assert any("contrast" in text for text in run.warnings)
    assert {s["step"] for s in run.provenance["steps"] if s["reused"]} == {"segment", "pictures"}


def test_another_contact_rule_finds_contacts_anew(field, tmp_path):
    inputs = true_inputs(field)
    run_slide(inputs, tmp_path, Study())
    strict = replace(Study(), contact=replace(Study().contact, min_contact_um=4.0))
    again = run_slide(inputs, tmp_path, strict)
    reused = {s["step"] for s in again.provenance["steps"] if s["reused"]}
    assert reused == {"segment", "measure", "inspect", "pictures"}
    run_slide(inputs, tmp_path / "fresh", strict)
    assert tables(tmp_path / "fresh" / "made") == tables(tmp_path / "made")


def test_another_margin_loads_no_network(field, tmp_path):
    inputs = true_inputs(field)
    run_slide(inputs, tmp_path, Study())
    words = [
        "run", inputs.slide, "-o", tmp_path, "--annotations", inputs.annotations, "--labels",
        *inputs.labels, "--calls", inputs.calls, "--margin.width-um", 60, "--quiet",
        # without controls there is no p value, and only its draws need the compiler
        "--summary.min-control-cells", 10000,
    ]  # fmt: skip
    code = (
        "import sys; from immunescape.cli import main; "
        f"assert main({list(map(str, words))!r}) == 0; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "cellpose", "numba"}.isdisjoint(done.stdout.split())


def test_the_two_halves_give_what_run_gives(field, result, tmp_path):
    from immunescape.io import open_slide
    from immunescape.io.geojson import read_annotations
    from immunescape.panel import match_panel

    inputs = true_inputs(field)
    slide = open_slide(inputs.slide)
    panel = match_panel(slide.channels).panel
    labels = read_imported_labels(inputs.labels, slide)
    measured = measure_slide(slide, panel, tmp_path / "labels.zarr", Study(), labels=labels)
    drawn = read_annotations(
        inputs.annotations, pixel_size_um=slide.pixel_size_um, slide_name=slide.name
    )
    again = analyse(measured, Study(), drawn, calls=inputs.calls)
    pd.testing.assert_frame_equal(again.tables["summary"], result[1].tables["summary"])


def test_cells_as_csv(field, tmp_path):
    run_slide(true_inputs(field), tmp_path, Study(), csv=True)
    names = {p.name for p in (tmp_path / "made").iterdir()}
    assert "cells.csv" in names and "cells.parquet" not in names
    run_slide(true_inputs(field), tmp_path, Study())
    names = {p.name for p in (tmp_path / "made").iterdir()}
    assert "cells.parquet" in names and "cells.csv" not in names


LEFT = {18 * row + column + 1 for row in range(12) for column in range(9)}
"""Labels of the drawn cells left of the middle."""


def drawn_run(tmp_path: Path, *features: dict, channels=CHANNELS, words=()) -> Path:
    slide = write_slide(tmp_path, channels=channels)
    labels = write_labels(tmp_path)
    drawn = ["--annotations", str(write_geojson(tmp_path, *features))] if features else []
    out = tmp_path / "out"
    code = main(["run", str(slide), "--labels", str(labels), *drawn, "-o", str(out), "-q", *words])
    assert code == 0
    return out / "slide"


def summary_row(folder: Path, metric: str, region: str = "tissue", **where) -> pd.Series:
    table = pd.read_csv(folder / "summary.csv")
    table = table[(table["metric"] == metric) & (table["region"] == region)]
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_drawn_cells_are_counted_by_hand(tmp_path):
    folder = drawn_run(tmp_path, square(0, 0, 180, 240))
    cells = pd.read_parquet(folder / "cells.parquet").set_index("label")
    assert len(cells) == 216
    cd8 = set(range(1, 217, 5))
    assert set(cells.index[cells["phenotype"] == "cd8_t"]) == cd8
    assert set(cells.index[cells["phenotype"] == "tumour"]) == LEFT - cd8
    assert set(cells.index[cells["pdl1_positive"]]) == set(range(1, 217, 3))
    # a disc of radius 9 at 9.5 in a square of 20: centroids lie at 5 µm, 15 µm, ...
    assert cells.loc[1, ["x_um", "y_um"]].tolist() == [5.0, 5.0]
    # neighbours are 2 pixels apart in their rows and columns: 1 µm, a contact
    corner = cells.loc[1]
    assert corner["n_contacts"] == 2
    assert cells.loc[20, "n_contacts"] == 4
    assert cells.loc[2, "touching_cd8"] and not cells.loc[4, "touching_cd8"]
    area = summary_row(folder, "area", "tumour")
    assert area["value"] == pytest.approx(90 * 120 / 1e6)


@pytest.mark.parametrize(
    ("lost", "marker", "metric"),
    [
        (1, "CD8", "cd8_density"),
        (1, "CD8", "cd8_margin_to_centre_ratio"),
        (2, "PD-L1", "tumour_proportion_score"),
    ],
)
def test_a_missing_marker_is_a_warning_and_a_reason(tmp_path, lost, marker, metric):
    channels = tuple("CD27" if k == lost else c for k, c in enumerate(CHANNELS))
    folder = drawn_run(tmp_path, square(0, 0, 180, 240), channels=channels)
    row = summary_row(folder, metric)
    assert not row["evaluable"] and np.isnan(row["value"]) and marker in row["reason"]
    warnings = json.loads((folder / "provenance.json").read_text())["warnings"]
    assert any(marker in text for text in warnings)
    headline = summary_row(
        folder, "pdl1_negative_fraction_touching_cd8", phenotype="tumour", neighbourhood="contact"
    )
    assert not headline["evaluable"] and marker in headline["reason"]


def test_without_sox10_the_rules_say_what_they_drop(tmp_path):
    channels = ("DAPI", "CD8", "PD-L1", "S100", "SOX9")
    folder = drawn_run(tmp_path, square(0, 0, 180, 240), channels=channels)
    cells = pd.read_parquet(folder / "cells.parquet")
    assert set(cells["label"][cells["phenotype"] == "tumour"]) == LEFT - set(range(1, 217, 5))
    warnings = json.loads((folder / "provenance.json").read_text())["warnings"]
    assert any("SOX10" in text or "sox10" in text for text in warnings)


def test_a_slide_without_tumour_is_a_result(tmp_path):
    channels = ("DAPI", "CD8", "PD-L1", "CD3", "CD20")
    folder = drawn_run(tmp_path, channels=channels)
    assert not summary_row(folder, "cd8_density", "margin")["evaluable"]
    counted = summary_row(folder, "cell_count", phenotype="any")
    assert counted["value"] == 216


def test_a_tumour_that_fills_the_frame_has_no_margin(tmp_path):
    height, width = drawn_labels().shape
    folder = drawn_run(tmp_path, square(-50, -50, width + 50, height + 50))
    for region in ("centre", "inner_margin", "outer_margin", "margin"):
        row = summary_row(folder, "cd8_density", region)
        assert not row["evaluable"] and row["reason"]
    assert summary_row(folder, "area", "tumour")["value"] == pytest.approx(height * width / 4e6)


def test_unknown_classes_are_listed(tmp_path):
    folder = drawn_run(
        tmp_path, square(0, 0, 180, 240), square(0, 0, 9, 9, "Immune cells"), words=()
    )
    warnings = json.loads((folder / "provenance.json").read_text())["warnings"]
    assert any("Immune cells" in text for text in warnings)


def test_no_gate_is_taken_from_what_is_left_out(tmp_path):
    """A fold over the last rows shines in every channel: left out, it moves no threshold."""
    height, width = drawn_labels().shape
    fold = square(-9, height - 60, width + 9, height + 9, "Ignore*")
    tumour = square(0, 0, 180, 240)
    plain, folded = tmp_path / "plain", tmp_path / "folded"
    image = drawn_image(drawn_labels())
    image[:, height - 60 :] = image[:, height - 60 :] * 9 + 700
    gates, counts = [], []
    for folder in (plain, folded):
        slide = write_slide(folder)
        if folder == folded:
            slide.unlink()
            write_ome_tiff(slide, image, CHANNELS, 0.5)
        words = ["run", str(slide), "--labels", str(write_labels(folder)), "--tissue", "whole"]
        words += ["--annotations", str(write_geojson(folder, tumour, fold)), "-o", str(folder)]
        assert main([*words, "-q"]) == 0
        gates.append(pd.read_csv(folder / "slide" / "gates.csv"))
        counts.append((folder / "slide" / "regions.csv").read_text())
    assert gates[0]["threshold"].notna().all()
    assert gates[0]["threshold"].tolist() == gates[1]["threshold"].tolist()
    assert counts[0] == counts[1]


def test_conflicts_are_told_by_region(tmp_path):
    """CD8 read as SOX10 too: every CD8+ cell is both."""
    slide = write_slide(tmp_path)
    labels = write_labels(tmp_path)
    calls = tmp_path / "calls.csv"
    rows = [f"{k},{int(k % 5 == 1)},{int(k % 5 == 1)},1" for k in range(1, 217)]
    calls.write_text("label,cd8_positive,sox10_positive,s100_positive\n" + "\n".join(rows) + "\n")
    drawn = write_geojson(tmp_path, square(0, 0, 180, 240))
    inputs = Inputs(slide=slide, labels=(labels,), calls=calls, annotations=drawn)
    wide = replace(Study(), margin=replace(Study().margin, width_um=1000.0))
    result = run_slide(inputs, tmp_path / "out", wide)
    both = set(range(1, 217, 5))
    told = [w for w in result.warnings if w.startswith("SOX10+ CD8+")]
    inside, outside = len(both & LEFT), len(both - LEFT)
    assert told == [f"SOX10+ CD8+ cells by region: inner_margin {inside}, outer_margin {outside}"]


def test_own_gates_are_used_and_named(tmp_path):
    folder = drawn_run(tmp_path, square(0, 0, 180, 240), words=("--gate", "pdl1=fixed:1e6"))
    gates = pd.read_csv(folder / "gates.csv").set_index(["marker", "parent"])
    assert gates.loc[("pdl1", "tumour"), "threshold"] == 1e6
    assert gates.loc[("pdl1", "tumour"), "positive"] == 0
    assert bool(gates.loc[("pdl1", "tumour"), "confirmed"])


def test_flags_go_before_the_study(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text("[margin]\nwidth_um = 10\nband_um = 5\n")
    words = ("--study", str(study), "--margin.width-um", "20")
    folder = drawn_run(tmp_path, square(0, 0, 180, 240), words=words)
    kept = read_study(folder / "study.toml")
    assert (kept.margin.width_um, kept.margin.band_um) == (20.0, 5.0)
    bands = pd.read_csv(folder / "bands.csv")
    assert set(bands["to_um"] - bands["from_um"]) == {5.0}


def test_given_phenotypes_stand_in_for_markers(tmp_path):
    """Without CD8, SOX10 and S100 channels: who is who comes from the file, even a count of 0."""
    calls = tmp_path / "calls.csv"
    rows = [f"{k},{'tumour' if k in LEFT else 'other'}" for k in range(1, 217)]
    calls.write_text("label,phenotype\n" + "\n".join(rows) + "\n")
    channels = ("DAPI", "CD3", "PD-L1", "CD20", "CD4")
    folder = drawn_run(
        tmp_path, square(0, 0, 180, 240), channels=channels, words=("--calls", str(calls))
    )
    assert summary_row(folder, "cell_count", phenotype="tumour")["value"] == 108
    assert summary_row(folder, "cell_count", phenotype="cd8_t")["value"] == 0
    assert summary_row(folder, "tumour_proportion_score")["value"] == pytest.approx(
        100 * len(LEFT & set(range(1, 217, 3))) / 108
    )
