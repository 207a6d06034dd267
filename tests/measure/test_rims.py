import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.cells import CellTable
from immunescape.measure import MeasureParams, measure_cells, rim_fraction, split_rims
from immunescape.panel import Panel, Stain
from immunescape.slide import Slide

PDL1 = Stain(channel="c0", marker="pdl1", compartment="membrane")
CD8 = Stain(channel="c1", marker="cd8", compartment="membrane")
RIMS = [f"pdl1_rim_{k}" for k in range(8)]
TOGETHER = ["pdl1_membrane_unshared", "pdl1_membrane_p35", "pdl1_rim_share", *RIMS]


def measure(cells, *channels, pixel_size_um=1.0, **params):
    stains = (PDL1, CD8)[: len(channels)]
    slide = Slide("drawn", (np.stack(channels),), ("c0", "c1")[: len(channels)], pixel_size_um)
    return measure_cells(slide, None, cells, Panel(stains), MeasureParams(**params)).frame


def draw(picture):
    """Turn a drawing into labels: digits are labels, a dot is background."""
    rows = [line.strip() for line in picture.strip().splitlines()]
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], np.int32)


def in_a_row(*widths, height=12):
    """Lay cells of those widths side by side, with background above and below."""
    row = np.repeat(np.arange(1, len(widths) + 1), widths)
    return np.pad(np.tile(row, (height, 1)), 2).astype(np.int32)


def lit(cells, label, light, beyond=1, base=10.0):
    """Give a cell a bright membrane whose light reaches that many pixels beyond its border."""
    image = np.full(cells.shape, base)
    inside = cells == label
    grown = inside.copy()
    for _ in range(beyond):
        wider = grown.copy()
        wider[1:] |= grown[:-1]
        wider[:-1] |= grown[1:]
        wider[:, 1:] |= grown[:, :-1]
        wider[:, :-1] |= grown[:, 1:]
        grown = wider
    image[grown] = light
    return image


