"""What a re-run, a repeat or another way to judge must not take for what it is not."""

from dataclasses import replace

import numpy as np
import pytest
from tests.slides import (
    CHANNELS,
    drawn_image,
    drawn_labels,
    square,
    write_geojson,
    write_labels,
    write_slide,
)

from immunescape.io import open_slide, write_ome_tiff
from immunescape.margin import derive_tumour
from immunescape.panel import Panel, Stain
from immunescape.phenotype import Gate, GateSpec
from immunescape.pipeline import Inputs, measure_slide, parse_sweep, run_slide
from immunescape.pipeline.calling import ToCall, call_cells, with_gates
from immunescape.pipeline.inputs import open_inputs
from immunescape.pipeline.shared import call_together
from immunescape.pipeline.stages import stage_keys
from immunescape.regions import Regions
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")

PINNED = "pdl1_membrane_unshared"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The drawn slide, but a quarter of the tumour cells show S100 alone."""
    folder = tmp_path_factory.mktemp("slide")
    labels, image = drawn_labels(), drawn_image(drawn_labels())
    image[4][(labels > 0) & ((labels - 1) % 4 == 2)] = 50
    path = folder / "slide.ome.tif"
    write_ome_tiff(path, image, CHANNELS, 0.5)
    opened = open_inputs(Inputs(slide=path, labels=(write_labels(folder),)), Study())
    return measure_slide(
        opened.slide, opened.panel, folder / "labels.zarr", Study(), labels=opened.labels
    )


def test_a_run_that_asks_for_more_growths_than_the_earlier_one_gets_them(tmp_path):
    study = Study()
    study = replace(
        study,
        slide=replace(study.slide, labels_are="nuclei"),
        gating=replace(study.gating, bootstrap_draws=0),
    )
    inputs = Inputs(
        slide=write_slide(tmp_path),
        labels=(write_labels(tmp_path, labels=drawn_labels(radius=6)),),
        annotations=write_geojson(tmp_path, square(0, 0, 180, 240)),
    )
    without = replace(study, sensitivity=replace(study.sensitivity, tables="no_growth"))
    first = run_slide(inputs, tmp_path / "out", without).tables["sensitivity"]
    assert "growth" not in set(first["kind"])
    again = run_slide(inputs, tmp_path / "out", study).tables["sensitivity"]
    growths = again.loc[again["kind"] == "growth", "variant"].unique()
    assert [g.removeprefix("segment.grow_um = ") for g in growths] == ["1", "2", "5"]


def test_a_channel_that_is_now_to_be_subtracted_is_measured_anew(tmp_path):
    slide = open_slide(write_slide(tmp_path))
    stains = [
        Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear"),
        Stain(channel="PD-L1", marker="pdl1", compartment="membrane"),
    ]
    panels = [
        Panel((*stains, Stain(channel="S100", marker="af", compartment="cell", role=role)))
        for role in ("ignored", "autofluorescence")
    ]
    plain, subtracted = (stage_keys(slide, panel, Study(), ()) for panel in panels)
    assert plain.labels == subtracted.labels
    assert plain.measurements != subtracted.measurements


def test_a_method_set_by_hand_gives_way_to_what_it_found_in_all_slides():
    fixed = GateSpec("pdl1", method="fixed", value=7.0)
    study = Study(gate=(GateSpec("cd8", method="otsu"), fixed))
    gates = (
        Gate("cd8", "all", "cd8_membrane_mean", "otsu", "patient:all", 3.5, 3.0, 4.0),
        Gate("sox10", "all", "sox10_nucleus_mean", "gmm", "missing", None),
        Gate("pdl1", "tumour", PINNED, "fixed", "fixed", 7.0, confirmed=True),
    )
    found = with_gates(study, gates).gate
    assert [(g.marker, g.method, g.value) for g in found] == [
        ("pdl1", "fixed", 7.0),
        ("cd8", "fixed", 3.5),
    ]
    assert found[0] == fixed
    assert (found[1].gate_low, found[1].gate_high, found[1].confirmed) == (3.0, 4.0, False)


def test_a_swept_gate_stays_on_the_statistic_of_the_study():
    study = Study(gate=(GateSpec("pdl1", "tumour", "fixed", 5.0, "pdl1_membrane_mean"),))
    swept = parse_sweep("pdl1@tumour=2,3.6", study)
    assert [(s.gate[0].value, s.gate[0].statistic) for s in swept.studies] == [
        (2.0, "pdl1_membrane_mean"),
        (3.6, "pdl1_membrane_mean"),
    ]


def test_a_derived_region_comes_from_the_cells_that_are_said_to_have_made_it(measured):
    (called,) = call_cells([ToCall(measured, Regions())], Study())
    assert called.tumour_source == "derived"
    again = derive_tumour(called.derived_from_um, measured.tissue)
    assert again.equals(called.tumour)
    # S100 makes tumour cells within the region alone: they had no part in it
    tumour = int((called.calls.cells["phenotype"] == "tumour").sum())
    assert 0 < len(called.derived_from_um) < tumour


def test_a_region_that_was_drawn_is_derived_from_no_cells(measured):
    import shapely

    drawn = Regions({"tumour": shapely.box(0, 0, 90, 120)})
    (called,) = call_cells([ToCall(measured, drawn)], Study())
    assert called.derived_from_um is None


def test_a_gate_fixed_on_one_statistic_is_not_given_out_as_one_on_another(measured):
    slide = ToCall(measured, Regions())
    (free,) = call_together([slide], Study())
    assert {kind for kind, _ in free.otherwise} >= {"statistic"}
    pinned = tuple(
        GateSpec(marker, parent, "fixed", 200.0, f"{marker}_membrane_unshared", source="file")
        for marker, parent in (("pdl1", "tumour"), ("pdl1", "non_tumour"), ("cd8", "all"))
    )
    (fixed,) = call_together([slide], Study(gate=pinned))
    assert "statistic" not in {kind for kind, _ in fixed.otherwise}


def test_pigment_covers_a_cell_by_its_pixels_in_all_blocks():
    from immunescape.quality._bright import whole_cells

    labels = np.zeros((8, 16), np.int32)
    labels[1:3, 2:14] = 7  # 24 pixels over four blocks of four
    labels[5:7, 2:14] = 1_000_000_000
    mask = np.zeros(labels.shape, bool)
    mask[1:3, 2:5] = True  # 6 of 24: a quarter
    mask[5:7, 2:4] = True  # 4 of 24
    mask[0, 0] = True  # background is no cell
    found = whole_cells(mask, 1.0, labels, 1.0, 4)
    expected = mask.copy()
    expected[1:3, 2:14] = True
    assert (found == expected).all()
