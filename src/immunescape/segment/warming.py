"""Loading what the first preview needs, while a person still looks round the slide."""

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from immunescape.blocks import Block

__all__ = ["loops_beside", "uncollected", "warm_libraries", "warm_loops"]

_EDGE_PX = 48
_RADIUS_PX = 8
_LOGIT = 6.0


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let Python's collector rest while a large library is loaded, which leaves little garbage.

    It would look through the whole memory again and again, a quarter of a second each time in a
    window, and hold all threads up meanwhile.
    """
    resting = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not resting:
            gc.enable()


def warm_libraries() -> None:
    """Map torch's largest library into memory, for another thread; where it fails, torch tells.

    Python holds all other threads up while it loads a library, and this one, of hundreds of
    megabytes, takes tenths of a second to several seconds, by how fast the disk is. Asked of the
    system itself, the rest of the program goes on meanwhile.
    """
    if "torch" in sys.modules or os.name != "posix":
        return
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return
    ending = "dylib" if sys.platform == "darwin" else "so"
    library = Path(spec.origin).parent / "lib" / f"libtorch_cpu.{ending}"
    if library.is_file():
        system = ctypes.CDLL(None)  # calls into it let other threads run
        system.dlopen.restype = ctypes.c_void_p
        system.dlopen(os.fsencode(library), ctypes.c_int(os.RTLD_LAZY | os.RTLD_LOCAL))


@contextlib.contextmanager
def loops_beside() -> Iterator[None]:
    """Load the compiled loops on another thread, while this one loads a network.

    The first time both take a second and more, and mostly wait for different things.
    """
    with ThreadPoolExecutor(1) as beside:
        loops = beside.submit(warm_loops)
        yield
        loops.result()


def warm_loops() -> int:
    """Load the compiled loops of a preview by finding one nucleus in a made-up field.

    Returns
    -------
    int
        Number of nuclei found: 1. After installation the loops are compiled here, which takes
        some seconds once.
    """
    from immunescape.segment.grow import grow_cells
    from immunescape.segment.masks import masks_from_flows
    from immunescape.segment.sampling import Grid
    from immunescape.segment.stitch import candidates

    y, x = np.mgrid[:_EDGE_PX, :_EDGE_PX] - _EDGE_PX / 2
    away = np.hypot(y, x)
    inside = away < _RADIUS_PX
    pull = np.where(inside, -5.0 / np.maximum(away, 1.0), 0.0)
    flows = np.stack([pull * y, pull * x, np.where(inside, _LOGIT, -_LOGIT)]).astype(np.float32)
    # as strict as a threshold can be, so that the loop that drops nuclei is loaded as well
    masks_from_flows(flows, flow_threshold=1e-6)
    nuclei = masks_from_flows(flows)
    frame = Block(0, _EDGE_PX, 0, _EDGE_PX)
    found = list(candidates(nuclei, frame, frame, nuclei.shape))
    grid = Grid.between((2 * _EDGE_PX, 2 * _EDGE_PX), 0.25, 0.5)
    wide = grid.enlarge(nuclei, Block(0, 2 * _EDGE_PX, 0, 2 * _EDGE_PX))
    grow_cells(wide, np.zeros_like(wide), 0.25, 1.0)
    return len(found)
