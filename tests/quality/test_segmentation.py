"""How well nuclei were found: drawn slides of which every figure is known."""

import dataclasses

import numpy as np
import pytest

from immunescape.panel import Panel
from immunescape.quality import segmentation_quality
from immunescape.results import SEGMENTATION_COLUMNS
from tests.quality.drawn_nuclei import (
    GRID_UM,
    PANEL,
    discs,
    judged,
    lattice,
    slide_of,
    stained,
    table,
    whole_tissue,
)

SHAPE = (800, 1000)
STEP = 20
FIELD = discs(SHAPE, lattice(SHAPE, STEP), 4.0)
"""2000 nuclei of 52 px, one on each square of 20 px."""
DISC_PX = 52


def in_tile(row, column, edge=200):
    """Pixels of a tile of 200 px."""
    return slice(row * edge, (row + 1) * edge), slice(column * edge, (column + 1) * edge)


def tile_of(quality, row, column):
    return quality.tiles.iloc[row * 5 + column]


def test_a_uniform_field_has_the_figures_it_was_drawn_with():
    quality = judged(FIELD)
    figures = quality.figures
    assert figures["cells"] == 2000
    assert figures["tissue_mm2"] == pytest.approx(0.8)
    assert figures["cells_per_mm2"] == pytest.approx(2500)
    for p in (5, 25, 50, 75, 95):
        assert figures[f"area_p{p}_um2"] == DISC_PX
    assert figures["diameter_p50_um"] == pytest.approx(8.14, abs=0.01)
    assert figures["covered_share"] == pytest.approx(2000 * DISC_PX / 800_000)
    assert figures["stained_share"] == pytest.approx(figures["covered_share"], rel=0.01)
    assert figures["missed_stain_share"] == 0
    assert figures["unstained_share"] == figures["small_share"] == figures["large_share"] == 0
    assert figures["touching_frame"] == 0
    assert quality.counts.sum() == 2000
    hit = np.searchsorted(quality.edges_um2, DISC_PX, side="right") - 1
    assert quality.counts[hit] == 2000
    assert list(quality.tiles.columns) == list(SEGMENTATION_COLUMNS)
    assert len(quality.tiles) == 20
    assert quality.tiles["judged"].all()
    assert (quality.tiles["cells"] == 100).all()
    assert not quality.tiles["flagged"].any()
    assert (quality.tiles["reason"] == "").all()
    assert quality.warnings == quality.notes == ()


