import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops_table

from immunescape.errors import LabelsError, ParameterError, SlideError
from immunescape.measure import MeasureParams, measure_cells
from immunescape.panel import Panel, Stain
from immunescape.slide import Slide

CELL = Stain(channel="c0", marker="sox10", compartment="nucleus")
MEMBRANE = Stain(channel="c1", marker="pdl1", compartment="membrane")


def draw(picture):
    """Turn a drawing into labels: digits are labels, a dot is background."""
    rows = [line.strip() for line in picture.strip().splitlines()]
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], np.int32)


def slide_of(*channels, pixel_size_um=1.0):
    names = tuple(f"c{i}" for i in range(len(channels)))
    return Slide("drawn", (np.stack(channels),), names, pixel_size_um)


def measure(cells, *channels, nuclei=None, pixel_size_um=1.0, stains=(CELL, MEMBRANE), **params):
    channels = channels or (np.zeros(cells.shape, np.uint8),) * len(stains)
    slide = slide_of(*channels, pixel_size_um=pixel_size_um)
    return measure_cells(slide, nuclei, cells, Panel(stains), MeasureParams(**params)).frame


def scattered(seed, shape=(150, 170), n=60, holes=0.03):
    """Draw discs in random order with pixels knocked out, labels far apart."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    nuclei = np.zeros(shape, np.int32)
    for label in rng.choice(90_000, n, replace=False) + 1:
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(1, 14)
        far = np.hypot(y - cy, (x - cx) * rng.uniform(0.5, 2))
        labels[far < r] = label
        nuclei[far < r / 2] = label
    labels[rng.random(shape) < holes] = 0
    return labels, nuclei


def brute_rim(labels, width_px):
    """Find the rim by looking at every pixel within reach of every pixel."""
    height, width = labels.shape
    k = int(np.ceil(width_px + 0.5))
    rim = np.zeros(labels.shape, bool)
    for dy in range(-k, k + 1):
        for dx in range(-k, k + 1):
            nearest = np.hypot(max(abs(dy) - 0.5, 0), max(abs(dx) - 0.5, 0))
            if nearest > max(width_px, 0.5) + 1e-9:
                continue
            y = slice(max(0, -dy), min(height, height - dy))
            x = slice(max(0, -dx), min(width, width - dx))
            there = labels[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
            rim[y, x] |= labels[y, x] != there
    return rim & (labels > 0)


def test_positions_and_areas_of_a_drawing():
    cells = draw("""
        11...
        11.22
        ...22
    """)
    frame = measure(cells, pixel_size_um=0.5)
    assert frame.index.tolist() == [1, 2]
    assert frame["x_um"].tolist() == [0.5, 2.0]
    assert frame["y_um"].tolist() == [0.5, 1.0]
    assert frame["area_um2"].tolist() == [1.0, 1.0]
    assert frame["touches_frame"].tolist() == [True, True]
    assert frame["solidity"].tolist() == [1.0, 1.0]
    assert frame["eccentricity"].tolist() == [0.0, 0.0]


def test_touching_the_frame_takes_an_outermost_pixel():
    cells = draw("""
        ....3
        .11..
        2....
        ....4
        ..5..
    """)
    frame = measure(cells)
    assert frame["touches_frame"].tolist() == [False, True, True, True, True]


def test_compartments_of_a_drawing():
    cells = draw("""
        .........
        .1111111.
        .1111111.
        .1111111.
        .1111111.
        .1111111.
        .1111111.
        .1111111.
        .........
    """)
    nuclei = np.zeros_like(cells)
    nuclei[4, 3:6] = 1
    nuclei[0, 0] = 1
    nuclei[8, 8] = 7
    values = np.zeros(cells.shape, np.uint8)
    values[1:8, 1:8] = 10
    values[2:7, 2:7] = 20
    values[4, 3:6] = 50
    frame = measure(cells, values, values, nuclei=nuclei, membrane_width_um=1.0)
    row = frame.loc[1]
    assert row["nucleus_area_um2"] == 3
    assert row["sox10_nucleus_mean"] == 50
    assert row["sox10_cytoplasm_mean"] == pytest.approx((24 * 10 + 22 * 20) / 46)
    assert row["sox10_membrane_mean"] == 10
    assert row["pdl1_inner_mean"] == 20
    assert "sox10_inner_mean" not in row
    assert row["sox10_cell_mean"] == pytest.approx((24 * 10 + 22 * 20 + 3 * 50) / 49)
    assert frame.index.tolist() == [1]


def test_the_rim_follows_neighbours_and_background_but_not_the_frame():
    cells = draw("""
        1111112222
        1111112222
        1111112222
        1111112222
        ..........
    """)
    # One pixel is 0.5 µm: the rim is two pixels wide. It is marked x here.
    rim = np.array(
        [
            [c == "x" for c in row]
            for row in (
                "....xxxx..",
                "....xxxx..",
                "xxxxxxxxxx",
                "xxxxxxxxxx",
                "..........",
            )
        ]
    )
    frame = measure(cells, rim.astype(np.uint8), rim.astype(np.uint8), pixel_size_um=0.5)
    assert frame["pdl1_membrane_mean"].tolist() == [1.0, 1.0]
    n_rim = [rim[cells == 1].mean(), rim[cells == 2].mean()]
    assert frame["pdl1_cell_mean"].tolist() == pytest.approx(n_rim)


@pytest.mark.parametrize("width", [0.2, 1.0, 2.0, 3.7])
def test_the_rim_equals_a_search_of_all_pixels(width):
    cells, _ = scattered(3)
    rim = brute_rim(cells, width)
    marked = rim.astype(np.uint8)
    frame = measure(cells, marked, marked, membrane_width_um=width, block_px=64)
    counts = np.bincount(cells.ravel(), weights=rim.ravel())[frame.index]
    assert np.allclose(frame["pdl1_cell_mean"] * frame["area_um2"], counts)
    assert (frame["pdl1_membrane_mean"] == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_shape_equals_scikit_image(seed):
    cells, _ = scattered(seed)
    frame = measure(cells)
    names = ("label", "area", "centroid", "eccentricity", "solidity")
    peer = pd.DataFrame(regionprops_table(cells, properties=names)).set_index("label")
    assert frame.index.tolist() == peer.index.tolist()
    np.testing.assert_allclose(frame["area_um2"], peer["area"], rtol=0)
    np.testing.assert_allclose(frame["y_um"], peer["centroid-0"] + 0.5, rtol=1e-12)
    np.testing.assert_allclose(frame["x_um"], peer["centroid-1"] + 0.5, rtol=1e-12)
    np.testing.assert_allclose(frame["eccentricity"], peer["eccentricity"], atol=1e-7)
    np.testing.assert_allclose(frame["solidity"], peer["solidity"], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_means_equal_scikit_image_in_every_compartment(dtype):
    cells, nuclei = scattered(7)
    rng = np.random.default_rng(1)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1000
    image = rng.uniform(0, top, (2, *cells.shape)).astype(dtype)
    frame = measure(cells, *image, nuclei=nuclei)
    own = np.where(nuclei == cells, cells, 0)
    has_nucleus = np.isin(cells, own)
    masked = {
        "nucleus": own,
        "cytoplasm": np.where((own == 0) & has_nucleus, cells, 0),
        "membrane": np.where(brute_rim(cells, 1.0), cells, 0),
        "cell": cells,
    }
    for compartment, labels in masked.items():
        for channel, marker in zip(image, ("sox10", "pdl1"), strict=True):
            peer = regionprops_table(
                labels, channel.astype(np.float64), properties=("label", "intensity_mean")
            )
            expected = pd.Series(peer["intensity_mean"], peer["label"]).reindex(frame.index)
            np.testing.assert_allclose(
                frame[f"{marker}_{compartment}_mean"], expected, rtol=1e-9, err_msg=compartment
            )


@pytest.mark.parametrize("block_px", [64, 128, 256])
def test_blocks_and_whole_give_the_same_table(block_px):
    cells, nuclei = scattered(11, shape=(300, 330), n=200)
    cells[::37, ::41] = 99_999  # one label in many far pieces
    image = np.random.default_rng(2).integers(0, 65_536, (2, *cells.shape), dtype=np.uint16)
    whole = measure(cells, *image, nuclei=nuclei, block_px=512)
    blocks = measure(cells, *image, nuclei=nuclei, block_px=block_px)
    pd.testing.assert_frame_equal(blocks, whole, check_exact=True)


def test_a_label_in_two_pieces_is_one_cell():
    cells = draw("""
        1...1
        .....
        1...1
    """)
    frame = measure(cells, pixel_size_um=1.0)
    assert len(frame) == 1
    assert frame.loc[1, "solidity"] == pytest.approx(4 / 15)
    assert (frame.loc[1, "x_um"], frame.loc[1, "y_um"]) == (2.5, 1.5)


def test_a_line_and_a_single_pixel():
    frame = measure(
        draw("""
        1111
        ....
        2...
    """)
    )
    assert frame["eccentricity"].tolist() == [1.0, 0.0]
    assert frame["solidity"].tolist() == [1.0, 1.0]


def test_columns_stand_in_the_promised_order():
    frame = measure(draw("12"), nuclei=draw("1."))
    means = [f"{m}_{c}_mean" for m in ("sox10", "pdl1") for c in
             ("nucleus", "cytoplasm", "membrane", "cell")]  # fmt: skip
    membrane = [
        "pdl1_membrane_unshared", "pdl1_membrane_p35", "pdl1_membrane_fraction", "pdl1_inner_mean",
    ]  # fmt: skip
    hidden = [*(f"pdl1_rim_{k}" for k in range(8)), "pdl1_rim_share"]
    assert list(frame) == [
        "x_um", "y_um", "area_um2", "nucleus_area_um2", "eccentricity", "solidity",
        "touches_frame", *means, *membrane, *hidden,
    ]  # fmt: skip
    assert frame["pdl1_membrane_fraction"].isna().all()
    assert frame["touches_frame"].dtype == bool
    assert all(frame[c].dtype == np.float64 for c in frame if c != "touches_frame")


def test_only_measured_stains_are_measured():
    dapi = Stain(channel="c0", marker="dapi", compartment="nucleus", role="nuclear")
    spare = Stain(channel="c1", marker="af", compartment="cell", role="autofluorescence")
    frame = measure(draw("11"), stains=(dapi, spare))
    assert [c for c in frame if c.startswith(("dapi", "af"))] == [
        "dapi_nucleus_mean", "dapi_cytoplasm_mean", "dapi_membrane_mean", "dapi_cell_mean",
    ]  # fmt: skip


def test_without_nuclei_their_columns_are_missing():
    frame = measure(draw("112"))
    assert frame["nucleus_area_um2"].isna().all()
    assert frame["pdl1_nucleus_mean"].isna().all()
    assert frame["pdl1_cytoplasm_mean"].isna().all()
    assert (frame["pdl1_cell_mean"] == 0).all()


def test_a_cell_without_nucleus_and_a_nucleus_without_cell():
    frame = measure(draw("1122."), nuclei=draw("1...3"))
    assert frame.index.tolist() == [1, 2]
    assert frame["nucleus_area_um2"].tolist()[0] == 1
    missing = ["nucleus_area_um2", "sox10_nucleus_mean", "sox10_cytoplasm_mean"]
    assert frame.loc[2, missing].isna().all()
    assert frame.loc[2, "sox10_cell_mean"] == 0


def test_values_that_are_no_number_are_left_out_of_means():
    values = np.array([[1.0, np.nan, 3.0, np.nan]], np.float32)
    frame = measure(draw("1112"), values, values)
    assert frame.loc[1, "sox10_cell_mean"] == 2
    assert np.isnan(frame.loc[2, "sox10_cell_mean"])


def test_large_integers_do_not_overflow():
    cells = np.ones((300, 300), np.int32)
    values = np.full(cells.shape, 2**31 - 1, np.int32)
    frame = measure(cells, values, values)
    assert frame.loc[1, "sox10_cell_mean"] == 2**31 - 1


def test_an_image_without_cells_gives_an_empty_table_with_columns():
    frame = measure(np.zeros((20, 20), np.int32), nuclei=np.zeros((20, 20), np.int32))
    assert len(frame) == 0
    assert frame.index.name == "label"
    assert list(frame) == list(measure(draw("1")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_labels_of_any_integer_type(dtype):
    cells = draw("1122")
    pd.testing.assert_frame_equal(measure(cells.astype(dtype)), measure(cells))


def test_labels_of_another_shape_are_refused():
    slide = slide_of(np.zeros((4, 5), np.uint8))
    with pytest.raises(LabelsError, match=r"drawn has 4 x 5 pixels but its nuclei have 4 x 4;"):
        measure_cells(slide, np.zeros((4, 4), int), np.zeros((4, 5), int), Panel((CELL,)))


def test_a_channel_the_slide_lacks_is_refused():
    with pytest.raises(SlideError, match="no channel 'c1'"):
        measure(draw("1"), np.zeros((1, 1)), stains=(MEMBRANE,))


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ParameterError, match="membrane_width_um"):
        MeasureParams(membrane_width_um=0.0)
    assert dataclasses.replace(MeasureParams(), block_px=256).membrane_width_um == 1.0


def test_progress_reports_every_block():
    seen = []
    slide = slide_of(np.zeros((100, 130), np.uint8))
    measure_cells(
        slide, None, np.ones((100, 130), np.int32), Panel((CELL,)), MeasureParams(block_px=64),
        progress=lambda *report: seen.append(report),
    )  # fmt: skip
    assert seen == [("measure", i, 6) for i in range(1, 7)]


class Watched:
    """A plane that remembers the largest piece asked of it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.largest = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        piece = self.array[key]
        self.largest = max(self.largest, piece.size)
        return piece


