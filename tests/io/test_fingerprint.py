"""Fingerprints, small ones against hashlib."""

import hashlib
import shutil
from pathlib import Path

import pytest

from immunescape.errors import SlideError
from immunescape.io import fingerprint
from immunescape.io.fingerprint import whole_hash

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


def test_hidden_files_are_no_part_of_a_folder_but_those_of_zarr(tmp_path) -> None:
    folder = make_folder(tmp_path / "a.zarr", a_0=b"12", **{".zattrs": b"{}", "a_.zarray": b"{}"})
    base = fingerprint(folder)
    assert base.size_bytes == 6
    make_folder(folder, **{".DS_Store": b"x", "a_.0": b"x", ".b.tiles_0": b"x"})
    assert fingerprint(folder) == base
    with whole_hash(folder) as digest:
        assert digest() == base.sha256
    assert fingerprint(make_folder(folder, **{"a_.zarray": b"[]"})) != base


@pytest.mark.parametrize("start", [b"II*\0%s", b"MM\0*%s", b"II+\0\x08\0\0\0%s"])
def test_each_tile_of_a_large_mosaic_is_opened(tmp_path, start) -> None:
    """At its start, its middle, its end and its tags, wherever these are."""
    size, tags = 12 * 2**20, 5 * 2**20 + 7
    order, width = ("big", 4) if start[:1] == b"M" else ("little", 8 if b"+" in start else 4)
    folder = tmp_path / "P07"
    folder.mkdir()
    files = [folder / f"P07_{k:02d}_component_data.tif" for k in range(97)]

    def write(file: Path, *changes: int) -> None:
        sparse(file, size, *changes)
        with file.open("r+b") as handle:
            handle.write(start % tags.to_bytes(width, order))

    for file in files:
        write(file)
    base = fingerprint(folder)
    assert (base.size_bytes, base.method) == (97 * size, "sampled")
    seen = {base.sha256}
    for k, at in ((3, 20), (50, tags + 200), (50, tags + 40_000), (51, size // 2), (96, size - 1)):
        write(files[k], at)
        seen.add(fingerprint(folder).sha256)
        write(files[k])
    assert len(seen) == 6
    assert fingerprint(folder) == base


def test_missing_file_is_one_line(tmp_path) -> None:
    with pytest.raises(SlideError, match=r"^gone\.tif does not exist; check the path$"):
        fingerprint(tmp_path / "gone.tif")
