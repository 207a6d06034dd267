"""Patches made once and used many times: making one costs more than learning from it."""

import hashlib
import json
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Progress, silent
from immunescape.segment.learning.patches import Patches

__all__ = ["Pool"]

_CHUNK = 64
_STEP = 127.0
"""Unit flows are kept as whole steps of this fraction: off by 0.004 at most."""


class Pool:
    """Patches with their targets in files, whose number does not change.

    Parameters
    ----------
    folder
        Where they are kept (about 330 kB a patch of 256 x 256); what is there already is used if it
        was made from the same fields, seed and count.
    patches
        What makes them.
    count
        How many.
    seed
        Source of all chance.
    workers
        Processes that make them; 0 makes them here.
    progress
        Told the patches made.
    """

    def __init__(
        self,
        folder: Path,
        patches: Patches,
        count: int,
        seed: int,
        workers: int = 0,
        progress: Progress = silent,
    ) -> None:
        self.folder, self.count, self.size = folder, count, patches.size
        self._images: npt.NDArray[np.float16] = np.empty(0, dtype=np.float16)
        self._targets: npt.NDArray[np.int8] = np.empty(0, dtype=np.int8)
        made = _fingerprint(patches, count, seed)
        note = folder / "made.json"
        if not (note.exists() and json.loads(note.read_text(encoding="utf-8")) == made):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._make(patches, seed, workers, progress)
            note.write_text(json.dumps(made), encoding="utf-8")
        self._images = np.load(folder / "images.npy", mmap_mode="r")
        self._targets = np.load(folder / "targets.npy", mmap_mode="r")

    def batch(
        self, numbers: npt.NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return patches, each cropped, turned and mirrored at random.

        Parameters
        ----------
        numbers
            Which patches, ``(b,)``.
        size
            Edge of the crops, at most that of the patches.
        rng
            Source of all chance.

        Returns
        -------
        tuple of numpy.ndarray
            Images ``(b, 1, s, s)`` and targets ``(b, 4, s, s)``, as ``Patches`` gives them.
        """
        images = np.empty((len(numbers), 1, size, size), dtype=np.float32)
        targets = np.empty((len(numbers), 4, size, size), dtype=np.float32)
        for k, number in enumerate(numbers):
            y, x = rng.integers(0, self.size - size + 1, 2)
            rows, columns = slice(y, y + size), slice(x, x + size)
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            gain = np.exp(rng.normal(0.0, 0.1))
            image = self._images[number, :, rows, columns].astype(np.float32) * np.float32(gain)
            target = self._targets[number, :, rows, columns].astype(np.float32)
            target[:2] /= _STEP
            images[k], targets[k] = turned(image, target, turns, mirror=mirror)
        return images, targets

    def remove(self) -> None:
        """Delete the files."""
        self._images, self._targets = np.empty(0, np.float16), np.empty(0, np.int8)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self, patches: Patches, seed: int, workers: int, progress: Progress) -> None:
        images, targets = (
            _opened(self.folder / name, kind, (self.count, layers, self.size, self.size))
            for name, kind, layers in (("images.npy", np.float16, 1), ("targets.npy", np.int8, 4))
        )
        parts = [(k, min(k + _CHUNK, self.count)) for k in range(0, self.count, _CHUNK)]
        if not workers:
            _begin(patches, seed)
            made: Any = map(_chunk, parts)
            for (start, stop), (some, more) in zip(parts, made, strict=True):
                images[start:stop], targets[start:stop] = some, more
                progress("patches", stop, self.count)
            return
        with ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_begin_apart, initargs=(patches, seed)
        ) as pool:
            for (start, stop), (some, more) in zip(parts, pool.map(_chunk, parts), strict=True):
                images[start:stop], targets[start:stop] = some, more
                progress("patches", stop, self.count)


def _opened(file: Path, kind: type, shape: tuple[int, ...]) -> Any:
    from numpy.lib.format import open_memmap

    return open_memmap(file, "w+", kind, shape)  # type: ignore[no-untyped-call]


def turned(
    image: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
    turns: int,
    *,
    mirror: bool,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Turn a patch by quarters, after mirroring it left to right, with its flows.

    Parameters
    ----------
    image, target
        ``(1, s, s)`` and ``(4, s, s)``, the first two of the target being flows along y and x.
    turns
        Quarter turns, anticlockwise as one looks at a picture whose rows go down.
    mirror
        Whether to mirror first.
    """
    if mirror:
        image, target = image[..., ::-1], target[..., ::-1].copy()
        target[1] *= -1
    for _ in range(turns % 4):
        image = np.rot90(image, axes=(1, 2))
        target = np.rot90(target, axes=(1, 2)).copy()
        # What pointed right points up.
        target[0], target[1] = -target[1], target[0].copy()
    return image, target


_maker: tuple[Patches, int] | None = None


def _begin(patches: Patches, seed: int) -> None:
    global _maker
    _maker = (patches, seed)


def _begin_apart(patches: Patches, seed: int) -> None:
    """Leave an interrupt to the process that waits: it says what happened, in one line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _begin(patches, seed)


def _chunk(part: tuple[int, int]) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int8]]:
    assert _maker is not None
    patches, seed = _maker
    images, targets = zip(*(patches.patch((seed, k)) for k in range(*part)), strict=True)
    whole = np.stack(targets)
    whole[:, :2] *= _STEP
    return np.stack(images).astype(np.float16), np.rint(whole).astype(np.int8)


def _fingerprint(patches: Patches, count: int, seed: int) -> dict[str, Any]:
    digest = hashlib.sha256()
    for field in (*patches.real, *patches.made, *patches.tissue, *patches.drawn):
        digest.update(field.name.encode())
        digest.update(field.labels.tobytes())
        if field.image is not None:
            digest.update(field.image.tobytes())
    shares = [*patches.shares, patches.crowded, patches.deep]
    return {"count": count, "seed": seed, "size": patches.size, "shares": shares,
            "fields": digest.hexdigest()}  # fmt: skip
