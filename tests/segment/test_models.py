"""Networks by name; what cannot be had is said with its remedy."""

import hashlib
import importlib.util
import logging
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from immunescape.errors import ModelError
from immunescape.segment.models import COMPACT_WEIGHTS, load_model
from immunescape.segment.precision import chosen_precision


def refused(name, **kwargs):
    with pytest.raises(ModelError) as caught:
        load_model(name, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def cellpose_folder(tmp_path, monkeypatch):
    """An empty folder for Cellpose's weights, and no way to download any."""
    logging.getLogger("cellpose").setLevel(logging.ERROR)
    from cellpose import models

    def unreachable(*args, **kwargs):
        raise OSError("name resolution failed")

    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    monkeypatch.setattr(models, "MODEL_DIR", tmp_path)
    monkeypatch.setattr(models.utils, "download_url_to_file", unreachable)
    return tmp_path


def test_the_hash_is_that_of_the_weights_file():
    model = load_model("compact", device="cpu")
    assert model.sha256 == hashlib.sha256(COMPACT_WEIGHTS.read_bytes()).hexdigest()
    assert model.pixel_um == 0.5
    copy = load_model(str(COMPACT_WEIGHTS), device="cpu")
    assert copy.name == "compact.safetensors" and copy.sha256 == model.sha256


def test_bfloat16_is_close_to_float32():
    image = np.random.default_rng(0).random((96, 96), dtype=np.float32)
    exact, quick = (
        load_model("compact", device="cpu", precision=p).predict(image)
        for p in ("float32", "bfloat16")
    )
    assert 0 < np.abs(exact - quick).mean() < 0.1


def test_files_that_are_no_weights(tmp_path):
    for suffix in (".safetensors", ".pth"):
        file = tmp_path / f"mine{suffix}"
        file.write_bytes(b"nothing of the kind")
        assert refused(str(file)).startswith(f"mine{suffix} ")
    assert refused(str(tmp_path / "none.pth")).startswith("none.pth is no model")


def test_a_download_that_is_impossible_names_file_and_folder(cellpose_folder):
    text = refused("cpsam_v2")
    for word in ("cpsam_v2", ".cellpose/models", "CELLPOSE_LOCAL_MODELS_PATH", "compact"):
        assert word in text


@pytest.mark.skipif(importlib.util.find_spec("dinov3") is not None, reason="dinov3 is installed")
@pytest.mark.parametrize("name", ["cpdino", "cpdino-vitb"])
def test_dino_models_need_their_package(name):
    assert f"{name} needs the package dinov3" in refused(name)


def test_an_absent_device():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a graphics processor")
    assert "no cuda device" in refused("compact", device="cuda")


@pytest.mark.slow
def test_cellpose_sam_in_its_own_format(cellpose_folder):
    """Random weights, saved as Cellpose saves them, load by name and run on one patch."""
    import torch
    from cellpose.vit import CPSAM

    torch.manual_seed(0)
    file = cellpose_folder / "cpsam_v2"
    CPSAM(dtype=torch.bfloat16).save_model(file)
    model = load_model("cpsam_v2", diameter_um=9.0, device="cpu")
    assert model.precision == chosen_precision("auto", "cpu")
    assert model.net.dtype == getattr(torch, model.precision)
    assert model.pixel_um == pytest.approx(0.3)
    assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    flows = model.predict(np.random.default_rng(0).random((48, 40), dtype=np.float32))
    assert flows.shape == (3, 48, 40) and np.isfinite(flows).all() and flows.std() > 0
    file.unlink()


@pytest.mark.parametrize(
    ("device", "native", "asked", "half"),
    [
        ("cpu", True, "auto", True),
        ("cpu", False, "auto", False),
        ("cpu", False, "bfloat16", True),
        ("cuda", False, "auto", True),
        ("cuda", True, "float32", False),
    ],
)
def test_cellpose_networks_compute_in_what_is_quick(
    cellpose_folder, monkeypatch, device, native, asked, half
):
    """What Cellpose is asked for: its own choice, but where that would be emulated."""
    from cellpose import models

    told = {}

    class Told:
        def __init__(self, **words):
            told.update(words)
            self.net = SimpleNamespace(eval=lambda: None)

    (cellpose_folder / "cpsam_v2").write_bytes(b"weights")
    monkeypatch.setattr(models, "get_backbone", lambda file: "sam_vitl")
    monkeypatch.setattr(models, "CellposeModel", Told)
    monkeypatch.setattr("immunescape.segment.models._device", lambda wanted: wanted)
    monkeypatch.setattr("immunescape.segment.precision.multiplies_bfloat16", lambda _: native)
    model = load_model("cpsam_v2", device=device, precision=asked)
    assert told["use_bfloat16"] is half
    assert model.precision == ("bfloat16" if half else "float32")


def test_a_pickled_network_is_loaded_again_wherever_it_arrives(tmp_path, monkeypatch):
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(COMPACT_WEIGHTS.read_bytes())
    monkeypatch.chdir(tmp_path)
    model = load_model("mine.safetensors", precision="float32")
    sent = pickle.dumps(model)
    assert len(sent) < 1000  # how it was loaded, not the weights
    monkeypatch.chdir("/")
    again = pickle.loads(sent)
    assert (again.sha256, again.precision, again.name) == (model.sha256, "float32", model.name)
    assert pickle.loads(sent) is again  # once a process
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    np.testing.assert_array_equal(again.predict(image), model.predict(image))
    with pytest.raises(TypeError, match="made in memory"):
        pickle.dumps(replace(model, source=None))


def test_a_pickled_network_is_never_another_one(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(COMPACT_WEIGHTS.read_bytes())
    first = load_model(str(file), device="cpu")
    sent = pickle.dumps(first)
    before = pickle.loads(sent)
    weights = load_file(file)
    name = next(name for name in weights if name.endswith(".weight"))
    save_file(weights | {name: weights[name] + 1}, file)
    second = load_model(str(file), device="cpu")
    # a process that stays takes the new file, and says so where the old one is asked for again
    after = pickle.loads(pickle.dumps(second))
    assert (before.sha256, after.sha256) == (first.sha256, second.sha256)
    assert first.sha256 != second.sha256
    with pytest.raises(ModelError, match=r"^mine\.safetensors has other weights .* same file"):
        pickle.loads(sent)
