"""Calls as inForm, QuPath and HALO write them, by hand and in real tables."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from tests.real_data import DATA, needs

from immunescape.cells import CellTable
from immunescape.errors import CallsError
from immunescape.io.call_columns import read_column
from immunescape.io.calls import read_calls

NA = pd.NA


def cell_table(labels, x, y):
    return CellTable(
        pd.DataFrame({"x_um": x, "y_um": y}, index=pd.Index(labels, name="label"), dtype=float)
    )


@pytest.fixture
def cells():
    return cell_table([3, 7, 9], [10, 20, 30], [5, 6, 8])


def write(folder, text):
    path = folder / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("label", "label"),
        ("Cell ID", "id"),
        ("Object Id", "id"),
        ("phenotype", "phenotype"),
        ("Phenotype", "phenotype"),
        ("Classification", "classes"),
        ("Class", "classes"),
        ("x_um", "x"),
        ("Centroid Y µm", "y"),
        ("Centroid X px", "x"),
        ("Cell X Position", "x"),
        ("YMax", "y_max"),
        ("pdl1_positive", "pdl1_positive"),
        ("PDL1_Positive", "pdl1_positive"),
        ("PD-L1_positive", "pdl1_positive"),
        ("PD-L1 Positive", "pdl1_positive"),
        ("PD-L1 (Opal 520) Positive Classification", "pdl1_positive"),
        ("CD274+", "pdl1_positive"),
        ("CD8 (Opal 570) Positive", "cd8_positive"),
        ("Phenotype CD8", "cd8_positive"),
        ("Phenotype SOX10", "sox10_positive"),
        ("S100 pos", "s100_positive"),
        ("cd68_positive", "cd68_positive"),
    ],
)
def test_columns_of_other_programs_are_known(column, name):
    assert read_column(column).name == name


@pytest.mark.parametrize(
    "column",
    ["CD8", "CD8 intensity", "Nucleus CD8 Mean", "x", "Name", "Positive", "area_um2", "positive_"],
)
def test_columns_that_are_no_calls_mean_nothing(column):
    assert read_column(column) is None


def test_markers_with_their_sign_in_the_value(tmp_path, cells):
    text = "Cell ID\tPhenotype CD8\tPD-L1 Positive\n3\tCD8+\tPD-L1-\n7\tCD8-\tpdl1+\n9\t\tpos\n"
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["cd8_positive"].tolist() == [True, False, NA]
    assert calls.frame["pdl1_positive"].tolist() == [False, True, True]
    assert calls.notes == ("calls.csv: cd8 is empty for 1 cells: missing there",)
    wrong = text.replace("CD8-", "CD4-")
    with pytest.raises(CallsError, match="row 2: Phenotype CD8 is 'CD4-'"):
        read_calls(write(tmp_path, wrong), cells)


def test_phenotypes_in_the_words_of_others(tmp_path, cells):
    for words in (["SOX10+", "CD8+", "OTHER"], ["Tumor", "CD8 T cell", "other"]):
        rows = "".join(f"{k},{w}\n" for k, w in zip((3, 7, 9), words, strict=True))
        calls = read_calls(write(tmp_path, f"Cell ID,Phenotype\n{rows}"), cells)
        assert calls.frame["phenotype"].tolist() == ["tumour", "cd8_t", "other"]
        assert calls.markers == ()


def test_classes_name_the_positive_markers_and_an_empty_class_says_nothing(tmp_path):
    cells = cell_table(range(1, 6), [10, 20, 30, 40, 50], [5] * 5)
    text = (
        "Object ID,Classification,Centroid X µm,Centroid Y µm\n"
        "7f-a,CD8: PD-L1,10.5,5\n7f-b,CD8,20.5,5\n7f-c,SOX10,30.5,5\n7f-d,,40.5,5\n"
        "7f-e,Ignore*,50.5,5\n"
    )
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["cd8_positive"].tolist() == [True, True, False, NA, NA]
    assert calls.frame["pdl1_positive"].tolist() == [True, False, False, NA, NA]
    assert calls.frame["sox10_positive"].tolist() == [False, False, True, NA, NA]
    assert not calls.has_phenotype


def test_classes_may_hold_phenotypes_and_markers(tmp_path):
    cells = cell_table(range(1, 6), [10, 20, 30, 40, 50], [5] * 5)
    text = "label,Class\n1,Tumor: PD-L1\n2,Tumor\n3,CD8\n4,Other: PD-L1\n5,\n"
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["phenotype"].tolist() == ["tumour", "tumour", "cd8_t", "other", "unknown"]
    assert calls.frame["pdl1_positive"].tolist() == [True, False, False, True, NA]


def test_a_class_without_meaning_is_refused_unless_other_columns_hold_the_calls(tmp_path, cells):
    text = "label,Class,cd8_positive\n3,Immune cells,1\n7,Positive,0\n"
    with pytest.raises(CallsError, match="row 1: Class is 'Immune cells', which names neither"):
        read_calls(write(tmp_path, text.replace(",cd8_positive", ",remark")), cells)
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.frame["cd8_positive"].tolist() == [True, False, NA]
    assert any("Immune cells" in note and note.endswith(": not used") for note in calls.notes)


def test_a_stain_without_a_name_is_named_and_left_out(tmp_path, cells):
    text = "label,Opal 520 Positive Classification,cd8_positive\n3,1,1\n7,0,0\n9,1,0\n"
    calls = read_calls(write(tmp_path, text), cells)
    assert calls.markers == ("cd8",)
    assert calls.notes == (
        "calls.csv: Opal 520 Positive Classification names a dye and no marker, and is not used; "
        "name it like pdl1_positive",
    )


BOXES = "Object Id,XMin,XMax,YMin,YMax,CD8 Positive\n1,{}\n2,{}\n3,{}\n"


def boxes(points, scale):
    return [f"{x * scale - 4},{x * scale + 4},{y * scale - 4},{y * scale + 4}" for x, y in points]


@pytest.mark.parametrize("scale", [1.0, 2.0], ids=["µm", "px"])
def test_positions_without_a_unit_are_tried_in_both(tmp_path, cells, scale):
    points = [(30.5, 8), (10, 5.5), (20, 6)]
    rows = [f"{box},{k}" for box, k in zip(boxes(points, scale), (1, 0, 1), strict=True)]
    calls = read_calls(write(tmp_path, BOXES.format(*rows)), cells, pixel_size_um=0.5)
    assert calls.frame["cd8_positive"].tolist() == [False, True, True]
    # 3 is a label of this slide, but not of that cell.
    assert calls.notes == (
        "calls.csv: Object Id is no label of this slide; its cells were found by position",
    )


def test_positions_in_a_unit_that_is_neither_are_refused(tmp_path, cells):
    rows = [f"{box},1" for box in boxes([(30, 8), (10, 5), (20, 6)], 7.0)]
    text = BOXES.format(*rows).replace("Object Id", "Name")
    with pytest.raises(CallsError, match="fit 0 of 3 rows to cells; give x_um and y_um"):
        read_calls(write(tmp_path, text), cells, pixel_size_um=0.5)


def test_positions_in_pixels_need_the_pixel_size(tmp_path, cells):
    text = "Centroid X px,Centroid Y px,CD8+\n20,10,1\n40,12,0\n60,16,1\n"
    calls = read_calls(write(tmp_path, text), cells, pixel_size_um=0.5)
    assert calls.frame["cd8_positive"].tolist() == [True, False, True]
    with pytest.raises(CallsError, match="positions in pixels; give x_um and y_um"):
        read_calls(write(tmp_path, text), cells)
    by_label = "label," + text.replace("\n20", "\n3,20").replace("\n40", "\n7,40")
    calls = read_calls(write(tmp_path, by_label.replace("\n60", "\n9,60")), cells)
    assert calls.frame["cd8_positive"].tolist() == [True, False, True]


def test_numbers_of_another_segmentation_are_not_taken_for_labels(tmp_path):
    """Both programs count from 1, but in another order."""
    draw = np.random.default_rng(0)
    x, y = draw.uniform(0, 1000, (2, 60))
    cells = cell_table(range(1, 61), x, y)
    order = draw.permutation(60)
    table = pd.DataFrame(
        {
            "Cell ID": np.arange(1, 61),
            "Cell X Position": x[order] / 0.5,
            "Cell Y Position": y[order] / 0.5,
            "CD8 Positive": (order % 3 == 0).astype(int),
        }
    )
    table.to_csv(tmp_path / "calls.csv", index=False)
    calls = read_calls(tmp_path / "calls.csv", cells, pixel_size_um=0.5)
    assert calls.frame["cd8_positive"].tolist() == [k % 3 == 0 for k in range(60)]
    assert "found by position" in calls.notes[0]
    renamed = table.rename(columns={"Cell ID": "label"})
    renamed.to_csv(tmp_path / "calls.csv", index=False)
    with pytest.raises(CallsError, match="the labels are not those of this slide's cells"):
        read_calls(tmp_path / "calls.csv", cells, pixel_size_um=0.5)


def test_two_columns_that_say_the_same_are_refused(tmp_path, cells):
    text = "label,PD-L1+,pdl1_positive\n3,1,1\n"
    with pytest.raises(CallsError, match=r"columns PD-L1\+ and pdl1_positive, which say the same"):
        read_calls(write(tmp_path, text), cells)


@needs("iris", "fields", "MEL2_2_cell_seg_data.txt")
@pytest.mark.parametrize("number", [2, 7])
def test_a_real_inform_table_beside_its_label_map(number):
    base = DATA / "iris" / "fields"
    labels = tifffile.imread(base / f"MEL2_{number}_binary_seg_maps.tif", key=0)
    path = base / f"MEL2_{number}_cell_seg_data.txt"
    table = pd.read_csv(path, sep="\t", index_col="Cell ID")
    found = np.unique(labels[labels > 0])
    rows, columns = np.indices(labels.shape)
    size = np.bincount(labels.ravel())[found]
    y, x = (np.bincount(labels.ravel(), v.ravel())[found] / size for v in (rows, columns))
    cells = cell_table(found, (x + 0.5) * 0.496, (y + 0.5) * 0.496)
    calls = read_calls(path, cells, pixel_size_um=0.496)
    kinds = {"SOX10+": "tumour", "CD8+": "cd8_t", "OTHER": "other"}
    expected = table["Phenotype"].reindex(found).map(kinds).fillna("unknown")
    assert calls.frame["phenotype"].tolist() == expected.tolist()
    assert (expected == "cd8_t").sum() > 50
    assert not any("found by position" in note for note in calls.notes)


@needs("inform", "consolidated", "FIHC4_consolidated_merge_cell_seg_data.txt")
def test_a_real_consolidated_inform_table(tmp_path):
    path = DATA / "inform" / "consolidated" / "FIHC4_consolidated_merge_cell_seg_data.txt"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    field = table[table["Sample Name"] == "FIHC4__0929309_HP_IM3_2.im3"]
    field.to_csv(tmp_path / "field.txt", sep="\t", index=False)
    x, y = (field[f"Cell {axis} Position"].astype(float).to_numpy() for axis in "XY")
    cells = cell_table(field["Cell ID"].astype(int), x, y)
    calls = read_calls(tmp_path / "field.txt", cells)
    column = field["Phenotype Cytotoxic_T"].tolist()
    assert calls.frame["cytotoxic_t_positive"].tolist() == [
        {"Cytotoxic_T+": True, "Cytotoxic_T-": False}.get(word, NA) for word in column
    ]
    with pytest.raises(CallsError, match="the Cell ID 1 twice; keep one row a cell"):
        read_calls(path, cell_table([1], [0], [0]))


@needs("pourmaleki", "0.csv")
def test_a_real_table_of_boxes_and_calls():
    path = DATA / "pourmaleki" / "0.csv"
    table = pd.read_csv(path)
    x, y = ((table[f"{a}Min"] + table[f"{a}Max"]) / 2 for a in "XY")
    order = np.random.default_rng(0).permutation(len(table))
    cells = cell_table(order + 1, x.to_numpy()[order] * 0.5, y.to_numpy()[order] * 0.5)
    calls = read_calls(path, cells, pixel_size_um=0.5)
    for column, marker in (("PDL1_Positive", "pdl1"), ("SOX10_Positive", "sox10")):
        ours = calls.frame[f"{marker}_positive"]
        assert ours.tolist() == (table[column].to_numpy()[order] == 1).tolist()
    assert calls.notes == ()
