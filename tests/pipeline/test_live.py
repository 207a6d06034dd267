"""A gate that moves gives the numbers of a run with that gate: the run is the independent truth."""

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.slides import square, write_geojson, write_labels, write_slide

from immunescape.cli.demo import sample_folder
from immunescape.io.edits import Edit
from immunescape.margin import map_margin
from immunescape.phenotype import GateParams, GateSpec, in_parent
from immunescape.pipeline import Inputs, analyse, measure_slide
from immunescape.pipeline.calling import ToCall
from immunescape.pipeline.inputs import open_inputs
from immunescape.pipeline.live import LiveGates
from immunescape.pipeline.live_follow import fixed_spec, followed
from immunescape.pipeline.live_values import gate_values, origin
from immunescape.pipeline.live_why import why_called
from immunescape.pipeline.shared import call_together
from immunescape.pipeline.touching import Touching
from immunescape.spatial import SensitivityParams
from immunescape.study import Study

QUICK = Study(sensitivity=SensitivityParams(tables="none"), gating=GateParams(bootstrap_draws=0))
METRICS = (
    "pdl1_negative_fraction_touching_cd8",
    "pdl1_negative_fraction_not_touching_cd8",
    "touching_cd8_fraction",
    "cd8_density",
    "cd8_margin_to_centre_ratio",
    "tumour_proportion_score",
)


@dataclasses.dataclass
class Case:
    """A slide, measured once, to be analysed under any study."""

    opened: object
    measured: object
    touching: Touching

    def live(self, study: Study) -> LiveGates:
        annotations = self.opened.annotations
        slide = ToCall(self.measured, annotations, self.opened.calls)
        (shared,) = call_together([slide], study)
        called = shared.called
        margin = map_margin(
            self.measured.counted_tissue(), annotations, called.tumour, called.tumour_source,
            study.slide.site, study.margin,
        )  # fmt: skip
        return LiveGates.of(
            self.measured, called, self.touching, margin, study, annotations=annotations
        )

    def run(self, study: Study):
        return analyse(
            self.measured, study, self.opened.annotations, calls=self.opened.calls,
            contacts=self.touching.contacts, growth={},
        )  # fmt: skip


