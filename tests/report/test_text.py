import numpy as np
import pandas as pd
import pytest

from immunescape.report import NOT_FOR_DIAGNOSIS, headline_tables
from immunescape.results import REGION_NAMES, SENSITIVITY_COLUMNS, SUMMARY_COLUMNS

_FRACTIONS = ("pdl1_negative_fraction_touching_cd8", "pdl1_negative_fraction_not_touching_cd8")


def row(metric, phenotype="tumour", region="tissue", neighbourhood="contact", **values):
    empty = dict.fromkeys(SUMMARY_COLUMNS, np.nan) | {"evaluable": True, "reason": ""}
    key = {
        "metric": metric,
        "phenotype": phenotype,
        "region": region,
        "neighbourhood": neighbourhood,
        "margin_width_um": 100.0,
    }
    return empty | key | values


def summary(negative=30, note="", **density):
    rows = []
    for phenotype in ("tumour", "other"):
        for metric, count in zip(_FRACTIONS, (negative, 10), strict=True):
            rows.append(
                row(
                    metric, phenotype, value=count / 40, numerator=float(count), denominator=40.0,
                    ci_low=count / 40 - 0.1, ci_high=count / 40 + 0.1, reason=note,
                )
            )  # fmt: skip
        rows.append(
            row(
                "pdl1_induction_log_odds_ratio",
                phenotype,
                value=-2.154,
                ci_low=-3.2,
                ci_high=-1.1,
                p_value=0.0123,
            )
        )
    for i, region in enumerate(REGION_NAMES):
        values = {"value": 100.0 + i, "ci_low": 90.0, "ci_high": 1234.6} | density
        rows.append(row("cd8_density", "cd8_t", region, "", **values))
    rows.append(
        row("cd8_margin_to_centre_ratio", "cd8_t", "tissue", "", value=1.5, ci_low=0.876, ci_high=2)
    )
    return pd.DataFrame(rows)[list(SUMMARY_COLUMNS)]


def line(text, start, after=""):
    part = text[text.index(after) :]
    return next(x for x in part.splitlines() if start in x)


def test_three_tables_in_the_order_of_the_slides():
    slides = {"baseline": {"summary": summary()}, "relapse": {"summary": summary(4)}}
    text = headline_tables(slides)
    assert [x[:2] for x in text.splitlines() if x[:2] in ("1.", "2.", "3.")] == ["1.", "2.", "3."]
    assert text.index("baseline") < text.index("relapse")
    assert text.endswith(NOT_FOR_DIAGNOSIS + "\n")
    assert "margin 100 µm each side" in text


def test_numbers_of_each_table():
    text = headline_tables({"baseline": {"summary": summary()}})
    assert line(text, "tumour, touching CD8").split()[-10:] == [
        "75.0", "%", "65.0", "to", "85.0", "%", "-", "30", "/", "40",
    ]  # fmt: skip
    assert line(text, "tumour, not touching").split()[3:5] == ["25.0", "%"]
    assert line(text, "inner margin").split()[2:] == ["101", "(90.0", "to", "1235)"]
    assert line(text, "margin / centre").split()[3:] == ["1.50", "(0.876", "to", "2.00)"]
    # positive, negative, all, odds
    last = line(text, "tumour, touching CD8", "3. ").split()[4:]
    assert last == ["10", "30", "40", "-2.15", "(-3.20", "to", "-1.10)", "0.012"]
    assert line(text, "other, not touching", "3. ").split()[-3:] == ["30", "10", "40"]


def test_columns_are_aligned():
    text = headline_tables({"a": {"summary": summary()}, "longer name": {"summary": summary(4)}})
    table = text.split("\n\n")[1].splitlines()
    ends = {len(x) for x in table}
    assert len(ends) == 1
    rule = table[1]
    gaps = [i for i in range(len(rule)) if rule[i] == " "]
    assert all(x[i] == " " for x in table for i in gaps)


def test_what_is_not_evaluable_says_why_once():
    lost = summary(value=np.nan, ci_low=np.nan, ci_high=np.nan)
    density = lost["metric"] == "cd8_density"
    lost.loc[density, ["evaluable", "reason"]] = [False, "CD8: no channel shows it"]
    text = headline_tables({"a": {"summary": lost}, "b": {"summary": summary()}})
    assert " ".join(text.split()).count("CD8: no channel shows it") == 1
    said = line(text, "not evaluable")
    assert said.startswith("not evaluable: a (centre, inner margin,")
    assert "b" not in said.split(":")[1]
    assert line(text, "stroma").split()[1] == "-"


def test_counts_stay_where_a_fraction_is_not_evaluable():
    few = summary()
    few.loc[few["metric"] == _FRACTIONS[0], ["value", "ci_low", "ci_high"]] = np.nan
    few.loc[few["metric"] == _FRACTIONS[0], "evaluable"] = False
    few.loc[few["metric"] == _FRACTIONS[0], "reason"] = "19 cells, 20 needed"
    text = headline_tables({"a": {"summary": few}})
    assert line(text, "tumour, touching CD8").split()[-6:] == ["-", "-", "-", "30", "/", "40"]
    assert (
        "not evaluable: a (tumour, touching CD8, other, touching CD8): 19 cells, 20 needed" in text
    )


