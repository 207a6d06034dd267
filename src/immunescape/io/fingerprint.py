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

from immunescape.errors import SlideError

__all__ = ["Fingerprint", "fingerprint", "whole_hash"]

_FULL_BYTES = 2**30
_BLOCK = 2**20
_SAMPLES = 64


@dataclass(frozen=True)
class Fingerprint:
    """Size and hash of a file or folder; no name or path is part of it.

    Parameters
    ----------
    size_bytes
        Size of the file, or of all files of a folder.
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
    files = sorted(
        (Path(root, name).relative_to(folder).as_posix(), Path(root, name))
        for root, _, names in os.walk(folder)
        for name in names
    )
    sizes = [file.stat().st_size for _, file in files]
    total = sum(sizes)
    full = total <= full_bytes
    chosen = _places(total)
    digest = hashlib.sha256()
    start = 0
    for (name, file), size in zip(files, sizes, strict=True):
        digest.update(f"{name}\0{size}\0".encode())
        if full:
            _feed(digest, file, _pieces(size, True), stop)
        else:
            inside = [(max(a - start, 0), min(b - start, size)) for a, b in chosen]
            _feed(digest, file, ((a, b) for a, b in inside if a < b))
        start += size
    return Fingerprint(total, digest.hexdigest(), "full" if full else "sampled")


def _pieces(size: int, full: bool) -> Iterator[tuple[int, int]]:
    if full:
        yield from ((at, min(at + _BLOCK, size)) for at in range(0, size, _BLOCK))
    else:
        yield from _places(size)


def _places(size: int) -> list[tuple[int, int]]:
    """Intervals of the head, the sampled blocks and the tail of ``size`` bytes, in order."""
    last = size - _BLOCK
    starts = sorted({last * i // (_SAMPLES + 1) for i in range(_SAMPLES + 2)})
    return [(max(at, 0), min(max(at, 0) + _BLOCK, size)) for at in starts]


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
