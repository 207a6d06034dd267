"""What a panel cannot show is told with its cost, one test a case."""

import pytest

from immunescape.panel import match_panel

COSTS = {
    "S100": "tumour cells are called without S100",
    "SOX10": "tumour cells are called without SOX10",
    "CD8": "no cell is called a CD8 T cell; CD8 densities, contacts and touching are not evaluable",
    "PD-L1": "PD-L1 status, its fractions and scores are not evaluable",
}


@pytest.mark.parametrize("lost", COSTS)
def test_each_missing_marker_has_its_own_cost(lost):
    channels = ["DAPI", *(name for name in COSTS if name != lost)]
    assert match_panel(channels, slide_name="P1").warnings == (
        f"P1 has no {lost} channel: unless calls are given, {COSTS[lost]}",
    )


def test_stains_that_are_named_after_their_dyes():
    names = ["DAPI", *COSTS]
    assert match_panel([*names, "Opal 570"], slide_name="P1").warnings == (
        "P1: Opal 570 names a dye or a number, no marker; give the markers in the study's panel or "
        "with --channel-names",
    )


def test_one_of_several_nuclear_stains():
    names = ["DAPI", "Hoechst", *COSTS]
    assert match_panel(names, slide_name="P1").warnings == (
        "P1: DAPI is used as nuclear stain, Hoechst is not; --nuclear chooses one or combines "
        "several",
    )
