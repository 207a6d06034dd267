"""Gates shared by slides of one patient or batch, and their ranges."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.panel import Panel, Stain
from immunescape.phenotype import (
    GateParams,
    GateSpec,
    Group,
    Pool,
    Slidemate,
    fit_gate,
    gate_by_parent,
    gate_lineage,
    gate_warnings,
)

SPEC = GateSpec("pdl1", "tumour")
QUICK = GateParams(bootstrap_draws=0)


def draw(seed, n, share, *, dim=30.0, bright=140.0, offset=100.0, gain=1.0, side_um=800.0):
    """Intensities of n cells on a camera's offset, of which a share is positive."""
    random = np.random.default_rng(seed)
    positive = np.arange(n) < round(share * n)
    light = np.where(positive, random.lognormal(np.log(bright), 0.4, n), 0.0)
    light += random.lognormal(np.log(dim), 0.3, n)
    return Group(offset + gain * light, random.uniform(0, side_um, (n, 2))), positive


def slide(seed, tumour_share, rest_share=0.25, **light):
    return Slidemate(
        draw(seed, 800, tumour_share, **light)[0], draw(seed + 1000, 500, rest_share, **light)[0]
    )


def fit(here, others, params=QUICK, spec=SPEC, **named):
    return fit_gate(
        here.own, here.control, spec, "pdl1_membrane_mean", params, others=others, **named
    )


def share_above(group, gate):
    return float(np.mean(group.values > gate.threshold))


def test_slides_of_a_patient_share_one_threshold():
    slides = [slide(1, 0.5), slide(2, 0.2), slide(3, 0.0)]
    gates = [fit(s, [o for o in slides if o is not s]) for s in slides]
    assert {g.source for g in gates} == {"patient:tumour"}
    assert len({round(g.threshold, 9) for g in gates}) == 1
    assert not any(g.note for g in gates)
    shares = [share_above(s.own, gates[0]) for s in slides]
    assert shares == pytest.approx([0.5, 0.2, 0.0], abs=0.02)
    batch = fit(slides[0], slides[1:], shared_by="batch")
    assert (batch.source, batch.threshold) == ("batch:tumour", gates[0].threshold)


def test_without_sharing_other_slides_are_asked_last():
    one, two = slide(1, 0.0, rest_share=0.0), slide(2, 0.3)
    alone = replace(QUICK, share="slide")
    assert fit(two, [one], alone).source == "slide:tumour"
    borrowed = fit(one, [two], alone)
    assert borrowed.source == "patient:tumour"
    assert share_above(one.own, borrowed) < 0.01
    assert "tumour cells: no second population; non_tumour cells" in borrowed.note
    control = fit(one, [slide(2, 0.0)], alone)
    assert control.source == "patient:non_tumour"
    own_control = fit(slide(4, 0.0), [two], alone)
    assert own_control.source == "slide:non_tumour"
    nothing = fit(one, [slide(9, 0.0, rest_share=0.0)], alone)
    assert nothing.source == "missing"
    given = fit(one, [], alone, GateSpec("pdl1", "tumour", "gmm", 170.0))
    assert (given.source, given.threshold) == ("fixed", 170.0)


def test_relapse_of_all_slides_takes_the_control_of_all():
    slides = [slide(1, 0.0), slide(2, 0.0)]
    gate = fit(slides[0], slides[1:])
    assert gate.source == "patient:non_tumour"
    assert share_above(slides[0].own, gate) < 0.01


@pytest.mark.parametrize("light", [{"offset": 600.0}, {"gain": 3.0}, {"dim": 8.0, "bright": 1e-9}])
def test_a_slide_with_another_offset_exposure_or_failed_stain_shares_no_gate(light):
    good = [slide(1, 0.4), slide(2, 0.3)]
    odd = slide(3, 0.4, **light)
    gate = fit(good[0], [good[1], odd])
    assert gate.source == "patient:tumour"
    assert gate.threshold == fit(good[0], [good[1]]).threshold
    assert "1 of 2 other slides of the patient are not asked" in gate.note
    its_own = fit(odd, good)
    assert "2 of 2 other slides" in its_own.note
    if "bright" in light:
        assert its_own.source == "missing"
    else:
        assert its_own.source == "slide:tumour"
        assert share_above(odd.own, its_own) == pytest.approx(0.4, abs=0.02)


