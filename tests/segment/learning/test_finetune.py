"""Fine-tuning: what is taught, what is judged, and what is said of it."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import tifffile
from safetensors.numpy import load_file, save_file

from immunescape.errors import LabelsError, ModelError, OutputError
from immunescape.io import fingerprint
from immunescape.segment import COMPACT_WEIGHTS, TrainParams
from immunescape.segment.learning.annotated import AnnotatedField
from immunescape.segment.learning.finetune import FINE_TUNING, finetune, network_field
from tests.segment.drawn import ellipses
from tests.segment.learning.annotating import write_pair, write_pairs

QUICK = {
    "steps": 2,
    "batch": 2,
    "patch_px": 64,
    "threads": 1,
    "workers": 0,
    "save_minutes": 600,
    "precision": "float32",
}


def quick(**changes):
    return dataclasses.replace(FINE_TUNING, **(QUICK | changes))


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("six"), 6, (80, 70))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("two"), 2, (150, 160))


# --- what a network sees ---------------------------------------------------------------------


def test_fine_pixels_are_joined_and_coarse_ones_divided():
    labels = np.kron(np.array([[0, 1], [-1, 2]]), np.ones((4, 4), int)).astype(np.int32)
    picture = labels.astype(np.float32)
    fine = network_field(AnnotatedField("a", picture, labels, 0.25), 0.5)
    expected = np.kron(np.array([[0, 1], [-1, 2]]), np.ones((2, 2), int))
    np.testing.assert_array_equal(fine.labels, expected)
    np.testing.assert_allclose(fine.image, expected)
    coarse = network_field(AnnotatedField("a", picture, labels, 1.0), 0.5)
    np.testing.assert_array_equal(coarse.labels, np.kron(labels, np.ones((2, 2), int)))
    assert coarse.image.shape == (16, 16)


def test_pixels_within_a_tenth_are_taken_as_they_are():
    labels = ellipses((50, 60))
    picture = labels.astype(np.float32)
    field = network_field(AnnotatedField("a", picture, labels, 0.4965), 0.5)
    np.testing.assert_array_equal(field.labels, labels)
    np.testing.assert_array_equal(field.image, picture)
    assert field.pixel_um == 0.5


# --- what is written -------------------------------------------------------------------------


def test_weights_scores_and_what_they_were_made_from(six, tmp_path):
    out = tmp_path / "mine.safetensors"
    told = []
    tuned = finetune(six, out, quick(), lambda *step: told.append(step))
    assert (tuned.weights, tuned.steps, tuned.compared_with) == (out, 2, "compact")
    assert "of 6 pictures, drawn by lot" in tuned.held_out
    assert {step for step, _, _ in told} >= {"read", "train", "score before", "score after"}
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["finished"] is True
    assert record["weights_sha256"] == fingerprint(out).sha256
    assert record["initial"] == {
        "name": "compact",
        "sha256": fingerprint(COMPACT_WEIGHTS).sha256,
    }
    assert record["training"] == dataclasses.asdict(quick())
    assert record["verdict"] == tuned.verdict
    for pair in record["pairs"]:
        image = six / "images" / f"{pair['name']}.ome.tif"
        drawn = tifffile.imread(six / "masks" / f"{pair['name']}.tif").max()
        assert pair["image_sha256"] == fingerprint(image).sha256
        assert sorted((pair["nuclei_trained_on"], pair["nuclei_held_out"])) == [0, drawn]
    assert str(tmp_path) not in out.with_suffix(".json").read_text()
    with out.with_suffix(".scores.csv").open(newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    score = tuned.comparison["AP@0.5"]
    assert float(rows["AP@0.5"]["before"]) == pytest.approx(score.before, abs=1e-4)
    assert float(rows["AP@0.5"]["change"]) == pytest.approx(score.after - score.before, abs=1e-4)
    assert int(rows["nuclei drawn"]["after"]) == tuned.comparison.drawn
    assert tuned.comparison.drawn == sum(pair["nuclei_held_out"] for pair in record["pairs"])
    if len(tuned.comparison.after) < 5:
        assert rows["AP@0.5"]["change_low"] == ""


def test_a_network_that_finds_nothing_learns_to_find_nuclei(two, tmp_path):
    blind = tmp_path / "blind.safetensors"
    weights = load_file(COMPACT_WEIGHTS)
    inside = weights["head.bias"].copy()
    inside[2 * len(inside) // 3 :] -= 12  # the last third says what is inside a nucleus
    save_file(weights | {"head.bias": inside}, blind)
    tuned = finetune(
        two,
        tmp_path / "mine.safetensors",
        quick(steps=60, learning_rate=0.01, pool=40),
        initial=str(blind),
    )
    score = tuned.comparison["AP@0.5"]
    assert tuned.compared_with == "blind.safetensors"
    assert score.before == 0
    assert score.after > 0.5


def test_nuclei_held_out_teach_nothing(six, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(six, other)
    mask = other / "masks" / "P03.tif"
    tifffile.imwrite(mask, np.roll(tifffile.imread(mask), 7, axis=1))
    results = []
    for folder, name in ((six, "a"), (other, "b")):
        out = tmp_path / f"{name}.safetensors"
        tuned = finetune(folder, out, quick(learning_rate=0.01), held_out=("P03",))
        results.append((load_file(out), tuned.comparison["AP@0.75"].before))
    (a, score_a), (b, score_b) = results
    assert score_a != score_b
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    start = load_file(COMPACT_WEIGHTS)
    assert any(not np.array_equal(a[name], start[name]) for name in start)


def test_nothing_learned_is_nothing_claimed(two, tmp_path):
    tuned = finetune(two, tmp_path / "mine.safetensors", quick(steps=1, learning_rate=1e-6))
    change = tuned.comparison["AP@0.5"]
    assert change.after == pytest.approx(change.before, abs=0.02)
    assert "is not shown to be better than compact" in tuned.verdict
    assert "go on with compact" in tuned.verdict


def test_without_held_out_nuclei_nobody_knows(two, tmp_path):
    tuned = finetune(two, tmp_path / "mine.safetensors", quick(steps=1, validation=0.0))
    assert tuned.comparison is None
    assert "nobody knows whether mine.safetensors is better than compact" in tuned.verdict
    assert not (tmp_path / "mine.scores.csv").exists()


def test_a_first_training_is_compared_with_compact(two, tmp_path):
    out = tmp_path / "mine.safetensors"
    tuned = finetune(two, out, quick(steps=1, frozen_norm=False), initial="none")
    assert tuned.compared_with == "compact"
    assert tuned.comparison["AP@0.5"].after < tuned.comparison["AP@0.5"].before
    assert json.loads(out.with_suffix(".json").read_text())["initial"]["sha256"] is None


# --- going on --------------------------------------------------------------------------------


def test_an_interrupted_training_goes_on_and_a_changed_one_is_refused(two, tmp_path):
    folder = tmp_path / "pairs"
    shutil.copytree(two, folder)
    out = tmp_path / "mine.safetensors"
    params = quick(steps=4, save_minutes=0)

    def stop(step, done, total):
        if (step, done) == ("train", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(folder, out, params, stop)
    assert json.loads(out.with_suffix(".json").read_text())["finished"] is False
    first = []
    tuned = finetune(folder, out, params, lambda *step: first.append(step))
    assert tuned.steps == 4
    begun = next(done for step, done, _ in first if step == "train")
    assert begun > 1
    again = []
    assert finetune(folder, out, params, lambda *step: again.append(step)).steps == 4
    assert "train" not in {step for step, _, _ in again}  # nothing was left to do

    message = r"mine\.safetensors exists already and was made from other pairs or parameters"
    with pytest.raises(OutputError, match=message):
        finetune(folder, out, quick(steps=5, save_minutes=0))
    write_pair(folder, "P01", ellipses((150, 160), seed=9), seed=9)
    with pytest.raises(OutputError, match=message):
        finetune(folder, out, params)
    again = []
    finetune(folder, out, params, lambda *step: again.append(step), resume=False)
    assert next(done for step, done, _ in again if step == "train") <= 1


def test_weights_of_unknown_origin_are_not_overwritten(two, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="--overwrite"):
        finetune(two, out, quick())
    assert out.read_bytes() == b"somebody's"


# --- what cannot be used ---------------------------------------------------------------------


def test_too_few_nuclei_are_refused(tmp_path):
    write_pair(tmp_path, "P1", ellipses((60, 60)))
    with pytest.raises(LabelsError, match=r"nuclei are drawn in all; draw 20 or more"):
        finetune(tmp_path, tmp_path / "mine.safetensors", quick())
    write_pair(tmp_path, "P2", ellipses((140, 140), seed=2), seed=2)
    with pytest.raises(LabelsError, match=r"nuclei are left to train on"):
        finetune(tmp_path, tmp_path / "mine.safetensors", quick(), held_out=("P2",))
    assert not list(tmp_path.glob("mine*"))


def test_the_same_picture_twice_is_refused(tmp_path, two):
    shutil.copytree(two, tmp_path / "pairs")
    for sub, ending in (("images", ".ome.tif"), ("masks", ".tif")):
        folder = tmp_path / "pairs" / sub
        shutil.copy(folder / f"P00{ending}", folder / f"copy{ending}")
    with pytest.raises(LabelsError, match=r"copy\.ome\.tif and P00\.ome\.tif are the same"):
        finetune(tmp_path / "pairs", tmp_path / "mine.safetensors", quick())


def test_where_nothing_can_be_written_or_started_from(two, tmp_path):
    with pytest.raises(OutputError, match=r"mine\.pt must end in \.safetensors"):
        finetune(two, tmp_path / "mine.pt", quick())
    with pytest.raises(OutputError, match="does not exist; make it first"):
        finetune(two, tmp_path / "no" / "mine.safetensors", quick())
    with pytest.raises(ModelError, match=r"gone\.safetensors does not exist; pass --initial"):
        finetune(two, tmp_path / "mine.safetensors", quick(), initial="gone.safetensors")
    with pytest.raises(ModelError, match=r"will be used at .* µm; leave out --training\.pixel-um"):
        finetune(two, tmp_path / "mine.safetensors", quick(pixel_um=0.25))
    (tmp_path / "mine.pth").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"mine\.pth holds no weights of the compact network"):
        finetune(two, tmp_path / "m.safetensors", quick(), initial=str(tmp_path / "mine.pth"))
    (tmp_path / "bad.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"bad\.safetensors does not fit"):
        finetune(
            two,
            tmp_path / "mine.safetensors",
            quick(),
            initial=str(tmp_path / "bad.safetensors"),
        )


def test_the_usual_parameters_are_gentle():
    usual = TrainParams()
    assert FINE_TUNING.frozen_norm
    assert FINE_TUNING.learning_rate <= usual.learning_rate / 5
    assert FINE_TUNING.steps < usual.steps
