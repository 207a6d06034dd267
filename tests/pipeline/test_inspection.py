"""The quality of the segmentation as a run writes it, and takes it over."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.slides import drawn_labels, write_labels, write_slide

from immunescape.pipeline import Inputs, run_slide
from immunescape.slide import Slide
from immunescape.study import Study

STUDY = replace(Study(), sensitivity=replace(Study().sensitivity, tables="none"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The drawn slide with its true cells, the right half of them left out."""
    folder = tmp_path_factory.mktemp("drawn")
    labels = drawn_labels()
    labels[:, 180:] = 0
    return Inputs(slide=write_slide(folder), labels=(write_labels(folder, labels=labels),))


@pytest.fixture(scope="module")
def out(drawn, tmp_path_factory):
    place = tmp_path_factory.mktemp("out")
    return place, run_slide(drawn, place, STUDY)


def test_missed_cells_are_told_in_table_page_provenance_and_warning(out):
    place, result = out
    (told,) = (t for t in result.warnings if "of the nuclear stain has no cell: some were" in t)
    assert told.endswith("; look at segmentation.html")
    table = pd.read_csv(place / "slide" / "segmentation.csv")
    assert table["cells"].sum() == 108
    assert table["flagged"].any()
    kept = json.loads((place / "slide" / "provenance.json").read_text("utf-8"))
    figures = kept["segmentation_quality"]["figures"]
    assert figures["cells"] == 108
    assert figures["missed_stain_share"] == pytest.approx(0.5, abs=0.03)
    assert kept["segmentation_quality"]["notes"] == [
        "fewer than 8 tiles with tissue: not compared with each other"
    ]
    page = (place / "slide" / "segmentation.html").read_text("utf-8")
    assert told.partition(";")[0] in page
    assert str(place) not in page


def steps(result):
    return {s["step"]: s["reused"] for s in result.provenance["steps"]}


@pytest.mark.slow
def test_what_a_run_does_not_change_is_taken_over(drawn, out, monkeypatch):
    place, first = out
    folder = place / "slide"
    files = ("segmentation.csv", "segmentation.html")
    before = {name: (folder / name).read_bytes() for name in files}

    def no_pixels(*_args, **_keywords):
        raise AssertionError("pixels were read")

    with monkeypatch.context() as patched:
        patched.setattr(Slide, "read", no_pixels)
        again = run_slide(drawn, place, replace(STUDY, margin=replace(STUDY.margin, width_um=40.0)))
    assert steps(again)["inspect"]
    assert {name: (folder / name).read_bytes() for name in files} == before
    told = [text for text in first.warnings if "segmentation.html" in text]
    assert told
    assert [text for text in again.warnings if "segmentation.html" in text] == told
    assert again.provenance["segmentation_quality"] == first.provenance["segmentation_quality"]
    pd.testing.assert_frame_equal(
        again.tables["segmentation"], first.tables["segmentation"], check_dtype=False
    )
    limits = replace(STUDY.segmentation_quality, missed_share=0.9)
    other = run_slide(drawn, place, replace(STUDY, segmentation_quality=limits))
    assert steps(other)["measure"]
    assert not steps(other)["inspect"]
    assert not other.tables["segmentation"]["flagged"].any()
    assert (folder / "segmentation.html").read_bytes() != before["segmentation.html"]
    (folder / "segmentation.html").unlink()
    anew = run_slide(drawn, place, replace(STUDY, segmentation_quality=limits))
    assert not steps(anew)["inspect"]
    assert (folder / "segmentation.html").exists()


def test_a_slide_without_cells_is_inspected_too(tmp_path):
    """Nothing is stained: no nuclei, and no tile is any better than another."""
    from immunescape.io import write_ome_tiff

    path = tmp_path / "blank.ome.tif"
    noise = np.random.default_rng(0).normal(100, 5, (2, 220, 300)).astype(np.uint16)
    write_ome_tiff(path, noise, ("DAPI", "CD8"), 0.5)
    result = run_slide(Inputs(slide=path), tmp_path / "out", STUDY)
    assert len(result.cells) == result.provenance["segmentation_quality"]["figures"]["cells"]
    assert (tmp_path / "out" / "blank" / "segmentation.html").exists()
    assert "not evaluable" in (tmp_path / "out" / "blank" / "report.html").read_text("utf-8")