def test_empty_tissue_is_what_lies_farther_than_that_from_a_nucleus():
    """One nucleus of one pixel: all but a disc is empty."""
    labels = np.zeros((200, 200), np.int32)
    labels[100, 100] = 1
    figures = judged(labels, shown=FIELD[:200, :200], empty_um=15).figures
    i, j = np.mgrid[:200, :200]
    near = (i - 100) ** 2 + (j - 100) ** 2 <= 15**2
    assert figures["empty_share"] == pytest.approx(1 - near.sum() / 40_000, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_missed_nuclei_are_seen_as_stain_without_a_nucleus(share):
    gone = np.random.default_rng(3).random(2001) < share
    found = np.where(gone[FIELD], 0, FIELD).astype(np.int32)
    figures = judged(found, shown=FIELD).figures
    assert figures["missed_stain_share"] == pytest.approx(gone[1:].mean(), abs=0.02)
    assert figures["unstained_share"] == 0


def test_a_tile_whose_nuclei_were_missed_is_flagged_and_no_other():
    found = FIELD.copy()
    rows, columns = in_tile(1, 3)
    found[rows, columns][:, :120] = 0
    quality = judged(found, shown=FIELD)
    row = tile_of(quality, 1, 3)
    assert row["flagged"]
    assert "missed" in row["issues"].split()
    assert "60% of the nuclear stain has no nucleus: nuclei missed, or debris?" in row["reason"]
    assert row["missed_stain_share"] == pytest.approx(0.6, abs=0.01)
    assert quality.tiles["flagged"].sum() == 1


def test_a_flagged_tile_names_what_is_proposed_for_exclusion_there():
    """The grid is of 2 µm: half of tile (1, 3) and all of (0, 0) is blurred, little is folded."""
    found = FIELD.copy()
    found[in_tile(1, 3)] = 0
    blurred = np.zeros((400, 500), bool)
    blurred[100:150, 300:400] = blurred[:100, :100] = True
    fold = np.zeros((400, 500), bool)
    fold[110, 300:400] = True
    quality = judged(found, shown=FIELD, proposals={"fold": fold, "blurred": blurred})
    reason = tile_of(quality, 1, 3)["reason"]
    assert reason.endswith("; 50% of it is proposed for exclusion as blurred")
    assert "fold" not in reason
    assert tile_of(quality, 0, 0)["reason"] == ""


def test_nuclei_found_in_the_dark_are_flagged():
    shown = FIELD.copy()
    shown[in_tile(2, 2)] = 0
    quality = judged(FIELD, shown=shown)
    row = tile_of(quality, 2, 2)
    assert row["issues"] == "unstained"
    said = "100% of the nuclei lie where hardly anything is stained: is it background?"
    assert row["reason"] == said
    assert quality.tiles["flagged"].sum() == 1
    assert quality.figures["unstained_share"] == pytest.approx(100 / 2000)


def merged(labels, tile):
    """Join each nucleus of a tile with its right neighbour by a bridge."""
    out = labels.copy()
    part = out[tile]
    for y in range(0, part.shape[0], STEP):
        for x in range(0, part.shape[1], 2 * STEP):
            pair = part[y : y + STEP, x : x + 2 * STEP]
            label = pair.max()
            pair[6:13, 6:34] = label
            pair[pair > 0] = label
    return out


def test_a_tile_of_joined_nuclei_is_flagged():
    found = merged(FIELD, in_tile(0, 4))
    quality = judged(found)
    row = tile_of(quality, 0, 4)
    assert row["cells"] == 50
    assert row["issues"] == "large giants"
    assert "times the usual area: joined, or large tumour cells?" in row["reason"]
    assert quality.tiles["flagged"].sum() == 1


def test_a_tile_of_giants_is_flagged():
    """Every third nucleus is 18 µm wide: the median stays."""
    middles = lattice(SHAPE, STEP)
    giant = [y < 200 and x < 200 and k % 3 == 0 for k, (y, x) in enumerate(middles)]
    found = discs(SHAPE, middles, np.where(giant, 9.0, 4.0))
    quality = judged(found)
    row = tile_of(quality, 0, 0)
    assert row["issues"] == "giants"
    assert row["reason"] == f"{sum(giant)}% of the nuclei are above 200 µm²: joined?"
    assert quality.tiles["flagged"].sum() == 1


def test_a_tile_of_nuclei_cut_into_pieces_is_flagged():
    """Each nucleus of the tile is cut in four."""
    found = FIELD.astype(np.int64)
    part = found[in_tile(3, 0)]
    i, j = np.indices(part.shape)
    quarter = 2 * (i // 10 % 2) + (j // 10 % 2)
    part[part > 0] = (part + 2000 * quarter)[part > 0]
    quality = judged(found.astype(np.int32), shown=FIELD)
    row = tile_of(quality, 3, 0)
    assert row["cells"] == 400
    assert row["issues"] == "small fragments dense"
    assert "times the usual area: cut into pieces, or lymphocytes?" in row["reason"]
    assert "4.0 times the usual density" in row["reason"]
    assert "below 20 µm²: cut into pieces?" in row["reason"]
    assert quality.tiles["flagged"].sum() == 1


def test_a_tile_with_few_nuclei_is_pointed_at_though_nothing_is_stained_there():
    found = FIELD.copy()
    part = found[in_tile(2, 1)]
    part[20:] = 0
    quality = judged(found)
    row = tile_of(quality, 2, 1)
    assert row["issues"] == "sparse"
    assert row["reason"] == (
        "0.10 of the usual density: nuclei too faint to be found, or tissue with few?"
    )
    assert quality.tiles["flagged"].sum() == 1
    assert row["severity"] < 5


def test_ragged_cells_are_flagged():
    cells = table(FIELD, 1.0)
    frame = cells.frame.copy()
    here = (frame["x_um"] < 200) & (frame["y_um"] < 200)
    frame.loc[here, "solidity"] = np.where(np.arange(here.sum()) % 2, 0.5, 1.0)
    quality = segmentation_quality(
        slide_of(stained(FIELD), 1.0), PANEL, type(cells)(frame), FIELD, FIELD,
        whole_tissue(SHAPE, 1.0), GRID_UM,
    )  # fmt: skip
    row = tile_of(quality, 0, 0)
    assert row["issues"] == "ragged"
    assert row["reason"] == "50% of the cells have ragged outlines: joined, or a fold?"
    assert quality.tiles["flagged"].sum() == 1


def test_block_size_and_labels_change_nothing():
    found = np.where(FIELD % 7 == 0, 0, FIELD).astype(np.int32)
    one = judged(found, shown=FIELD, block_px=1024)
    other = judged(found, shown=FIELD, block_px=128)
    assert one.figures == other.figures
    assert one.tiles.equals(other.tiles)
    assert np.array_equal(one.overview.stain, other.overview.stain)
    renumbered = np.where(found > 0, 5_000_000 - 3 * found, 0).astype(np.int32)
    cells = table(found, 1.0).frame
    cells.index = 5_000_000 - 3 * cells.index
    again = segmentation_quality(
        slide_of(stained(FIELD), 1.0), PANEL, type(table(found, 1.0))(cells.sort_index()),
        renumbered, renumbered, whole_tissue(SHAPE, 1.0), GRID_UM,
    )  # fmt: skip
    assert again.figures == one.figures
    assert again.tiles.equals(one.tiles)


def test_turning_the_slide_turns_the_tiles():
    found = merged(np.where(FIELD % 11 == 0, 0, FIELD).astype(np.int32), in_tile(0, 4))
    upright = judged(found, shown=FIELD)
    tissue = whole_tissue((1000, 800), 1.0)
    turned_found, turned_image = np.rot90(found).copy(), np.rot90(stained(FIELD)).copy()
    turned = segmentation_quality(
        slide_of(turned_image, 1.0), PANEL, table(turned_found, 1.0), turned_found, turned_found,
        tissue, GRID_UM,
    )  # fmt: skip
    for name in ("cells", "missed_stain_share", "empty_share", "flagged", "median_area_um2"):
        before = upright.tiles[name].to_numpy().reshape(4, 5)
        after = turned.tiles[name].to_numpy().reshape(5, 4)
        if before.dtype == float:
            assert np.allclose(np.rot90(before), after, rtol=0.02, atol=0.002), name
        else:
            assert np.array_equal(np.rot90(before), after), name


@pytest.mark.parametrize("pixel_um", [0.25, 0.5, 1.3, 2.0])
def test_pixel_sizes_agree(pixel_um):
    """The same field drawn coarser and finer; of nuclei 12 µm wide every third was missed."""
    shape = tuple(round(n / pixel_um) for n in (400, 500))
    middles = [(y / pixel_um, x / pixel_um) for y, x in lattice((400, 500), 25)]
    shown = discs(shape, middles, 6 / pixel_um)
    found = np.where(shown % 3 == 0, 0, shown).astype(np.int32)
    figures = judged(found, shown=shown, pixel_um=pixel_um).figures
    assert figures["cells_per_mm2"] == pytest.approx(214 / 0.2, rel=0.02)
    assert figures["missed_stain_share"] == pytest.approx(1 / 3, abs=0.04)
    assert figures["area_p50_um2"] == pytest.approx(np.pi * 36, rel=0.08)
    assert figures["unstained_share"] == 0


def test_glass_is_no_part_of_it():
    """Nuclei and tissue on the left half alone: tiles of glass are not judged."""
    found = FIELD.copy()
    found[:, 400:] = 0
    tissue = whole_tissue(SHAPE, 1.0)
    tissue[:, 200:] = False
    quality = judged(found, tissue=tissue)
    assert quality.figures["tissue_mm2"] == pytest.approx(0.32)
    assert quality.figures["cells_per_mm2"] == pytest.approx(2500)
    judged_tiles = quality.tiles["judged"].to_numpy().reshape(4, 5)
    assert np.array_equal(judged_tiles, np.arange(5)[None, :].repeat(4, 0) < 2)
    assert not quality.tiles["flagged"].any()


def test_a_slide_without_tissue_or_without_cells():
    none = np.zeros(SHAPE, np.int32)
    quality = judged(none, shown=FIELD)
    assert quality.figures["cells"] == 0
    assert quality.figures["missed_stain_share"] > 0.95
    assert quality.tiles["issues"].eq("missed").all()
    assert np.isnan(quality.figures["area_p50_um2"])
    assert quality.counts.sum() == 0
    assert any("of the nuclear stain has no nucleus" in text for text in quality.warnings)
    glass = judged(FIELD, tissue=np.zeros_like(whole_tissue(SHAPE, 1.0)))
    assert glass.figures["tissue_mm2"] == 0
    assert glass.figures["tiles_judged"] == 0
    assert np.isnan(glass.figures["missed_stain_share"])
    assert glass.warnings == ()


def test_cells_without_nuclei_take_their_place():
    quality = judged(FIELD, nuclei=False)
    assert quality.objects == "cells"
    assert quality.figures["area_p50_um2"] == DISC_PX
    assert quality.figures["missed_stain_share"] == 0


def test_whole_cells_are_neither_small_nor_large_and_stained_if_their_nucleus_is():
    """Cells of 18 µm about nuclei of 8 µm, whose stain fills a fifth of them."""
    cells = discs(SHAPE, lattice(SHAPE, STEP), 9.0)
    quality = judged(cells, shown=FIELD, nuclei=False, large_um2=60)
    assert np.isnan(quality.figures["large_share"])
    assert quality.tiles["large_share"].isna().all()
    assert quality.figures["unstained_share"] == 0
    assert quality.warnings == ()
    assert not quality.odd.size
    half = np.where(FIELD % 4 == 0, 0, FIELD).astype(np.int32)
    quality = judged(cells, shown=half, nuclei=False)
    assert quality.figures["unstained_share"] == pytest.approx(0.25, abs=0.001)


def test_a_slide_without_nuclear_stain_is_judged_by_number_and_size():
    cells = table(FIELD, 1.0)
    args = cells, FIELD, FIELD, whole_tissue(SHAPE, 1.0), GRID_UM
    quality = segmentation_quality(slide_of(stained(FIELD), 1.0), Panel(()), *args)
    assert quality.notes == ("no channel shows nuclei: only number and size were judged",)
    assert np.isnan(quality.figures["missed_stain_share"])
    assert np.isnan(quality.figures["unstained_share"])
    assert quality.figures["cells_per_mm2"] == pytest.approx(2500)
    noise = np.random.default_rng(0).normal(500, 30, SHAPE).astype(np.uint16)
    quality = segmentation_quality(slide_of(noise, 1.0), PANEL, *args)
    assert quality.notes == (
        "the nuclear stain does not part in two levels: only number and size were judged",
    )
    assert np.isnan(quality.figures["missed_stain_share"])
    flat = np.full(SHAPE, 7, np.uint16)
    quality = segmentation_quality(slide_of(flat, 1.0), PANEL, *args)
    assert np.isnan(quality.figures["missed_stain_share"])


def test_few_tiles_are_not_compared():
    small = FIELD[:400, :400].copy()
    small[:200, :200] = 0
    quality = judged(small)
    assert quality.notes == ("fewer than 8 tiles with tissue: not compared with each other",)
    assert not quality.tiles["flagged"].any()


def test_each_warning_of_a_slide():
    shown = np.where(FIELD % 5 == 0, 0, FIELD).astype(np.int32)
    unstained = judged(FIELD, shown=shown).warnings
    assert unstained == (
        "20% of the nuclei lie where hardly anything is stained: found in the background, or not "
        "those of this slide; look at segmentation.html",
    )
    missed = judged(shown, shown=FIELD).warnings
    assert missed == (
        "20% of the nuclear stain has no nucleus: some were missed; look at segmentation.html",
    )
    (small,) = judged(FIELD, small_um2=60).warnings
    assert small.startswith("100% of the nuclei are smaller than 60 µm²: cut into pieces, or")
    (large,) = judged(discs(SHAPE, lattice(SHAPE, 25), 8.5)).warnings
    assert large.startswith("100% of the nuclei are larger than 200 µm²: joined, or the pixel")
    half = FIELD.copy()
    for row, column in ((0, 0), (1, 1), (2, 2), (3, 3)):
        half[in_tile(row, column)][:, :100] = 0
    said = judged(half, shown=FIELD).warnings
    assert said == (
        "20% of the tiles with tissue are unlike the rest or hardly covered; look at "
        "segmentation.html",
    )


def test_labels_of_another_slide_are_unstained():
    moved = np.roll(FIELD, 10, axis=(0, 1))
    moved[:14], moved[:, :14] = 0, 0
    figures = judged(moved, shown=FIELD).figures
    assert figures["unstained_share"] > 0.9
    assert figures["missed_stain_share"] > 0.9


def test_two_nuclear_stains_are_taken_together():
    """Each shows half of the nuclei."""
    cells = table(FIELD, 1.0)
    images = [stained(np.where(FIELD % 2 == k, FIELD, 0), seed=k) for k in (0, 1)]
    slide = dataclasses.replace(
        slide_of(images[0], 1.0), arrays=(np.stack(images),), channels=("DAPI", "Hoechst")
    )
    (dapi,) = PANEL.stains
    panel = Panel((dapi, dataclasses.replace(dapi, channel="Hoechst", marker="hoechst")))
    figures = segmentation_quality(
        slide, panel, cells, FIELD, FIELD, whole_tissue(SHAPE, 1.0), GRID_UM
    ).figures
    assert figures["unstained_share"] == 0
    assert figures["missed_stain_share"] == 0
    assert figures["stained_share"] == pytest.approx(figures["covered_share"], rel=0.02)


def test_values_that_are_no_numbers_are_dark():
    image = stained(FIELD).astype(np.float32)
    image[:200, :200] = np.nan
    quality = segmentation_quality(
        slide_of(image, 1.0), PANEL, table(FIELD, 1.0), FIELD, FIELD,
        whole_tissue(SHAPE, 1.0), GRID_UM,
    )  # fmt: skip
    assert tile_of(quality, 0, 0)["issues"] == "unstained"
