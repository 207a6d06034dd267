"""Planes in files hold what was written, wherever they are read from."""

import pickle

import numpy as np
import pytest

from immunescape.blocks import Block, iter_blocks
from immunescape.errors import OutputError
from immunescape.io.scratch import FilePlane, PatchPlane, scratch_folder


def test_patches_are_read_across_their_borders(tmp_path):
    whole = np.random.default_rng(0).integers(1, 99, (3, 70, 50)).astype(np.float16)
    plane = PatchPlane(tmp_path, whole.shape, 20)
    patches = list(iter_blocks((70, 50), 20))
    for k, patch in enumerate(patches):
        if k == 4:  # nothing to see there
            whole[:, *patch.slices] = 0
            plane.write(patch, None, None)
            continue
        part = Block(patch.y0, patch.y1, patch.x0, patch.x0 + 7)
        whole[:, patch.y0 : patch.y1, patch.x0 + 7 : patch.x1] = 0
        plane.write(patch, part, whole[:, *part.slices])
    again = pickle.loads(pickle.dumps(plane))
    for block in (Block(0, 70, 0, 50), Block(13, 58, 19, 41), Block(20, 40, 20, 40), patches[4]):
        np.testing.assert_array_equal(again.read(block), whole[:, *block.slices])
    assert (tmp_path / "20-20.npy").stat().st_size < 200
    (tmp_path / "20-20.npy").write_bytes(b"")
    for _ in range(2):  # damaged, then missing: neither is taken for an empty patch
        with pytest.raises(OutputError, match="give the same command again"):
            plane.read(Block(0, 70, 0, 50))
        (tmp_path / "20-20.npy").unlink(missing_ok=True)


def test_a_plane_in_a_file_is_one_array_for_all(tmp_path):
    plane = FilePlane(tmp_path / "plane", (30, 20), "int32")
    plane.clear()
    other = pickle.loads(pickle.dumps(plane))
    plane[3:5, 2:4] = 7
    assert other[0:30, 0:20].sum() == 28 and other[4:6, 3:6].tolist() == [[7, 0, 0], [0, 0, 0]]
    plane.clear()
    assert not other[0:30, 0:20].any()


def test_a_named_folder_stays_and_another_goes(tmp_path):
    with scratch_folder(tmp_path / "a" / "b") as named:
        (named / "x").write_text("")
    assert (tmp_path / "a" / "b" / "x").exists()
    with pytest.raises(RuntimeError), scratch_folder() as made:
        (made / "x").write_text("")
        raise RuntimeError
    assert not made.exists()
