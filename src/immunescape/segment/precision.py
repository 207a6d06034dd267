"""In which type a network computes: half precision is quick only where the processor knows it."""

from typing import Literal

__all__ = ["Precision", "chosen_precision", "multiplies_bfloat16"]

Precision = Literal["auto", "float32", "bfloat16"]


def chosen_precision(asked: str, device: str) -> str:
    """Return ``float32`` or ``bfloat16``: the one asked for, of ``auto`` the quicker.

    Parameters
    ----------
    asked
        One of ``Precision``.
    device
        ``cpu``, ``cuda`` or ``mps``.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def multiplies_bfloat16(device: str) -> bool:
    """Tell whether bfloat16 is more than emulated there: emulated it takes ten times as long."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    asked = [
        getattr(torch.cpu, name, None)
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return any(ask is not None and ask() for ask in asked)
