"""What a run must tell about its inputs and about what it made of them: one test a case."""

from dataclasses import replace

import pytest
from tests.pipeline.test_run import LEFT
from tests.slides import (
    CHANNELS,
    PIXEL_UM,
    drawn_labels,
    square,
    write_geojson,
    write_labels,
    write_slide,
)

from immunescape.io import fingerprint
from immunescape.io.geojson import read_annotations
from immunescape.panel import match_panel
from immunescape.phenotype import GateSpec
from immunescape.pipeline import Inputs, analyse, measure_slide
from immunescape.pipeline.inputs import open_inputs
from immunescape.study import Input, Study

TUMOUR = square(0, 0, 180, 240)


def opened(tmp_path, study=Study(), *features, **given):
    slide = write_slide(tmp_path)
    if features:
        given["annotations"] = write_geojson(tmp_path, *features)
    return open_inputs(Inputs(slide=slide, **given), study).warnings


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Measured slides by the channel that they lack, each measured once."""
    found = {}

    def measured(lacks):
        if lacks not in found:
            folder = tmp_path_factory.mktemp("slide")
            channels = tuple("CD27" if c == lacks else c for c in CHANNELS)
            inputs = Inputs(
                slide=write_slide(folder, channels=channels), labels=(write_labels(folder),)
            )
            opened = open_inputs(inputs, Study())
            found[lacks] = measure_slide(
                opened.slide, opened.panel, folder / "labels.zarr", Study(), labels=opened.labels
            )
        return found[lacks]

    return measured


@pytest.fixture
def ran(slides, tmp_path):
    def analysed(*features, lacks="", study=Study(), calls=""):
        drawn = None
        if features:
            path = write_geojson(tmp_path, *features)
            drawn = read_annotations(path, pixel_size_um=PIXEL_UM, slide_name="slide")
        path = None
        if calls:
            path = tmp_path / "calls.csv"
            path.write_text(calls)
        return analyse(slides(lacks), study, drawn, calls=path)

    return analysed


def row_of(result, metric, phenotype, region="tissue"):
    table = result.tables["summary"]
    table = table[
        (table["metric"] == metric)
        & (table["phenotype"] == phenotype)
        & (table["region"] == region)
        & table["neighbourhood"].isin(("", "contact"))
    ]
    assert len(table) == 1
    return table.iloc[0]


# The files


def test_a_file_that_changed_since_the_study_was_made(tmp_path):
    slide = write_slide(tmp_path)
    found = fingerprint(slide)
    made = Input(role="slide", file=slide.name, size_bytes=found.size_bytes, sha256=found.sha256)
    same = open_inputs(Inputs(slide=slide), replace(Study(), input=(made,)))
    assert same.warnings == ()
    other = replace(made, sha256="0" * 64)
    changed = open_inputs(Inputs(slide=slide), replace(Study(), input=(other,)))
    assert changed.warnings == ("slide.ome.tif is not the file that the study was made with",)


def test_channels_that_the_panel_of_the_study_leaves_out(tmp_path):
    stains = match_panel(list(CHANNELS), slide_name="slide").panel.stains
    study = replace(Study(), panel=tuple(s for s in stains if s.marker != "cd8"))
    assert opened(tmp_path, study) == (
        "the study's panel leaves out the channel 'CD8'; it is not measured",
        "no channel shows cd8; metrics that need it are not evaluable",
    )


def test_labels_without_nuclei(tmp_path):
    assert opened(tmp_path, Study(), labels=(write_labels(tmp_path),)) == (
        "the labels show cells and no nuclei: sox10 is read over the whole cell",
    )


def test_classes_that_mean_nothing(tmp_path):
    blood = square(0, 0, 9, 9, "Blood vessel")
    assert opened(tmp_path, Study(), TUMOUR, blood, blood) == (
        "regions.geojson: 2 object(s) of class 'Blood vessel' mean nothing here and are not used",
    )


def test_a_proposal_that_is_given_back_as_it_was(tmp_path):
    fold = square(0, 0, 9, 9, "Proposed exclusion: fold")
    (told,) = opened(tmp_path, Study(), TUMOUR, fold)
    assert told.endswith(
        "change the class to Ignore* to leave the place out, or pass --quality.exclude"
    )


def test_a_class_that_was_drawn_beyond_the_slide(tmp_path):
    line = square(900, 900, 950, 950, "Necrosis")
    assert opened(tmp_path, Study(), TUMOUR, line) == (
        "regions.geojson: what is drawn as necrosis lies wholly outside the slide",
    )


# What was made of them


def test_a_tumour_region_that_nobody_drew(ran):
    result = ran()
    assert "no tumour region was drawn; it is derived from the tumour cells" in result.warnings
    assert set(result.tables["summary"]["tumour_source"]) == {"derived"}
    drawn = ran(TUMOUR)
    assert not any("was drawn; it is derived" in text for text in drawn.warnings)


@pytest.mark.parametrize(
    ("channel", "metric", "phenotype", "reason"),
    [
        ("CD8", "cd8_density", "cd8_t", "the panel lacks CD8"),
        ("CD8", "pdl1_negative_fraction_touching_cd8", "tumour", "the panel lacks CD8"),
        ("PD-L1", "tumour_proportion_score", "tumour", "the panel lacks PD-L1"),
    ],
)
def test_a_marker_that_the_panel_lacks(ran, channel, metric, phenotype, reason):
    row = row_of(ran(TUMOUR, lacks=channel), metric, phenotype)
    assert not row["evaluable"]
    assert reason in row["reason"]


def test_a_marker_without_a_gate(ran):
    """A study that asks for more cells than there are finds no gate, and none is made up."""
    study = replace(Study(), gating=replace(Study().gating, min_cells=1000))
    result = ran(TUMOUR, study=study)
    row = row_of(result, "cd8_density", "cd8_t")
    assert not row["evaluable"]
    assert row["reason"] == "CD8 has no gate on this slide"
    assert result.cells["cd8_positive"].isna().all()
    assert (result.cells["phenotype"] != "cd8_t").all()


def test_cells_nearer_to_the_frame_than_to_the_margin(ran):
    result = ran(TUMOUR)
    cells = result.cells.frame
    censored = cells["edge_censored"] & (cells["region"] != "excluded")
    (said,) = (text for text in result.warnings if "nearer to the frame" in text)
    assert said.startswith(f"{int(censored.sum())} cells and ")
    assert said.endswith("regions hold them, bands leave them out")


def test_cells_of_two_kinds_at_once(ran):
    rows = "".join(f"{k},{int(k <= 36)},{int(k <= 36)},1\n" for k in range(1, 217))
    calls = "label,cd8_positive,sox10_positive,s100_positive\n" + rows
    result = ran(TUMOUR, calls=calls)
    assert "36 cells are positive for SOX10 and CD8: not counted as CD8 T cells" in result.warnings
    assert any(text.startswith("SOX10+ CD8+ cells by region: ") for text in result.warnings)


def test_s100_cells_outside_the_tumour(ran):
    rows = "".join(f"{k},0,0,1\n" for k in range(1, 217))
    calls = "label,cd8_positive,sox10_positive,s100_positive\n" + rows
    result = ran(TUMOUR, calls=calls)
    outside = 216 - len(LEFT)
    said = f"{outside} cells are S100+ SOX10- outside the tumour region: counted as other"
    assert said in result.warnings


def test_cells_of_which_nothing_is_known(ran):
    calls = "label,phenotype\n" + "".join(f"{k},tumour\n" for k in range(1, 200))
    result = ran(TUMOUR, calls=calls)
    assert "calls.csv has no row for 17 of 216 cells: they are unknown" in result.warnings
    assert "17 cells are of unknown phenotype: a value is missing" in result.warnings
    assert row_of(result, "cell_count", "unknown")["value"] == 17


def test_a_gate_of_a_marker_that_is_not_on_the_slide(ran):
    study = replace(Study(), gate=(GateSpec("pd1", "all", "fixed", 3.0),))
    result = ran(TUMOUR, study=study)
    assert "the study's gate of pd1 is not used: the panel lacks pd1" in result.warnings


def test_labels_of_another_slide_have_no_cells_to_call(ran):
    assert drawn_labels().max() == 216
    calls = "label,phenotype\n1,tumour\n2,tumour\n999,tumour\n"
    result = ran(TUMOUR, calls=calls)
    assert "calls.csv: 1 of 3 rows have no cell and were left out" in result.warnings
