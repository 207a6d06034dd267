"""Real tissue out of composite pictures, on pictures drawn here."""

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from immunescape.errors import LabelsError
from immunescape.segment.learning import train
from immunescape.segment.learning.composites import read_composites, unmixed, weak_labels
from immunescape.segment.learning.data import TISSUE, Field
from immunescape.segment.learning.patches import Patches
from immunescape.segment.learning.pool import Pool

BLUE, CYAN, WHITE, MAGENTA = (0, 0, 200), (0, 150, 150), (90, 90, 90), (160, 0, 128)


def plain(colour, side=24):
    return np.broadcast_to(np.uint8(colour), (side, side, 3))


@pytest.mark.parametrize(
    ("colour", "share", "left"),
    [(BLUE, 1.0, 200), (CYAN, 1.0, 0), (CYAN, 0.8, 30), (WHITE, 1.0, 0), (MAGENTA, 1.0, 0)],
)
def test_only_light_that_no_other_stain_explains_is_left(colour, share, left):
    np.testing.assert_allclose(unmixed(plain(colour), share), left, atol=1e-3)


def test_a_nucleus_under_a_cyan_stain_is_found_again():
    colours = plain(CYAN, 40).astype(int)
    colours[10:30, 10:30, 2] += 60
    stain = unmixed(colours.astype(np.uint8), 1.0)
    np.testing.assert_allclose(stain[14:26, 14:26], 60, atol=0.1)
    np.testing.assert_allclose(stain[:6], 0, atol=0.1)


def drawn():
    """Four labelled nuclei as bright as 40, 60, 80 and 100; beside them light and a dim glow."""
    nuclei = np.zeros((60, 60), np.int32)
    stain = np.zeros((60, 60), np.float32)
    for label, (y, x) in enumerate([(5, 5), (5, 35), (35, 5), (35, 20)], 1):
        nuclei[y : y + 10, x : x + 10] = label
        stain[y : y + 10, x : x + 10] = 20 * (label + 1)
    stain[40:50, 45:55] = 56.0  # brighter than the quarter point of 40, 60, 80, 100, which is 55
    stain[20:28, 20:28] = 54.0
    stain[4, 5:15] = 90.0  # glow of the first nucleus
    return stain, nuclei


def test_light_without_a_label_as_bright_as_nuclei_is_unknown():
    stain, nuclei = drawn()
    labels = weak_labels(stain, nuclei)
    expected = nuclei.copy()
    expected[40:50, 45:55] = -1
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.int32


def test_without_nuclei_nothing_is_unknown():
    stain, nuclei = drawn()
    np.testing.assert_array_equal(weak_labels(stain, 0 * nuclei), 0 * nuclei)


def written(folder, name="A_[1,2]", shape=(300, 280), seed=None):
    folder = folder / "tissue_masks"
    folder.mkdir(exist_ok=True)
    yy, xx = np.indices(shape)
    nuclei = np.where((yy % 20 < 14) & (xx % 20 < 14), yy // 20 * 20 + xx // 20 + 1, 0)
    if seed is not None:
        nuclei[np.random.default_rng(seed).random(nuclei.max() + 1)[nuclei] < 0.6] = 0
    pages = np.zeros((4, *shape), np.int32)
    pages[1], pages[3] = nuclei, nuclei == 0
    tifffile.imwrite(folder / f"{name}_binary_seg_maps.tif", pages, photometric="minisblack")
    colours = np.zeros((*shape, 3), np.uint8)
    colours[..., 2] = 180 * (nuclei > 0)
    imsave(folder / f"{name}_composite_image.jpg", colours, check_contrast=False)
    return nuclei


def test_a_composite_is_read_with_its_labels(tmp_path):
    nuclei = written(tmp_path)
    fields = read_composites(tmp_path)
    assert [f.name for f in fields] == ["A_[1,2]_binary_seg_maps.tif"] * 2
    for field in fields:
        np.testing.assert_array_equal(np.maximum(field.labels, 0), nuclei)
        assert field.kind == TISSUE and field.pixel_um == 0.5
        assert field.image[nuclei > 0].mean() > 4 * field.image[nuclei == 0].mean()


def test_no_composite_is_no_field(tmp_path):
    assert read_composites(tmp_path) == []


def test_a_composite_without_maps_or_of_another_size(tmp_path):
    written(tmp_path)
    maps = tmp_path / "tissue_masks" / "A_[1,2]_binary_seg_maps.tif"
    tifffile.imwrite(maps, np.zeros((4, 30, 28), np.int32), photometric="minisblack")
    with pytest.raises(LabelsError, match="the same field"):
        read_composites(tmp_path)
    maps.unlink()
    with pytest.raises(LabelsError, match=r"put A_\[1,2\]_binary_seg_maps.tif beside it"):
        read_composites(tmp_path)


def test_patches_of_tissue_weigh_nothing_where_labels_are_unknown(tmp_path):
    nuclei = written(tmp_path)
    labels = np.where(np.arange(280) < 140, nuclei, -1).astype(np.int32)
    stain = np.where(nuclei > 0, 1.0, 0.0).astype(np.float32)
    patches = Patches([Field("t", labels, stain, pixel_um=0.5, kind=TISSUE)], [], 64, tissue=1.0)
    weights = np.stack([patches.patch((0, k))[1][3] for k in range(8)])
    assert (weights == 0).any() and (weights > 0).any()


def test_a_field_held_out_for_its_geometry_is_not_taught_as_a_picture(tmp_path, monkeypatch):
    for seed, name in enumerate(("A", "B", "C")):
        written(tmp_path, name, seed=seed)
    seen = {}
    monkeypatch.setattr(train, "train_fields", lambda *fields, **_: seen.update(enumerate(fields)))
    train.train_compact(tmp_path, tmp_path / "w", train.TrainParams(validation=0.4, tissue=0.2))
    shown = {field.name for field in seen[0] if field.kind == TISSUE}
    held = {field.name for field in seen[2]}
    assert held and shown and not held & shown
    assert shown == {field.name for field in seen[1]}
    train.train_compact(tmp_path, tmp_path / "w", train.TrainParams(validation=0.4))
    assert not seen[0]


def test_patches_of_other_tissue_are_made_anew(tmp_path):
    told = []
    for bright in (1.0, 1.0, 2.0):
        labels = np.zeros((120, 120), np.int32)
        labels[40:60, 40:60] = 1
        stain = np.where(labels > 0, bright, 0.1).astype(np.float32)
        tissue = Field("t", labels, stain, pixel_um=0.5, kind=TISSUE)
        before = len(told)
        patches = Patches([tissue], [], 64, tissue=1.0)
        Pool(tmp_path / "pool", patches, 3, 0, 0, lambda *step: told.append(step))
        told.append(len(told) - before)
    assert [made for made in told if isinstance(made, int)] == [1, 0, 1]
