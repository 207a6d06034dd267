"""The derived tumour region against the exact one of simulated fields, from good and bad calls."""

from functools import cache

import numpy as np
import pytest
import shapely

from immunescape.margin import (
    GridMask,
    TumourParams,
    compare_bandwidths,
    derive_tumour,
    map_margin,
    rasterise,
)
from immunescape.regions import Regions
from immunescape.simulate import KINDS, SCENARIOS, FieldParams
from immunescape.simulate.chance import generator
from immunescape.simulate.nests import Ground, lay_ground
from immunescape.simulate.placement import Bodies, place_cells

SEEDS = 8
FRAME = (600.0, 600.0)


@cache
def placed(scenario: str, seed: int, **params) -> tuple[Ground, Bodies]:
    """Ground and cells of a field, without its image."""
    look = FieldParams(nest_sides=(3, 1, 2, 0)[seed % 4], **params)
    biology = SCENARIOS[scenario]
    nodal = biology.site == "lymph_node"
    ground = lay_ground(look, generator(seed, "region", "ground"), nodal=nodal)
    return ground, place_cells(ground, biology, look, generator(seed, "region", "cells"))


def points_of(cells: Bodies, *kinds: str) -> np.ndarray:
    chosen = np.isin(cells.kind, [KINDS.index(kind) for kind in kinds])
    points = np.stack([cells.x, cells.y], axis=1)[chosen]
    return points[((points > 0) & (points < FRAME)).all(axis=1)]


def called(cells: Bodies, calls: str, seed: int) -> np.ndarray:
    """Cells called tumour: rightly; or 5 % missed, 3 % of others and all S100+ ones added."""
    tumour = points_of(cells, "tumour")
    if calls == "right":
        return tumour
    rng = np.random.default_rng(seed)
    others = points_of(cells, "cd8_t", "lymphocyte", "macrophage", "fibroblast")
    return np.concatenate(
        [
            tumour[rng.random(len(tumour)) >= 0.05],
            others[rng.random(len(others)) < 0.03],
            points_of(cells, "dendritic", "nerve"),
        ]
    )


@pytest.mark.parametrize("calls", ["right", "wrong"])
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_region_and_cd8_density_come_near_the_true_ones(scenario, calls):
    counts, areas = np.zeros(2), np.zeros(2)
    for seed in range(SEEDS):
        ground, cells = placed(scenario, seed)
        tissue = rasterise(ground.tissue, GridMask.whole(FRAME))
        region = derive_tumour(called(cells, calls, seed), tissue) & ground.tissue
        true = ground.tumour
        assert (region & true).area / (region | true).area > 0.9
        cd8 = points_of(cells, "cd8_t")
        counts += [shapely.intersects_xy(shape, *cd8.T).sum() for shape in (true, region)]
        areas += [true.area, region.area]
    density = counts / areas * 1e6
    assert abs(density[1] - density[0]) < max(0.15 * density[0], 3e6 / areas[0])


def test_satellites_are_found():
    ground, cells = placed("baseline", 2, satellites=3)
    parts = [p for p in shapely.get_parts(ground.tumour) if p.area > 3500]
    assert len(parts) > 1
    region = derive_tumour(points_of(cells, "tumour"), GridMask.whole(FRAME))
    for part in parts:
        assert (region & part).area > 0.8 * part.area


def test_cells_in_a_drawn_nerve_are_no_tumour():
    ground, cells = placed("cold", 0, nerves=2)
    points = points_of(cells, "tumour", "nerve")
    free = derive_tumour(points, GridMask.whole(FRAME))
    drawn = Regions({"nerve": ground.nerve.buffer(3)})
    without = derive_tumour(points, GridMask.whole(FRAME), annotations=drawn)
    assert (free & ground.nerve).area > 0.5 * ground.nerve.area
    assert (without & ground.nerve).area == 0


def test_an_exclusion_neither_adds_tumour_nor_eats_into_it():
    """A fold over the front: its cells and its area are left out, the rest stays the same."""
    ground, cells = placed("baseline", 0)
    x0, y0, x1, y1 = ground.interface.bounds
    fold = shapely.box(
        (x0 + x1) / 2 - 60, (y0 + y1) / 2 - 60, (x0 + x1) / 2 + 60, (y0 + y1) / 2 + 60
    )
    debris = np.random.default_rng(0).uniform(fold.bounds[:2], fold.bounds[2:], (400, 2))
    points = np.concatenate([points_of(cells, "tumour"), debris])
    kept = derive_tumour(
        points, GridMask.whole(FRAME), annotations=Regions({"excluded": fold})
    ) - fold  # fmt: skip
    true = ground.tumour - fold
    assert (kept & true).area / (kept | true).area > 0.95


def test_other_bandwidths_change_little():
    _, cells = placed("response", 1)
    table = compare_bandwidths(points_of(cells, "tumour"), GridMask.whole(FRAME))
    assert table.bandwidth_um.tolist() == [25.0, 12.5, 50.0]
    assert table.iou.iloc[0] == 1.0
    assert (table.iou > 0.9).all()
    assert np.ptp(table.area_mm2) < 0.05 * table.area_mm2.iloc[0]
    clipped = compare_bandwidths(
        np.zeros((0, 2)), GridMask.whole(FRAME), TumourParams(bandwidth_um=180), factors=(2.0,)
    )
    assert clipped.bandwidth_um.tolist() == [180.0, 200.0]
    assert clipped.iou.isna().all()
    assert (clipped.area_mm2 == 0).all()


def test_in_a_node_the_rim_of_stroma_is_judged_once_lymphoid_tissue_is_drawn():
    ground, cells = placed("node", 0)
    lymphoid = shapely.intersection(ground.lymphoid, ground.frame)
    bare = map_margin(GridMask.whole(FRAME), Regions(), ground.tumour, "drawn", "lymph node")
    assert "lymph node" in bare.areas.not_evaluable["outer_margin"]
    drawn = Regions({"lymphoid": lymphoid})
    told = map_margin(GridMask.whole(FRAME), drawn, ground.tumour, "drawn", "lymph node")
    assert "outer_margin" not in told.areas.not_evaluable
    rim = ground.tissue - ground.tumour - lymphoid
    zone = ground.interface.buffer(100)
    assert told.areas.areas_mm2["outer_margin"] == pytest.approx((rim & zone).area / 1e6, rel=0.02)
    lymphocytes = points_of(cells, "lymphocyte")
    outside = lymphocytes[shapely.intersects_xy(lymphoid.buffer(-3), *lymphocytes.T)]
    assert len(outside) > 500
    assert (told.locate(outside).region == "excluded").all()
