from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from immunescape.compare import specimen_table
from immunescape.compare.metrics import Key
from immunescape.compare.pooling import PooledBlocks
from immunescape.compare.slides import Slide
from immunescape.results import BLOCKS_COLUMNS, REGION_NAMES
from immunescape.spatial import add_contact_columns, block_counts, region_table, summarise
from tests.compare.drawn import block_table, cd8, of, slide
from tests.spatial.fields import block_areas, field, pairs_of

REGIONS = ("centre", "inner_margin", "outer_margin", "stroma")


def analysed(seed, missing=None, **more):
    """A field of 1 mm², as a slide has its tables."""
    plain, areas = field(seed, n=2500, **more), block_areas()
    pairs = pairs_of(plain)
    cells = add_contact_columns(plain, pairs, missing=missing)
    return {
        "summary": summarise(cells, pairs, areas, missing=missing),
        "regions": region_table(cells, areas, missing=missing),
        "blocks": block_counts(cells, areas, missing=missing),
    }, cells


def result(tables, name):
    rows = tables["summary"].to_dict("records")
    other = {key: table for key, table in tables.items() if key != "summary"}
    return slide("P1", "baseline", rows, tables=other, sample_id=name, specimen="S")


def test_blocks_hold_every_cell_and_all_area_once():
    tables, cells = analysed(3)
    blocks, regions = tables["blocks"], tables["regions"].set_index(["region", "phenotype", "pdl1"])
    assert tuple(blocks.columns) == BLOCKS_COLUMNS
    assert not blocks.duplicated(["row", "column", "region"]).any()
    sums = blocks.groupby("region")[list(BLOCKS_COLUMNS[3:])].sum()
    touching = cells["touching_cd8"].fillna(False).to_numpy(bool)
    for region in REGIONS:
        assert sums.loc[region, "area_mm2"] == pytest.approx(
            regions.loc[region]["area_mm2"].iloc[0]
        )
        assert sums.loc[region, "cd8_t"] == regions.loc[(region, "cd8_t", "any"), "count"]
        here = (cells["region"] == region) & (cells["phenotype"] == "tumour") & touching
        negative = here & ~cells["pdl1_positive"].astype(bool)
        assert sums.loc[region, "tumour_touching_negative"] == negative.sum()
        for pdl1 in ("positive", "negative"):
            parts = sums.loc[region, [f"other_{side}_{pdl1}" for side in ("touching", "apart")]]
            assert parts.sum() == regions.loc[(region, "other", pdl1), "count"]
    assert list(blocks[["row", "column"]].iloc[0]) == [0, 0]


def test_a_missing_marker_leaves_its_counts_empty_not_zero():
    no_cd8 = analysed(3, {"cd8": "the panel lacks CD8"})[0]["blocks"]
    assert no_cd8["cd8_t"].isna().all() and no_cd8["tumour_touching_positive"].isna().all()
    no_pdl1 = analysed(3, {"pdl1": "the panel lacks PD-L1"})[0]["blocks"]
    assert no_pdl1["tumour_apart_negative"].isna().all() and no_pdl1["cd8_t"].notna().all()
    assert no_pdl1["tumour_apart_missing"].sum() > 0


def test_a_slide_of_two_has_nearly_the_interval_that_it_has_alone():
    """A second slide whose rows are all masked only adds draws of empty windows."""
    tables, _ = analysed(4, copies=3)
    slides = [Slide(result(tables, name)) for name in ("a", "b")]
    pooled = PooledBlocks.of(slides)
    keys = [key for key, row in slides[0].rows.items() if row["evaluable"] and row["ci_method"]]
    found = pooled.bounds(dict.fromkeys(keys, (True, False)))
    checked = 0
    for key, bounds in found.items():
        row = slides[0].rows[key]
        if row["ci_method"] != "block_bootstrap":
            continue
        width = row["ci_high"] - row["ci_low"]
        assert bounds.method == "block_bootstrap"
        assert bounds.low == pytest.approx(row["ci_low"], abs=0.15 * width), key
        assert bounds.high == pytest.approx(row["ci_high"], abs=0.15 * width), key
        checked += 1
    assert checked >= 20 and {key.metric for key in found} >= {
        "cd8_density", "pdl1_negative_fraction_touching_cd8", "touching_cd8_fraction",
        "pdl1_induction_log_odds_ratio", "cd8_margin_to_centre_ratio", "tumour_proportion_score",
    }  # fmt: skip


