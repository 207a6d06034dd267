"""The shipped patient, from its pixels, beside the simulator's record of what was drawn."""

import pandas as pd
import pytest

from immunescape.cli.demo import sample_folder
from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study

TIMEPOINTS = ("response", "baseline", "relapse")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> dict[str, tuple[dict, dict]]:
    """Numbers found and true of each timepoint, under equal names."""
    out, folder = tmp_path_factory.mktemp("out"), sample_folder()
    both = {}
    for timepoint in TIMEPOINTS:
        name = f"P01_{timepoint}"
        inputs = Inputs(slide=folder / f"{name}.ome.tif", annotations=folder / f"{name}.geojson")
        found = run_slide(inputs, out, Study()).tables["summary"]
        found = found[found["phenotype"].isin(("tumour", "cd8_t", "any"))]
        found = found[found["neighbourhood"].isin(("contact", ""))]
        found = found[(found["metric"] != "cell_count") | (found["phenotype"] == "any")]
        true = pd.read_csv(folder / "truth" / f"{name}_summary.csv")
        both[timepoint] = tuple(
            {(r.metric, r.region): r.value for r in table.itertuples()} for table in (found, true)
        )
    return both


@pytest.mark.parametrize("timepoint", TIMEPOINTS)
@pytest.mark.parametrize(
    ("metric", "region", "within"),
    [
        ("cell_count", "tissue", 0.07),
        ("cd8_density", "tumour", 0.15),
        ("cd8_density", "margin", 0.15),
    ],
)
def test_counts_and_densities_are_near_the_truth(numbers, timepoint, metric, region, within):
    found, true = numbers[timepoint]
    assert found[metric, region] == pytest.approx(true[metric, region], rel=within)


@pytest.mark.parametrize("timepoint", TIMEPOINTS)
def test_the_headline_is_near_the_truth(numbers, timepoint):
    found, true = numbers[timepoint]
    key = ("pdl1_negative_fraction_touching_cd8", "tissue")
    assert found[key] == pytest.approx(true[key], abs=0.10)


def test_the_timepoints_stand_in_the_order_they_were_simulated(numbers):
    key = ("pdl1_negative_fraction_touching_cd8", "tissue")
    shares = [numbers[t][0][key] for t in TIMEPOINTS]
    assert shares == sorted(shares)
    assert len(set(shares)) == 3