def test_the_headline_at_both_ends_of_the_pdl1_gate():
    table = summary()
    first = (table["metric"] == _FRACTIONS[0]) & (table["phenotype"] == "tumour")
    table.loc[first, ["gate_low_value", "gate_high_value"]] = [0.5, 0.8]
    text = headline_tables({"a": {"summary": table}})
    assert "50.0 to 80.0 %" in line(text, "tumour, touching CD8")
    assert line(text, "tumour, not touching").split()[-4] == "-"
    table.loc[first, "gate_high_value"] = np.nan
    assert "50.0 to ? %" in headline_tables({"a": {"summary": table}})


def test_gates_that_nobody_confirmed_are_marked_where_the_headline_stands():
    note = "3 cells left out; automatic gate not confirmed: pdl1@tumour, cd8"
    text = headline_tables({"a": {"summary": summary(note=note)}, "b": {"summary": summary()}})
    first, second = (x for x in text.splitlines() if x.split()[:1] in (["a"], ["b"]) and "%" in x)
    assert "75.0 %*" in first
    assert "75.0 % " in second
    assert "\n* automatic gate not confirmed: pdl1@tumour, cd8 (a)\n" in text
    assert text.count("automatic gate") == 1
    assert "note: a (tumour, touching CD8): 3 cells left out" in text


def sensitivity(*rows):
    table = pd.DataFrame(
        [
            {
                "kind": kind, "variant": variant, "metric": _FRACTIONS[0], "phenotype": "tumour",
                "region": "tissue", "value": value, "main_value": 0.75,
                "difference": value - 0.75, "evaluable": value == value,
                "reason": "" if value == value else "5 cells, 20 needed",
            }
            for kind, variant, value in rows
        ]
    )  # fmt: skip
    return table.reindex(columns=list(SENSITIVITY_COLUMNS))


def test_how_far_the_headline_moves():
    judged = sensitivity(
        ("statistic", "membrane_mean", 0.72), ("statistic", "membrane_p35", 0.8),
        ("gate", "pdl1_low", 0.62), ("gate", "pdl1_high", 0.9), ("gate", "cd8_low", 0.76),
        ("phenotype", "sox10_alone", np.nan),
    )  # fmt: skip
    text = headline_tables({"a": {"summary": summary(), "sensitivity": judged}})
    assert line(text, "membrane reading").split() == [
        "a", "membrane", "reading", "72.0", "%", "(membrane_mean)", "80.0", "%", "(membrane_p35)",
        "+5.0",
    ]  # fmt: skip
    wide = line(text, "gate of PD-L1, CD8", "4. ").split()
    assert wide == [
        "gate",
        "of",
        "PD-L1,",
        "CD8",
        "62.0",
        "%",
        "(pdl1_low)",
        "90.0",
        "%",
        "(pdl1_high)",
        "+15.0!",
    ]
    assert "! moves by more than 10 points" in text
    assert "not evaluable: a (tumour markers: sox10_alone): 5 cells, 20 needed" in text


def test_no_fourth_table_where_nothing_was_judged_otherwise():
    empty = {"summary": summary(), "sensitivity": sensitivity().iloc[:0]}
    assert "4. " not in headline_tables({"a": empty})


def test_everything_fits_a_terminal_of_100_columns():
    note = "automatic gate not confirmed: pdl1@tumour, pdl1@non_tumour, cd8, sox10, s100; " + (
        "27 of 1234 cells are nearer to the frame than to the interface; " * 2
    )
    judged = sensitivity(("statistic", "membrane_fraction", 0.7), ("gate", "pdl1_high", 0.9))
    tables = {"summary": summary(note=note), "sensitivity": judged}
    text = headline_tables(dict.fromkeys(("P01_baseline", "P01_response", "P01_relapse"), tables))
    assert max(map(len, text.splitlines())) <= 100


def test_notes_are_printed_for_the_headline():
    text = headline_tables({"a": {"summary": summary(note="gate not confirmed; 3 cells left out")}})
    assert text.count("note: a (tumour, touching CD8): gate not confirmed\n") == 1
    assert text.count("note: a (tumour, touching CD8): 3 cells left out\n") == 1


def test_an_infinite_ratio_reads_so():
    table = summary()
    ratio = table["metric"] == "cd8_margin_to_centre_ratio"
    table.loc[ratio, ["value", "ci_high"]] = np.inf
    text = headline_tables({"a": {"summary": table}})
    assert "infinite (0.876 to infinite)" in line(text, "margin / centre")


def test_many_slides_are_printed_a_few_side_by_side():
    text = headline_tables({f"slide {i}": {"summary": summary()} for i in range(7)})
    assert max(map(len, text.splitlines())) <= 120
    heads = [x.split("  ")[0] for x in text.splitlines() if x.startswith("region")]
    assert len(heads) == 3


def test_a_metric_that_is_not_there_is_said():
    empty = summary().iloc[:0]
    text = headline_tables({"a": {"summary": empty}})
    assert text.count("not evaluable: a: not in the summary") == 3


@pytest.mark.parametrize(
    ("region", "title"),
    [("tissue", "all analysed tissue"), ("inner_margin", "inner margin")],
)
def test_another_region(region, title):
    table = summary()
    table.loc[table["neighbourhood"] == "contact", "region"] = region
    text = headline_tables({"a": {"summary": table}}, region=region)
    assert title in text.splitlines()[0]
    assert "75.0 %" in text


def test_no_slides():
    assert headline_tables({}) == NOT_FOR_DIAGNOSIS + "\n"
