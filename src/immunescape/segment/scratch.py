"""Planes too large for memory that live in a temporary file until the slide is done."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Scratch", "scratch"]


Scratch = Callable[[tuple[int, ...], npt.DTypeLike], Any]
"""Makes a plane of zeros of a shape and type."""


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Give a maker of planes whose files are deleted at the end.

    The planes are numpy arrays mapped onto files: the system keeps in memory what it has room
    for, and what was never written takes no room on most file systems.
    """
    with tempfile.TemporaryDirectory(prefix="immunescape-", ignore_cleanup_errors=True) as folder:
        made: list[np.memmap[Any, Any]] = []

        def plane(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
            made.append(np.memmap(Path(folder) / f"{len(made)}", dtype, "w+", shape=shape))
            return made[-1]

        try:
            yield plane
        finally:
            made.clear()
