"""The compact network: bounded sight, the same wherever a patch lies, at home in Cellpose."""

import numpy as np
import pytest
import torch

from immunescape.segment.models import COMPACT_WEIGHTS, load_model
from immunescape.segment.network import (
    HALO_PX,
    STRIDE_PX,
    CompactNet,
    folded,
    load_weights,
    save_weights,
)


@pytest.fixture(scope="module")
def net():
    return load_weights(COMPACT_WEIGHTS)


def batch(image):
    return torch.zeros(1, 3, *image.shape).index_copy(
        1, torch.tensor([0]), torch.from_numpy(image)[None, None]
    )


def test_size(net):
    assert 5e5 < sum(p.numel() for p in net.parameters()) < 2e6
    assert COMPACT_WEIGHTS.stat().st_size < 8e6


def test_no_output_depends_on_input_beyond_the_halo():
    """The gradient of one output pixel, with weights that let everything through."""
    net = CompactNet((4, 4, 4, 4)).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    side, reach = 352, 0
    for at in range(160, 160 + STRIDE_PX):
        x = torch.rand(1, 3, side, side, requires_grad=True)
        net(x)[0][0, :, at, at].sum().backward()
        ys, xs = np.nonzero(x.grad[0, 0].numpy())
        reach = max(reach, at - ys.min(), ys.max() - at, at - xs.min(), xs.max() - at)
        assert not x.grad[0, 1:].any()
    assert HALO_PX - STRIDE_PX < reach <= HALO_PX
    assert HALO_PX % STRIDE_PX == 0


def test_networks_of_other_sizes_come_back_from_their_files(tmp_path):
    small = CompactNet((8, 12, 16)).eval()
    save_weights(small, tmp_path / "small.safetensors")
    again = load_weights(tmp_path / "small.safetensors")
    image = batch(np.random.default_rng(0).random((64, 80), dtype=np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(again(image)[0], small(image)[0])
    with pytest.raises(ValueError, match="two to four levels"):
        CompactNet((8,))


def test_a_patch_with_its_halo_gives_what_the_whole_gives(net):
    image = np.random.default_rng(0).random((512, 448), dtype=np.float32)
    low, high = 128, 320
    outer = slice(low - HALO_PX, high + HALO_PX)
    assert low % STRIDE_PX == 0
    with torch.inference_mode():
        whole = net(batch(image))[0][0, :, low:high, low:high].numpy()
        part = net(batch(image[outer, outer]))[0][0, :, HALO_PX:-HALO_PX, HALO_PX:-HALO_PX].numpy()
    np.testing.assert_allclose(part, whole, atol=1e-4)


def test_folding_changes_nothing(net):
    image = np.random.default_rng(0).random((64, 80), dtype=np.float32)
    with torch.inference_mode():
        np.testing.assert_allclose(
            folded(net)(batch(image))[0], net(batch(image))[0], rtol=1e-3, atol=1e-3
        )


def test_cellpose_runs_it_as_one_of_its_own(net, tmp_path):
    from cellpose.core import run_net

    image = np.random.default_rng(0).random((200, 230), dtype=np.float32)
    stack = np.zeros((1, *image.shape, 3), np.float32)
    stack[0, ..., 0] = image
    flows, style = run_net(net, stack, bsize=224)
    assert flows.shape == (1, 200, 230, 3) and style.shape == (1, 256) and not style.any()
    assert net.backbone != "sam_vitl" and net.device.type == "cpu"
    assert {"diam_mean", "diam_labels"} <= dict(net.named_parameters()).keys()
    net.save_model(tmp_path / "w.safetensors")
    again = CompactNet().eval()
    again.load_model(tmp_path / "w.safetensors", device="cpu")
    again.dtype = torch.bfloat16
    assert next(again.parameters()).dtype == again.dtype == torch.bfloat16


def test_any_size_can_be_predicted():
    model = load_model("compact", device="cpu")
    for shape in ((1, 1), (7, 30), (64, 64)):
        assert model.predict(np.zeros(shape, np.float32)).shape == (3, *shape)
