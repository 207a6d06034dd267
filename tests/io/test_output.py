"""Outputs are whole or absent."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import OutputError
from immunescape.io.output import atomic_path, check_folder_name, staged_folder
from immunescape.io.tables import read_cells, write_cells, write_csv


def test_a_staged_folder_appears_whole(tmp_path):
    target = tmp_path / "new" / "P01"
    with staged_folder(target) as stage:
        (stage / "a.csv").write_text("1")
        assert not target.exists()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["P01"]
    assert (target / "a.csv").read_text() == "1"


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "x" / "y" / "P01") as stage:
        (stage / "half").write_text("1")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_older_result(tmp_path):
    target = tmp_path / "P01"
    target.mkdir()
    (target / "old").write_text("kept")
    with pytest.raises(RuntimeError), staged_folder(target) as stage:
        (stage / "new").write_text("1")
        raise RuntimeError
    assert [p.name for p in tmp_path.rglob("*")] == ["P01", "old"]


def test_a_new_result_replaces_the_older(tmp_path):
    target = tmp_path / "P01"
    target.mkdir()
    (target / "old").write_text("gone")
    with staged_folder(target) as stage:
        (stage / "new").write_text("1")
    assert [p.name for p in tmp_path.rglob("*")] == ["P01", "new"]


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="pass another folder"):
        with staged_folder(tmp_path / "file" / "P01"):
            pass


def test_an_atomic_file_keeps_the_older_on_failure(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a:b", "CON", "nul.x", "a.", "a ", "a\nb"])
def test_names_that_no_system_likes_are_refused(name):
    with pytest.raises(OutputError):
        check_folder_name(name)


@pytest.mark.parametrize("name", ["P01_baseline", "Fall 7 (Übersicht)", "a.b"])
def test_other_names_pass(name):
    assert check_folder_name(name) == name


@pytest.mark.parametrize("csv", [False, True])
def test_cells_come_back(tmp_path, csv):
    frame = pd.DataFrame(
        {"x_um": [1.5, 2.25], "y_um": [0.0, 4.0], "pdl1_positive": pd.array([True, None])},
        index=pd.Index([3, 7], name="label"),
    )
    write_cells(tmp_path, CellTable(frame), csv=not csv)
    write_cells(tmp_path, CellTable(frame), csv=csv)
    assert len(list(tmp_path.iterdir())) == 1
    back = read_cells(tmp_path).frame
    assert back.index.tolist() == [3, 7]
    assert back["x_um"].tolist() == [1.5, 2.25]
    assert back["pdl1_positive"].isna().tolist() == [False, True]


@pytest.mark.parametrize("csv", [False, True])
def test_numbers_of_cells_come_back_to_the_last_bit(tmp_path, csv):
    values = np.random.default_rng(0).lognormal(5, 3, 1000) / 3
    frame = pd.DataFrame(
        {"x_um": values, "y_um": 1 / values, "cd8_cell_mean": values**2},
        index=pd.RangeIndex(1, 1001, name="label"),
    )
    write_cells(tmp_path, CellTable(frame), csv=csv)
    back = read_cells(tmp_path).frame
    assert back["cd8_cell_mean"].tolist() == (values**2).tolist()
    assert back["y_um"].tolist() == (1 / values).tolist()


def test_a_damaged_table_names_the_remedy(tmp_path):
    (tmp_path / "cells.parquet").write_bytes(b"nonsense")
    with pytest.raises(OutputError, match="--overwrite"):
        read_cells(tmp_path)


def test_missing_is_an_empty_field(tmp_path):
    table = pd.DataFrame({"a": [True, False], "b": pd.array([True, None], dtype="boolean")})
    write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == "a,b\nTrue,True\nFalse,\n"
