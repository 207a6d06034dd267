"""Gates from the command line, a table and a study, and which of them holds."""

import json

import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.cli import main

pytestmark = pytest.mark.usefixtures("without_reports")


def words(folder):
    slide = write_slide(folder)
    labels = write_labels(folder, labels=drawn_labels())
    regions = write_geojson(folder, square(0, 0, 180, 240))
    return [
        "run", str(slide), "-o", str(folder / "out"), "--labels", str(labels), "--annotations",
        str(regions), "--tissue.method", "whole", "--sensitivity.tables", "none", "--quiet",
    ]  # fmt: skip


def test_a_gate_of_all_cells_goes_before_gates_of_some_in_the_table(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("marker,parent,threshold\npdl1,tumour,90\npdl1,non_tumour,95\n")
    given = [*words(tmp_path), "--gates", str(table)]
    for flags, thresholds in (
        ((), {"tumour": 90.0, "non_tumour": 95.0}),
        (("--gate", "pdl1=fixed:100"), {"tumour": 100.0, "non_tumour": 100.0}),
        (("--gate", "pdl1@tumour=fixed:100"), {"tumour": 100.0, "non_tumour": 95.0}),
    ):
        assert main([*given, *flags]) == 0
        gates = pd.read_csv(tmp_path / "out" / "slide" / "gates.csv")
        pdl1 = gates[gates["marker"] == "pdl1"].set_index("parent")["threshold"]
        assert pdl1.to_dict() == thresholds


def test_what_was_noticed_in_the_table_stands_in_the_result(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("marker,threshold,gate_low,gate_high\ncd8,100,20,40\nsox10,,,\n")
    assert main([*words(tmp_path), "--gates", str(table)]) == 0
    told = json.loads((tmp_path / "out" / "slide" / "provenance.json").read_text("utf-8"))
    assert "mine.csv, row 1: the range of cd8@all does not hold its threshold" in told["warnings"]
    assert "mine.csv, row 2: sox10@all is without a threshold and sets no gate" in told["warnings"]