def _case(inputs: Inputs, folder) -> Case:
    opened = open_inputs(inputs, QUICK)
    measured = measure_slide(
        opened.slide, opened.panel, folder / "labels.zarr", QUICK, labels=opened.labels
    )
    return Case(opened, measured, Touching.found(measured, QUICK))


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Case:
    """The shipped baseline with the cells as they were drawn."""
    folder = sample_folder()
    inputs = Inputs(
        slide=folder / "P01_baseline.ome.tif",
        annotations=folder / "P01_baseline.geojson",
        labels=tuple(folder / "truth" / f"P01_baseline_{n}.tif" for n in ("nuclei", "cells")),
    )
    return _case(inputs, tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Case:
    """Discs on a lattice, part of them in tissue drawn as control and part left out."""
    folder = tmp_path_factory.mktemp("drawn")
    annotations = write_geojson(
        folder, square(0, 0, 180, 240), square(300, 0, 360, 100, "Control"),
        square(0, 200, 100, 240, "Ignore"),
    )  # fmt: skip
    inputs = Inputs(
        slide=write_slide(folder), annotations=annotations, labels=(write_labels(folder),)
    )
    return _case(inputs, folder)


def held(live: LiveGates, study: Study, *moved: GateSpec) -> Study:
    """Return a study with every gate in force fixed where it is, but for those given."""
    now = tuple(fixed_spec(g) for g in live.gates if g.threshold is not None)
    return replace(study, gate=(*now, *moved))


def same(moved, result) -> None:
    """Compare each figure with the row of the summary, value, counts and reason."""
    summary = result.tables["summary"]
    summary = summary[summary["neighbourhood"].isin(("contact", ""))]
    seen = 0
    for row in summary[summary["metric"].isin(METRICS)].to_dict("records"):
        if row["phenotype"] not in ("tumour", "cd8_t"):
            continue
        figure = moved.numbers.figures[row["metric"], row["region"]]
        where = f"{row['metric']} in {row['region']}"
        assert figure.evaluable == row["evaluable"], where
        for name in ("value", "numerator", "denominator"):
            np.testing.assert_equal(getattr(figure, name), row[name], err_msg=f"{where}: {name}")
        if not row["evaluable"]:
            assert figure.reason == row["reason"], where
        seen += 1
    assert seen == 4 * 7 + 2
    gates = result.tables["gates"].set_index(["marker", "parent"])
    gate = gates.loc[(moved.gate.marker, moved.gate.parent)]
    assert gate["threshold"] == moved.gate.threshold
    for name in ("positive", "negative", "missing"):
        assert gate[name] == getattr(moved, name), name


def quantiles(live: LiveGates, marker: str, parent: str, *shares: float) -> list[float]:
    values = live.prepare(marker, parent).own_values
    return [float(v) for v in np.quantile(values, shares)]


GATES = (
    ("pdl1", "tumour"), ("pdl1", "non_tumour"), ("cd8", "all"), ("sox10", "all"), ("s100", "all"),
)  # fmt: skip


@pytest.mark.parametrize(("marker", "parent"), GATES)
def test_a_moved_gate_of_the_sample_is_a_run_with_that_gate(sample, marker, parent):
    live = sample.live(QUICK)
    for threshold in quantiles(live, marker, parent, 0.1, 0.6, 0.97):
        moved = live.moved(marker, parent, threshold)
        spec = GateSpec(marker, parent, "fixed", threshold)
        result = sample.run(held(live, QUICK, spec))
        same(moved, result)
        called = result.cells[f"{marker}_positive"]
        positive = called.fillna(False).to_numpy(bool)
        assert (live.positives(marker, parent, threshold) == positive).all()
        before = live.called.calls.cells[f"{marker}_positive"].fillna(False).to_numpy(bool)
        assert sorted(moved.changed) == list(np.flatnonzero(positive != before))


@pytest.mark.parametrize("parent", ["tumour", "non_tumour"])
def test_the_gate_of_pdl1_leaves_the_automatic_gates_where_a_run_puts_them(sample, parent):
    live = sample.live(QUICK)
    (threshold,) = quantiles(live, "pdl1", parent, 0.8)
    moved = live.moved("pdl1", parent, threshold)
    assert moved.note == ""
    same(moved, sample.run(replace(QUICK, gate=(GateSpec("pdl1", parent, "fixed", threshold),))))


def test_what_follows_a_moved_lineage_gate_is_said(sample):
    live = sample.live(QUICK)
    note = live.moved("cd8", "all", quantiles(live, "cd8", "all", 0.9)[0]).note
    assert note.startswith("Kept while the gate moves, follow on release: ")
    assert "PD-L1 on tumour cells" in note and "PD-L1 on other cells" in note
    assert "tumour region" not in note  # it was drawn
    fixed = sample.live(held(live, QUICK))
    assert fixed.moved("cd8", "all", quantiles(fixed, "cd8", "all", 0.9)[0]).note == ""


def test_a_derived_tumour_region_is_kept_and_named(sample):
    derived = Case(replace(sample.opened, annotations=type(sample.opened.annotations)()),
                   sample.measured, sample.touching)  # fmt: skip
    live = derived.live(QUICK)
    moved = live.moved("sox10", "all", quantiles(live, "sox10", "all", 0.9)[0])
    assert "the tumour region" in moved.note
    same(live.moved("pdl1", "tumour", live.gate("pdl1", "tumour").threshold), derived.run(QUICK))


@pytest.mark.parametrize(("marker", "parent"), [("cd8", "all"), ("pdl1", "non_tumour")])
def test_control_tissue_left_out_cells_and_stains_that_prove_nothing(drawn, marker, parent):
    live = drawn.live(QUICK)
    assert live.in_control.any()
    values = live.prepare(marker, parent).own_values
    for threshold in (values[0] - 1, float(np.median(values)), values[-1]):
        moved = live.moved(marker, parent, float(threshold))
        spec = GateSpec(marker, parent, "fixed", float(threshold))
        same(moved, drawn.run(held(live, QUICK, spec)))
    assert not moved.numbers.headline.evaluable
    assert "needed" in moved.numbers.headline.reason or "do not show" in (
        moved.numbers.headline.reason
    )


def test_missing_values_stay_missing(drawn):
    frame = drawn.measured.cells.frame.copy()
    for column in ("cd8_membrane_unshared", "cd8_membrane_mean", "sox10_cell_mean"):
        frame.loc[frame.index[::7], column] = np.nan
    holed = Case(drawn.opened, replace(drawn.measured, cells=type(drawn.measured.cells)(frame)),
                 drawn.touching)  # fmt: skip
    live = holed.live(QUICK)
    for marker in ("cd8", "sox10"):
        (threshold,) = quantiles(live, marker, "all", 0.5)
        moved = live.moved(marker, "all", threshold)
        assert moved.missing == int(frame[live.gate(marker, "all").statistic].isna().sum()) > 0
        same(moved, holed.run(held(live, QUICK, GateSpec(marker, "all", "fixed", threshold))))


def test_a_gate_that_was_missing_can_be_set(drawn):
    """Cells of one brightness have no automatic gate; the numbers say so until one is set."""
    frame = drawn.measured.cells.frame.copy()
    noise = np.random.default_rng(3).normal(100, 1, len(frame))
    for column in [c for c in frame if str(c).startswith("cd8_membrane")]:
        frame[column] = noise
    flat = Case(drawn.opened, replace(drawn.measured, cells=type(drawn.measured.cells)(frame)),
                drawn.touching)  # fmt: skip
    live = flat.live(QUICK)
    assert live.gate("cd8", "all").threshold is None
    assert "CD8" in live.numbers.headline.reason and not live.numbers.headline.evaluable
    threshold = float(np.quantile(noise, 0.7))
    moved = live.moved("cd8", "all", threshold)
    assert moved.positive == (noise > threshold).sum()
    same(moved, flat.run(held(live, QUICK, GateSpec("cd8", "all", "fixed", threshold))))


def test_the_numbers_in_force_are_those_of_the_run(sample):
    live = sample.live(QUICK)
    keys = ["metric", "region", "neighbourhood"]
    summary = sample.run(QUICK).tables["summary"].set_index(keys).sort_index()
    row = summary.loc[("pdl1_negative_fraction_touching_cd8", "tissue", "contact")]
    row = row[row["phenotype"] == "tumour"].iloc[0]
    now = live.numbers.headline
    assert (now.value, now.numerator, now.denominator) == (
        row["value"], row["numerator"], row["denominator"]
    )  # fmt: skip
    gate = live.gate("pdl1", "tumour")
    moved = live.moved("pdl1", "tumour", gate.threshold)
    assert len(moved.changed) == 0
    np.testing.assert_equal(
        {k: dataclasses.astuple(f) for k, f in moved.numbers.figures.items()},
        {k: dataclasses.astuple(f) for k, f in live.numbers.figures.items()},
    )


def test_cells_that_turn_between_two_thresholds(sample):
    live = sample.live(QUICK)
    low, high = quantiles(live, "cd8", "all", 0.3, 0.4)
    values = live.measured.cells[live.gate("cd8", "all").statistic].to_numpy()
    for before, after in ((low, high), (high, low)):
        rows = live.turned("cd8", "all", before, after)
        assert sorted(rows) == list(np.flatnonzero((values > low) & (values <= high)))


def test_a_slide_without_cells_is_no_error(sample):
    frame = sample.measured.cells.frame.iloc[:0]
    rims = sample.measured.rims
    empty = replace(
        sample.measured,
        cells=type(sample.measured.cells)(frame),
        rims=None if rims is None else rims.iloc[:0],
    )
    none = pd.DataFrame({"label_a": [], "label_b": []}, dtype=np.int64)
    case = Case(sample.opened, empty, Touching(none))
    live = case.live(QUICK)
    moved = live.moved("cd8", "all", 1.0)
    assert (moved.positive, moved.negative, moved.missing) == (0, 0, 0)
    assert np.isnan(moved.fraction)
    assert not moved.numbers.headline.evaluable


def test_a_confirmed_gate_keeps_its_range_only_around_its_threshold(sample):
    gate = replace(sample.live(QUICK).gate("cd8", "all"), threshold=5.0, gate_low=4.0,
                   gate_high=6.0)  # fmt: skip
    spec = fixed_spec(gate)
    assert (spec.value, spec.gate_low, spec.gate_high, spec.confirmed) == (5.0, 4.0, 6.0, True)
    assert spec.statistic == gate.statistic
    far = fixed_spec(gate, 7.0)
    assert (far.value, far.gate_low, far.gate_high) == (7.0, None, None)


def test_the_histogram_counts_each_cell_once_on_a_scale_that_goes_both_ways(sample):
    live = sample.live(QUICK)
    for marker, parent in GATES:
        seen = gate_values(live, marker, parent)
        values = live.measured.cells[seen.gate.statistic].to_numpy()
        mine = values[in_parent(live.calls, parent)]
        assert seen.counts.sum() == seen.cells == len(mine)
        assert seen.beside.sum() == (0 if parent == "all" else len(values) - len(mine))
        middle = float(np.median(mine))
        assert seen.scale.value(float(seen.scale.place(middle))) == pytest.approx(middle)
        above = seen.counts[seen.edges[:-1] >= float(seen.scale.place(middle))].sum()
        assert above == pytest.approx(len(mine) / 2, abs=0.1 * len(mine))
        ticks = seen.scale.ticks()
        assert 2 <= len(ticks) <= 7 and ticks == sorted(ticks)
        own = next(p for p in seen.proposals if p.method == "gmm")
        if seen.gate.source == f"slide:{parent}" and seen.gate.method == "gmm" and not (
            seen.gate.note
        ):  # fmt: skip
            assert own.threshold == pytest.approx(seen.gate.threshold)


def test_cells_of_one_value_have_a_histogram_too(drawn):
    frame = drawn.measured.cells.frame.copy()
    frame["cd8_membrane_unshared"] = 7.0
    flat = Case(drawn.opened, replace(drawn.measured, cells=type(drawn.measured.cells)(frame)),
                drawn.touching)  # fmt: skip
    seen = gate_values(flat.live(QUICK), "cd8", "all")
    assert seen.counts.sum() == len(frame)
    assert all(p.threshold is None and p.reason for p in seen.proposals)
    assert seen.scale.value(seen.scale.low) < 7 < seen.scale.value(seen.scale.high)
    assert "no gate" in origin(seen.gate)


def test_a_cell_is_explained_by_its_values_and_its_rule(sample):
    live = sample.live(QUICK)
    cells = live.called.calls.cells.frame
    positive = {m: cells[f"{m}_positive"].fillna(False) for m in ("cd8", "sox10", "s100")}
    inside = live.called.inside
    expected = {
        "CD8+ SOX10−": positive["cd8"] & ~positive["sox10"],
        "SOX10+": positive["sox10"],
        "S100+ inside the tumour": ~positive["cd8"]
        & ~positive["sox10"]
        & positive["s100"]
        & inside,
        "no rule holds": ~positive["cd8"] & ~positive["sox10"] & ~(positive["s100"] & inside),
    }
    for rule, mask in expected.items():
        for label in cells.index[mask][:3]:
            why = why_called(live, int(label))
            assert why.rule == rule
            assert why.phenotype == cells.loc[label, "phenotype"]
            for check in why.checks:
                gate = check.gate
                assert check.value == live.measured.cells.frame.loc[label, gate.statistic]
                assert check.positive == (check.value > gate.threshold)
                tumour = cells.loc[label, "is_tumour"]
                decides = {"all": True, "tumour": tumour, "non_tumour": not tumour}
                assert check.decides == decides[gate.parent]
    assert why_called(live, 10**7) is None


def test_a_cell_without_a_value_is_explained_by_what_it_could_be(drawn):
    frame = drawn.measured.cells.frame.copy()
    live = drawn.live(QUICK)
    label = int(live.calls.frame.index[live.calls["cd8_positive"].fillna(False)][0])
    frame.loc[label, "sox10_cell_mean"] = np.nan
    holed = Case(drawn.opened, replace(drawn.measured, cells=type(drawn.measured.cells)(frame)),
                 drawn.touching)  # fmt: skip
    why = why_called(holed.live(QUICK), label)
    assert why.phenotype == "unknown"
    assert why.rule == "a value is missing: it could be CD8+ SOX10− or SOX10+"


@pytest.mark.parametrize("marker", ["sox10", "pdl1"])
@pytest.mark.parametrize("drawn_tumour", [True, False])
def test_what_follows_a_release_is_a_run_with_that_gate(sample, marker, drawn_tumour):
    """Automatic PD-L1 gates and a derived region follow a lineage gate; back again is the start."""
    opened = sample.opened
    if not drawn_tumour:
        opened = replace(opened, annotations=type(opened.annotations)())
    case = Case(opened, sample.measured, sample.touching)
    live = case.live(QUICK)
    parent = "all" if marker == "sox10" else "tumour"
    (threshold,) = quantiles(live, marker, parent, 0.85)
    spec = GateSpec(marker, parent, "fixed", threshold)
    study = replace(QUICK, gate=(spec,))
    after = followed(live, study)
    result = case.run(study)
    gate = after.gate(marker, parent)
    same(after.moved(marker, parent, gate.threshold), result)
    written = result.tables["gates"].set_index(["marker", "parent"])["threshold"]
    for gate in after.gates:
        assert gate.threshold == written[gate.marker, gate.parent]
    if marker == "sox10":
        assert after.gate("pdl1", "tumour") != live.gate("pdl1", "tumour")
    back = followed(after, QUICK)
    assert back.gates == live.gates
    np.testing.assert_equal(back.numbers.headline, live.numbers.headline)


def test_corrections_by_hand_stay_while_gates_move(sample):
    """Cells that a person called keep their call; rules judge them by it as a run does."""
    plain = sample.live(QUICK)
    cells = plain.called.calls.cells.frame
    chosen = {
        "phenotype=other": cells.index[cells["phenotype"] == "cd8_t"][:4],
        "cd8=positive": cells.index[cells["phenotype"] == "other"][:4],
        "sox10=negative": cells.index[cells["sox10_positive"].fillna(False)][:4],
        "pdl1=positive": cells.index[cells["phenotype"] == "tumour"][4:9],
        "pdl1=missing": cells.index[cells["phenotype"] == "tumour"][9:14],
    }
    edits, labels = [], {}
    labelled = np.asarray(sample.measured.cell_labels[...])
    for after, some in chosen.items():
        for label in some:
            row, column = (int(v[len(v) // 2]) for v in np.nonzero(labelled == label))
            x, y = ((v + 0.5) * sample.measured.pixel_size_um for v in (column, row))
            time = f"2026-01-31T12:00:00.{len(edits):06d}Z"
            edits.append(Edit(time=time, action="call", x_um=x, y_um=y, after=after))
            labels[after] = int(label)

    def run(study):
        return analyse(
            sample.measured, study, sample.opened.annotations, edits=edits,
            contacts=sample.touching.contacts, growth={},
        )  # fmt: skip

    slide = ToCall.of(sample.measured, sample.opened.annotations, None, edits)
    (shared,) = call_together([slide], QUICK)
    live = LiveGates.of(
        sample.measured, shared.called, sample.touching, plain.margin, QUICK,
        annotations=sample.opened.annotations,
    )  # fmt: skip
    assert live.gates == plain.gates
    for marker, parent in (("cd8", "all"), ("pdl1", "tumour"), ("sox10", "all")):
        (threshold,) = quantiles(live, marker, parent, 0.8)
        moved = live.moved(marker, parent, threshold)
        study = held(live, QUICK, GateSpec(marker, parent, "fixed", threshold))
        same(moved, run(study))
    study = replace(QUICK, gate=(GateSpec("sox10", "all", "fixed", threshold),))
    after = followed(live, study)
    same(after.moved("sox10", "all", threshold), run(study))
    why = why_called(live, labels["phenotype=other"])
    assert (why.phenotype, why.by_hand) == ("other", ("phenotype other",))
    why = why_called(live, labels["cd8=positive"])
    assert (why.phenotype, why.rule, why.by_hand) == ("cd8_t", "CD8+ SOX10−", ("CD8 positive",))
    assert next(c for c in why.checks if c.gate.marker == "cd8").positive is True
