"""A compiler that torch loads on the way, kept out where it would end the whole program."""

import sys
from pathlib import Path

__all__ = ["hide_triton"]

_MAPS = Path("/proc/self/maps")


def hide_triton(maps: Path = _MAPS) -> None:
    """Keep triton from being imported where a graphics driver has loaded a compiler of its own.

    Without a graphics card, as on a virtual screen or a remote desktop, Mesa draws windows by
    LLVM, which it loads for the whole process. Triton, which torch imports where it is installed
    (to make an optimiser, and torchvision at its start), then runs into that LLVM in place of its
    own, and the process ends with a segmentation fault. Nothing here is compiled by triton; torch
    does without what it cannot import. Where triton was imported first, or no such driver is
    loaded, nothing happens.

    Parameters
    ----------
    maps
        What is loaded into the process, as Linux tells it; elsewhere there is no such file, and
        no triton.
    """
    if "triton" in sys.modules:
        return
    try:
        loaded = maps.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if "/libLLVM" in loaded:
        # what Python takes for a module that cannot be found
        sys.modules["triton"] = None  # type: ignore[assignment]
