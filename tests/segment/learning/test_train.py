"""Training: repeatable, resumable, on anyone's pairs of pictures and masks."""

import numpy as np
import pytest
import tifffile
import torch
from safetensors.numpy import load_file

from immunescape.errors import LabelsError, ModelError
from immunescape.segment import TrainParams, load_model, train_compact
from immunescape.segment.flows import label_flows
from immunescape.segment.learning.data import Field, read_fields, scaled
from immunescape.segment.learning.patches import Patches
from immunescape.segment.learning.splits import split_fields
from tests.segment.drawn import ellipses, stained

QUICK = {
    "batch": 2,
    "patch_px": 64,
    "threads": 1,
    "workers": 0,
    "save_minutes": 600,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs")
    for sub in ("images", "masks"):
        (path / sub).mkdir()
    for k in range(4):
        labels = ellipses((120, 110), seed=k)
        image = ((stained(labels, k) + 0.2).clip(0) * 1000).astype("uint16")
        tifffile.imwrite(path / "images" / f"{k}.tif", image)
        tifffile.imwrite(path / "masks" / f"{k}.tif", labels.astype("uint16"))
    return path


def test_training_lowers_the_loss_and_its_weights_segment(folder, tmp_path):
    out = tmp_path / "mine.safetensors"
    told = []
    params = TrainParams(steps=30, **QUICK)
    result = train_compact(folder, out, params, lambda *step: told.append(step))
    assert result.steps == 30 and result.weights == out and told[-1] == ("train", 30, 30)
    assert load_model(str(out), device="cpu").name == "mine.safetensors"
    lines = out.with_suffix(".csv").read_text().splitlines()
    assert lines[0].startswith("step,seconds,train_loss") and lines[1].startswith("30,")
    tuned = tmp_path / "tuned.safetensors"
    more = train_compact(folder, tuned, TrainParams(steps=10, **QUICK), initial=out)
    assert more.history[-1][2] < result.history[-1][2]


def test_a_run_taken_up_again_ends_as_if_never_interrupted(folder, tmp_path):
    params = TrainParams(steps=6, **QUICK)
    whole = train_compact(folder, tmp_path / "whole.safetensors", params)

    def stop(step, done, total):
        if done == 3:
            raise KeyboardInterrupt

    part = tmp_path / "part.safetensors"
    often = TrainParams(steps=6, **(QUICK | {"save_minutes": 0}))
    with pytest.raises(KeyboardInterrupt):
        train_compact(folder, part, often, stop)
    resumed = train_compact(folder, part, often)
    assert resumed.steps == whole.steps == 6
    a, b = load_file(whole.weights), load_file(resumed.weights)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_patches_are_repeatable_and_their_targets_are_the_flows(folder):
    real, drawn = read_fields(folder)
    assert len(real) == 4 and not drawn
    patches = Patches([scaled(f) for f in real], [Field("d", ellipses((200, 200)))], 64)
    for k in range(12):
        image, targets = patches.patch((0, k))
        again, _ = patches.patch((0, k))
        np.testing.assert_array_equal(image, again)
        assert image.shape == (1, 64, 64) and targets.shape == (4, 64, 64)
        length = np.hypot(targets[0], targets[1])
        assert set(np.unique(targets[2])) <= {0, 1} and set(np.unique(targets[3])) <= {1, 4}
        assert not length[targets[2] == 0].any()
        assert ((length < 1e-6) | (np.abs(length - 1) < 1e-3)).all()
    assert not np.array_equal(patches.patch((0, 1))[0], patches.patch((1, 1))[0])


def test_fields_are_brought_to_one_nuclear_size():
    labels = np.kron(ellipses((90, 90)), np.ones((3, 3), int))
    field = scaled(Field("a", labels, labels.astype(np.float32)))
    area = np.bincount(field.labels.ravel())[1:]
    assert np.median(np.sqrt(area * 4 / np.pi)) == pytest.approx(18, abs=1)
    assert field.image.shape == field.labels.shape
    assert np.abs(label_flows(field.labels)).max() <= 1


def test_the_split_depends_on_names_and_seed_alone():
    fields = [Field(f"{k:02}", np.zeros((2, 2), np.int32)) for k in range(20)]
    train, held = split_fields(fields, 0.1, 0)
    assert len(train) == 18 and len(held) == 2
    again = split_fields(fields[::-1], 0.1, 0)
    assert [f.name for f in again[1]] == [f.name for f in held]
    assert {f.name for f in train} | {f.name for f in held} == {f.name for f in fields}
    assert split_fields(fields[:1], 0.5, 0) == (fields[:1], [])
    assert split_fields(fields, 0.0, 0)[1] == []


def test_what_cannot_be_trained_on(tmp_path, folder):
    with pytest.raises(LabelsError, match="no images"):
        train_compact(tmp_path, tmp_path / "w.safetensors")
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.zeros((5, 5), "uint8"))
    with pytest.raises(LabelsError, match=r"a\.tif has no mask"):
        read_fields(tmp_path)
    tifffile.imwrite(tmp_path / "masks" / "a.tif", np.zeros((5, 6), "uint8"))
    with pytest.raises(LabelsError, match="same size"):
        read_fields(tmp_path)
    with pytest.raises(ModelError, match="multiple of 16"):
        train_compact(folder, tmp_path / "w.safetensors", TrainParams(patch_px=68))
    (tmp_path / "bad.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"bad\.safetensors does not fit"):
        train_compact(
            folder,
            tmp_path / "w.safetensors",
            TrainParams(steps=1, **QUICK),
            initial=tmp_path / "bad.safetensors",
        )


def test_a_pixel_counts_as_many_times_as_it_weighs():
    """Of four: the first once, the second four times, the third never, the last once."""
    from immunescape.segment.learning.run import _loss

    drawn = torch.Generator().manual_seed(0)
    predicted, flows = (torch.randn(1, n, 1, 4, generator=drawn) for n in (3, 2))
    inside = torch.tensor([1.0, 0.0, 1.0, 0.0]).reshape(1, 1, 1, 4)
    weights = torch.tensor([1.0, 4.0, 0.0, 1.0]).reshape(1, 1, 1, 4)
    times = torch.tensor([0, 1, 1, 1, 1, 3])
    alone = torch.cat([flows, inside, torch.ones_like(inside)], dim=1)[..., times]
    weighed = torch.cat([flows, inside, weights], dim=1)
    assert float(_loss(predicted, weighed)) == pytest.approx(
        float(_loss(predicted[..., times], alone))
    )
    logit, flow = predicted[0, 2, 0, 0], predicted[0, :2, 0, 0] - 5 * flows[0, :, 0, 0]
    by_hand = float(flow @ flow) / 4 + float(torch.log1p(torch.exp(-logit)))
    assert float(_loss(predicted[..., :1], alone[..., :1])) == pytest.approx(by_hand)
    nothing = torch.cat([flows, inside, 0 * weights], dim=1)
    assert float(_loss(predicted, nothing)) == 0.0


def test_a_damaged_checkpoint_is_named_with_its_remedy(folder, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.with_suffix(".state.pt").write_bytes(b"half a file")
    params = TrainParams(steps=1, **QUICK)
    with pytest.raises(ModelError, match=r"mine\.state\.pt is damaged.*--overwrite"):
        train_compact(folder, out, params)
    assert train_compact(folder, out, params, resume=False).steps == 1
