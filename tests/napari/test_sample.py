"""The sample patient opens with limits that make the timepoints comparable."""

import pandas as pd
import pytest
from napari.layers import Layer

from immunescape.cli.demo import sample_folder
from immunescape.io.geojson import read_annotations
from immunescape.napari.layers import facts_of, regions_from_layers
from immunescape.napari.sample import sample_baseline, sample_patient, sample_relapse

TIMEPOINTS = ("baseline", "response", "relapse")


@pytest.fixture(scope="module")
def patient():
    return [Layer.create(*d) for d in sample_patient()]


def test_all_timepoints_lie_side_by_side_in_their_order(patient):
    images = [x for x in patient if x._type_string == "image"]
    spans = {}
    for layer in images:
        left, right = layer.extent.world[:, 1]
        spans.setdefault(facts_of(layer)["slide"], set()).add((left, right))
    assert list(spans) == [f"P01_{t}" for t in TIMEPOINTS]
    edges = [span for (span,) in spans.values()]
    assert edges[0][0] == pytest.approx(0.25)
    assert edges[0][1] < edges[1][0] < edges[1][1] < edges[2][0]
    assert [x.name for x in images[:5]] == [
        "Baseline Nuclei (DAPI)", "Baseline S100", "Baseline SOX10", "Baseline CD8",
        "Baseline PD-L1",
    ]  # fmt: skip


def test_limits_are_the_same_at_every_timepoint(patient):
    single = [Layer.create(*d) for d in (*sample_baseline(), *sample_relapse())]
    limits = {}
    for layer in [*patient, *single]:
        if layer._type_string == "image":
            marker = facts_of(layer)["marker"]
            limits.setdefault(marker, set()).add(tuple(layer.contrast_limits))
    assert sorted(limits) == ["cd8", "dapi", "pdl1", "s100", "sox10"]
    assert all(len(seen) == 1 for seen in limits.values())


def test_cells_known_to_be_positive_shine_and_others_are_dark(patient):
    """By the simulator's record: nuclei of SOX10+ cells against those of SOX10- cells."""
    layer = next(x for x in patient if x.name == "Baseline SOX10")
    truth = pd.read_csv(sample_folder() / "truth" / "P01_baseline_cells.csv")
    low, high = layer.contrast_limits
    shown = [
        (layer.get_value((y, x), world=True) - low) / (high - low)
        for x, y in truth[["x_um", "y_um"]].to_numpy()
    ]
    shown = pd.Series(shown).groupby(truth["sox10_positive"].astype(bool)).median()
    assert shown[True] > 0.3 > 0.1 > shown[False]


def test_what_was_drawn_on_each_comes_back(patient):
    for timepoint in TIMEPOINTS:
        name = f"P01_{timepoint}"
        drawn = read_annotations(
            sample_folder() / f"{name}.geojson", pixel_size_um=0.5, slide_name=name
        )
        back = regions_from_layers(patient, slide=name)
        assert sorted(back) == sorted(drawn)
        assert all(back[role].equals(drawn[role]) for role in drawn)
