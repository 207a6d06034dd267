"""Gates read back from a table, as this program writes it and as people edit it."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import StudyError
from immunescape.phenotype import (
    Gate,
    GateSpec,
    fit_gate,
    gate_table,
    load_gates,
    read_gates,
)

GATES = (
    Gate("sox10", "all", "sox10_nucleus_mean", "gmm", "slide:all", 21.25, 20.0, 23.5),
    Gate(
        "pdl1", "tumour", "pdl1_membrane_unshared", "tail", "patient:tumour", 3.64, confirmed=True
    ),
    Gate("pdl1", "non_tumour", "pdl1_membrane_unshared", "gmm", "missing", None, note="a, b; c"),
    Gate("s100", "all", "s100_positive", "imported", "imported", None, confirmed=True),
)


@pytest.fixture
def written(tmp_path):
    """A table as it is written beside the results."""
    frame = pd.DataFrame(
        {"x_um": 0.0, "y_um": 0.0, "is_tumour": pd.array([True, False], dtype="boolean")},
        index=pd.RangeIndex(1, 3, name="label"),
    )
    calls = {f"{g.marker}_positive": pd.array([True, None], dtype="boolean") for g in GATES}
    path = tmp_path / "gates.csv"
    gate_table(GATES, CellTable(frame).with_columns(calls)).to_csv(path, index=False)
    return path


def test_gates_come_back_as_they_were_found(written):
    sox10, pdl1 = read_gates(written)
    assert sox10 == GateSpec(
        "sox10", "all", "fixed", 21.25, "sox10_nucleus_mean", 20.0, 23.5, source="file"
    )
    assert pdl1 == GateSpec(
        "pdl1", "tumour", "fixed", 3.64, "pdl1_membrane_unshared", confirmed=True, source="file"
    )
    assert load_gates(written).notes == (
        "gates.csv, row 3: pdl1@non_tumour is missing and sets no gate",
        "gates.csv, row 4: s100@all is imported and sets no gate",
    )


def test_a_gate_from_a_file_keeps_its_range_and_whether_it_is_confirmed(written):
    sox10, pdl1 = (fit_gate([], None, s, s.statistic) for s in read_gates(written))
    assert (sox10.source, sox10.method, sox10.confirmed) == ("file", "fixed", False)
    assert (sox10.threshold, sox10.gate_low, sox10.gate_high) == (21.25, 20.0, 23.5)
    assert (pdl1.source, pdl1.confirmed, pdl1.gate_low) == ("file", True, None)


@pytest.mark.parametrize(
    "text",
    [
        "marker,parent,threshold,confirmed\nPDL1,tumour,3.6,TRUE\n",
        "\ufeffmarker;parent;threshold;confirmed\r\npdl1;Tumour;3,6;yes\r\n\r\n",
        'note,threshold,marker,parent,confirmed,mine\n"a, b",3.6, pdl1 ,tumour,1,x\n,,,,,\n',
        "marker\tparent\tthreshold\tconfirmed\npdl1\ttumour\t3,6\ttrue\n",
    ],
    ids=["comma", "semicolon, decimal comma, BOM", "other columns", "tab"],
)
def test_tables_of_people_are_read(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_gates(path) == (
        GateSpec("pdl1", "tumour", "fixed", 3.6, confirmed=True, source="file"),
    )


def test_a_threshold_moved_out_of_its_range_loses_the_range(tmp_path):
    path = tmp_path / "gates.csv"
    path.write_text("marker,threshold,gate_low,gate_high\ncd8,9,2,4\n")
    (spec,), notes = (load := load_gates(path)).specs, load.notes
    assert (spec.parent, spec.value, spec.gate_low, spec.gate_high) == ("all", 9.0, None, None)
    assert notes == ("gates.csv, row 1: the range of cd8@all does not hold its threshold",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("marker,value\ncd8,1\n", "gates.csv has no column threshold"),
        ("", "gates.csv has no column marker"),
        ("marker,threshold\ncd8,high\n", "gates.csv, row 1: threshold is 'high'; give a number"),
        ("marker,threshold\ncd8,\n", "gates.csv sets no gate"),
        ("marker,threshold\ncd8,1\n\ncd8,2\n", "row 2: cd8@all has a row above; remove one"),
        ("marker,threshold\ncd 8,1\n", "row 1: the gate's marker is 'cd 8'"),
        ("marker,threshold,parent\ncd8,1,stroma\n", "row 1: parent is 'stroma'; give one of all"),
        ("marker,threshold,confirmed\ncd8,1,perhaps\n", "confirmed is 'perhaps'; give true or"),
        ("marker,threshold,statistic\ncd8,1,pdl1_cell_mean\n", "the statistic 'pdl1_cell_mean'"),
        ("marker,threshold\ncd8,1,5\n", "row 1: 3 values for 2 columns"),
        ("marker,threshold,Threshold\ncd8,1,5\n", "has the column threshold more than once"),
        ("marker,threshold\ncd8,inf\n", "give a number"),
        ('marker,threshold\n"cd8,1\n', "cannot be read as a table"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, text, says):
    path = tmp_path / "gates.csv"
    path.write_text(text)
    with pytest.raises(StudyError) as caught:
        read_gates(path)
    assert says in str(caught.value)
    assert str(caught.value).count("gates.csv, row") <= 1
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(StudyError, match=r"none\.csv is no file; pass a table such as gates\.csv"):
        read_gates(tmp_path / "none.csv")
    path = tmp_path / "gates.csv"
    path.write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(StudyError, match=r"gates\.csv cannot be read as a table"):
        read_gates(path)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"statistic": "cd8"}, "give a column of its own"),
        ({"gate_low": 4.0}, "with the threshold between"),
        ({"gate_high": 2.0}, "with the threshold between"),
        ({"gate_low": float("nan")}, "give numbers"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(fields, says):
    with pytest.raises(StudyError, match=says):
        GateSpec("pdl1", "tumour", "fixed", 3.0, **fields)