def test_two_offsets_are_not_two_populations():
    dark, light = slide(1, 0.0, 0.0), slide(2, 0.0, 0.0, offset=250.0)
    together = np.concatenate([dark.own.values, light.own.values])
    assert fit_gate(together, None, SPEC, "x", QUICK).threshold is not None
    assert fit(dark, [light]).source == "missing"
    assert fit(light, [dark]).source == "missing"


def test_a_shared_threshold_that_misses_a_slides_own_gap_gives_way():
    strong = [slide(seed, 0.4, bright=1200.0) for seed in (1, 2, 3)]
    weak = slide(4, 0.4, bright=110.0)
    gate = fit(weak, strong)
    assert gate.source == "slide:tumour"
    assert "does not part the two populations of this slide" in gate.note
    assert share_above(weak.own, gate) == pytest.approx(0.4, abs=0.03)
    assert fit(strong[0], [*strong[1:], weak]).source == "patient:tumour"


def test_a_handful_of_cells_holds_when_fields_are_pooled():
    fields = [Slidemate(draw(seed, 1200, 3 / 1200, bright=400)[0]) for seed in range(5)]
    spec = GateSpec("cd8")
    alone = fit_gate(fields[0].own, None, spec, "cd8", QUICK)
    assert alone.source == "missing"
    for k, field in enumerate(fields):
        gate = fit_gate(field.own, None, spec, "cd8", QUICK, others=fields[:k] + fields[k + 1 :])
        assert gate.source == "patient:all"
        assert int((field.own.values > gate.threshold).sum()) == 3


def test_range_holds_the_threshold_is_the_same_every_time_and_narrows_with_more_tissue():
    params = GateParams(bootstrap_draws=50)
    small, large = draw(1, 600, 0.3, bright=90)[0], draw(2, 20_000, 0.3, bright=90, side_um=4000)[0]
    gates = [fit_gate(g, None, GateSpec("cd8"), "cd8", params) for g in (small, large)]
    widths = []
    for gate in gates:
        assert gate.gate_low <= gate.threshold <= gate.gate_high
        widths.append(gate.gate_high - gate.gate_low)
    assert widths[1] < widths[0] / 2
    assert fit_gate(small, None, GateSpec("cd8"), "cd8", params) == gates[0]
    other = fit_gate(small, None, GateSpec("cd8"), "cd8", params, seed=1)
    assert (other.threshold, other.gate_low) != (gates[0].threshold, gates[0].gate_low)
    assert other.threshold == gates[0].threshold


def test_range_is_as_wide_as_thresholds_of_new_tissue_scatter():
    """One patch a block: blocks that share their light make the range wider than cells alone."""
    thresholds, lows, highs = [], [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        corners = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2) * 100.0
        block = np.repeat(np.arange(36), 30)
        points = corners[block] + random.uniform(0, 100, (len(block), 2))
        positive = random.random(len(block)) < random.beta(1, 1, 36)[block]
        values = random.lognormal(2, 0.4, len(block)) * np.where(positive, 4.5, 1.0)
        values *= np.exp(0.2 * random.normal(size=36))[block]
        params = GateParams(bootstrap_draws=50)
        gate = fit_gate(Group(values, points), None, GateSpec("cd8"), "cd8", params)
        assert gate.threshold is not None
        thresholds.append(gate.threshold)
        lows.append(gate.gate_low)
        highs.append(gate.gate_high)
    scatter = np.std(thresholds, ddof=1)
    assert 1.5 * scatter < np.median(np.subtract(highs, lows)) < 8 * scatter
    centre = np.mean(thresholds)
    held = np.mean((np.array(lows) <= centre) & (centre <= np.array(highs)))
    assert held >= 0.75


def test_draws_without_a_gate_are_told_and_other_gates_have_no_range():
    group, _ = draw(3, 400, 7 / 400, bright=400, side_um=300)
    gate = fit_gate(group, None, GateSpec("cd8"), "cd8", GateParams(bootstrap_draws=50))
    assert gate.threshold is not None
    assert "of the bootstrap draws show no gate" in gate.note
    fixed = fit_gate(group, None, GateSpec("cd8", "all", "fixed", 150.0), "cd8")
    assert (fixed.gate_low, fixed.gate_high) == (None, None)
    given = GateSpec("cd8", "all", "fixed", 150.0, gate_low=140.0, gate_high=165.0)
    found = fit_gate(group, None, given, "cd8")
    assert (found.gate_low, found.gate_high, found.confirmed) == (140.0, 165.0, True)


