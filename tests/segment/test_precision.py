"""In which type a network computes, here and on processors that know half precision or do not."""

import pytest
import torch

from immunescape.segment import TrainParams
from immunescape.segment.learning.run import TrainingRun
from immunescape.segment.network import CompactNet
from immunescape.segment.precision import chosen_precision, multiplies_bfloat16

ASKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def processor(monkeypatch, *known):
    for ask in ASKS:
        monkeypatch.setattr(torch.cpu, ask, lambda ask=ask: ask in known, raising=False)


@pytest.mark.parametrize("known", ASKS)
def test_half_precision_is_taken_where_the_processor_multiplies_it(monkeypatch, known):
    processor(monkeypatch, known)
    assert chosen_precision("auto", "cpu") == "bfloat16"
    assert chosen_precision("float32", "cpu") == "float32"


def test_half_precision_is_left_where_it_would_be_emulated(monkeypatch):
    processor(monkeypatch)
    assert chosen_precision("auto", "cpu") == "float32"
    assert chosen_precision("bfloat16", "cpu") == "bfloat16"
    assert chosen_precision("auto", "mps") == "float32"


def test_a_torch_that_cannot_tell_is_taken_not_to_know_it(monkeypatch):
    for ask in ASKS:
        monkeypatch.delattr(torch.cpu, ask, raising=False)
    assert not multiplies_bfloat16("cpu")


@pytest.mark.parametrize(
    ("asked", "known", "kind"),
    [
        ("auto", (), torch.float32),
        ("auto", ASKS[:1], torch.bfloat16),
        ("float32", ASKS, torch.float32),
        ("bfloat16", (), torch.bfloat16),
    ],
)
def test_training_computes_in_the_quick_type(monkeypatch, tmp_path, asked, known, kind):
    processor(monkeypatch, *known)
    run = TrainingRun(CompactNet((4, 8)), TrainParams(precision=asked), tmp_path / "w.safetensors")
    kinds = []
    run.net.head.register_forward_hook(lambda net, given, out: kinds.append(out.dtype))
    images, targets = torch.rand(2, 1, 32, 32), torch.rand(2, 4, 32, 32)
    loss = run.update(images.to(run.device), targets)
    assert kinds == [kind] and loss > 0
