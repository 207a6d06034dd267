"""Every doubt that a reader of the tables must have, each provoked once and found in its place."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.cells import CellTable
from immunescape.spatial import (
    Alternative,
    SummaryParams,
    band_table,
    control_positives,
    region_table,
    summarise,
    unproven_stains,
)
from tests.spatial.fields import block_areas, field, pairs_of
from tests.spatial.recount import areas, contacts, table
from tests.spatial.test_summary import APART, ODDS, RATIO, SHARE, TOUCHING, at, drawn

ANY = SummaryParams(min_cells=1, min_tumour_cells=1, min_control_cells=0, min_stain_cells=0)
SCORE = "tumour_proportion_score"
NO_STAIN = "do not show that the stain worked"
UNKNOWABLE = "stain failure cannot be told from biology"


def lost(row, text):
    """Check that a row has no number and says why."""
    assert not row["evaluable"]
    assert np.isnan([row["value"], row["ci_low"], row["ci_high"]]).all()
    assert row["ci_method"] == ""
    assert text in row["reason"]
    return True


def slide(touching=(12, 13), apart=(20, 15), other=(25, 5)):
    """46 or more CD8 T cells and 25 PD-L1-positive other cells: both stains worked."""
    return drawn(touching, apart, other)


def without_cd8(cells, left=0):
    """The same slide when its CD8 stain failed and the gate came from elsewhere."""
    cd8 = cells.frame.index[cells["phenotype"] == "cd8_t"][left:]
    phenotype = cells["phenotype"].mask(cells.frame.index.isin(cd8), "other")
    return cells.with_columns({"phenotype": phenotype})


# A stain that failed


@pytest.mark.parametrize("left", [0, 2])
def test_a_failed_cd8_stain_is_never_a_desert(left):
    cells, pairs = slide()
    failed = without_cd8(cells, left)
    summary = summarise(failed, pairs, areas())
    text = f"{left} CD8 T cells on this slide {NO_STAIN}"
    for region in ("centre", "margin", "tissue"):
        assert lost(at(summary, "cd8_density", "cd8_t", region, ""), text)
        assert at(summary, "cd8_density", "cd8_t", "tissue", "")["numerator"] == left
    assert lost(at(summary, RATIO, "cd8_t", "tissue", ""), text)
    assert lost(at(summary, SHARE), text)
    count = at(summary, "cell_count", "cd8_t", "tissue", "")
    assert (count["value"], count["reason"]) == (left, text)
    for metric in (TOUCHING, APART, ODDS):
        assert lost(at(summary, metric), "")
        assert not at(summary, metric)["evaluable"]
    assert at(summary, "cell_count", "tumour", "tissue", "")["evaluable"]


def test_a_failed_cd8_stain_in_the_region_and_band_tables():
    cells, _ = slide()
    failed = without_cd8(cells)
    unproven = unproven_stains(failed)
    regions = region_table(failed, areas(), unproven=unproven)
    mine = regions[regions["phenotype"] == "cd8_t"]
    assert not mine["evaluable"].any()
    assert mine["reason"].str.contains(NO_STAIN).all()
    assert mine["count"].eq(0).all()
    assert mine["density_per_mm2"].isna().all()
    bands = band_table(failed, areas(), unproven=unproven)
    cd8 = bands["phenotype"] == "cd8_t"
    assert bands.loc[cd8, "density_per_mm2"].isna().all()
    assert bands.loc[bands["phenotype"] == "tumour", "density_per_mm2"].notna().all()


def test_a_region_table_that_knows_no_doubt_does_not_silence_it():
    cells, pairs = slide()
    failed = without_cd8(cells)
    summary = summarise(failed, pairs, areas(), regions=region_table(failed, areas()))
    assert lost(at(summary, "cd8_density", "cd8_t", "tissue", ""), NO_STAIN)


def test_other_cells_may_hold_the_cd8_cells_of_a_failed_stain():
    cells, _ = slide()
    failed = without_cd8(cells)
    regions = region_table(failed, areas(), unproven=unproven_stains(failed))
    row = regions[(regions["phenotype"] == "other") & (regions["region"] == "tissue")].iloc[0]
    assert row["evaluable"]
    assert row["reason"] == "other cells include the CD8 T cells if the CD8 stain failed"


def test_three_cd8_cells_show_that_the_stain_worked():
    cells, pairs = slide()
    summary = summarise(without_cd8(cells, 3), pairs, areas())
    assert at(summary, "cd8_density", "cd8_t", "tissue", "")["evaluable"]
    assert at(summary, SHARE)["evaluable"]


def test_cd8_cells_that_were_left_out_show_nothing():
    cells, pairs = slide()
    folded = cells["region"].mask(cells["phenotype"] == "cd8_t", "excluded")
    summary = summarise(cells.with_columns({"region": folded}), pairs, areas())
    assert lost(at(summary, "cd8_density", "cd8_t", "tissue", ""), NO_STAIN)


@pytest.mark.parametrize("control", [{"control_slide": True}, {"control_cells": {"cd8": 3}}])
def test_a_control_vouches_for_a_desert(control):
    cells, pairs = slide()
    summary = summarise(without_cd8(cells), pairs, areas(), **control)
    row = at(summary, "cd8_density", "cd8_t", "tissue", "")
    assert (row["evaluable"], row["value"]) == (True, 0)
    assert row["ci_high"] > 0


def test_a_slide_negative_for_pdl1_throughout_cannot_be_judged():
    cells, pairs = slide((0, 25), (0, 35), (0, 30))
    summary = summarise(cells, pairs, areas())
    for metric in (TOUCHING, APART, ODDS):
        assert lost(at(summary, metric), f"{UNKNOWABLE}: 0 PD-L1-positive cells other than tumour")
    for metric, phenotype in ((SCORE, "tumour"), ("pdl1_all_cells_score", "any")):
        row = at(summary, metric, phenotype, neighbourhood="")
        assert lost(row, f"0 PD-L1-positive cells on this slide {NO_STAIN}: {UNKNOWABLE}")
    assert at(summary, SHARE)["evaluable"]
    assert at(summary, "cd8_density", "cd8_t", "tissue", "")["evaluable"]
    regions = region_table(cells, areas(), unproven=unproven_stains(cells))
    status = regions[regions["pdl1"] != "any"]
    assert not status["evaluable"].any()
    assert status["reason"].str.contains(UNKNOWABLE).all()
    assert regions.loc[regions["pdl1"] == "any", "evaluable"].all()


def test_too_few_controls_for_the_headline():
    summary = summarise(*slide(other=(19, 5)), areas())
    assert lost(at(summary, TOUCHING), f"{UNKNOWABLE}: 19 PD-L1-positive cells other than tumour")


def test_cells_of_a_drawn_control_count_as_controls():
    cells, pairs = slide(other=(15, 5))
    inside = np.zeros(len(cells), bool)
    extra = table([("other", "+", "excluded")] * 4 + [("cd8_t", "+", "excluded")]).frame
    extra = extra.set_axis(extra.index + len(cells))
    more = CellTable(pd.concat([cells.frame, extra]))
    inside = np.append(inside, np.ones(5, bool))
    found = control_positives(more, inside)
    assert found == {"cd8": 1, "pdl1": 5}
    assert not at(summarise(more, pairs, areas()), TOUCHING)["evaluable"]
    assert at(summarise(more, pairs, areas(), control_cells=found), TOUCHING)["evaluable"]


# What is a result, not a failure


def test_a_relapse_without_one_positive_tumour_cell_is_one_with_its_interval():
    cells, pairs = slide((0, 25), (0, 35))
    row = at(summarise(cells, pairs, areas()), TOUCHING)
    assert (row["evaluable"], row["value"], row["ci_high"]) == (True, 1, 1)
    expected = stats.binomtest(25, 25).proportion_ci(method="wilson")
    assert row["ci_low"] == pytest.approx(expected.low)
    assert row["ci_method"] == "wilson"


def test_a_relapse_in_many_blocks_keeps_an_interval():
    cells = field(n=4000)
    tumour = cells["phenotype"] == "tumour"
    cells = cells.with_columns({"pdl1_positive": cells["pdl1_positive"].mask(tumour, False)})
    row = at(summarise(cells, pairs_of(cells), block_areas()), TOUCHING)
    assert (row["value"], row["ci_high"], row["ci_method"]) == (1, 1, "block_bootstrap")
    n = int(row["denominator"])
    alone = stats.binomtest(n, n).proportion_ci(method="wilson")
    assert 0.9 < row["ci_low"] <= alone.low  # blocks may be alike: no tighter than single cells


def test_a_field_without_tumour_is_a_result():
    cells = table([("cd8_t", "-", "stroma")] * 30 + [("other", "+", "stroma")] * 30)
    none = dict.fromkeys(
        ("centre", "inner_margin", "outer_margin", "margin", "tumour"), "no tumour"
    )
    field_areas = areas(
        four=dict.fromkeys(("centre", "inner_margin", "outer_margin"), 0.0), not_evaluable=none
    )
    summary = summarise(cells, contacts(), field_areas)
    density = at(summary, "cd8_density", "cd8_t", "tissue", "")
    assert (density["evaluable"], density["value"]) == (True, 30)
    count = at(summary, "cell_count", "tumour", "tissue", "")
    assert (count["evaluable"], count["value"]) == (True, 0)
    assert count["reason"] == (
        "a field without tumour cells looks like one whose tumour stains failed"
    )
    assert lost(at(summary, TOUCHING), "0 cells, 20 needed")
    assert lost(at(summary, RATIO, "cd8_t", "tissue", ""), "margin: no tumour")
    assert at(summary, "area", "any", "tissue", "")["evaluable"]


# What is missing


@pytest.mark.parametrize(
    ("missing", "metrics", "text"),
    [
        ({"cd8": "the panel lacks CD8"}, (TOUCHING, APART, SHARE, ODDS), "the panel lacks CD8"),
        ({"pdl1": "no gate"}, (TOUCHING, APART, ODDS), "PD-L1: no gate"),
        ({"s100": "none", "sox10": "none"}, (TOUCHING, SHARE, ODDS), "S100: none; SOX10: none"),
    ],
)
def test_a_missing_marker_names_itself_and_has_no_count(missing, metrics, text):
    summary = summarise(*slide(), areas(), missing=missing)
    for metric in metrics:
        row = at(summary, metric)
        assert lost(row, text)
        assert math.isnan(row["numerator"])
        assert "stain" not in row["reason"]


def test_pdl1_that_no_cell_of_a_phenotype_has():
    cells, pairs = slide()
    unread = cells["pdl1_positive"].mask(cells["phenotype"] == "tumour")
    summary = summarise(cells.with_columns({"pdl1_positive": unread}), pairs, areas())
    assert lost(at(summary, TOUCHING), "PD-L1 is missing for all tumour cells")


def test_other_cells_that_hold_cd8_cells_because_cd8_is_missing():
    regions = region_table(slide()[0], areas(), missing={"cd8": "the panel lacks CD8"})
    row = regions[(regions["phenotype"] == "other") & (regions["region"] == "tissue")].iloc[0]
    assert not row["evaluable"]
    assert row["reason"] == "other cells include CD8 T cells (the panel lacks CD8)"


def test_cells_without_a_pdl1_value_are_counted():
    cells, pairs = slide()
    unread = cells["pdl1_positive"].copy()
    unread.iloc[[1, 3]] = pd.NA
    row = at(summarise(cells.with_columns({"pdl1_positive": unread}), pairs, areas()), TOUCHING)
    assert (row["evaluable"], row["denominator"]) == (True, 23)
    assert row["reason"] == "2 cells without a PD-L1 value left out"


# What is too little


def test_too_few_cells():
    assert lost(at(summarise(*slide((9, 10)), areas()), TOUCHING), "19 cells, 20 needed")


def test_too_few_cells_on_one_side():
    row = at(summarise(*slide((9, 10)), areas()), ODDS)
    assert lost(row, "19 cells near CD8 and 35 not, 20 of each needed")


def test_too_few_tumour_cells_for_the_score():
    row = at(summarise(*slide(), areas()), SCORE, neighbourhood="")
    assert lost(row, "60 tumour cells, 100 needed")


def test_a_region_that_is_too_small():
    small = areas(four={"inner_margin": 0.01})
    row = at(summarise(*slide(), small), TOUCHING, region="inner_margin")
    assert lost(row, "area of 0.01 mm² is under 0.02 mm²")


def test_a_region_that_the_place_does_not_allow():
    nodal = areas(not_evaluable={"outer_margin": "lymph node", "margin": "lymph node"})
    summary = summarise(*slide(), nodal)
    assert lost(at(summary, "cd8_density", "cd8_t", "margin", ""), "lymph node")
    assert lost(at(summary, RATIO, "cd8_t", "tissue", ""), "margin: lymph node")


def test_no_cd8_cell_in_margin_or_centre():
    cells = table([("cd8_t", "-", "stroma")] * 5)
    row = at(summarise(cells, contacts(), areas()), RATIO, "cd8_t", "tissue", "")
    assert lost(row, "no CD8 T cell in margin or centre")


# What to bear in mind of a number that is given


def test_a_centre_without_cd8_makes_the_ratio_infinite():
    cells = table([("cd8_t", "-", "inner_margin")] * 5)
    row = at(summarise(cells, contacts(), areas()), RATIO, "cd8_t", "tissue", "")
    assert row["value"] == math.inf
    assert "no CD8 T cell in the centre" in row["reason"]


def test_a_ratio_whose_interval_knows_no_clustering():
    cells = table([("cd8_t", "-", "inner_margin")] * 5 + [("cd8_t", "-", "centre")] * 5)
    row = at(summarise(cells, contacts(), areas()), RATIO, "cd8_t", "tissue", "")
    assert row["ci_method"] == "exact_conditional"
    assert row["reason"] == "the exact interval takes no account of clustering"


def test_cells_nearer_to_the_frame_than_to_the_interface():
    cells, pairs = slide()
    edge = np.arange(len(cells)) < 7
    row = at(summarise(cells.with_columns({"edge_censored": edge}), pairs, areas()), TOUCHING)
    assert row["evaluable"]
    assert row["reason"] == "3 of 25 cells are nearer to the frame than to the interface"


def test_gates_that_nobody_confirmed():
    summary = summarise(*slide(), areas(), unconfirmed_gates=("pdl1@tumour", "cd8"))
    text = "automatic gate not confirmed: pdl1@tumour, cd8"
    assert at(summary, TOUCHING)["reason"] == text
    assert text in at(summary, ODDS)["reason"]
    assert at(summary, SHARE)["reason"] == "automatic gate not confirmed: cd8"


def test_a_headline_that_is_lost_at_one_end_of_the_gate():
    cells, pairs = slide()
    other = (cells["phenotype"] == "other").to_numpy(bool)
    strict = cells["pdl1_positive"].mask(other, False)
    ends = [
        Alternative("gate", "pdl1_high", cells.with_columns({"pdl1_positive": strict}), None),
        Alternative("gate", "pdl1_low", cells, None),
    ]
    row = at(summarise(cells, pairs, areas(), alternatives=ends), TOUCHING)
    assert row["evaluable"]
    assert row["gate_low_value"] == row["value"]
    assert math.isnan(row["gate_high_value"])
    assert f"not evaluable at the high end of the PD-L1 gate: {UNKNOWABLE}" in row["reason"]


def test_no_p_value_where_relabelling_changes_nothing():
    row = at(summarise(*slide(), areas()), ODDS)
    assert row["evaluable"]
    assert math.isnan(row["p_value"])
    assert row["reason"].startswith("no p value: no cell here touches one that could be CD8")


def test_no_p_value_in_a_region_of_its_own_but_one_for_the_slide():
    cells = field(n=4000)
    stroma = cells["region"] == "stroma"
    # Nothing but tumour and CD8 T cells in the stroma, and no contact across its border.
    alone = cells["phenotype"].mask(stroma & (cells["phenotype"] == "other"), "tumour")
    pairs = pairs_of(cells)
    ends = [stroma.loc[pairs[end]].to_numpy() for end in ("label_a", "label_b")]
    summary = summarise(
        cells.with_columns({"phenotype": alone}), pairs[ends[0] == ends[1]], block_areas(), ANY
    )
    assert at(summary, ODDS, region="stroma")["evaluable"]
    assert "no p value" in at(summary, ODDS, region="stroma")["reason"]
    assert math.isnan(at(summary, ODDS, region="stroma")["p_value"])
    assert at(summary, ODDS)["p_value"] > 0
    assert "no p value" not in at(summary, ODDS)["reason"]


def test_scores_that_are_not_those_of_the_clinic():
    summary = summarise(*slide(), areas(), ANY)
    row = at(summary, "pdl1_all_cells_score", "any", neighbourhood="")
    assert row["reason"] == "not CPS"
    combined = at(summary, "combined_positive_score", "any", neighbourhood="")
    assert lost(combined, "the panel does not mark macrophages and lymphocytes")


# Membranes and odd cells


def membranes(n=30, **columns):
    cells = table([("tumour", "-", "centre")] * n)
    given = {"pdl1_membrane_mean": 2.0, "pdl1_cytoplasm_mean": 1.0} | columns
    return summarise(cells.with_columns(given), contacts(), areas())


def ratio_of(summary, phenotype="tumour"):
    return at(summary, "membrane_to_cytoplasm_ratio", phenotype, neighbourhood="")


def test_a_membrane_ratio_on_a_background_that_was_not_subtracted():
    cells = table([("tumour", "-", "centre")] * 30)
    cells = cells.with_columns({"pdl1_membrane_mean": 2.0, "pdl1_cytoplasm_mean": 1.0})
    row = ratio_of(summarise(cells, contacts(), areas()))
    assert (row["evaluable"], row["value"], row["statistic"]) == (True, 2, "pdl1")
    assert row["reason"] == "background was not subtracted, which draws the ratio towards 1"
    clean = summarise(cells, contacts(), areas(), background_subtracted=True)
    assert ratio_of(clean)["reason"] == ""


def test_a_membrane_ratio_of_too_few_cells():
    assert lost(ratio_of(membranes(19)), "19 cells, 20 needed")


def test_a_membrane_ratio_that_some_cells_do_not_have():
    inner = np.append(np.ones(28), [np.nan, np.nan])
    row = ratio_of(membranes(pdl1_cytoplasm_mean=inner))
    assert row["denominator"] == 28
    assert "2 cells without a ratio left out" in row["reason"]


def test_a_membrane_ratio_that_was_not_measured():
    summary = summarise(table([("tumour", "-", "centre")] * 30), contacts(), areas())
    assert lost(ratio_of(summary), "no marker was measured on the membrane and in the cytoplasm")


def odd(missing=None, **columns):
    cells = table([("other", "-", "centre")] * 3 + [("tumour", "-", "stroma")] * 2)
    return summarise(cells.with_columns(columns), contacts(), areas(), ANY, missing=missing)


def test_cells_positive_for_sox10_and_cd8_are_counted_by_region():
    summary = odd(conflict=[False, False, False, True, True])
    count = {r: at(summary, "sox10_cd8_conflict_count", "any", r, "") for r in ("centre", "stroma")}
    assert (count["centre"]["value"], count["stroma"]["value"]) == (0, 2)
    assert count["stroma"]["unit"] == "cells"


def test_s100_cells_without_sox10_are_counted_by_region():
    s100 = pd.array([True, True, False, True, True], dtype="boolean")
    sox10 = pd.array([False, pd.NA, False, False, True], dtype="boolean")
    summary = odd(s100_positive=s100, sox10_positive=sox10)
    assert at(summary, "s100_only_count", "other", "centre", "")["value"] == 1
    assert at(summary, "s100_only_count", "other", "tissue", "")["value"] == 1


def test_odd_cells_that_cannot_be_told():
    summary = odd()
    key = ("tissue", "")
    assert lost(at(summary, "sox10_cd8_conflict_count", "any", *key), "not called by gates")
    assert lost(
        at(summary, "s100_only_count", "other", *key), "S100 and SOX10 were not called apart"
    )
    summary = odd({"sox10": "the panel lacks SOX10"}, conflict=False)
    for metric, phenotype in (("sox10_cd8_conflict_count", "any"), ("s100_only_count", "other")):
        assert lost(at(summary, metric, phenotype, *key), "the panel lacks SOX10")
