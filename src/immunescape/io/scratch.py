"""Planes too large for memory that live in files until the slide is done.

They can be sent to other processes that see the same files; each opens them by itself.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block
from immunescape.errors import OutputError

__all__ = ["FilePlane", "PatchPlane", "scratch_folder"]


@contextmanager
def scratch_folder(folder: Path | None = None) -> Iterator[Path]:
    """Give a folder for planes: the one named, which stays, or one that goes at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="immunescape-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@dataclass(frozen=True)
class FilePlane:
    """A ``(y, x)`` array in one file, which is mapped only while a part of it is read or written.

    So it never counts as memory of the process. What was never written takes no room on most file
    systems.

    Parameters
    ----------
    path
        The file.
    shape, dtype
        As of a numpy array.
    shared
        Whether processes of other machines read it, so that what is written must reach the disk
        at once.
    """

    path: Path
    shape: tuple[int, int]
    dtype: str
    shared: bool = True

    def clear(self) -> None:
        """Make it anew, of zeros."""
        self._mapped("w+")

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return np.array(self._mapped("r")[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        mapped = self._mapped("r+")
        mapped[key] = value
        if self.shared:
            mapped.flush()

    def _mapped(self, mode: Literal["r", "r+", "w+"]) -> "np.memmap[Any, Any]":
        return np.memmap(self.path, self.dtype, mode, shape=self.shape)


@dataclass(frozen=True)
class PatchPlane:
    """A ``(c, y, x)`` array of which each patch has a file, which is small where all is zero.

    A file appears whole or not at all, so that patches can be written by several processes.

    Parameters
    ----------
    folder
        Folder of the files.
    shape
        Channels, height and width.
    patch_px
        Edge of a patch.
    dtype
        Type of the values.
    """

    folder: Path
    shape: tuple[int, int, int]
    patch_px: int
    dtype: str = "float16"

    def write(self, patch: Block, part: Block | None, values: npt.NDArray[Any] | None) -> None:
        """Write a part of a patch, the rest of which is zero; without a part all of it is."""
        whole = np.zeros(0, self.dtype)
        if part is not None and values is not None:
            whole = np.zeros((self.shape[0], *patch.shape), self.dtype)
            rows, columns = part.inside(patch)
            whole[:, rows, columns] = values
        path = self._path(patch.y0, patch.x0)
        beside = path.with_name(f".{path.stem}.{os.getpid()}.npy")
        np.save(beside, whole)
        os.replace(beside, path)

    def read(self, block: Block) -> npt.NDArray[Any]:
        """Return the values of a block, ``(c, y, x)``.

        Raises
        ------
        OutputError
            If a patch was not written, or is damaged: it must not be taken for an empty one.
        """
        out = np.zeros((self.shape[0], *block.shape), self.dtype)
        edge = self.patch_px
        for top in range(block.y0 // edge * edge, block.y1, edge):
            for left in range(block.x0 // edge * edge, block.x1, edge):
                try:
                    stored = np.load(self._path(top, left), mmap_mode="r")
                except (OSError, ValueError, EOFError) as error:
                    raise OutputError(
                        "what an earlier run kept of the slide is damaged; give the same command "
                        "again, and it begins anew"
                    ) from error
                if not stored.size:
                    continue
                both = Block(
                    max(top, block.y0), min(top + edge, block.y1),
                    max(left, block.x0), min(left + edge, block.x1),
                )  # fmt: skip
                patch = Block(top, top + edge, left, left + edge)
                out[:, *both.inside(block)] = stored[:, *both.inside(patch)]
        return out

    def _path(self, top: int, left: int) -> Path:
        return self.folder / f"{top}-{left}.npy"
