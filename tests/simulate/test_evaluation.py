"""The evaluation shows what training has never seen: its renderer, its geometry and its seeds."""

import dataclasses
import importlib.util
import math
import re
from pathlib import Path

import numpy as np
import pytest

from immunescape.segment.learning import render
from immunescape.segment.learning.patches import _MARGIN
from immunescape.segment.learning.train import TrainParams
from immunescape.simulate import (
    EVALUATION,
    FIRST_EVALUATION_SEED,
    KEPT_SETTINGS,
    SCENARIOS,
    FieldParams,
    evaluation_field,
    evaluation_params,
    is_kept,
    simulate_field,
)
from immunescape.simulate.camera import HAZE_UM

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images" / "README.md"
NUMBERS = range(20)
SMALL = dataclasses.replace(EVALUATION, width_um=260.0, height_um=200.0)


def outside(value, low, high):
    return value < low or value > high


def test_renderer_settings_lie_outside_the_ranges_that_training_used():
    assert outside(EVALUATION.haze_fraction, *render.HAZE_SHARE)
    assert outside(HAZE_UM / EVALUATION.pixel_size_um, *render.HAZE_PX)
    patch_mm2 = ((TrainParams().patch_px + 2 * _MARGIN) * EVALUATION.pixel_size_um / 1000) ** 2
    low, high = (n / patch_mm2 for n in render.DEBRIS_SPECKS)
    assert outside(EVALUATION.debris_per_mm2, low, high)


def test_training_renders_onto_masks_in_which_nuclei_cannot_overlap_and_here_they_do():
    assert EVALUATION.overlap_fraction > 0
    field = simulate_field(SMALL, "response", FIRST_EVALUATION_SEED)
    apart = simulate_field(
        dataclasses.replace(SMALL, overlap_fraction=0.0), "response", FIRST_EVALUATION_SEED
    )
    assert touching_nuclei(field.nuclei) > touching_nuclei(apart.nuclei)


def touching_nuclei(nuclei):
    here, there = nuclei[:, 1:], nuclei[:, :-1]
    return np.count_nonzero((here != there) & (here > 0) & (there > 0)) / nuclei.max()


def test_no_field_that_is_trained_on_is_kept_for_evaluation():
    """Frames, nests, stains and seeds of the evaluation are new to the weights."""
    path = SAMPLES.parents[1] / "docs" / "model" / "simulated_fields.py"
    spec = importlib.util.spec_from_file_location("simulated_fields", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for number in range(made.FIELDS):
        assert not is_kept(made.field_params(number), number)
    low, high = KEPT_SETTINGS["overlap_fraction"]
    for value in (low, (low + high) / 2, high):
        assert not low <= made.outside(value, low, high) <= high


@pytest.mark.parametrize("name", KEPT_SETTINGS)
def test_each_kept_range_holds_the_evaluation_and_not_the_usual_field(name):
    low, high = KEPT_SETTINGS[name]
    assert low < getattr(EVALUATION, name) < high
    assert outside(getattr(FieldParams(), name), low, high)
    kept = dataclasses.replace(FieldParams(), **{name: (low + high) / 2})
    assert is_kept(kept, 0)


def test_seeds_of_the_evaluation_are_kept_and_those_in_use_are_not():
    assert is_kept(FieldParams(), FIRST_EVALUATION_SEED)
    assert not is_kept(FieldParams(), FIRST_EVALUATION_SEED - 1)
    assert TrainParams().seed < FIRST_EVALUATION_SEED
    used = int(re.search(r"--seed (\d+)", SAMPLES.read_text(encoding="utf-8")).group(1))
    assert not is_kept(FieldParams(), used)
    for number in NUMBERS:
        assert is_kept(evaluation_params(number), 0)


def test_geometry_of_the_evaluation_goes_through_every_form():
    several = [evaluation_params(n) for n in NUMBERS]
    assert {p.nest_sides for p in several} == {0, 1, 2, 3}
    assert {p.satellites for p in several} == {0, 1, 2}
    assert {p.stromal_islands for p in several} == {0, 1} == {p.nerves for p in several}
    frames = {(p.width_um, p.height_um) for p in several}
    assert (FieldParams().width_um, FieldParams().height_um) not in frames
    patch = TrainParams().patch_px + 2 * _MARGIN
    assert all(min(frame) / EVALUATION.pixel_size_um > patch for frame in frames)
    forms = [(p.nest_sides, p.satellites, p.stromal_islands, p.nerves) for p in several]
    assert len(set(forms)) > 12


def test_fields_of_one_scenario_are_one_batch_of_nearly_equal_stain():
    fields = [evaluation_field("baseline", n, SMALL) for n in (0, 1)]
    assert [f.name for f in fields] == ["baseline_00", "baseline_01"]
    assert [f.seed for f in fields] == [FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + 1]
    again = evaluation_field(SCENARIOS["baseline"], 1, SMALL)
    assert np.array_equal(again.image, fields[1].image)
    bright = [f.image[0][f.nuclei > 0].mean() - SMALL.pedestal for f in fields]
    ratio = bright[1] / bright[0]
    assert ratio != 1 and abs(math.log(ratio)) < 0.3
