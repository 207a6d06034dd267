"""Area by block: its sums are the regions and the bands, its places are those of the cells."""

import numpy as np
import pandas as pd
import pytest
import shapely

from immunescape.margin import GridMask, MarginParams, map_margin
from immunescape.regions import Regions
from immunescape.results import BLOCK_COLUMNS, BLOCK_UM

FRAME = (1201.0, 1000.7)
NEST = shapely.Polygon([(-20, 200), (300, 100), (520, 420), (700, 380), (640, 800), (200, 1100)])
DRAWN = Regions(
    {"excluded": shapely.box(480, 300, 640, 420), "epidermis": shapely.box(900, 0, 960, 400)}
)


@pytest.mark.parametrize("grid_um", [2.0, 3.0, 0.9])
@pytest.mark.parametrize("tumour", [NEST, shapely.box(-5, -5, 2000, 2000), shapely.MultiPolygon()])
def test_sums_are_the_regions_and_the_bands(tumour, grid_um):
    areas = map_margin(GridMask.whole(FRAME, grid_um), DRAWN, tumour, "drawn").areas
    assert tuple(areas.by_block.columns) == BLOCK_COLUMNS
    assert (areas.by_block.area_mm2 > 0).all()
    assert not areas.by_block.duplicated(["row", "column", "region", "from_um"]).any()
    by_region = areas.by_block.groupby("region").area_mm2.sum()
    for name in ("centre", "inner_margin", "outer_margin", "stroma"):
        assert by_region.get(name, 0.0) == pytest.approx(areas.areas_mm2[name], rel=1e-12)
    by_band = areas.by_block.groupby("from_um").area_mm2.sum()
    assert by_band.sum() == pytest.approx(areas.bands.area_mm2.sum(), rel=1e-12)
    for _, band in areas.bands.iterrows():
        assert by_band.get(band.from_um, 0.0) == pytest.approx(band.area_mm2, rel=1e-12)


def test_each_block_holds_what_lies_in_it():
    """A straight interface at 250 µm: blocks cut it into stripes of known width."""
    margin = MarginParams(width_um=100, band_um=50, band_reach_um=200)
    areas = map_margin(
        GridMask.whole((500.0, 520.0)), Regions(), shapely.box(-1, -1, 250, 600), "drawn",
        params=margin,
    ).areas  # fmt: skip
    table = areas.by_block
    assert (table.row.max(), table.column.max()) == (5, 4)
    by = table.groupby(["row", "column", "region"]).area_mm2.sum() * 1e6
    assert by[2].to_dict() == pytest.approx(
        {
            (0, "centre"): 10_000, (1, "centre"): 5000, (1, "inner_margin"): 5000,
            (2, "inner_margin"): 5000, (2, "outer_margin"): 5000, (3, "outer_margin"): 5000,
            (3, "stroma"): 5000, (4, "stroma"): 10_000,
        }
    )  # fmt: skip
    assert by[5].sum() == pytest.approx(500 * 20)
    band = table[(table["row"] == 2) & (table["column"] == 2)].set_index("from_um").area_mm2
    assert band[[-50.0, 0.0]].to_numpy() == pytest.approx([0.005, 0.005])


def test_area_in_no_band_is_what_the_bands_leave_out():
    areas = map_margin(GridMask.whole(FRAME), Regions(), NEST, "drawn").areas
    beyond = areas.by_block[areas.by_block.from_um.isna()].area_mm2.sum()
    assert beyond == pytest.approx(areas.areas_mm2["tissue"] - areas.bands.area_mm2.sum())
    assert beyond > areas.edge_censored_mm2 - 1e-9


def test_cells_lie_in_the_blocks_that_give_their_area():
    """Points as regular as the grid share out among blocks, regions and bands as area does."""
    grid = GridMask.whole(FRAME)
    result = map_margin(grid, DRAWN, NEST, "drawn")
    x, y = np.meshgrid(grid.x_um, grid.y_um)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    located = result.locate(points)
    weight = np.outer(grid.heights_um, grid.widths_um).ravel() / 1e6
    row, column = (points[:, [1, 0]] // BLOCK_UM).astype(int).T
    counted = pd.Series(weight).groupby([row, column, located.region.to_numpy()]).sum()
    counted = counted.drop("excluded", level=2)
    ours = result.areas.by_block.groupby(["row", "column", "region"]).area_mm2.sum()
    both = pd.concat([counted.rename("points"), ours.rename("ours")], axis=1).fillna(0.0)
    assert np.abs(both.points - both.ours).max() < 6e-5
