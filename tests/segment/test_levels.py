import numpy as np
import pytest

from immunescape.blocks import Block
from immunescape.segment.levels import Levels, slide_levels
from immunescape.segment.predict import Stain
from immunescape.segment.sampling import Grid
from immunescape.slide import Imaged, Slide


def slide(image):
    return Slide("s", (image[None],), ("DAPI",), 0.5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_small_slide_is_read_whole(dtype):
    image = np.random.default_rng(0).integers(0, 250, (300, 400)).astype(dtype)
    levels = slide_levels(slide(image), "DAPI", (1, 99))
    assert (levels.low, levels.high) == tuple(np.percentile(image, (1, 99)))


def test_a_large_slide_is_sampled_all_over():
    class Lazy:
        shape, dtype = (1, 40_000, 51_200), np.dtype("uint16")
        seen = []

        def __getitem__(self, key):
            _, rows, columns = key
            self.seen.append((rows.start, columns.start))
            return np.full((rows.stop - rows.start, columns.stop - columns.start),
                           columns.start // 256, "uint16")  # fmt: skip

    levels = slide_levels(Slide("s", (Lazy(),), ("DAPI",), 0.5), "DAPI", (0, 100))
    assert len(Lazy.seen) == 64
    rows, columns = np.array(Lazy.seen).T
    assert rows.min() == 0 and rows.max() > 39_000
    assert np.ptp(columns) > 0.8 * 51_200 and levels.high > levels.low
    assert len(np.unique(columns)) == len(np.unique(rows)) == 8


def test_gaps_and_constants():
    image = np.full((20, 20), np.nan, np.float32)
    assert slide_levels(slide(image), "DAPI") == Levels(0.0, 0.0)
    image[:10] = 7
    flat = slide_levels(slide(image), "DAPI")
    assert not flat.apply(image).any()
    image[3] = 11
    out = slide_levels(slide(image), "DAPI").apply(image)
    assert out.dtype == np.float32 and np.isfinite(out).all()
    assert out[10:].max() == 0 and out[3].min() == pytest.approx(1)
    spike = np.array([[-1e9, 0, 1, 1e9]], np.float32)
    np.testing.assert_array_equal(Levels(0, 1).apply(spike), [[-0.5, 0, 1, 4]])


def test_the_network_sees_the_dark_of_the_frame_where_nothing_was_imaged():
    image = np.random.default_rng(3).normal(500, 40, (64, 96)).astype(np.float32)
    image[:, 40:60] = 0
    imaged = Imaged(np.array([[0, 64, 0, 40], [0, 64, 60, 96]]))
    made = Slide("s", (image[None],), ("DAPI",), 0.5, imaged=imaged)
    levels = slide_levels(made, "DAPI")
    assert levels.low > 300
    shown = Stain(made, ("DAPI",), [levels], Grid((64, 96), 1.0)).read(Block(0, 64, 0, 96))
    assert (shown[:, 40:60] == 0).all()
    np.testing.assert_array_equal(shown[:, :40], levels.apply(image[:, :40]))
    np.testing.assert_array_equal(shown[:, 60:], levels.apply(image[:, 60:]))
