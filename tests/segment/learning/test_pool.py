"""Patches made once: the same whoever makes them, and turned together with their flows."""

import numpy as np
import pytest

from immunescape.segment.flows import label_flows
from immunescape.segment.learning.data import SIMULATED, TISSUE, Field, read_pairs, scaled
from immunescape.segment.learning.patches import Patches
from immunescape.segment.learning.pool import Pool, turned
from tests.segment.drawn import ellipses, stained


def fields():
    made = []
    for k in range(3):
        labels = ellipses((150, 140), seed=k)
        made.append(Field(f"{k}", labels, stained(labels, k), pixel_um=0.5, kind="drawn"))
    return made


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turned_flows_are_the_flows_of_what_was_turned(turns, mirror):
    labels = ellipses((96, 96), seed=4)
    target = np.concatenate([label_flows(labels), np.ones((2, 96, 96), np.float32)])
    image, moved = turned(labels[None].astype(np.float32), target, turns, mirror=mirror)
    np.testing.assert_allclose(moved[:2], label_flows(image[0].astype(int)), atol=0.02)


def test_a_pool_gives_what_the_patches_were(tmp_path):
    patches = Patches(fields(), [], 96)
    pool = Pool(tmp_path / "pool", patches, 5, seed=3)
    image, target = patches.patch((3, 4))
    rng = np.random.default_rng(0)
    found = pool.batch(np.array([4] * 40), 96, rng)
    gain = found[0].sum(axis=(1, 2, 3)) / image.sum()
    for k in range(40):
        straight = found[0][k] / gain[k]
        if np.allclose(straight, image, atol=5e-3):
            np.testing.assert_allclose(found[1][k], target, atol=0.005)
            break
    else:
        pytest.fail("none of forty was left as it is")
    assert 0.6 < gain.min() < gain.max() < 1.6
    small, _ = pool.batch(np.array([0, 1]), 64, rng)
    assert small.shape == (2, 1, 64, 64)
    pool.remove()
    assert not (tmp_path / "pool").exists()


def test_processes_change_nothing_and_what_is_there_is_used(tmp_path):
    patches = Patches(fields(), [], 64)
    told = []
    pools = [
        Pool(tmp_path / f"{workers}", patches, 70, 1, workers, lambda *step: told.append(step))
        for workers in (0, 1)
    ]
    a, b = (pool.batch(np.arange(70), 64, np.random.default_rng(5)) for pool in pools)
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert told[-1] == ("patches", 70, 70)
    before = len(told)
    Pool(tmp_path / "0", patches, 70, 1, 0, lambda *step: told.append(step))
    assert len(told) == before
    Pool(tmp_path / "0", patches, 70, 2, 0, lambda *step: told.append(step))
    assert len(told) > before


def test_each_source_has_its_share():
    drawn = [Field("d", ellipses((200, 200)))]
    simulated = [Field("s", f.labels, f.image, pixel_um=0.5, kind=SIMULATED) for f in fields()]
    tissue = [Field("t", f.labels, f.image, pixel_um=0.5, kind=TISSUE) for f in fields()]
    every = fields() + simulated + tissue
    patches = Patches(every, drawn, 64, rendered=0.3, simulated=0.2, tissue=0.1)
    assert patches.shares == pytest.approx((0.4, 0.2, 0.1, 0.3))
    assert Patches(fields(), [], 64, rendered=0.3, simulated=0.2).shares == (1.0, 0.0, 0.0, 0.0)
    assert Patches(tissue, [], 64, rendered=0.3, simulated=0.2).shares == (0.0, 0.0, 1.0, 0.0)
    assert Patches([], drawn, 64, rendered=0.0).shares == (0.0, 0.0, 0.0, 1.0)
    assert not Patches([], [], 64)


def test_rare_kinds_come_more_often_than_their_number_tells():
    labels = np.ones((80, 80), np.int32)
    common = [Field(f"c{k}", labels, np.zeros((80, 80), np.float32), kind="c") for k in range(16)]
    rare = Field("r", labels, np.ones((80, 80), np.float32), kind="r")
    patches = Patches([*common, rare], [], 16)
    rng = np.random.default_rng(0)
    drawn = [patches._choose(rng, patches.real).kind for _ in range(2000)]
    assert drawn.count("r") / 2000 == pytest.approx(1 / (1 + np.sqrt(16)), abs=0.03)


def test_what_was_not_annotated_is_marked_and_is_no_nucleus():
    labels = ellipses((120, 120), seed=1)
    labels[:, 60:] = -1
    patches = Patches([Field("p", labels, stained(np.maximum(labels, 0)), pixel_um=0.5)], [], 96)
    seen = [patches.patch((0, k))[1] for k in range(8)]
    assert any((target[3] == 0).any() and target[2].any() for target in seen)
    for target in seen:
        assert not target[:3, target[3] == 0].any()


def test_a_known_pixel_size_decides_the_scale():
    labels = np.kron(ellipses((60, 60)), np.ones((2, 2), int)).astype(np.int32)
    image = labels.astype(np.float32)
    assert scaled(Field("a", labels, image, pixel_um=0.25)).labels.shape == (60, 60)
    assert scaled(Field("a", labels, image, pixel_um=0.5)).labels.shape == (120, 120)
    area = np.bincount(scaled(Field("a", labels, image)).labels.ravel())[1:]
    assert np.median(np.sqrt(area * 4 / np.pi)) == pytest.approx(18, abs=1)
    fine = scaled(Field("a", labels, image, pixel_um=0.5), 0.25)
    assert fine.labels.shape == (240, 240) and fine.pixel_um == 0.25


def test_pairs_take_their_kind_from_their_size_unless_told(tmp_path):
    import tifffile

    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
        tifffile.imwrite(tmp_path / sub / "a.tif", np.zeros((7, 9), "uint8"))
    assert read_pairs(tmp_path)[0].kind == "7 x 9"
    made = read_pairs(tmp_path, SIMULATED, 0.5)[0]
    assert (made.kind, made.pixel_um) == (SIMULATED, 0.5)


def test_a_picture_that_is_levelled_stays_as_it_is():
    """Half as bright as its slide: so it is seen by the engine, and so it is taught."""
    labels = ellipses((160, 160), seed=1)
    dim = np.float32(0.5) * (labels > 0).astype(np.float32)
    seen = {}
    for levelled in (False, True):
        patches = Patches([Field("p", labels, dim, pixel_um=0.5, levelled=levelled)], [], 96)
        seen[levelled] = np.median([patches.patch((3, k))[0].max() for k in range(30)])
    assert 0.35 < seen[True] < 0.65 < 0.8 < seen[False]