def test_fields_of_cells_in_groups_have_the_wider_interval_that_blocks_give():
    # 40 blocks of 0.01 mm²: cells in every fourth block, ten each, or spread evenly.
    lumps = np.where(np.arange(40) % 4 == 0, 12, 0)
    even = np.full(40, 3)
    tables = {}
    for name, counts in (("lumps", lumps), ("even", even)):
        two = [
            slide("P1", "baseline", cd8(120, 0.4, "centre"), sample_id=i, specimen="S",
                  tables={"blocks": block_table(counts, 0.01)})
            for i in "ab"
        ]  # fmt: skip
        tables[name] = of(specimen_table(two), metric="cd8_density")
        assert tables[name]["ci_method"] == "block_bootstrap"
        assert tables[name]["value"] == pytest.approx(300)
        plain = [slide("P1", "baseline", cd8(120, 0.4, "centre"), sample_id=i, specimen="S")
                 for i in "ab"]  # fmt: skip
        garwood = of(specimen_table(plain), metric="cd8_density")
        tables[name, "width"] = (tables[name]["ci_high"] - tables[name]["ci_low"]) / (
            garwood["ci_high"] - garwood["ci_low"]
        )
    assert tables["even", "width"] < 1 < tables["lumps", "width"]


def test_slides_are_never_neighbours():
    two = [
        Slide(slide("P1", "baseline", cd8(5, 1.0), sample_id=i,
                    tables={"blocks": block_table([1] * 30, 0.01, row0=row0)}))
        for i, row0 in (("a", 7), ("b", 400))
    ]  # fmt: skip
    pooled = PooledBlocks.of(two)
    rows = [pooled.blocks.row[pooled.slide == number] for number in (0, 1)]
    assert rows[1].min() - rows[0].max() > 8
    for windows in pooled.blocks.windows:
        held = windows.holds @ np.column_stack([pooled.slide == 0, pooled.slide == 1])
        assert not ((held[:, 0] > 0) & (held[:, 1] > 0)).any()


def test_a_slide_without_blocks_counts_cells_as_independent():
    two = [
        slide("P1", "baseline", cd8(60, 0.5, "centre"), sample_id="a", specimen="S",
              tables={"blocks": block_table([2] * 30, 0.01)}),
        slide("P1", "baseline", cd8(60, 0.5, "centre"), sample_id="b", specimen="S"),
    ]  # fmt: skip
    assert of(specimen_table(two), metric="cd8_density")["ci_method"] == "garwood"


def test_a_count_that_a_slide_lacks_has_no_interval_by_blocks():
    two = [
        Slide(slide("P1", "baseline", cd8(60, 0.3, "centre"), sample_id=i,
                    tables={"blocks": block_table([2] * 30, 0.01).astype(object).assign(**lost)}))
        for i, lost in (("a", {}), ("b", {"unknown": pd.NA}))
    ]  # fmt: skip
    pooled = PooledBlocks.of(two)
    every, cd8_t = Key("cell_count", "any", "centre"), Key("cd8_density", "cd8_t", "centre")
    assert set(pooled.bounds({every: (True, True), cd8_t: (True, True)})) == {cd8_t}
    assert set(pooled.bounds({every: (True, False)})) == {every}
    assert REGION_NAMES[0] == "centre"


def test_two_fields_summed_agree_with_their_cells_counted_together():
    first, one = analysed(1)
    second, two = analysed(2, negative=0.8)
    table = specimen_table([result(first, "a"), result(second, "b")])
    cells = pd.concat([one.frame, two.frame])
    touching = cells["touching_cd8"].fillna(False).astype(bool)
    mine = cells[(cells["phenotype"] == "tumour") & touching]
    found = of(
        table, metric="pdl1_negative_fraction_touching_cd8", phenotype="tumour", region="tissue"
    )
    assert found["value"] == pytest.approx(1 - mine["pdl1_positive"].astype(float).mean())
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert found["ci_method"] == "block_bootstrap" and found["evaluable"]
    density = of(table, metric="cd8_density", region="centre")
    inside = (cells["phenotype"] == "cd8_t") & (cells["region"] == "centre")
    assert density["value"] == pytest.approx(inside.sum() / 0.8)


def test_tables_read_again_from_their_files_give_the_same(tmp_path):
    from immunescape.io.tables import write_csv

    made = [result(analysed(seed)[0], name) for seed, name in ((1, "a"), (2, "b"))]
    read = []
    for one in made:
        tables = {}
        for name, table in one.tables.items():
            path = tmp_path / f"{one.sample.sample_id}_{name}.csv"
            write_csv(path, table)
            tables[name] = pd.read_csv(path)
        read.append(replace(one, tables=tables))
    first, second = specimen_table(made), specimen_table(read)
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)
    assert first["evaluable"].any() and not first["evaluable"].all()
