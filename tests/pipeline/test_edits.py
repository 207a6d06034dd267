"""Corrections made by hand, replayed in a run: on drawn cells, where all can be counted."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.errors import EditsError, StudyError
from immunescape.io.edits import Edits, append_edits, read_edits
from immunescape.io.labels import LabelStore
from immunescape.pipeline import Inputs, run_pooled, run_slide
from immunescape.simulate import FieldParams, simulate_field, write_field
from immunescape.slide import Slide
from immunescape.study import Study, read_study

pytestmark = pytest.mark.usefixtures("without_reports")

QUICK = replace(Study(), gating=replace(Study().gating, bootstrap_draws=0))
WITHOUT = replace(QUICK, sensitivity=replace(QUICK.sensitivity, tables="none"))


def centre(label: int) -> tuple[float, float]:
    """Position of a drawn cell in µm: 18 in a row, 20 pixels of 0.5 µm apart."""
    row, column = divmod(label - 1, 18)
    return 10.0 * column + 5.0, 10.0 * row + 5.0


def joined_labels() -> np.ndarray:
    """The drawn cells, of which 1 and 2, and 41 and 42, share an edge."""
    labels = drawn_labels()
    labels[8:12, 18:22] = np.where(np.arange(18, 22) < 20, 1, 2)
    labels[48:52, 18 + 80 : 22 + 80] = np.where(np.arange(18, 22) < 20, 41, 42)
    return labels


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A slide, its labels and regions, and the result without any correction."""
    folder = tmp_path_factory.mktemp("made")
    write_slide(folder)
    write_labels(folder, labels=joined_labels())
    write_geojson(folder, square(0, 0, 180, 240))
    run_slide(inputs(folder), folder / "out", QUICK)
    return folder


@pytest.fixture
def ours(made, tmp_path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    return folder


def inputs(folder: Path, **more) -> Inputs:
    return Inputs(
        slide=folder / "slide.ome.tif", labels=(folder / "cells.tif",),
        annotations=folder / "regions.geojson", **more,
    )  # fmt: skip


def result(folder: Path) -> Path:
    return folder / "out" / "slide"


def edit(folder: Path, *steps) -> Edits:
    """Add corrections to the result's own file, as the plugin does."""
    path = result(folder) / "edits.csv"
    edits = read_edits(path)
    for action, *args in steps:
        edits = append_edits(path, [getattr(edits, action)(*args, user="A", before="?")])
    return edits


def tables(folder: Path, *, but: tuple[str, ...] = ("edits.csv",)) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(folder.glob("*.csv")) if p.name not in but}


def cells_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "cells.parquet").set_index("label")


def steps(run, *, reused: bool) -> set[str]:
    return {s["step"] for s in run.provenance["steps"] if s["reused"] is reused}


MERGE = ("merge", *centre(1), centre(2))
CUT = ("split", *centre(60), (*centre(60)[:1], 0.0, *centre(60)[:1], 100.0))
DELETE = ("delete", *centre(100))
CALL = ("call", *centre(6), "phenotype", "other")


def no_pixels(*_args, **_keywords):
    raise AssertionError("pixels were read")


def test_calls_by_hand_need_no_pixel_and_change_what_follows(ours, monkeypatch):
    before = cells_of(result(ours))
    assert before.loc[6, "phenotype"] == "cd8_t" and before.loc[5, "touching_cd8"]
    assert before.loc[8, "phenotype"] == "tumour" and not before.loc[8, "pdl1_positive"]
    edit(
        ours, CALL, ("call", *centre(8), "pdl1", "positive"),
        ("call", *centre(9), "cd8", "positive"),
        ("call", *centre(10), "pdl1", "missing"), ("call", *centre(3), "sox10", "negative"),
        ("call", *centre(12), "phenotype", "tumour"), ("call", *centre(12), "phenotype", "cd8_t"),
    )  # fmt: skip
    monkeypatch.setattr(Slide, "read", no_pixels)
    run = run_slide(inputs(ours), ours / "out", QUICK)
    taken_over = {"segment", "measure", "contacts", "inspect", "pictures"}
    assert steps(run, reused=True) == taken_over
    now = cells_of(result(ours))
    assert now.loc[6, "phenotype"] == "other" and bool(now.loc[6, "cd8_positive"])
    assert now.loc[8, "pdl1_positive"] and now.loc[8, "phenotype"] == "tumour"
    # SOX10+ still: a conflict, which is a tumour cell by the rules
    assert now.loc[9, "cd8_positive"] and now.loc[9, "phenotype"] == "tumour"
    assert pd.isna(now.loc[10, "pdl1_positive"])
    # S100+ within the tumour region is a tumour cell without SOX10
    assert not now.loc[3, "sox10_positive"] and now.loc[3, "phenotype"] == "tumour"
    assert now.loc[12, "phenotype"] == "cd8_t"  # the later of two
    assert set(now.index[now["edited"]]) == {6, 8, 9, 10, 3, 12}
    # what touched 6 and no other CD8 cell does not touch one any more
    assert not now.loc[5, "touching_cd8"] and not now.loc[7, "touching_cd8"]
    rest = now.index.difference([6, 8, 9, 10, 3, 12])
    same = ["phenotype", "pdl1_positive", "cd8_positive", "region", "distance_to_margin_um"]
    pd.testing.assert_frame_equal(now.loc[rest, same], before.loc[rest, same])
    assert "7 corrections by hand applied" in run.warnings


