"""What tells one input file from another, without reading hundreds of gigabytes."""

import hashlib
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from immunescape.errors import SlideError
from immunescape.io.mosaic_tiles import tile_paths
from immunescape.io.ome_zarr import is_zarr
from immunescape.threads import allotted_threads

__all__ = ["Fingerprint", "fingerprint", "whole_hash"]

_FULL_BYTES = 2**30
_BLOCK = 2**20
_SAMPLES = 64
_TILE_BLOCK = 2**15
_BEFORE_TAGS, _AFTER_TAGS = 2**13, 2**16 - 2**13
"""Values of tags lie behind the list of them, or just before it; a long description among them."""
_READERS = 8
_OF_ZARR = frozenset({".zgroup", ".zattrs", ".zarray", ".zmetadata"})


@dataclass(frozen=True)
class Fingerprint:
    """Size and hash of a file or folder; no name or path is part of it.

    Parameters
    ----------
    size_bytes
        Size of the file, or of all files of a folder that are part of the slide.
    sha256
        Hash in hexadecimal digits.
    method
        ``full`` if every byte was hashed, ``sampled`` if only parts of a large input were.
    """

    size_bytes: int
    sha256: str
    method: Literal["full", "sampled"]


def fingerprint(path: str | Path) -> Fingerprint:
    """Return the fingerprint of a file or a folder.

    Up to 1 GiB every byte counts. Of a larger file the size, the first and last MiB and 64 blocks
    of 1 MiB spread evenly between them are hashed. A folder's is made of the sorted names of its
    files, relative to it, with their sizes and contents under the same limit for the sum.

    Of a folder of tiles these are the tiles, whatever lies beside them; of other folders all files
    that are not hidden. Of a larger folder of tiles, too, each tile is opened: its start, middle,
    end and the tags of its first page, which say where it lies, are hashed.

    Raises
    ------
    SlideError
        If there is no such file or it cannot be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _of_folder(path, _FULL_BYTES)
        size = path.stat().st_size
        full = size <= _FULL_BYTES
        digest = hashlib.sha256()
        if not full:
            digest.update(size.to_bytes(8, "little"))
        _feed(digest, path, _pieces(size, full))
    except FileNotFoundError:
        raise SlideError(f"{path.name} does not exist; check the path") from None
    except OSError:
        raise SlideError(f"{path.name} cannot be read; check its permissions") from None
    return Fingerprint(size, digest.hexdigest(), "full" if full else "sampled")


@contextmanager
def whole_hash(path: Path) -> Iterator[Callable[[], str]]:
    """Hash every byte of a file or folder beside what the block does.

    Parameters
    ----------
    path
        The input, however large. Up to the limit of `fingerprint` its hash is the same.

    Yields
    ------
    callable
        Waits for the hash and returns it in hexadecimal digits; empty if the input can no longer
        be read. When the block ends, hashing does too.
    """
    stop = threading.Event()

    def digest() -> str:
        try:
            return _whole(path, stop)
        except OSError:
            return ""

    pool = ThreadPoolExecutor(1)
    try:
        yield pool.submit(digest).result
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _whole(path: Path, stop: threading.Event) -> str:
    if path.is_dir():
        return _of_folder(path, math.inf, stop).sha256
    digest = hashlib.sha256()
    _feed(digest, path, _pieces(path.stat().st_size, True), stop)
    return digest.hexdigest()


def _of_folder(
    folder: Path, full_bytes: float, stop: threading.Event | None = None
) -> Fingerprint:  # fmt: skip
    tiles = [] if is_zarr(folder) else tile_paths(folder)
    files = [(file.name, file) for file in tiles] or _files(folder)
    sizes = [file.stat().st_size for _, file in files]
    total = sum(sizes)
    digest = hashlib.sha256()
    if total <= full_bytes:
        for (name, file), size in zip(files, sizes, strict=True):
            digest.update(f"{name}\0{size}\0".encode())
            _feed(digest, file, _pieces(size, True), stop)
        return Fingerprint(total, digest.hexdigest(), "full")
    chosen = _places(total)
    starts = np.cumsum([0, *sizes[:-1]]).tolist()

    def sampled(file: Path, size: int, start: int) -> bytes:
        inside = ((max(a - start, 0), min(b - start, size)) for a, b in chosen)
        pieces = [(a, b) for a, b in inside if a < b]
        pieces += _of_tile(file, size) if tiles else []
        part = hashlib.sha256()
        if pieces:
            _feed(part, file, iter(pieces), stop)
        return part.digest()

    with ThreadPoolExecutor(min(allotted_threads(), _READERS)) as pool:
        parts = pool.map(sampled, (file for _, file in files), sizes, starts)
        for (name, _), size, part in zip(files, sizes, parts, strict=True):
            digest.update(f"{name}\0{size}\0".encode() + part)
    return Fingerprint(total, digest.hexdigest(), "sampled")


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Return all files of a folder but hidden ones, which other programs leave, by name."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = (n for n in names if not n.startswith(".") or n in _OF_ZARR)
        found += [Path(root, name) for name in shown]
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def _of_tile(file: Path, size: int) -> list[tuple[int, int]]:
    """Intervals of one tile among many: start, middle, end, and the tags of its first page."""
    pieces = _places(size, _TILE_BLOCK, 1)
    with file.open("rb") as handle:
        start = handle.read(16)
    order: Literal["little", "big"] = "big" if start[:2] == b"MM" else "little"
    wide = start[2:4] in (b"+\0", b"\0+")
    tags = int.from_bytes(start[8:16] if wide else start[4:8], order)
    if tags < size:
        pieces.append((max(tags - _BEFORE_TAGS, 0), min(tags + _AFTER_TAGS, size)))
    return pieces


def _pieces(size: int, full: bool) -> Iterator[tuple[int, int]]:
    if full:
        yield from ((at, min(at + _BLOCK, size)) for at in range(0, size, _BLOCK))
    else:
        yield from _places(size)


def _places(
    size: int, block: int = _BLOCK, samples: int = _SAMPLES
) -> list[tuple[int, int]]:  # fmt: skip
    """Intervals of the head, the sampled blocks and the tail of ``size`` bytes, in order."""
    last = max(size - block, 0)
    starts = sorted({last * i // (samples + 1) for i in range(samples + 2)})
    return [(at, min(at + block, size)) for at in starts]


def _feed(
    digest: "hashlib._Hash",
    path: Path,
    pieces: Iterator[tuple[int, int]],
    stop: threading.Event | None = None,
) -> None:
    with path.open("rb") as handle:
        for begin, end in pieces:
            if stop is not None and stop.is_set():
                return
            handle.seek(begin)
            digest.update(handle.read(end - begin))