def test_a_control_gate_has_the_range_of_the_controls_cells():
    params = GateParams(bootstrap_draws=50)
    here = slide(1, 0.0)
    gate = fit(here, [], params)
    swapped = fit(Slidemate(here.control), [], params)
    assert gate.source == "slide:non_tumour"
    assert gate.threshold == swapped.threshold
    assert (gate.gate_low, gate.gate_high) == (swapped.gate_low, swapped.gate_high)


def table(mate, unshared=None):
    """A cell table of one slide, its tumour cells first."""
    values = np.concatenate([mate.own.values, mate.control.values])
    points = np.concatenate([mate.own.points_um, mate.control.points_um])
    frame = pd.DataFrame(
        {
            "x_um": points[:, 0],
            "y_um": points[:, 1],
            "pdl1_membrane_mean": values,
            "pdl1_membrane_unshared": np.nan if unshared is None else unshared * values,
            "is_tumour": pd.array(np.arange(len(values)) < len(mate.own.values), dtype="boolean"),
        },
        index=pd.RangeIndex(1, len(values) + 1, name="label"),
    )
    return CellTable(frame)


PANEL = Panel((Stain(channel="PD-L1", marker="pdl1", compartment="membrane", role="marker"),))


def test_membranes_are_gated_on_what_was_measured_of_them():
    mate = slide(1, 0.4)
    both = gate_by_parent(table(mate, unshared=2.0), PANEL, params=QUICK)
    assert {g.statistic for g in both} == {"pdl1_membrane_unshared"}
    mean = gate_by_parent(
        table(mate, unshared=2.0), PANEL, params=replace(QUICK, membrane_statistic="mean")
    )
    assert both[0].threshold == pytest.approx(2 * mean[0].threshold, rel=1e-6)
    lacking = gate_by_parent(table(mate), PANEL, params=QUICK)
    assert [g.threshold for g in lacking] == [g.threshold for g in mean]
    assert all("pdl1_membrane_unshared was not measured" in g.note for g in lacking)
    assert gate_warnings(lacking) == ()


def test_a_value_on_a_statistic_that_was_not_measured_is_not_used_on_another():
    spec = GateSpec("pdl1", "all", "fixed", 150.0, statistic="pdl1_membrane_unshared")
    gates = gate_by_parent(table(slide(1, 0.4)), PANEL, (spec,), QUICK)
    assert {g.source for g in gates} == {"missing"}
    assert "150" not in gates[0].note and "was not measured" in gates[0].note
    plain = GateSpec("pdl1", "all", "fixed", 150.0, statistic="pdl1_membrane_mean")
    found = gate_by_parent(table(slide(1, 0.4), unshared=2.0), PANEL, (plain,), QUICK)
    assert {(g.statistic, g.threshold) for g in found} == {("pdl1_membrane_mean", 150.0)}


def test_a_pool_of_tables_is_asked_for_every_parent():
    mates = [slide(1, 0.4), slide(2, 0.2)]
    pool = Pool("batch", (table(mates[1]),))
    gates = gate_by_parent(table(mates[0]), PANEL, params=QUICK, pool=pool)
    assert [g.source for g in gates] == ["batch:tumour", "batch:non_tumour"]
    expected = fit(mates[0], mates[1:], shared_by="batch")
    assert gates[0].threshold == expected.threshold
    cd8 = Panel((Stain(channel="CD8", marker="cd8", compartment="cell", role="marker"),))
    cells = [
        CellTable(t.frame.rename(columns={"pdl1_membrane_mean": "cd8_cell_mean"}))
        for t in map(table, mates)
    ]
    (gate,) = gate_lineage(cells[0], cd8, params=QUICK, pool=Pool("patient", (cells[1],)))
    assert gate.source == "patient:all"


def test_a_confirmed_automatic_gate_says_so():
    here = slide(1, 0.4)
    assert not fit(here, []).confirmed
    assert fit(here, [], spec=replace(SPEC, confirmed=True)).confirmed


def test_of_very_many_cells_a_part_is_asked(monkeypatch):
    from immunescape.phenotype import asking

    slides = [slide(1, 0.4), slide(2, 0.3)]
    whole = fit(slides[0], slides[1:])
    monkeypatch.setattr(asking, "_MOST_CELLS", 1000)
    part = fit(slides[0], slides[1:])
    assert part.threshold != whole.threshold
    assert part.threshold == pytest.approx(whole.threshold, rel=0.05)