def test_no_gate_is_fitted_on_what_a_person_called(ours, monkeypatch):
    import immunescape.phenotype.gating as gating

    before = (result(ours) / "gates.csv").read_text()
    edit(ours, *(("call", *centre(k), "cd8", "negative") for k in range(1, 200, 5)))
    fitted = []
    monkeypatch.setattr(gating, "fit_gate", lambda *a, **k: fitted.append(1))
    run_slide(inputs(ours), ours / "out", QUICK)
    assert not fitted
    now = pd.read_csv(result(ours) / "gates.csv").set_index(["marker", "parent"])
    assert "cd8" in before and now.loc[("cd8", "all"), "positive"] == 4
    monkeypatch.undo()
    fresh = ours / "fresh"
    run_slide(inputs(ours, edits=result(ours) / "edits.csv"), fresh, QUICK)
    again = pd.read_csv(fresh / "slide" / "gates.csv")["threshold"]
    assert again.tolist() == pd.read_csv(result(ours) / "gates.csv")["threshold"].tolist()


def test_cells_are_merged_cut_and_removed_and_measured_anew(ours):
    before = cells_of(result(ours))
    edit(ours, MERGE, CUT, DELETE)
    run = run_slide(inputs(ours), ours / "out", QUICK)
    assert steps(run, reused=True) == {"segment", "pictures"}
    now = cells_of(result(ours))
    assert set(before.index) - set(now.index) == {2, 100}
    assert set(now.index) - set(before.index) == {217}
    assert set(now.index[now["edited"]]) == {1, 60, 217}
    whole = before.loc[[1, 2]]
    strip = 2 * 2 * 0.25  # beside the four rows that were joined are two with 2 pixels between
    assert now.loc[1, "area_um2"] == pytest.approx(whole["area_um2"].sum() + strip)
    assert now.loc[1, "x_um"] == pytest.approx(np.average(whole["x_um"], weights=whole["area_um2"]))
    assert now.loc[[60, 217], "area_um2"].sum() == pytest.approx(before.loc[60, "area_um2"])
    rest = now.index.difference([1, 60, 217])
    measured = [c for c in before.columns[: before.columns.get_loc("cd8_positive")] if c != "piece"]
    pd.testing.assert_frame_equal(now.loc[rest, measured], before.loc[rest, measured])
    store = LabelStore.open(result(ours) / "labels.zarr")
    assert np.array_equal(np.unique(store["cells"][...]), np.r_[0, np.sort(now.index.to_numpy())])
    unedited = LabelStore.open(result(ours) / "labels.zarr" / "unedited")
    assert np.array_equal(unedited["cells"][...], joined_labels())


@pytest.mark.slow
def test_a_result_with_corrections_is_the_same_however_it_came_about(ours):
    """At once, one after the other, in another tile size, with and without an earlier result."""
    for step in (MERGE, CALL, CUT, DELETE):
        edit(ours, step)
        run_slide(inputs(ours), ours / "out", QUICK)
    given = inputs(ours, edits=result(ours) / "edits.csv")
    tiled = replace(
        QUICK,
        measure=replace(QUICK.measure, block_px=64),
        contact=replace(QUICK.contact, block_px=64),
    )
    for name, study in (("fresh", QUICK), ("tiled", tiled)):
        run_slide(given, ours / name, study)
        assert tables(ours / name / "slide") == tables(result(ours)), name
        pd.testing.assert_frame_equal(cells_of(ours / name / "slide"), cells_of(result(ours)))


