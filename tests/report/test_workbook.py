"""Workbooks, opened again by openpyxl: numbers are numbers, and nothing in them can run."""

import zipfile

import openpyxl
import pandas as pd
import pytest

from immunescape.report import workbook_sheets
from immunescape.report.workbook import write_cohort_workbook, write_slide_workbook
from immunescape.report.workbook_cells import Sheet
from immunescape.report.workbook_columns import COLUMNS, TABLE_COLUMNS
from immunescape.report.workbook_sheets import write_workbook
from immunescape.results import SUMMARY_COLUMNS
from tests.report import cohort_tables as drawn


def reopened(path, sheet):
    return openpyxl.load_workbook(path)[sheet]


def rows_of(sheet):
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def one(tmp_path, values, headers=None):
    """Return the first row of a sheet that was written and opened again."""
    path = tmp_path / "one.xlsx"
    headers = headers or [f"column {i}" for i in range(len(values))]
    sheet = Sheet(name="One", told="", headers=headers, rows=[values], formats={})
    write_workbook(path, [sheet], title="one")
    return reopened(path, "One")[2]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "=cmd|' /C calc'!A0", "-", "="],
)
def test_text_that_could_run_is_quoted_text(tmp_path, text):
    (cell,) = one(tmp_path, [text])
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert cell.value.strip() == text.strip()
    assert "<f>" not in zipped(tmp_path / "one.xlsx", "xl/worksheets/sheet1.xml")


def zipped(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def test_headers_that_could_run_are_text_too(tmp_path):
    one(tmp_path, ["harmless"], headers=["=1+1"])
    head = reopened(tmp_path / "one.xlsx", "One")["A1"]
    assert head.data_type == "s"
    assert head.quotePrefix


def test_plain_text_is_not_quoted(tmp_path):
    cells = one(tmp_path, ["P01", "#N/A", "1.5", "2026-11-21"])
    assert [c.data_type for c in cells] == ["s"] * 4
    assert not any(c.quotePrefix for c in cells)


def test_values_keep_their_kind(tmp_path):
    values = [0.1, 7.0, True, float("nan"), None, pd.NA, float("inf"), float("-inf"), -2.5]
    cells = one(tmp_path, values)
    assert [c.value for c in cells] == [
        0.1, 7, True, None, None, None, "infinite", "minus infinite", -2.5,
    ]  # fmt: skip
    assert [c.data_type for c in cells[:3]] == ["n", "n", "b"]


def test_text_that_no_cell_can_hold_is_mended(tmp_path):
    long, odd = one(tmp_path, ["x" * 40_000, "a\x00b\ufffec"])
    assert len(long.value) == 32_767
    assert long.value.endswith("x…")
    assert odd.value == "a\ufffdb\ufffdc"


def test_rows_that_do_not_fit_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook_sheets, "MOST_ROWS", 5)
    sheet = Sheet(name="One", told="", headers=["n"], rows=[[i] for i in range(9)], formats={})
    write_workbook(tmp_path / "one.xlsx", [sheet], title="one")
    column = [cell.value for cell in reopened(tmp_path / "one.xlsx", "One")["A"]]
    assert column[:4] == ["n", 0, 1, 2]
    assert len(column) == 5
    assert column[4].startswith("6 more rows do not fit")


def test_the_same_cohort_gives_the_same_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        write_cohort_workbook(tmp_path / name, drawn.results(), drawn.tables())
    first, second = ((tmp_path / n / "report.xlsx").read_bytes() for n in "ab")
    assert first == second
    core = zipped(tmp_path / "a" / "report.xlsx", "docProps/core.xml")
    assert core.count("1980-01-01T00:00:00Z") == core.count("<dcterms:") == 2


def test_a_cohort_can_be_read_back(tmp_path):
    write_cohort_workbook(tmp_path, drawn.results(), drawn.tables())
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert book.sheetnames == [
        "About", "Headline", "Patient by timepoint", "Changes", "Comparisons", "Patterns",
        "Specimens", "Regions", "Gates", "Failures", "Data dictionary",
    ]  # fmt: skip
    about = [cell.value for row in book["About"] for cell in row]
    assert "Cohort of 3 patients, 8 slides" in about
    assert "For research use, not for diagnosis." in about
    for sheet in book:
        assert sheet.freeze_panes is not None
        assert all(7 <= d.width <= 60 for d in sheet.column_dimensions.values())

    head = rows_of(book["Headline"])
    assert len(head) == 16  # eight specimens under shared gates, and under their own
    name = "PD-L1-negative of tumour cells touching CD8, %"
    (row,) = (r for r in head if (r["Patient"], r["Timepoint"], r["Gates"]) ==
              ("P01", "relapse", "shared"))  # fmt: skip
    assert row[name] == pytest.approx(0.95)
    assert row["PD-L1-negative among tumour cells touching CD8: counted"] == 95
    assert row["jak1"] == "wild type"
    (few,) = (r for r in head if (r["Patient"], r["Timepoint"], r["Gates"]) ==
              ("P03", "baseline", "shared"))  # fmt: skip
    assert few[name] is None
    assert few["PD-L1-negative among tumour cells touching CD8: remark"] == "9 cells, 20 needed"