def scattered(seed, shape=(60, 70), n=25, holes=0.02):
    """Draw discs over one another with pixels knocked out, labels far apart."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for label in rng.choice(90_000, n, replace=False) + 1:
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(2, 12)
        labels[np.hypot(y - cy, x - cx) < r] = label
    labels[rng.random(shape) < holes] = 0
    image = rng.integers(0, 4000, labels.shape).astype(np.uint16)
    return labels, image


def test_a_negative_cell_beside_a_bright_one_stays_dark():
    cells = in_a_row(12, 12)
    frame = measure(cells, lit(cells, 2, 200.0))
    assert frame.loc[1, "pdl1_membrane_mean"] > 40
    assert frame.loc[1, "pdl1_membrane_unshared"] == 10
    assert frame.loc[2, "pdl1_membrane_unshared"] == 200
    assert frame.loc[2, "pdl1_rim_share"] == 1


def test_a_border_misplaced_by_a_pixel_is_still_the_bright_neighbours():
    cells = in_a_row(12, 12)
    image = np.full(cells.shape, 10.0)
    # The membrane of the second cell lies on the first one's side of the border drawn.
    image[cells == 2] = 200.0
    image[2:-2, 13:15] = 200.0
    image[2:-2, 13] = 400.0
    frame = measure(cells, image)
    assert frame.loc[1, "pdl1_membrane_unshared"] == 10
    assert frame.loc[2, "pdl1_membrane_unshared"] >= 200


def test_a_cell_encircled_by_one_bright_cell_reads_less_than_that_one():
    cells = draw("""
        22222222222
        22222222222
        22222222222
        22211111222
        22211111222
        22211111222
        22211111222
        22211111222
        22222222222
        22222222222
        22222222222
    """)
    cells = np.pad(cells, 2)
    image = lit(cells, 2, 120.0)
    image[cells == 2] = 200.0
    frame = measure(cells, image)
    # All its rim is shared: what is least lit is taken, here all of it, and the share says so.
    assert frame.loc[1, "pdl1_rim_share"] == 0
    assert frame.loc[1, "pdl1_membrane_unshared"] == frame.loc[1, "pdl1_membrane_mean"]
    assert frame.loc[2, "pdl1_membrane_unshared"] == 200


def test_an_encircled_cell_is_read_where_its_neighbours_are_least_bright():
    # Cell 5 has a neighbour on each side, and light of each on its rim.
    cells = draw("""
        .444444444.
        .444444444.
        .444444444.
        11555555533
        11555555533
        11555555533
        11555555533
        11555555533
        11555555533
        11555555533
        .222222222.
        .222222222.
        .222222222.
    """)
    image = np.full(cells.shape, 20.0)
    for label, light in ((1, 60.0), (2, 300.0), (3, 300.0), (4, 300.0)):
        image[cells == label] = light
    rim = cells == 5
    rim[4:9, 3:8] = False
    image[rim] = 150.0
    image[4:9, 2] = 30.0
    frame = measure(cells, image)
    assert 0 < frame.loc[5, "pdl1_rim_share"] < 0.25
    assert frame.loc[5, "pdl1_membrane_unshared"] == 30
    assert frame.loc[5, "pdl1_membrane_mean"] > 100
    assert rim_fraction(frame, "pdl1", 100)[4] == 0


def test_a_partly_stained_rim_is_read_where_it_is_stained():
    cells = np.zeros((40, 40), np.int32)
    y, x = np.mgrid[:40, :40] - 19.5
    cells[np.hypot(y, x) < 15] = 1
    image = np.full(cells.shape, 10.0)
    image[(x > 0) & (y > 0)] = 200.0  # a quarter of the rim, the first two eighths
    frame = measure(cells, image)
    assert frame.loc[1, "pdl1_membrane_unshared"] == 200
    assert frame.loc[1, "pdl1_membrane_mean"] == pytest.approx(57.5, abs=2)
    assert frame.loc[1, RIMS].tolist() == [200, 200, 10, 10, 10, 10, 10, 10]
    assert rim_fraction(frame, "pdl1", 100).tolist() == [0.25]
    assert frame.loc[1, "pdl1_membrane_p35"] == 10


def test_three_cells_at_a_corner_each_keep_what_only_dimmer_ones_touch():
    cells = np.zeros((30, 30), np.int32)
    cells[3:15, 3:27] = 1
    cells[15:27, 3:15] = 2
    cells[15:27, 15:27] = 3
    image = np.full(cells.shape, 10.0)
    image[lit(cells, 2, 1.0, base=0.0) > 0] = 80.0
    image[lit(cells, 1, 1.0, base=0.0) > 0] = 200.0
    frame = measure(cells, image)
    assert frame["pdl1_membrane_unshared"].tolist() == [200, 80, 10]
    share = frame["pdl1_rim_share"]
    assert share[1] == 1
    assert share[3] < share[2] < 1


def test_light_spills_over_a_narrow_gap_but_not_over_a_wide_one():
    shares = []
    for gap in (0, 1, 2):
        cells = np.pad(in_a_row(10, 10), ((0, 0), (0, gap)))
        if gap:
            cells[:, 12 + gap :] = cells[:, 12:-gap].copy()
            cells[:, 12 : 12 + gap] = 0
        frame = measure(cells, np.where(cells == 2, 200.0, 10.0), pixel_size_um=0.5)
        shares.append(frame.loc[1, "pdl1_rim_share"])
    assert shares[0] < shares[1] < shares[2] == 1


def test_the_image_frame_is_no_border():
    cells = np.zeros((12, 20), np.int32)
    cells[:, :8] = 1
    cells[:, 8:16] = 2
    image = np.full(cells.shape, 10.0)
    image[:, 8:16] = 200.0
    image[:, 7] = 150.0
    image[0], image[-1] = 999.0, 999.0
    image[0, 15], image[-1, 15], image[0, 7:9], image[-1, 7:9] = (10.0,) * 4
    frame = measure(cells, image)
    # The first cell's rim is its right side alone, and that is shared with the second.
    assert frame.loc[1, "pdl1_rim_share"] == 0
    assert frame.loc[1, [f"pdl1_rim_{k}" for k in (2, 3, 4, 5)]].isna().all()
    assert frame.loc[2, "pdl1_membrane_unshared"] == 200


def test_a_cell_that_fills_the_image_has_no_rim():
    frame = measure(np.ones((9, 9), np.int32), np.full((9, 9), 5.0))
    assert frame[TOGETHER].isna().all().all()
    assert np.isnan(rim_fraction(frame, "pdl1", 1.0)).all()


def test_of_equally_bright_cells_neither_is_brighter():
    cells = in_a_row(9, 9)
    for light in (0.0, 7.0, 0.1):
        frame = measure(cells, np.full(cells.shape, light))
        assert frame["pdl1_rim_share"].tolist() == [1, 1]
        assert frame["pdl1_membrane_unshared"].tolist() == pytest.approx([light] * 2)


def test_two_markers_are_judged_apart():
    cells = in_a_row(12, 12)
    frame = measure(cells, lit(cells, 2, 200.0), lit(cells, 1, 90.0))
    assert frame["pdl1_membrane_unshared"].tolist() == [10, 200]
    assert frame["cd8_membrane_unshared"].tolist() == [90, 10]


def test_sectors_count_from_x_towards_y():
    cells = np.zeros((23, 23), np.int32)
    cells[1:22, 1:22] = 1
    y, x = np.mgrid[:23, :23] - 11
    image = np.floor(np.degrees(np.arctan2(y, x)) % 360 / 45)
    assert measure(cells, image).loc[1, RIMS].tolist() == list(range(8))


def test_pixels_that_are_no_number_are_left_out():
    cells = in_a_row(12, 12)
    image = lit(cells, 2, 200.0).astype(np.float32)
    image[:, 2] = np.nan
    frame = measure(cells, image)
    assert frame["pdl1_membrane_unshared"].tolist() == [10, 200]
    frame = measure(cells, np.full_like(image, np.nan))
    assert frame[TOGETHER].isna().all().all()


def test_the_quantile_is_that_of_the_rims_pixels():
    cells, image = scattered(5)
    frame = measure(cells, image, pixel_size_um=0.5, block_px=64)
    rim = slow_rim(cells, 2.0)
    for label in frame.index:
        pixels = image[rim & (cells == label)]
        expected = np.quantile(pixels, 0.35) if len(pixels) else np.nan
        assert frame.loc[label, "pdl1_membrane_p35"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("block_px", [64, 128])
def test_blocks_and_whole_give_the_same_rims(block_px):
    cells, image = scattered(11, shape=(200, 230), n=200)
    cells[::37, ::41] = 99_999  # one label in many far pieces
    other = image[::-1].copy()
    whole = measure(cells, image, other, pixel_size_um=0.5, block_px=256)
    blocks = measure(cells, image, other, pixel_size_um=0.5, block_px=block_px)
    pd.testing.assert_frame_equal(blocks, whole, check_exact=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), turns=st.integers(1, 3))
def test_turning_the_slide_turns_the_sectors(seed, turns):
    cells, image = scattered(seed, shape=(40, 50), n=12)
    before = measure(cells, image, pixel_size_um=0.5)
    after = measure(np.rot90(cells, turns), np.rot90(image, turns), pixel_size_um=0.5)
    statistics = [c for c in TOGETHER if c not in RIMS]
    pd.testing.assert_frame_equal(before[statistics], after[statistics], rtol=1e-9)
    turned = np.roll(before[RIMS].to_numpy(), -2 * turns, axis=1)
    np.testing.assert_allclose(after[RIMS].to_numpy(), turned, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_relabelling_changes_no_rim(seed):
    cells, image = scattered(seed, shape=(40, 50), n=12)
    names = np.unique(cells)
    fresh = np.concatenate([[0], np.random.default_rng(seed).permutation(len(names) - 1) + 1])
    before = measure(cells, image, pixel_size_um=0.5)
    after = measure(fresh[np.searchsorted(names, cells)], image, pixel_size_um=0.5)
    after = after.loc[fresh[np.searchsorted(names, before.index)]]
    np.testing.assert_allclose(before[TOGETHER], after[TOGETHER].to_numpy(), rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.sampled_from([0.25, 0.7, 3.0, 1024.0]))
def test_light_times_k_gives_k_times_the_statistics(seed, factor):
    cells, image = scattered(seed, shape=(40, 50), n=12)
    before = measure(cells, image.astype(float), pixel_size_um=0.5)
    after = measure(cells, image * factor, pixel_size_um=0.5)
    scaled = [c for c in TOGETHER if not c.endswith("share")]
    np.testing.assert_allclose(after[scaled], factor * before[scaled], rtol=1e-9)
    np.testing.assert_array_equal(after["pdl1_rim_share"], before["pdl1_rim_share"])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), pedestal=st.sampled_from([1, 100, 20_000]))
def test_a_pedestal_of_the_camera_changes_no_attribution(seed, pedestal):
    cells, image = scattered(seed, shape=(40, 50), n=12)
    before = measure(cells, image, pixel_size_um=0.5)
    after = measure(cells, image + np.uint16(pedestal), pixel_size_um=0.5)
    scaled = [c for c in TOGETHER if not c.endswith("share")]
    np.testing.assert_allclose(after[scaled], before[scaled] + pedestal, rtol=1e-9)
    np.testing.assert_array_equal(after["pdl1_rim_share"], before["pdl1_rim_share"])


def slow_rim(cells, width_px):
    """Mark pixels with something else than their own label within reach."""
    rim = np.zeros(cells.shape, bool)
    for y, x in np.argwhere(cells):
        rim[y, x] = bool(others(cells, y, x, width_px, background=True))
    return rim


def others(cells, y, x, radius_px, background=False):
    """List the other labels that begin within a distance of a pixel's centre."""
    k = int(radius_px) + 2
    found = set()
    for dy in range(-k, k + 1):
        for dx in range(-k, k + 1):
            inside = 0 <= y + dy < cells.shape[0] and 0 <= x + dx < cells.shape[1]
            nearest = np.hypot(max(abs(dy) - 0.5, 0), max(abs(dx) - 0.5, 0))
            if inside and nearest <= radius_px + 1e-9 and cells[y + dy, x + dx] != cells[y, x]:
                found.add(int(cells[y + dy, x + dx]))
    return found if background else found - {0}