def test_undone_all_is_as_it_was_and_needs_no_pixel(ours, monkeypatch):
    before, cells = tables(result(ours)), cells_of(result(ours))
    edit(ours, MERGE, CALL, DELETE)
    run_slide(inputs(ours), ours / "out", QUICK)
    corrected = tables(result(ours))
    assert corrected != before
    edit(ours, ("undo",), ("undo",), ("undo",))
    monkeypatch.setattr("immunescape.pipeline.measured.measure_cells", no_pixels)
    run = run_slide(inputs(ours), ours / "out", QUICK)
    assert {"segment", "measure", "contacts"} <= steps(run, reused=True)
    assert run.warnings == tuple(w for w in run.warnings if "correction" not in w)
    assert tables(result(ours)) == before
    pd.testing.assert_frame_equal(cells_of(result(ours)), cells)
    assert not (result(ours) / "labels.zarr" / "unedited").exists()
    monkeypatch.undo()
    edit(ours, ("redo",), ("redo",), ("redo",))
    run_slide(inputs(ours), ours / "out", QUICK)
    assert tables(result(ours)) == corrected


def test_what_cannot_be_applied_is_listed(ours):
    edits = edit(
        ours, ("delete", 9999.0, 5.0), ("merge", *centre(30), centre(200)), DELETE, DELETE,
        ("call", *centre(100), "cd8", "positive"), ("call", *centre(50), "foxp3", "positive"),
    )  # fmt: skip
    run = run_slide(inputs(ours), ours / "out", WITHOUT)
    (told,) = [w for w in run.warnings if "correction" in w]
    assert told == (
        "1 correction by hand applied, 5 not: "
        "delete at x 9999.0 µm, y 5.0 µm: it lies outside the slide; "
        "merge at x 115.0 µm, y 15.0 µm: the two cells do not touch; "
        "delete at x 95.0 µm, y 55.0 µm: no cell lies there; "
        "call at x 95.0 µm, y 55.0 µm: no cell lies there; "
        "call at x 135.0 µm, y 25.0 µm: no cell of this slide is called by foxp3"
    )
    kept = json.loads((result(ours) / "provenance.json").read_text())
    assert kept["corrections"]["applied"] == 1
    named = kept["corrections"]["not_applied"]
    assert [row["time"] for row in named] == [e.time for k, e in enumerate(edits.rows) if k != 2]
    assert named[0]["why"] == "it lies outside the slide"
    assert '"user"' not in json.dumps(kept) and "A" not in {row.get("user") for row in named}
    # the same is said when all is taken over
    again = run_slide(inputs(ours), ours / "out", WITHOUT)
    assert again.provenance["corrections"] == run.provenance["corrections"]
    assert told in again.warnings


@pytest.mark.parametrize("steps_", [(CALL,), (MERGE, CUT, DELETE), (MERGE, CALL, CUT)])
def test_the_numbers_stand_without_the_corrections_too(made, ours, steps_):
    edit(ours, *steps_)
    run_slide(inputs(ours), ours / "out", QUICK)
    table = pd.read_csv(result(ours) / "sensitivity.csv", converters={"reason": str})
    rows = table[table["kind"] == "edits"]
    assert set(rows["variant"]) == {"without corrections"}
    plain = pd.read_csv(result(made) / "summary.csv")
    corrected = pd.read_csv(result(ours) / "summary.csv")
    key = ["metric", "phenotype", "region"]
    for summary, column in ((plain, "value"), (corrected, "main_value")):
        summary = summary[summary["neighbourhood"].fillna("").isin(["", "contact"])]
        there = summary.set_index(key).loc[pd.MultiIndex.from_frame(rows[key])]
        pd.testing.assert_series_equal(
            there["value"].reset_index(drop=True), rows[column].reset_index(drop=True),
            check_names=False,
        )  # fmt: skip
    assert not (pd.read_csv(result(made) / "sensitivity.csv")["kind"] == "edits").any()


def test_a_derived_tumour_region_follows_but_no_gate(ours):
    """Without a drawn tumour: cells called other by hand leave the region that they made."""
    given = replace(inputs(ours), annotations=None)
    plain = run_slide(given, ours / "derived", WITHOUT)
    cells = plain.cells.frame
    there = cells.index[(cells["phenotype"] == "tumour") & (cells["y_um"] > 60)]
    path = ours / "derived" / "slide" / "edits.csv"
    edits = Edits()
    for label in there:
        row = edits.call(*centre(label), "phenotype", "other")
        edits = edits.with_rows(row)
    append_edits(path, edits.rows)
    run = run_slide(given, ours / "derived", WITHOUT)
    before, after = plain.shapes["tumour"], run.shapes["tumour"]
    assert 0 < after.area < 0.75 * before.area
    assert after.bounds[3] < before.bounds[3] - 30
    gates = [r.tables["gates"][["marker", "parent", "threshold"]] for r in (plain, run)]
    pd.testing.assert_frame_equal(*gates)


