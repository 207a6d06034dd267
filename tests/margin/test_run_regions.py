"""A whole run without annotations, and again with the regions that the first one wrote."""

import dataclasses

import pytest

from immunescape.pipeline import Inputs, run_slide
from immunescape.simulate import FieldParams, simulate_field, write_field
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("regions")
    look = FieldParams(width_um=400, height_um=400, nest_sides=1, glass_fraction=0.2)
    field = simulate_field(look, "baseline", 5, "P01")
    write_field(field, place)
    truth = place / "truth"
    inputs = Inputs(
        slide=place / "P01.ome.tif",
        labels=(truth / "P01_nuclei.tif", truth / "P01_cells.tif"),
        calls=truth / "P01_cells.csv",
    )
    first = run_slide(inputs, place / "first", Study())
    drawn = place / "first" / "P01" / "regions.geojson"
    again = dataclasses.replace(inputs, annotations=drawn)
    return field, first, run_slide(again, place / "second", Study())


def test_a_derived_region_is_said_to_be_one_and_comes_near_the_true_one(runs):
    field, first, _ = runs
    assert any("it is derived from the tumour cells" in w for w in first.warnings)
    assert set(first.tables["summary"]["tumour_source"]) == {"derived"}
    found, true = first.shapes["tumour"], field.regions["tumour"]
    assert (found & true).area / (found | true).area > 0.9
    beyond = found - first.shapes["tissue"].buffer(0.01)
    assert beyond.area < 1


def test_its_regions_given_back_repeat_the_numbers_and_need_no_word(runs):
    _, first, second = runs
    assert not any("mean nothing here" in w for w in second.warnings)
    assert set(second.tables["summary"]["tumour_source"]) == {"imported"}
    one, other = (r.tables["regions"].set_index(["region", "phenotype", "pdl1"]) for r in
                  (first, second))  # fmt: skip
    assert other["area_mm2"].to_numpy() == pytest.approx(one["area_mm2"].to_numpy(), abs=0.0005)
    apart = (one["count"] - other["count"]).abs().dropna()
    assert apart.max() <= 2