def test_numbers_have_formats(tmp_path):
    write_cohort_workbook(tmp_path, drawn.results(), drawn.tables())
    sheet = reopened(tmp_path / "report.xlsx", "Headline")
    heads = [cell.value for cell in sheet[1]]
    fraction = sheet[2][heads.index("PD-L1-negative of tumour cells touching CD8, %")]
    assert (fraction.data_type, fraction.number_format) == ("n", "0.0%")
    ratio = sheet[2][heads.index("CD8 density at the margin / in the centre")]
    assert (ratio.value, ratio.number_format) == (1.5, "0.00")
    specimens = reopened(tmp_path / "report.xlsx", "Specimens")
    heads = [cell.value for cell in specimens[1]]
    forms = {
        row[heads.index("metric")].value: row[heads.index("value")].number_format
        for row in specimens.iter_rows(min_row=2)
        if row[heads.index("value")].value is not None
    }
    assert forms[drawn.NEGATIVE] == "0.000"
    assert forms[drawn.DENSITY] == "#,##0.0"
    assert forms["area"] == "0.0000"


def test_an_interval_is_shown_as_the_density_that_it_belongs_to(tmp_path):
    densities = pd.DataFrame({"density_per_mm2": [80.25], "ci_low": [2.00675], "ci_high": [9.1]})
    shares = densities.assign(unit="1")
    for name, table, expected in (("D", densities, "#,##0.0"), ("S", shares, "0.000")):
        path = tmp_path / f"{name}.xlsx"
        write_workbook(path, [workbook_sheets.table_sheet(name, "", table)], title="one")
        cells = reopened(path, name)[2]
        assert {cell.number_format for cell in cells[1:3]} == {expected}


def test_timepoints_stand_side_by_side(tmp_path):
    write_cohort_workbook(tmp_path, drawn.results(), drawn.tables())
    rows = rows_of(reopened(tmp_path / "report.xlsx", "Patient by timepoint"))
    (row,) = (r for r in rows if (r["Patient"], r["Number"], r["Gates"]) ==
              ("P02", "CD8 T cells in the tumour's centre", "shared"))  # fmt: skip
    assert row["baseline"] == 300
    assert row["response"] is None  # no biopsy: missing, not 0
    assert row["relapse"] == 0
    assert (row["relapse, counted"], row["relapse, out of"]) == (0, 0.7)
    assert (row["jak1"], row["Unit"]) == ("mutant", "per mm²")
    keys = list(row)
    assert keys.index("baseline") + 2 == keys.index("relapse")


def test_two_specimens_at_once_have_a_row_each(tmp_path):
    again = drawn.specimens({"P02": drawn.COURSE["P02"]}, gates=("shared",))
    twice = pd.concat([again, again.assign(specimen="second")], ignore_index=True)
    write_cohort_workbook(tmp_path, drawn.results(), {"specimens": twice})
    rows = rows_of(reopened(tmp_path / "report.xlsx", "Patient by timepoint"))
    assert sum(r["Number"] == "CD8 T cells in the tumour's centre" for r in rows) == 2


def test_every_column_is_explained_once(tmp_path):
    promised = {column for columns in TABLE_COLUMNS.values() for column in columns}
    assert set(COLUMNS) == promised
    write_cohort_workbook(tmp_path, drawn.results(), drawn.tables())
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    explained = [r["Column"] for r in rows_of(book["Data dictionary"])]
    assert len(explained) == len(set(explained))
    assert "jak1" in explained
    for name in ("Changes", "Comparisons", "Patterns", "Specimens", "Regions", "Gates", "Failures"):
        assert {c.value for c in book[name][1]} <= set(explained)


def test_a_cohort_of_failures_still_has_a_workbook(tmp_path):
    empty = {name: table.iloc[:0] for name, table in drawn.tables().items()}
    empty["failures"] = drawn.failures()
    write_cohort_workbook(tmp_path, [], empty)
    (row,) = rows_of(reopened(tmp_path / "report.xlsx", "Failures"))
    assert row["remedy"] == "pass --pixel-size-um"


def test_a_slide_has_its_own_workbook(tmp_path):
    tables = drawn.results()[0].tables
    write_slide_workbook(tmp_path, "=P01", tables)
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert book.sheetnames == [
        "About", "Headline", "Summary", "Regions", "Gates", "Data dictionary",
    ]  # fmt: skip
    rows = rows_of(book["Headline"])
    first = rows[0]
    assert (first["Value"], first["Unit"], first["Counted"]) == (0.3, "%", 30)
    assert first["What"] == "PD-L1-negative, touching CD8"
    assert {r["Where"] for r in rows} == {"all analysed tissue", "centre", "tumour", "margin"}
    assert list(rows_of(book["Summary"])[0]) == list(SUMMARY_COLUMNS)
