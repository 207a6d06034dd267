"""Calls read from files written here by hand."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import CallsError
from immunescape.io.calls import read_calls


@pytest.fixture
def cells():
    frame = pd.DataFrame(
        {"x_um": [10.0, 20.0, 30.0], "y_um": [5.0, 5.0, 5.0]},
        index=pd.Index([3, 7, 9], name="label"),
    )
    return CellTable(frame)


def write(folder, text, name="calls.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_are_matched_in_the_order_of_the_cells(tmp_path, cells):
    path = write(
        tmp_path,
        "label,CD8_positive,PD-L1_positive,phenotype,comment\n"
        "9,+,no,cd8_t,x\n3,0,,Tumour,y\n11,1,1,other,z\n",
    )
    calls = read_calls(path, cells)
    assert calls.markers == ("cd8", "pdl1")
    assert calls.has_phenotype
    assert calls.frame.index.tolist() == [3, 7, 9]
    assert calls.frame["cd8_positive"].tolist() == [False, pd.NA, True]
    assert calls.frame["pdl1_positive"].tolist() == [pd.NA, pd.NA, False]
    assert calls.frame["phenotype"].tolist() == ["tumour", "unknown", "cd8_t"]
    assert calls.notes == (
        "calls.csv has no row for 1 of 3 cells: they are unknown",
        "calls.csv: 1 of 3 rows have no cell and were left out",
        "calls.csv: pdl1 is empty for 1 cells: missing there",
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_and_a_byte_order_mark(tmp_path, cells, separator, mark):
    lines = ["label,cd8_positive", "3,1", "7,0", "9,true"]
    text = mark + "\n".join(lines).replace(",", separator) + "\n"
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["cd8_positive"].tolist() == [True, False, True]
    assert calls.notes == ()
    assert not calls.has_phenotype


def test_all_spellings_of_yes_no_and_missing(tmp_path, cells):
    index = pd.RangeIndex(1, 16, name="label")
    many = CellTable(pd.DataFrame({"x_um": 0.0, "y_um": 0.0}, index=index))
    words = ["1", "TRUE", "+", "Yes", "1.0", "0", "False", "-", "no", "0.0", "", "NA", "nan"]
    words += ["positive", "negative"]
    text = "label,cd8_positive\n" + "".join(f"{k + 1},{w}\n" for k, w in enumerate(words))
    calls = read_calls(write(tmp_path, text), many).frame["cd8_positive"]
    expected = [True] * 5 + [False] * 5 + [pd.NA] * 3 + [True, False]
    assert calls.tolist() == expected


def test_positions_go_to_the_nearest_cell_within_reach_and_the_nearest_row_wins(tmp_path, cells):
    text = (
        "x_um,y_um,cd8_positive\n"
        "12,5,1\n"  # 2 µm from cell 3, but the next row is nearer
        "10.5,5,0\n"
        "20,8,1\n"  # 3 µm from cell 7
        "30,8.5,1\n"  # 3.5 µm from cell 9: too far
    )
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["cd8_positive"].tolist() == [False, True, pd.NA]
    assert calls.notes == (
        "calls.csv has no row for 1 of 3 cells: they are unknown",
        "calls.csv: 2 of 4 rows have no cell and were left out",
    )


def test_positions_and_labels_give_the_same_calls(tmp_path):
    draw = np.random.default_rng(0)
    n = 200
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(10)), -1).reshape(-1, 2) * 10.0
    labels = draw.permutation(np.arange(1, n + 1))
    frame = pd.DataFrame(grid, columns=["x_um", "y_um"], index=pd.Index(labels, name="label"))
    cells = CellTable(frame)
    table = frame.assign(cd8_positive=draw.random(n) < 0.5).sample(frac=1, random_state=1)
    table[["x_um", "y_um"]] += draw.uniform(-1, 1, (n, 2))
    by_label = table.drop(columns=["x_um", "y_um"]).reset_index()
    by_label.to_csv(tmp_path / "label.csv", index=False)
    table.to_csv(tmp_path / "position.csv", index=False)
    table.to_parquet(tmp_path / "both.parquet")
    read = [read_calls(tmp_path / n, cells) for n in ("label.csv", "position.csv", "both.parquet")]
    for other in read[1:]:
        pd.testing.assert_frame_equal(other.frame, read[0].frame)
    expected = table["cd8_positive"].reindex(labels)
    assert read[0].frame["cd8_positive"].tolist() == expected.tolist()


def test_parquet_keeps_missing_values(tmp_path, cells):
    path = tmp_path / "calls.parquet"
    table = pd.DataFrame(
        {
            "label": [3, 7, 9],
            "cd8_positive": pd.array([True, None, False], dtype="boolean"),
            "phenotype": ["tumour", None, "other"],
        }
    )
    table.to_parquet(path)
    calls = read_calls(path, cells)
    assert calls.frame["cd8_positive"].tolist() == [True, pd.NA, False]
    assert calls.frame["phenotype"].tolist() == ["tumour", "unknown", "other"]


def test_a_slide_without_cells_takes_no_calls(tmp_path):
    empty = CellTable(
        pd.DataFrame({"x_um": [], "y_um": []}, index=pd.Index([], name="label", dtype=int))
    )
    calls = read_calls(write(tmp_path, "label,cd8_positive\n3,1\n"), empty)
    assert len(calls.frame) == 0
    assert calls.notes == ("calls.csv: 1 of 1 rows have no cell and were left out",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label,cd8_positive\n3,1\n3,0\n", "the label 3 twice"),
        ("x_um,y_um,cd8_positive\n10,5,1\n10,5,1\n", "the position 10, 5 µm twice"),
        ("label,cd8_positive\n3,maybe\n", "row 1: cd8_positive is 'maybe'"),
        ("label,cd8_positive\n3,1\nseven,0\n", "row 2: label is 'seven'"),
        ("label,cd8_positive\n3.5,1\n", "row 1: label is '3.5'"),
        ("label,cd8_positive\n0,1\n", "row 1: label is '0'"),
        ("x_um,y_um,cd8_positive\n10,,1\n", "row 1: y_um is ''"),
        ("label,phenotype\n3,melanocyte\n", "tumour, cd8_t, other, unknown"),
        ("label,CD8\n3,1\n", "holds no calls"),
        ("cd8_positive\n1\n", "neither the column label nor x_um and y_um"),
        ("label,cd8_positive\n100,1\n", "fits no cell of this slide"),
        ("x_um,y_um,cd8_positive\n500,500,1\n", "fits no cell of this slide"),
        ("label,cd8_positive,CD8_positive\n3,1,1\n", "the column cd8_positive twice"),
        ("label,x_um,y_um,cd8_positive\n3,30,5,1\n9,10,5,0\n", "are not those of this slide"),
        ("", "cannot be read as a table"),
        ("label,cd8_positive\n3,1,4,5\n", "cannot be read as a table"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path, cells, text, says):
    with pytest.raises(CallsError) as caught:
        read_calls(write(tmp_path, text), cells)
    message = str(caught.value)
    assert says in message
    assert message.startswith("calls.csv")
    assert "\n" not in message
    assert str(tmp_path) not in message


def test_files_that_are_absent_or_no_table_are_refused(tmp_path, cells):
    with pytest.raises(CallsError, match=r"calls\.csv is no file"):
        read_calls(tmp_path / "calls.csv", cells)
    for name in ("calls.csv", "calls.parquet"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00PK\x03\x04")
        with pytest.raises(CallsError, match="cannot be read as a table"):
            read_calls(tmp_path / name, cells)
