"""Scenarios go in the direction they name; chance comes from one seed."""

import dataclasses

import numpy as np
import pytest

from immunescape.errors import ParameterError
from immunescape.simulate import SCENARIOS, FieldParams, simulate_field, simulate_patient

SMALL = FieldParams(width_um=400, height_um=400, pixel_size_um=1.0)
SEEDS = range(3)


@pytest.fixture(scope="module")
def pooled():
    """Summaries of each scenario, numerators and denominators summed over seeds."""
    tables = {
        name: [simulate_field(SMALL, name, seed, "pool").truth.summary for seed in SEEDS]
        for name in SCENARIOS
    }
    return {
        name: sum(t.set_index(["metric", "region"])[["numerator", "denominator"]] for t in several)
        for name, several in tables.items()
    }


def ratio(table, metric, region):
    row = table.loc[(metric, region)]
    return row["numerator"] / row["denominator"]


def test_pdl1_negative_fraction_touching_cd8_rises_from_response_to_relapse(pooled):
    metric = "pdl1_negative_fraction_touching_cd8"
    response, baseline, relapse = (
        ratio(pooled[name], metric, "tumour") for name in ("response", "baseline", "relapse")
    )
    assert response + 0.15 < baseline < relapse - 0.15
    assert relapse > 0.85


def test_cd8_cells_are_inside_on_response_and_at_the_margin_at_relapse(pooled):
    def density(name, region):
        return ratio(pooled[name], "cd8_density", region)

    assert density("response", "centre") > 3 * density("baseline", "centre")
    assert density("relapse", "outer_margin") > 5 * density("relapse", "centre")
    assert density("relapse", "outer_margin") > density("baseline", "outer_margin")
    assert density("cold", "tissue") < 0.2 * density("baseline", "tissue")


@pytest.mark.parametrize("name", ["baseline", "response", "relapse"])
def test_densities_are_those_of_the_scenario(pooled, name):
    outer = ratio(pooled[name], "cd8_density", "outer_margin")
    assert outer == pytest.approx(SCENARIOS[name].cd8_per_mm2[2], rel=0.3)


def test_at_relapse_the_cells_beside_answer_and_tumour_cells_do_not():
    cells = simulate_field(SMALL, "relapse", 1).truth.cells
    touching = cells[cells["touching_cd8"]]
    share = touching.groupby("kind")["pdl1_positive"].mean()
    assert share["tumour"] < 0.15 and share["macrophage"] > 0.6


def test_same_seed_same_field_other_seed_or_name_another():
    tiny = FieldParams(width_um=80, height_um=60)
    one, same = (simulate_field(tiny, "baseline", 9, "a") for _ in range(2))
    assert np.array_equal(one.image, same.image) and np.array_equal(one.cells, same.cells)
    assert one.truth.cells.equals(same.truth.cells)
    for other in (simulate_field(tiny, "baseline", 10, "a"), simulate_field(tiny, "baseline", 9)):
        assert not np.array_equal(one.image, other.image)
        assert not np.array_equal(one.cells, other.cells)


def test_scenario_of_ones_own():
    own = dataclasses.replace(SCENARIOS["cold"], name="desert", cd8_per_mm2=(0, 0, 0, 0))
    field = simulate_field(FieldParams(width_um=80, height_um=60), own, 1)
    assert field.scenario == "desert"
    assert not field.truth.cells["cd8_positive"].any()
    assert not field.truth.cells["touching_cd8"].any()


def test_unknown_scenario_names_those_there_are():
    with pytest.raises(ParameterError, match="no scenario 'warm'; give one of baseline, response"):
        simulate_field(SMALL, "warm", 1)


def test_patient_has_three_timepoints_stained_alike():
    params = FieldParams(width_um=150, height_um=150, pixel_size_um=1.0)
    fields = simulate_patient(params, 4, "P09")
    assert [f.name for f in fields] == ["P09_baseline", "P09_response", "P09_relapse"]
    assert [f.scenario for f in fields] == ["baseline", "response", "relapse"]
    assert sorted(f.params.nest_sides for f in fields) == [1, 2, 3]
    nuclear = [f.image[0][f.nuclei > 0].mean() - 100 for f in fields]
    assert max(nuclear) < 1.3 * min(nuclear)


def test_field_without_tumour_cells_or_stroma_still_has_its_truth():
    empty = FieldParams(
        width_um=60, height_um=60, tumour_density_per_mm2=0, stroma_density_per_mm2=0
    )
    none = dataclasses.replace(
        SCENARIOS["cold"],
        cd8_per_mm2=(0, 0, 0, 0),
        lymphocytes_per_mm2=(0, 0, 0, 0),
        macrophages_per_mm2=(0, 0, 0, 0),
    )
    truth = simulate_field(empty, none, 12).truth
    assert truth.regions["count"].sum() <= 9  # nothing but a stray fibroblast or dendritic cell
    fraction = truth.summary.query("metric == 'pdl1_negative_fraction_touching_cd8'")["value"]
    assert fraction.isna().all()
