"""The geometry of real tumours: nothing stands out until something is spoiled."""

import numpy as np
import pytest

from immunescape.quality import segmentation_quality
from tests.quality.drawn_nuclei import GRID_UM, PANEL, judged, slide_of, table, whole_tissue
from tests.real_data import DATA, needs

FIELDS = ("Set12_20-6plex_[14146,53503]", "Set8_11-6plex_[17130,56449]")
PIXEL_UM = 0.5


def pages(*parts):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(DATA.joinpath(*parts)) as file:
        return [page.asarray() for page in file.pages]


@pytest.fixture(scope="module", params=FIELDS, ids=["Set12", "Set8"])
def labels(request):
    """Nuclei of a lung tumour as another program outlined them."""
    nuclei = pages("nuclei", "tissue_masks", f"{request.param}_binary_seg_maps.tif")[1]
    return nuclei.astype(np.int32)


def worst(quality):
    """Middle of the tile that stands out most, in pixels (row, column)."""
    row = quality.tiles.sort_values("severity").iloc[-1]
    y, x = (row[f"{a}_um"] + row[f"{s}_um"] / 2 for a, s in (("y", "height"), ("x", "width")))
    return y / PIXEL_UM, x / PIXEL_UM


@needs("nuclei", "tissue_masks")
def test_limits_of_size_hold_nearly_all_nuclei_and_no_tile_stands_out(labels):
    quality = judged(labels, pixel_um=PIXEL_UM)
    assert 0.01 < quality.figures["small_share"] < 0.10
    assert quality.figures["large_share"] < 0.005
    assert quality.figures["tiles_judged"] == 20
    assert not quality.tiles["flagged"].any()
    assert quality.warnings == ()


@needs("nuclei", "tissue_masks")
def test_where_nuclei_are_taken_away_the_tile_is_found(labels):
    found = labels.copy()
    found[350:700, 380:740] = 0
    quality = judged(found, shown=labels, pixel_um=PIXEL_UM)
    row = quality.tiles.loc[quality.tiles["severity"].idxmax()]
    assert "missed" in row["issues"].split()
    y, x = worst(quality)
    assert 350 < y < 700
    assert 380 < x < 740
    assert quality.tiles["flagged"].sum() <= 2


@needs("nuclei", "tissue_masks")
def test_where_neighbours_are_joined_the_tile_is_found(labels):
    """All nuclei whose middles share a square of 24 µm become one."""
    found = labels.copy()
    area = found[350:700, 380:740]
    i, j = np.indices(area.shape)
    first = int(labels.max()) + 1
    n = np.bincount(area.ravel())
    middles = [np.bincount(area.ravel(), v.ravel()) / np.maximum(n, 1) for v in (i, j)]
    square = first + (middles[0] // 48).astype(int) * 100 + (middles[1] // 48).astype(int)
    area[...] = np.where(area > 0, square[area], 0)
    quality = judged(found, shown=labels, pixel_um=PIXEL_UM)
    row = quality.tiles.loc[quality.tiles["severity"].idxmax()]
    assert {"large", "giants"} & set(row["issues"].split())
    y, x = worst(quality)
    assert 350 < y < 700
    assert 380 < x < 740


@needs("inform")
def test_a_lymphoid_field_as_another_program_segmented_it():
    """Crowded: what nuclei cover is stained and what is stained is covered; a third is taken."""
    dapi = pages("inform", "FIHC4__0929309_HP_IM3_2_component_data.tif")[3]
    nuclei = pages("inform", "FIHC4__0929309_HP_IM3_2_binary_seg_maps.tif")[1].astype(np.int32)
    gone = np.random.default_rng(0).random(271) < 1 / 3

    def figures(labels):
        return segmentation_quality(
            slide_of(dapi, 0.497), PANEL, table(labels, 0.497), labels, labels,
            whole_tissue(labels.shape, 0.497), GRID_UM,
        ).figures  # fmt: skip

    whole = figures(nuclei)
    assert whole["missed_stain_share"] < 0.01
    assert whole["unstained_share"] < 0.01
    fewer = figures(np.where(gone[nuclei], 0, nuclei).astype(np.int32))
    assert 0.1 < fewer["missed_stain_share"] < 0.35