def test_memory_is_bounded_by_the_block():
    image = Watched(np.zeros((3, 200, 300), np.uint8))
    cells = Watched(np.ones((200, 300), np.int32))
    slide = Slide("watched", (image,), ("c0", "c1", "c2"), 1.0)
    measure_cells(slide, cells, cells, Panel((CELL, MEMBRANE)), MeasureParams(block_px=64))
    assert image.largest == 64 * 64
    assert cells.largest == 66 * 66


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), turns=st.integers(1, 3))
def test_turning_the_slide_changes_only_positions(seed, turns):
    cells, nuclei = scattered(seed, shape=(40, 50), n=12)
    image = np.random.default_rng(seed).integers(0, 255, (2, *cells.shape), dtype=np.uint8)
    turned = [np.rot90(a, turns) for a in (cells, *image, nuclei)]
    before = measure(cells, *image, nuclei=nuclei)
    after = measure(turned[0], *turned[1:3], nuclei=turned[3])
    keep = [c for c in before if c not in ("x_um", "y_um") and "_rim_" not in c]
    pd.testing.assert_frame_equal(before[keep], after[keep], rtol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_relabelling_changes_nothing(seed):
    cells, nuclei = scattered(seed, shape=(40, 50), n=12)
    names = np.unique(cells)
    fresh = np.concatenate([[0], np.random.default_rng(seed).permutation(len(names) - 1) + 1])
    renamed = [fresh[np.searchsorted(names, np.where(np.isin(a, names), a, 0))]
               for a in (cells, nuclei)]  # fmt: skip
    before = measure(cells, nuclei=nuclei)
    after = measure(renamed[0], nuclei=renamed[1])
    after = after.loc[fresh[np.searchsorted(names, before.index)]]
    np.testing.assert_array_equal(before.to_numpy(float), after.to_numpy(float))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_doubling_the_pixel_doubles_lengths(seed):
    cells, nuclei = scattered(seed, shape=(40, 50), n=12)
    one = measure(cells, nuclei=nuclei, pixel_size_um=0.5, membrane_width_um=1.0)
    two = measure(cells, nuclei=nuclei, pixel_size_um=1.0, membrane_width_um=2.0)
    np.testing.assert_allclose(two[["x_um", "y_um"]], 2 * one[["x_um", "y_um"]])
    np.testing.assert_allclose(two["area_um2"], 4 * one["area_um2"])
    np.testing.assert_allclose(two["solidity"], one["solidity"])


def test_lazy_planes_give_the_same_table():
    import dask.array as da
    import zarr

    cells, nuclei = scattered(5)
    image = np.random.default_rng(5).integers(0, 255, (2, *cells.shape), dtype=np.uint8)
    plain = measure(cells, *image, nuclei=nuclei)
    stored = zarr.array(cells, chunks=(50, 50))
    slide = Slide("lazy", (da.from_array(image, chunks=(1, 64, 64)),), ("c0", "c1"), 1.0)
    lazy = measure_cells(
        slide, da.from_array(nuclei, chunks=33), stored, Panel((CELL, MEMBRANE)),
        MeasureParams(block_px=64),
    ).frame  # fmt: skip
    pd.testing.assert_frame_equal(lazy, plain, check_exact=True)
