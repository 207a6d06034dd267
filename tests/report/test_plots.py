"""Figures by what they are made of: bars and lines against tables written by hand."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import OutputError
from immunescape.report.copies import copy_tables
from immunescape.report.picks import Pick, Picker, pick_text, touching_labels
from immunescape.report.plots import bar_at, draw_contacts, draw_densities, draw_profile
from immunescape.report.plots_style import DARK, PAPER, dress_axes, new_figure
from immunescape.report.wording import (
    gates_text,
    interval_text,
    n_text,
    row_title,
    unconfirmed,
    value_text,
)
from immunescape.results import BANDS_COLUMNS, REGION_NAMES, REGIONS_COLUMNS, SUMMARY_COLUMNS

# x is the distance to the margin; one row of cells from deep inside to far outside
#   label      1      2      3      4      5      6      7     8
#   x_um     -150    -30    -10     0     15     30    160   170
#   kind      T-     T-     T+     o+     o-     8      8     ?
CELLS = CellTable(
    pd.DataFrame(
        {
            "x_um": [-150.0, -30, -10, 0, 15, 30, 160, 170],
            "y_um": [10.0, 10, 10, 10, 10, 10, 250, 250],
            "phenotype": ["tumour"] * 3 + ["other"] * 2 + ["cd8_t"] * 2 + ["unknown"],
            "pdl1_positive": pd.array(
                [False, False, True, True, False, False, None, None], dtype="boolean"
            ),
            "region": [
                "centre", "inner_margin", "inner_margin", "outer_margin", "outer_margin",
                "outer_margin", "stroma", "excluded",
            ],
            "distance_to_margin_um": [-150.0, -30, -10, 0, 15, 30, 160, 170],
            "edge_censored": [True] + [False] * 7,
            "touching_cd8": pd.array([True] * 3 + [False, None, False, False, None], "boolean"),
        },
        index=pd.Index(range(1, 9), name="label"),
    )
)  # fmt: skip


def bands(density=(100.0, 50.0, np.nan)):
    rows = [
        ("cd8_t", "any", start, start + 20.0, count, area, value, value / 2, value * 4, "garwood")
        for start, count, area, value in zip(
            (-20.0, 0.0, 20.0), (2, 1, 0), (0.02, 0.02, 0.0), density, strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(BANDS_COLUMNS))


def regions(reason=""):
    rows = []
    for k, name in enumerate(REGION_NAMES, 1):
        ok = not reason and name != "stroma"
        why = reason or ("" if ok else "area of 0.001 mm² is under 0.02 mm²")
        value = (100.0 * k, 80.0 * k, 130.0 * k) if ok else (np.nan,) * 3
        rows.append((name, "cd8_t", "any", k, 0.01, *value, "garwood" if ok else "", ok, why))
    return pd.DataFrame(rows, columns=list(REGIONS_COLUMNS))


def summary_row(metric, phenotype, region, value, above, below, **more):
    row = dict.fromkeys(SUMMARY_COLUMNS, np.nan)
    row |= {
        "metric": metric, "phenotype": phenotype, "region": region, "neighbourhood": "contact",
        "value": value, "unit": "1", "numerator": above, "denominator": below,
        "ci_low": value - 0.1, "ci_high": value + 0.1, "ci_method": "wilson", "evaluable": True,
        "reason": "",
    }  # fmt: skip
    return row | more


def summary():
    near, apart = "pdl1_negative_fraction_touching_cd8", "pdl1_negative_fraction_not_touching_cd8"
    stop = {"ci_low": np.nan, "ci_high": np.nan, "evaluable": False}
    return pd.DataFrame(
        [
            summary_row(near, "tumour", "tissue", 0.25, 10, 40, gate_low_value=0.2,
                        gate_high_value=0.35),
            summary_row(apart, "tumour", "tissue", 0.5, 50, 100),
            summary_row(near, "other", "tissue", np.nan, 3, 3, **stop, reason="3 cells, 20 needed"),
            summary_row(apart, "other", "tissue", 0.75, 75, 100),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pick", "labels"),
    [
        (Pick(), [1, 2, 3, 4, 5, 6, 7]),  # what is excluded is in no table
        (Pick(phenotype="tumour", pdl1="negative"), [1, 2]),
        (Pick(phenotype="tumour", pdl1="negative", touching=True, region="margin"), [2]),
        (Pick(phenotype="other", touching=False), [4, 5]),  # not known to touch: does not
        (Pick(phenotype="cd8_t", pdl1="positive"), []),
        (Pick(phenotype="cd8_t"), [6, 7]),
        (Pick(band_um=(-160.0, -140.0)), []),  # nearer to the frame
        (Pick(band_um=(0.0, 15.0)), [4]),  # half-open
        (Pick(region="tumour"), [1, 2, 3]),
    ],
)
def test_a_pick_means_the_cells_that_the_tables_count(pick, labels):
    assert CELLS.labels[Picker(CELLS).mask(pick)].tolist() == labels


def test_cells_come_strip_by_strip_to_and_fro():
    points = [(10, 5), (300, 20), (200, 210), (20, 390), (5, 420)]
    frame = pd.DataFrame(
        points, columns=["x_um", "y_um"], index=pd.Index(range(1, 6), name="label")
    )
    frame["phenotype"], frame["region"] = "tumour", "centre"
    assert Picker(CellTable(frame)).in_order(Pick()).tolist() == [1, 2, 3, 4, 5]


def test_words_of_a_pick():
    assert pick_text(Pick(phenotype="other", touching=False)) == "other cells not touching CD8"


def test_neighbours_are_found_from_either_end():
    pairs = pd.DataFrame({"label_a": [1, 2, 3], "label_b": [2, 5, 4], "contact_um": 2.0})
    assert touching_labels(pairs, 2).tolist() == [1, 5]
    assert touching_labels(pairs, 9).tolist() == []


@pytest.mark.parametrize("look", [DARK, PAPER])
def test_the_profile_shows_each_band_with_tissue(look):
    figure, axes = new_figure(look)
    bars = draw_profile(axes, look, {"bands": bands(), "regions": regions()}, width_um=40.0)
    dress_axes(axes, look)
    figure.draw_without_rendering()
    drawn = [p for p in axes.patches if p.get_height() in (100.0, 50.0)]
    assert [(p.get_x(), p.get_width(), p.get_height()) for p in drawn] == [
        (-20, 20, 100), (0, 20, 50)
    ]  # fmt: skip
    assert [(b.count, b.low, b.high) for b in bars] == [(2, 50, 400), (1, 25, 200)]
    assert axes.get_ylim()[1] == 160  # an interval beyond it ends in an arrow
    ends = [line for line in axes.lines if line.get_marker() == "^"]
    assert [list(line.get_xdata()) for line in ends] == [[-10, 10]]
    assert {t.get_text() for t in axes.texts} >= {"2", "1"}
    assert axes.title.get_text().strip() == "" and any(
        t.get_text() == "CD8 T cells by distance: 3 cells in 0.0400 mm²" for t in axes.texts
    )
    assert axes.get_xlim() == (-40, 40)
    assert bar_at(bars, 5, 150).count == 1 and bar_at(bars, 25, 10) is None
    assert bar_at(bars, None, None) is None


def test_nothing_to_draw_says_why():
    _, axes = new_figure()
    failed = "no cell shows that the CD8 stain worked"
    tables = {"bands": bands((np.nan,) * 3), "regions": regions(failed)}
    assert draw_profile(axes, PAPER, tables) == ()
    assert failed in " ".join(axes.texts[0].get_text().split())
    _, axes = new_figure()
    none = {"bands": bands().iloc[:0], "regions": regions()}
    assert draw_profile(axes, PAPER, none) == ()
    assert "no interface" in axes.texts[0].get_text()


def test_densities_by_region_with_the_reason_of_what_is_missing():
    _, axes = new_figure()
    bars = draw_densities(axes, PAPER, {"regions": regions()}, colours={"centre": "#d55e00"})
    widths = [p.get_width() for p in axes.patches]
    assert widths == [100, 200, 300, 500, 600, 700]  # stroma has no bar
    assert [b.pick.region for b in bars] == list(REGION_NAMES)
    assert [b.count for b in bars] == list(range(1, 8))
    said = [t.get_text() for t in axes.texts]
    assert any(t.startswith("not evaluable: area of 0.001 mm²") for t in said)
    assert "100  (n = 1)" in said
    places = dict(zip(REGION_NAMES, axes.get_yticks(), strict=True))
    assert bar_at(bars, 650.0, places["stroma"]).pick.region == "stroma"
    assert "0.02" in bar_at(bars, 0.0, places["stroma"]).text


def test_contacts_are_stacked_to_a_hundred():
    _, axes = new_figure()
    bars = draw_contacts(axes, PAPER, {"summary": summary()})
    spans = [(round(p.get_x()), round(p.get_width())) for p in axes.patches]
    assert spans == [(0, 25), (25, 75), (0, 50), (50, 50), (0, 75), (75, 25)]
    assert [b.count for b in bars] == [10, 30, 50, 50, 75, 25]
    assert bars[0].pick == Pick(phenotype="tumour", pdl1="negative", touching=True)
    assert bar_at(bars, 90, 3).pick == Pick(phenotype="other", pdl1="positive", touching=False)
    assert bar_at(bars, 10, 2) is None
    said = [t.get_text() for t in axes.texts]
    assert "25.0 %\n10 of 40" in said and "not evaluable: 3 cells, 20 needed" in said
    (ticks,) = [line for line in axes.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(ticks.get_xdata(), [20, 35])


def test_rows_in_words():
    row = summary().to_dict("records")[0]
    assert row_title(row) == "tumour cells: PD-L1-negative, touching CD8"
    assert (value_text(row), interval_text(row), n_text(row), gates_text(row)) == (
        "25.0 %", "15.0 to 35.0 %", "10 of 40 cells", "20.0 to 35.0 %"
    )  # fmt: skip
    density = row | {"metric": "cd8_density", "unit": "per_mm2", "value": 300.0, "ci_low": 212.0,
                     "ci_high": 402.0, "numerator": 108.0, "denominator": 0.36}  # fmt: skip
    assert value_text(density) == "300 per mm²" and n_text(density) == "108 cells in 0.360 mm²"
    assert interval_text(density) == "212 to 402 per mm²"
    gates = "2 of 9 cells are x; automatic gate not confirmed: cd8, pdl1@non_tumour"
    assert unconfirmed(row | {"reason": gates}) == (
        ("CD8", "PD-L1 on non-tumour cells"), "2 of 9 cells are x"
    )  # fmt: skip
    assert value_text(row | {"value": np.nan}) == "not evaluable"


def test_tables_are_copied_and_cells_written_as_csv(tmp_path):
    result = tmp_path / "P07"
    result.mkdir()
    (result / "summary.csv").write_bytes(b"metric,value\r\na,1\n")
    (result / "study.toml").write_text("seed = 0\n")
    (result / "labels.zarr").mkdir()
    target = tmp_path / "to take" / "P07"
    told = []
    names = copy_tables(result, CELLS, target, lambda *a: told.append(a))
    assert set(names) == {"summary.csv", "study.toml", "cells.csv"}
    assert (target / "summary.csv").read_bytes() == b"metric,value\r\na,1\n"
    assert pd.read_csv(target / "cells.csv")["label"].tolist() == list(range(1, 9))
    assert told[-1] == ("copy", 3, 3)
    with pytest.raises(OutputError, match="choose another"):
        copy_tables(result, CELLS, result, lambda *a: None)
