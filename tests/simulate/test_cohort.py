"""A planned cohort is the same for the same seed, and its files say what was planted."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import special

from immunescape.cli.simulate import simulate
from immunescape.errors import ParameterError
from immunescape.simulate import (
    PLANTED_COURSES,
    TIMEPOINTS,
    CohortParams,
    FieldParams,
    point_params,
    simulate_cells,
    simulate_cohort,
    write_cohort,
)

TINY = FieldParams(width_um=100, height_um=80, margin_width_um=20)
STILL = CohortParams(patients=8, unplanted=1, patient_spread=0, specimen_spread=0)


def test_every_course_is_planted_before_one_comes_twice():
    patients = simulate_cohort(STILL, seed=4)
    assert [p.course for p in patients] == list(PLANTED_COURSES)
    assert [p.name for p in patients] == [f"P{k:02d}" for k in range(1, 9)] + ["N01"]
    for patient in patients:
        states = tuple((t.t_cells, t.pdl1) for t in patient.timepoints)
        assert states == PLANTED_COURSES[patient.course]
        assert tuple(t.timepoint for t in patient.timepoints) == TIMEPOINTS


def test_a_patient_is_the_same_however_many_others_there_are():
    few = simulate_cohort(CohortParams(patients=1, unplanted=1), seed=9)
    many = simulate_cohort(CohortParams(patients=5, unplanted=3), seed=9)
    assert few[0] == many[0]
    assert few[1] == many[5]
    other = simulate_cohort(CohortParams(patients=1, unplanted=1), seed=10)
    assert few[0] != other[0]


def test_what_is_planted_without_chance_lies_on_its_side_of_the_published_cuts():
    """Centre and margin under 100 and 200 CD8 T cells per mm² in a desert, and so on."""
    for patient in simulate_cohort(STILL, seed=0):
        for planted in patient.timepoints:
            centre, inner, outer, _ = planted.scenario.cd8_per_mm2
            tumour, others = planted.scenario.pdl1_tumour, planted.scenario.pdl1_macrophage
            if planted.t_cells == "excluded":
                assert centre < 100 and min(inner, outer) > 100 and (inner + outer) / 2 > 2 * centre
            elif planted.t_cells == "infiltrated":
                assert centre > 200
            elif planted.t_cells == "desert":
                assert max(centre, inner, outer) < 100
            else:
                assert centre == inner == outer and 100 < centre < 200
            if planted.pdl1 == "reactive":
                assert tumour[0] > 0.2 and tumour[0] > tumour[2] and others[0] > others[2]
            elif planted.pdl1 == "absent_on_tumour":
                assert tumour[0] < 0.2 < others[0] and others[0] > others[2]
            elif planted.pdl1 == "constitutive":
                assert min(tumour) > 0.5 and special.logit(tumour[0]) - special.logit(tumour[2]) < 1
            else:
                assert len(set(tumour)) == len(set(others)) == 1


def test_chance_leaves_patients_without_a_pattern_between_the_thresholds():
    wild = CohortParams(patients=0, unplanted=50, patient_spread=1.0, specimen_spread=1.0)
    for patient in simulate_cohort(wild, seed=2):
        for planted in patient.timepoints:
            assert all(100 < density < 200 for density in planted.scenario.cd8_per_mm2)


def test_points_have_what_the_timepoint_plants():
    (patient, *_) = simulate_cohort(STILL, seed=3)
    relapse = patient.timepoints[-1]
    params = point_params(relapse)
    made = simulate_cells(params, seed=1)
    biology = relapse.scenario
    assert made.planted.cd8_density_per_mm2["centre"] == biology.cd8_per_mm2[0]
    assert made.planted.pdl1_negative["tumour", True] == pytest.approx(1 - biology.pdl1_tumour[0])
    mixed = np.mean([biology.pdl1_macrophage[2], biology.pdl1_stroma[2]])
    assert made.planted.pdl1_negative["other", False] == pytest.approx(1 - mixed)


def test_a_written_cohort_can_be_run(tmp_path):
    params = CohortParams(patients=1, unplanted=1)
    names = [field.name for field in write_cohort(tmp_path, 5, params, TINY)]
    sheet = pd.read_csv(tmp_path / "samples.csv")
    assert [f"{name}.ome.tif" for name in names] == list(sheet["slide"])
    assert list(sheet["timepoint"]) == [*TIMEPOINTS, *TIMEPOINTS]
    assert list(sheet["jak1"]) == ["lost"] * 3 + ["kept"] * 3
    for column in ("slide", "annotations"):
        assert all((tmp_path / name).exists() for name in sheet[column])
    drawn = json.loads((tmp_path / "P01_baseline.geojson").read_text(encoding="utf-8"))
    assert drawn["features"]
    planted = pd.read_csv(tmp_path / "truth" / "planted.csv", keep_default_na=False)
    assert list(planted["pdl1"]) == ["reactive", "reactive", "absent_on_tumour", "", "", ""]
    lesions = pd.read_csv(tmp_path / "lesions.csv")
    assert list(lesions.columns) == ["patient", "lesion", "day", "area_mm2"]
    areas = lesions[lesions["patient"] == "P01"].set_index("day")["area_mm2"]
    assert areas[180] < areas[0] and areas[180] < areas[540]


def test_the_command_writes_a_cohort_and_names_its_patients(tmp_path, capsys):
    few = CohortParams(patients=1, unplanted=0)
    assert simulate(out=tmp_path / "c", scenario="cohort", field=TINY, cohort=few) == 0
    assert "samples.csv, lesions.csv and 3 slides" in capsys.readouterr().out
    with pytest.raises(ParameterError, match="names its patients itself"):
        simulate(out=tmp_path / "d", scenario="cohort", name="P7", field=TINY, cohort=few)
    assert not (tmp_path / "d").exists()
