"""Fields large enough for blocks: 1 mm on each side, the tumour left of a straight margin."""

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import RegionAreas
from tests.spatial.recount import MEMBERS

SIDE_UM = 1000.0
BLOCKS = {"centre": 40, "inner_margin": 10, "outer_margin": 10, "stroma": 40}
"""Blocks of 100 µm in each region; the margin as a whole has 20."""


def region_of(x_um):
    """Region by place: the outline runs at 500 µm, the margin is 100 µm wide on each side."""
    x = np.asarray(x_um)
    return np.select(
        [x < 400, x < 500, x < 600], ["centre", "inner_margin", "outer_margin"], "stroma"
    )


def block_areas(**changes):
    """Areas of the field by region, by band of 200 µm and by block."""
    column, row = (a.ravel() for a in np.meshgrid(range(10), range(10)))
    by_block = pd.DataFrame(
        {
            "row": row,
            "column": column,
            "region": region_of(100 * column + 50),
            "from_um": np.floor((100 * column + 50 - 400) / 200) * 200 - 100.0,
            "area_mm2": 0.01,
        }
    )
    four = {name: 0.01 * n for name, n in BLOCKS.items()}
    start = np.arange(-500.0, 500.0, 200.0)
    values = {
        "areas_mm2": {r: sum(four[part] for part in parts) for r, parts in MEMBERS.items()},
        "not_evaluable": {},
        "bands": pd.DataFrame({"from_um": start, "to_um": start + 200, "area_mm2": 0.2}),
        "edge_censored_mm2": 0.0,
        "margin_width_um": 100.0,
        "margin_length_mm": 1.0,
        "tumour_source": "drawn",
        "by_block": by_block,
    }
    return RegionAreas(**(values | changes))


def field(seed=0, n=2000, copies=1, negative=0.5, shares=(0.5, 0.2, 0.3)):
    """Cells at random, each of them so often at one place; shares of tumour, CD8 T and others."""
    rng = np.random.default_rng(seed)
    xy = rng.random((n, 2)) * SIDE_UM
    phenotype = rng.choice(["tumour", "cd8_t", "other"], n, p=shares)
    positive = rng.random(n) >= negative
    frame = pd.DataFrame(
        {
            "x_um": xy[:, 0],
            "y_um": xy[:, 1],
            "phenotype": phenotype,
            "pdl1_positive": pd.array(positive, dtype="boolean"),
            "region": region_of(xy[:, 0]),
            "distance_to_margin_um": xy[:, 0] - 500,
            "edge_censored": False,
        }
    )
    frame = frame.loc[np.repeat(frame.index, copies)].reset_index(drop=True)
    frame.index = pd.Index(np.arange(1, len(frame) + 1), name="label")
    return CellTable(frame)


def pairs_of(cells, reach_um=12.0):
    """Contacts between cells closer than a reach."""
    from scipy.spatial import cKDTree

    found = cKDTree(cells.points_um).query_pairs(reach_um, output_type="ndarray")
    labels = np.sort(cells.labels[found], axis=1)
    return pd.DataFrame({"label_a": labels[:, 0], "label_b": labels[:, 1], "contact_um": 1.0})