def slow_brightest(pixels):
    """Average the brightest quarter of (sector, value) pixels, whole sectors first."""
    means = {s: np.mean([v for t, v in pixels if t == s]) for s, _ in pixels}
    ranked = sorted((means[s] for s, _ in pixels), reverse=True)
    quarter = len(ranked) / 4
    full = int(quarter)
    light = sum(ranked[:full]) + (quarter - full) * (ranked[full] if full < len(ranked) else 0)
    return light / quarter


def recount(cells, image, width_px, spill_px):
    """Read the rims as the documentation says, pixel by pixel."""
    rims = {}
    for label in np.unique(cells[cells > 0]):
        where = np.argwhere(cells == label)
        rims[int(label)] = pixels = []
        for y, x in where:
            if others(cells, y, x, width_px, background=True):
                n = len(where)  # in whole numbers, for directions at the edge of an eighth
                v, u = n * y - where[:, 0].sum(), n * x - where[:, 1].sum()
                angle = np.degrees(np.arctan2(v, u)) % 360
                sector = 8 if u == v == 0 else int(angle // 45)
                pixels.append((sector, float(image[y, x]), others(cells, y, x, spill_px)))
    brighter = {label: set() for label in rims}
    for _ in range(3):
        level = {}
        for label, pixels in rims.items():
            for beside in set().union(*(near for *_, near in pixels)):
                away = [(s, v, near) for s, v, near in pixels if beside not in near]
                unlit = [(s, v) for s, v, near in away if not near & brighter[label]]
                enough = len(unlit) >= max(len(pixels) / 8, 1)
                chosen = unlit if enough else [p[:2] for p in away] or [p[:2] for p in pixels]
                level[label, beside] = slow_brightest(chosen)
        brighter = {
            label: {
                other for (mine, other), value in level.items()
                if mine == label and (other, label) in level
                and level[other, label] - value > 1e-9 * max(abs(level[other, label]), abs(value))
            }
            for label in rims
        }  # fmt: skip
    rows = {}
    for label, pixels in rims.items():
        glare = [max((level[b, label] for b in near & brighter[label]), default=-np.inf)
                 for *_, near in pixels]  # fmt: skip
        own = [p[:2] for p, g in zip(pixels, glare, strict=True) if g == -np.inf]
        share = len(own) / len(pixels) if pixels else np.nan
        for step in sorted(set(glare) - {-np.inf}):
            if len(own) < len(pixels) / 8:
                own += [p[:2] for p, g in zip(pixels, glare, strict=True) if g == step]
        sectors = [[v for s, v in own if s == k] for k in range(8)]
        rows[label] = [
            slow_brightest(own) if own else np.nan, share,
            *(np.mean(values) if values else np.nan for values in sectors),
        ]  # fmt: skip
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["pdl1_membrane_unshared", "pdl1_rim_share", *RIMS]
    )