def test_corrections_that_move_the_headline_are_told(ours):
    before = cells_of(result(ours))
    negative = before.index[(before["phenotype"] == "tumour") & ~before["pdl1_positive"]]
    edit(ours, *(("call", *centre(k), "pdl1", "positive") for k in negative))
    run = run_slide(inputs(ours), ours / "out", QUICK)
    (told,) = [w for w in run.warnings if w.startswith("with none of the corrections")]
    summary = pd.read_csv(result(ours) / "summary.csv")
    assert "the headline is " in told and told.endswith("%, not 0.0 %")
    assert (summary["metric"] == "pdl1_negative_fraction_touching_cd8").any()


def test_cells_that_touch_across_a_strip_are_merged_with_it(ours):
    """Drawn cells lie 2 pixels apart, 1 µm: they touch, and what is between them is theirs then."""
    before = cells_of(result(ours))
    edit(ours, ("merge", *centre(61), centre(62)))
    run = run_slide(inputs(ours), ours / "out", WITHOUT)
    area = run.cells["area_um2"][61]
    # in six rows the discs come within 2 pixels of 0.25 µm² of each other
    strip = 6 * 2 * 0.25
    assert area == pytest.approx(before.loc[[61, 62], "area_um2"].sum() + strip)
    narrow = replace(WITHOUT, contact=replace(QUICK.contact, gap_um=0.5))
    run = run_slide(inputs(ours), ours / "out", narrow)
    assert any("1 not: merge at x 65.0 µm, y 35.0 µm: the two cells do not touch" in w
               for w in run.warnings)  # fmt: skip


@pytest.mark.slow
def test_the_study_of_a_result_repeats_it_with_its_corrections(ours, tmp_path):
    edit(ours, MERGE, CALL, ("undo",), ("call", *centre(8), "pdl1", "positive"))
    run_slide(inputs(ours), ours / "out", QUICK)
    study = read_study(result(ours) / "study.toml")
    (named,) = [i for i in study.input if i.role == "edits"]
    assert named.file == "edits.csv"
    given = Inputs(slide=ours / "slide.ome.tif", study=result(ours) / "study.toml")
    run_slide(given, tmp_path / "again", study)
    assert tables(tmp_path / "again" / "slide", but=()) == tables(result(ours), but=())
    # the result's own regions.geojson, beside its study, is not taken for the one that was drawn
    kept = read_study(tmp_path / "again" / "slide" / "study.toml")
    assert kept.input == study.input
    # corrected further since: told
    edit(ours, DELETE)
    later = run_slide(given, tmp_path / "later", study)
    assert "edits.csv is not the file that the study was made with" in later.warnings
    (result(ours) / "edits.csv").unlink()
    with pytest.raises(StudyError, match=r"names edits\.csv as edits.*pass --edits"):
        run_slide(given, tmp_path / "none", study)


def test_a_study_lends_another_slide_no_corrections(ours, tmp_path):
    edit(ours, CALL)
    run_slide(inputs(ours), ours / "out", QUICK)
    study = read_study(result(ours) / "study.toml")
    other = ours / "other.ome.tif"
    other.write_bytes((ours / "slide.ome.tif").read_bytes() + b"another")
    given = replace(inputs(ours, study=result(ours) / "study.toml"), slide=other)
    run = run_slide(given, tmp_path, study)
    assert not run.cells["edited"].any()
    assert any("its edits edits.csv are not used for other.ome.tif" in w for w in run.warnings)


def test_given_corrections_take_the_place_of_others_and_none_is_lost(ours, tmp_path):
    edit(ours, CALL)
    mine = (result(ours) / "edits.csv").read_bytes()
    theirs = tmp_path / "theirs.csv"
    append_edits(theirs, [Edits().delete(*centre(100))])
    for study in (WITHOUT, replace(WITHOUT, measure=replace(QUICK.measure, spill_um=2.0))):
        run = run_slide(inputs(ours, edits=theirs), ours / "out", study)
        assert (result(ours) / "edits.csv").read_bytes() == theirs.read_bytes()
        assert (result(ours) / "edits.replaced.csv").read_bytes() == mine
        assert 100 not in run.cells.frame.index
    assert not any("edits.replaced.csv" in w for w in run.warnings)
    # one that goes on where the older ended replaces it without a word
    append_edits(theirs, [read_edits(theirs).undo()])
    run = run_slide(inputs(ours, edits=theirs), ours / "out", WITHOUT)
    assert 100 in run.cells.frame.index
    assert not any("replaced" in w for w in run.warnings)
    assert (result(ours) / "edits.replaced.csv").read_bytes() == mine


