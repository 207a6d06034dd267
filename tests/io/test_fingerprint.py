"""Fingerprints, small ones against hashlib."""

import hashlib
import shutil
from pathlib import Path

import pytest

from immunescape.errors import SlideError
from immunescape.io import fingerprint

GIB = 2**30


def test_small_file_is_hashed_whole(tmp_path) -> None:
    path = tmp_path / "a.tif"
    data = bytes(range(256)) * 10_000
    path.write_bytes(data)
    result = fingerprint(path)
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert (result.size_bytes, result.method) == (len(data), "full")
    assert fingerprint(shutil.copy(path, tmp_path / "other name.tif")) == result


def test_empty_file(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert fingerprint(tmp_path / "a").sha256 == hashlib.sha256(b"").hexdigest()


def sparse(path: Path, size: int, *changes: int) -> Path:
    with path.open("wb") as handle:
        handle.truncate(size)
        for at in changes:
            handle.seek(at)
            handle.write(b"x")
    return path


def test_large_file_is_sampled_at_both_ends_and_between(tmp_path) -> None:
    size = 2 * GIB
    path = tmp_path / "a.tif"
    base = fingerprint(sparse(path, size))
    assert (base.size_bytes, base.method) == (size, "sampled")
    middle = (size - 2**20) * 20 // 65 + 5
    results = {base} | {fingerprint(sparse(path, size, at)) for at in (0, size - 1, middle)}
    results.add(fingerprint(sparse(path, size + 1)))
    assert len(results) == 5
    assert fingerprint(sparse(path, size)) == base


def make_folder(path: Path, **files: bytes) -> Path:
    for name, data in files.items():
        file = path.joinpath(*name.split("_"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path


def test_folder_depends_on_names_and_contents_not_on_place(tmp_path) -> None:
    one = fingerprint(make_folder(tmp_path / "one", a_0=b"12", a_1=b"3", b=b""))
    assert one.size_bytes == 3
    assert fingerprint(make_folder(tmp_path / "else where", b=b"", a_1=b"3", a_0=b"12")) == one
    others = [
        make_folder(tmp_path / "moved", a_0=b"1", a_1=b"23", b=b""),
        make_folder(tmp_path / "renamed", a_0=b"12", a_2=b"3", b=b""),
        make_folder(tmp_path / "less", a_0=b"12", a_1=b"3"),
    ]
    assert len({one, *map(fingerprint, others)}) == 4


def test_large_folder_is_sampled(tmp_path) -> None:
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    sparse(folder / "0", GIB)
    sparse(folder / "1", GIB)
    base = fingerprint(folder)
    assert base.method == "sampled"
    sparse(folder / "1", GIB, GIB - 1)
    assert fingerprint(folder) != base


def test_missing_file_is_one_line(tmp_path) -> None:
    with pytest.raises(SlideError, match=r"^gone\.tif does not exist; check the path$"):
        fingerprint(tmp_path / "gone.tif")
