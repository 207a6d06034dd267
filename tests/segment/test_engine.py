"""From a slide to labelled nuclei."""

from dataclasses import replace

import numpy as np
import pytest
import zarr

from immunescape.errors import ModelError, SlideError
from immunescape.segment import SegmentParams, engine, grow_cells, load_model, segment_nuclei
from immunescape.segment.score import match_labels
from immunescape.slide import Slide
from tests.segment.drawn import ellipses, stained


@pytest.fixture(scope="module")
def compact():
    return load_model("compact", device="cpu")


def slide(*images, pixel_size_um=0.5):
    names = tuple(f"DAPI_{k}" for k in range(1, len(images) + 1))
    return Slide("P07", (np.stack(images),), names, pixel_size_um)


def segment(slide, channels=("DAPI_1",), **params):
    out = np.full(slide.shape, -1, np.int32)
    model = params.pop("compact")
    result = segment_nuclei(slide, channels, out, SegmentParams(**params), model=model)
    assert np.unique(out[out > 0]).tolist() == list(range(1, result.count + 1))
    assert out.min() >= 0
    return out, result


def test_the_tile_size_changes_nothing(compact):
    """Neither 512 nor 2048 pixels cut, double or lose a nucleus, and neither does the frame."""
    truth = ellipses((1500, 1460), spacing=21, seed=5)
    image = slide(stained(truth, seed=5))
    small, _ = segment(image, tile_px=512, compact=compact)
    large, result = segment(image, tile_px=2048, compact=compact)
    same = match_labels(small, large, 0.9)
    assert same.hits >= 0.995 * max(small.max(), large.max())
    assert same.missed + same.extra <= 0.005 * large.max()
    found = match_labels(truth, large, 0.5)
    assert found.average_precision > 0.95, found
    assert result.model == "compact" and len(result.model_sha256) == 64
    assert result.device == "cpu" and result.threads >= 1 and not result.warnings


@pytest.mark.parametrize(("dtype", "peak"), [("uint8", 180), ("uint16", 9000), ("float32", 3.2)])
def test_any_type_of_pixels(compact, dtype, peak):
    truth = ellipses((180, 200), seed=1)
    image = np.clip((stained(truth) + 0.1) * peak, 0, None).astype(dtype)
    out, _ = segment(slide(image), compact=compact)
    assert match_labels(truth, out, 0.5).average_precision > 0.9


@pytest.mark.parametrize("value", [0, 700])
def test_a_constant_slide_has_no_nuclei(compact, value):
    image = np.full((300, 200), value, np.uint16)
    out, result = segment(slide(image), compact=compact)
    assert not out.any() and result.count == 0
    assert "DAPI_1 of P07 has no contrast" in result.warnings[0]


def test_gaps_in_the_image_are_background(compact):
    truth = ellipses((160, 160))
    image = stained(truth)
    image[:, :60] = np.nan
    out, _ = segment(slide(image), compact=compact)
    assert not out[:, :55].any()
    right = np.where(np.arange(160) >= 80, truth, 0)
    assert match_labels(right, np.where(np.arange(160) >= 80, out, 0)).average_precision > 0.85


def test_several_nuclear_stains_complete_each_other(compact):
    truth = ellipses((160, 180))
    odd = np.where(truth % 2, truth, 0)
    even = np.where(truth % 2, 0, truth)
    image = slide(stained(odd, 1) * 40, stained(even, 2) * 3000)
    alone, _ = segment(image, compact=compact)
    both, _ = segment(image, ("DAPI_1", "DAPI_2"), compact=compact)
    assert match_labels(odd, alone).average_precision > 0.9
    assert match_labels(truth, both).average_precision > 0.9


@pytest.mark.parametrize("pixel_size_um", [0.25, 0.325])
def test_finer_slides_are_labelled_at_their_own_resolution(compact, pixel_size_um):
    factor = 0.5 / pixel_size_um
    truth = ellipses((150, 150))
    shape = (int(150 * factor), int(150 * factor))
    where = [np.minimum((np.arange(n) + 0.5) / factor, 149).astype(int) for n in shape]
    fine = truth[np.ix_(*where)]
    out, _ = segment(slide(stained(fine), pixel_size_um=pixel_size_um), compact=compact)
    assert out.shape == shape
    assert match_labels(fine, out, 0.7).average_precision > 0.9
    tiled, _ = segment(
        slide(stained(fine), pixel_size_um=pixel_size_um), tile_px=256, compact=compact
    )
    np.testing.assert_array_equal(out, tiled)


def test_a_coarse_slide_is_warned_about(compact):
    out, result = segment(
        slide(stained(ellipses((100, 100)))[::2, ::2], pixel_size_um=1.0), compact=compact
    )
    assert out.any() and "touch may be found as one" in result.warnings[0]


def test_zarr_output_progress_and_growth(compact):
    truth = ellipses((300, 300))
    nuclei = zarr.create_array({}, shape=truth.shape, dtype="int32", chunks=(128, 128))
    cells = np.zeros(truth.shape, np.int32)
    told = []
    result = segment_nuclei(
        slide(stained(truth)),
        ("DAPI_1",),
        nuclei,
        SegmentParams(tile_px=256),
        progress=lambda *step: told.append(step),
        model=compact,
    )
    assert told[0] == ("flows", 1, 1) and ("nuclei", 4, 4) in told
    assert told[-1] == ("write nuclei", 1, 1)
    grow_cells(nuclei, cells, 0.5)
    assert np.unique(cells).tolist() == list(range(result.count + 1))
    assert (cells > 0).sum() > 1.3 * (nuclei[...] > 0).sum()


def test_small_nuclei_can_be_left_out(compact):
    truth = ellipses((150, 150))
    out, result = segment(slide(stained(truth)), min_area_um2=500, compact=compact)
    assert not out.any() and result.warnings == ("no nuclei were found in P07",)


def test_what_cannot_be_segmented_is_said():
    image = slide(np.zeros((20, 20), np.uint8))
    out = np.zeros((20, 20), np.int32)
    with pytest.raises(SlideError, match="no nuclear channel"):
        segment_nuclei(image, (), out)
    with pytest.raises(SlideError, match="no channel 'Hoechst'"):
        segment_nuclei(image, ("Hoechst",), out)
    with pytest.raises(ModelError, match=r"compactt is no model; give one of compact, cpsam_v2"):
        segment_nuclei(image, ("DAPI_1",), out, SegmentParams(model="compactt"))


def test_tiles_that_do_not_agree_are_told(compact, monkeypatch):
    """Of 700 nuclei across borders ten may be doubtful, and one in a hundred of more."""
    image = slide(stained(ellipses((120, 120), spacing=21, seed=5)))
    joined = engine.stitch

    def told(crossing, suspects):
        monkeypatch.setattr(
            engine, "stitch",
            lambda *a, **k: replace(joined(*a, **k), crossing=crossing, suspects=suspects),
        )  # fmt: skip
        _, result = segment(image, compact=compact)
        assert (result.crossing, result.suspects) == (crossing, suspects)
        return result.warnings

    assert told(700, 10) == told(5000, 50) == ()
    (warning,) = told(700, 11)
    assert (
        "on 11 of 700 nuclei of P07 across the borders of tiles the tiles do not agree" in warning
    )