def test_rows_added_while_a_run_goes_on_stay(ours, monkeypatch):
    edit(ours, MERGE)
    from immunescape.pipeline import making

    real = making.measure_labelled

    def meanwhile(*args, **keywords):
        edit(ours, CALL)
        return real(*args, **keywords)

    monkeypatch.setattr(making, "measure_labelled", meanwhile)
    run = run_slide(inputs(ours), ours / "out", WITHOUT)
    assert run.cells["phenotype"][6] == "cd8_t"
    assert [e.action for e in read_edits(result(ours) / "edits.csv").rows] == ["merge", "call"]
    monkeypatch.undo()
    run = run_slide(inputs(ours), ours / "out", WITHOUT)
    assert run.cells["phenotype"][6] == "other"


def test_corrections_of_another_slide_in_the_folder_are_never_replayed(ours):
    edit(ours, CALL)
    mine = (result(ours) / "edits.csv").read_bytes()
    slide = ours / "slide.ome.tif"
    slide.write_bytes(slide.read_bytes() + b"another")
    run = run_slide(inputs(ours), ours / "out", WITHOUT, overwrite=True)
    assert not run.cells["edited"].any()
    assert any("corrections of another slide: they are kept as edits.replaced.csv" in w
               for w in run.warnings)  # fmt: skip
    assert (result(ours) / "edits.replaced.csv").read_bytes() == mine
    assert len(read_edits(result(ours) / "edits.csv")) == 0


def test_corrections_survive_overwriting_with_a_fresh_segmentation(ours):
    edit(ours, MERGE, CALL)
    first = run_slide(inputs(ours), ours / "out", WITHOUT)
    run = run_slide(inputs(ours), ours / "out", WITHOUT, overwrite=True)
    assert steps(run, reused=True) == set()
    assert run.provenance["corrections"] == first.provenance["corrections"]
    pd.testing.assert_frame_equal(run.cells.frame, first.cells.frame)


def test_corrections_made_before_the_first_run_are_replayed(ours):
    fresh = ours / "new" / "slide"
    fresh.mkdir(parents=True)
    append_edits(fresh / "edits.csv", [Edits().delete(*centre(100))])
    run = run_slide(inputs(ours), ours / "new", WITHOUT)
    assert 100 not in run.cells.frame.index
    assert len(read_edits(fresh / "edits.csv")) == 1


@pytest.mark.slow
def test_a_changed_rim_measures_the_corrected_cells_again(ours):
    edit(ours, MERGE, CUT)
    run_slide(inputs(ours), ours / "out", QUICK)
    thin = replace(QUICK, measure=replace(QUICK.measure, membrane_width_um=0.5))
    again = run_slide(inputs(ours), ours / "out", thin)
    assert steps(again, reused=True) == {"segment", "pictures"}
    given = inputs(ours, edits=result(ours) / "edits.csv")
    run_slide(given, ours / "fresh", thin)
    assert tables(ours / "fresh" / "slide") == tables(result(ours))


def test_a_sweep_keeps_the_corrections(ours):
    from immunescape.pipeline import parse_sweep

    edit(ours, MERGE, DELETE, CALL)
    sweeps = tuple(
        parse_sweep(text, WITHOUT)
        for text in ("margin.width_um=50,100", "measure.membrane_width_um=0.5,1")
    )
    run = run_slide(inputs(ours), ours / "out", WITHOUT, sweeps=sweeps)
    swept = run.tables["sweep"]
    counts = swept[(swept["metric"] == "cell_count") & (swept["region"] == "tissue")]
    assert set(counts[counts["phenotype"] == "any"]["value"]) == {214}