@pytest.mark.parametrize(("seed", "spill_um"), [(1, 1.0), (2, 1.0), (3, 0.5), (4, 1.6)])
def test_rims_equal_a_slow_recount(seed, spill_um):
    cells, image = scattered(seed, shape=(48, 64), n=30)
    frame = measure(cells, image, pixel_size_um=0.5, block_px=64, spill_um=spill_um)
    slow = recount(cells, image, 2.0, 2 * spill_um)
    np.testing.assert_array_equal(frame.index, slow.index)
    np.testing.assert_allclose(frame[slow.columns], slow, rtol=1e-9)


def test_rims_leave_the_table_and_give_the_fraction():
    cells = in_a_row(12, 12)
    frame = measure(cells, lit(cells, 2, 200.0))
    table, rims = split_rims(CellTable(frame))
    assert list(rims) == [*RIMS, "pdl1_rim_share"]
    assert not [c for c in table.frame if "_rim_" in c]
    assert "pdl1_membrane_unshared" in table
    assert rim_fraction(rims, "pdl1", 100.0).tolist() == [0, 1]
    assert rim_fraction(rims, "pdl1", 200.0).tolist() == [0, 0]
    np.testing.assert_array_equal(rim_fraction(rims, "pdl1", [np.nan, 5.0]), [np.nan, 1])
    assert np.isnan(rim_fraction(rims, "cd8", 100.0)).all()
    none, empty = split_rims(table)
    assert empty.shape == (2, 0)
    assert list(none.frame) == list(table.frame)


def test_without_membrane_markers_there_are_no_rims():
    stain = Stain(channel="c0", marker="pdl1", compartment="cell")
    slide = Slide("drawn", (np.zeros((1, 4, 4)),), ("c0",), 1.0)
    frame = measure_cells(slide, None, np.ones((4, 4), np.int32), Panel((stain,))).frame
    assert not [c for c in frame if "_rim_" in c or "unshared" in c]
