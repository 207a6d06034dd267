"""The compact flow network: a small U-Net that stands in for Cellpose's own networks.

Importing this module loads torch; import it inside functions only.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

__all__ = [
    "HALO_PX",
    "STRIDE_PX",
    "WIDTHS",
    "CompactNet",
    "folded",
    "load_weights",
    "save_weights",
]

STRIDE_PX = 16
"""Patches must start at multiples of this, in pixels of the network."""

HALO_PX = 112
"""No output pixel depends on input farther away than this (a test proves it)."""

WIDTHS = (48, 64, 96, 128)
"""Channels of the shipped network at each level, from half to a sixteenth of the resolution."""

_FOLD = 2
_INPUTS = 2
_OUTPUTS = 3
_LOG_GAIN = 20.0


class _Double(nn.Sequential):  # type: ignore[misc]
    """Two 3 x 3 convolutions, each with normalisation and rectification."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )


class CompactNet(nn.Module):  # type: ignore[misc]
    """Nuclear stain to flows, for images of about 0.5 µm per pixel.

    It answers all that Cellpose asks of a network (``device``, a settable ``dtype``, ``backbone``,
    ``diam_mean``, ``diam_labels``, ``save_model``, ``load_model``), but pools over nothing, so an
    output pixel depends on the input within ``HALO_PX`` alone.

    Parameters
    ----------
    widths
        Channels of each level; the first works on squares of two by two pixels folded into
        channels, each further one on half the resolution of the one before.

    Notes
    -----
    Of the three input channels the first is the nuclear stain, scaled so that the background is
    about 0 and the brightest nuclei about 1; the other two are ignored. Height and width must be
    multiples of ``STRIDE_PX``. Folding costs no resolution, since all four pixels of a square are
    given back, and spares the convolutions at full size, which take most of the time elsewhere.
    """

    backbone = "compact"

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        if not 2 <= len(widths) <= 4:
            raise ValueError(f"two to four levels are possible; widths are {widths}")
        self._dtype = torch.float32
        self.diam_mean = nn.Parameter(torch.tensor([18.0]), requires_grad=False)
        self.diam_labels = nn.Parameter(torch.tensor([18.0]), requires_grad=False)
        first = _INPUTS * _FOLD**2
        self.down = nn.ModuleList(
            _Double(a, b) for a, b in zip((first, *widths[:-1]), widths, strict=True)
        )
        self.reduce = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_Double(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], _OUTPUTS * _FOLD**2, 1)

    @property
    def device(self) -> Any:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> Any:
        """Type of the weights; setting it converts them."""
        return self._dtype

    @dtype.setter
    def dtype(self, value: Any) -> None:
        if value != self._dtype:
            self.to(value)
            self._dtype = value

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Return flows and cell probability ``(B, 3, h, w)``, and an empty style ``(B, 256)``.

        Parameters
        ----------
        x
            ``(B, 3, h, w)``; only the first channel is used.
        """
        stain = x[:, :1].clamp(-0.5, 4.0)
        dim = torch.log1p(_LOG_GAIN * stain.clamp(min=0.0)) / 3.0
        x = nn.functional.pixel_unshuffle(torch.cat([stain, dim], dim=1), _FOLD)
        skips = []
        for level, block in enumerate(self.down):
            if level:
                x = nn.functional.max_pool2d(x, 2)
            x = block(x)
            skips.append(x)
        x = skips.pop()
        for level in reversed(range(len(self.up))):
            x = nn.functional.interpolate(self.reduce[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips.pop(), x], dim=1))
        x = nn.functional.pixel_shuffle(self.head(x), _FOLD)
        return x, torch.zeros((x.shape[0], 256), dtype=x.dtype, device=x.device)

    def save_model(self, filename: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(self, Path(filename))

    def load_model(self, filename: str | Path, device: Any = None, strict: bool = True) -> None:
        """Replace the weights by those of a safetensors file of a network of the same widths."""
        from safetensors.torch import load_file

        self.load_state_dict(load_file(filename), strict=strict)
        if device is not None:
            self.to(device)


def save_weights(net: CompactNet, path: Path) -> None:
    """Write weights as safetensors, in float32 and independent of the device."""
    from safetensors.torch import save_file

    state = net.state_dict()
    tensors = {
        key: value.detach().to("cpu").to(_stored_type(value)).contiguous()
        for key, value in state.items()
    }
    save_file(tensors, path, metadata={"architecture": CompactNet.backbone})


def load_weights(path: Path) -> CompactNet:
    """Return the network with the weights of a safetensors file, ready to predict.

    Raises
    ------
    ValueError, KeyError, RuntimeError
        If the file holds something else; its widths are read from the shapes of its weights.
    """
    from safetensors.torch import load_file

    state = load_file(path)
    levels = sorted(key for key in state if key.startswith("down.") and key.endswith(".0.weight"))
    net = CompactNet(tuple(int(state[key].shape[0]) for key in levels))
    net.load_state_dict(state)
    net.eval()
    return net


def folded(net: CompactNet) -> CompactNet:
    """Return a copy for prediction whose normalisation is folded into the convolutions."""
    import copy

    from torch.nn.utils.fusion import fuse_conv_bn_eval

    net = copy.deepcopy(net).eval()
    for blocks in (net.down, net.up):
        for block in blocks:
            for conv, norm in ((0, 1), (3, 4)):
                block[conv] = fuse_conv_bn_eval(block[conv], block[norm])
                block[norm] = nn.Identity()
    return net


def _stored_type(value: Any) -> Any:
    return torch.float32 if value.is_floating_point() else value.dtype