@pytest.mark.slow
def test_slides_that_share_gates_keep_their_corrections(ours):
    second = ours / "second.ome.tif"
    shutil.copy(ours / "slide.ome.tif", second)
    both = [inputs(ours), replace(inputs(ours), slide=second)]
    edit(ours, MERGE, CALL)
    one, two = run_pooled(both, ours / "out", QUICK)
    assert set(one.cells.frame.index[one.cells["edited"]]) == {1, 6}
    assert not two.cells["edited"].any()
    kinds = one.tables["sensitivity"]["kind"]
    assert (kinds == "edits").any()
    assert not (two.tables["sensitivity"]["kind"] == "edits").any()


def test_a_torn_line_and_a_bad_one(ours):
    path = result(ours) / "edits.csv"
    edit(ours, CALL)
    whole = path.read_bytes()
    path.write_bytes(whole + b"2099-01-01T00:00:00.000000Z,,del")
    run = run_slide(inputs(ours), ours / "out", WITHOUT)
    assert any("edits.csv, line 3: cut short" in w for w in run.warnings)
    assert run.cells["phenotype"][6] == "other"
    path.write_bytes(whole + b"2099-01-01T00:00:00.000000Z,,del\n")
    with pytest.raises(EditsError, match=r"^edits.csv, line 3: 3 fields, not 8"):
        run_slide(inputs(ours), ours / "out", WITHOUT)


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """A simulated field whose cells were found in its pixels, and pairs of them that touch."""
    folder = tmp_path_factory.mktemp("segmented")
    params = FieldParams(width_um=160, height_um=140, roughness_um=8)
    write_field(simulate_field(params, "response", 5, "made"), folder)
    given = Inputs(slide=folder / "made.ome.tif", annotations=folder / "made.geojson")
    run = run_slide(given, folder / "out", WITHOUT)
    store = LabelStore.open(folder / "out" / "made" / "labels.zarr")
    contacts = store.table("contacts", run.provenance["stages"]["keys"]["contacts"])
    return folder, given, run.cells.frame, contacts


@pytest.mark.slow
def test_corrections_survive_a_fresh_segmentation_in_other_tiles(segmented, tmp_path):
    """Nuclei follow their cells, and cells grown from them are cut and merged as they are."""
    _, given, cells, contacts = segmented
    longest = contacts.sort_values("contact_um").iloc[-1]
    pair = [int(longest["label_a"]), int(longest["label_b"])]
    whole = cells.drop(pair)[~cells.drop(pair)["touches_frame"]]
    cut, removed, called = whole["area_um2"].nlargest(3).index
    x, y = cells.loc[cut, ["x_um", "y_um"]]
    path = tmp_path / "mine.csv"
    edits = Edits()
    for action, *told in (
        (
            "merge",
            *cells.loc[pair[0], ["x_um", "y_um"]],
            tuple(cells.loc[pair[1], ["x_um", "y_um"]]),
        ),
        ("split", x, y, (x, y - 20, x, y + 20)),
        ("delete", *cells.loc[removed, ["x_um", "y_um"]]),
        ("call", *cells.loc[called, ["x_um", "y_um"]], "phenotype", "cd8_t"),
    ):
        edits = append_edits(path, [getattr(edits, action)(*told)])
    given = replace(given, edits=path)
    full = replace(QUICK, sensitivity=Study().sensitivity)
    tiles = replace(full, segment=replace(full.segment, tile_px=256))
    first = run_slide(given, tmp_path / "first", full)
    assert first.provenance["corrections"] == {"applied": 4, "not_applied": []}
    run_slide(given, tmp_path / "other", tiles)
    assert tables(tmp_path / "first" / "made") == tables(tmp_path / "other" / "made")
    now = first.cells.frame
    new = int(cells.index.max()) + 1
    assert set(now.index) == (set(cells.index) | {new}) - {pair[1], removed}
    assert now.loc[called, "phenotype"] == "cd8_t"
    store = LabelStore.open(tmp_path / "first" / "made" / "labels.zarr")
    nuclei, labels = store["nuclei"][...], store["cells"][...]
    there = (nuclei > 0) & (labels > 0)
    assert (nuclei[there] == labels[there]).all()
    assert {cut, new} <= set(np.unique(labels)) and removed not in np.unique(nuclei)
    unedited = LabelStore.open(store.path / "unedited")
    changed = np.isin(unedited["cells"][...], [*pair, cut, removed])
    assert (labels == unedited["cells"][...])[~changed].all()
    # on top of an earlier result without them: the same
    shutil.copytree(segmented[0] / "out", tmp_path / "out")
    again = run_slide(given, tmp_path / "out", full)
    assert steps(again, reused=True) == {"segment", "pictures"}
    assert tables(tmp_path / "out" / "made") == tables(tmp_path / "first" / "made")
