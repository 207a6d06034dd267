"""What a field says of itself agrees with its own pixels, polygons and tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import ndimage as ndi

from immunescape.results import REGION_NAMES
from immunescape.simulate import FieldParams, simulate_field
from immunescape.simulate.chance import generator
from immunescape.simulate.neighbours import contact_pairs, facing_pixels
from immunescape.simulate.nests import lay_ground

SMALL = FieldParams(width_um=260, height_um=220, margin_width_um=50)
SQUARE = FieldParams(
    width_um=300, height_um=300, margin_width_um=40, roughness_um=0, pixel_size_um=1
)


@pytest.fixture(scope="module")
def field():
    return simulate_field(SMALL, "response", seed=5, name="small")


def test_labels_are_disjoint_cells_each_holding_its_nucleus(field):
    n = len(field.truth.cells)
    assert n > 100
    assert np.array_equal(np.unique(field.cells), np.arange(n + 1))
    assert np.array_equal(np.unique(field.nuclei), np.arange(n + 1))
    nucleus = field.nuclei > 0
    assert np.array_equal(field.cells[nucleus], field.nuclei[nucleus])
    assert field.cells.dtype == field.nuclei.dtype == np.int32


@pytest.mark.parametrize("which", ["cells", "nuclei"])
def test_every_label_is_one_piece(field, which):
    labels = getattr(field, which)
    for k, window in enumerate(ndi.find_objects(labels), start=1):
        _, pieces = ndi.label(labels[window] == k)
        assert pieces == 1, k


def test_cells_reach_no_further_than_they_may_and_meet_their_neighbours(field):
    distance = ndi.distance_transform_edt(field.nuclei == 0)
    interior = slice(40, -40), slice(40, -40)  # nuclei that the frame cuts off lie beyond it
    within = distance[interior][field.cells[interior] > 0]
    assert 0.9 * SMALL.reach_um < within.max() * SMALL.pixel_size_um <= SMALL.reach_um
    _, edges = facing_pixels(field.cells, 0)
    assert np.median(edges) * SMALL.pixel_size_um > 2  # borders, not mere touches


def test_centroids_are_those_of_the_labels_pixels(field):
    label = int(field.truth.cells["label"].iloc[17])
    rows, columns = np.nonzero(field.cells == label)
    row = field.truth.cells.set_index("label").loc[label]
    assert row["x_um"] == pytest.approx((columns + 0.5).mean() * 0.5)
    assert row["y_um"] == pytest.approx((rows + 0.5).mean() * 0.5)


def test_markers_follow_the_kind_of_cell(field):
    cells = field.truth.cells
    assert (cells["sox10_positive"] == (cells["kind"] == "tumour")).all()
    assert (cells["cd8_positive"] == (cells["kind"] == "cd8_t")).all()
    assert set(cells.loc[cells["s100_positive"], "kind"]) <= {"tumour", "dendritic"}
    assert (cells["phenotype"] == "other").eq(~cells["kind"].isin(["tumour", "cd8_t"])).all()
    lost = (cells["sox10_positive"] & ~cells["s100_positive"]).sum()
    assert 0 < lost < 0.12 * cells["sox10_positive"].sum()


def test_regions_sum_to_the_whole(field):
    table = field.truth.regions
    assert tuple(table["region"].unique()) == REGION_NAMES
    areas = table.groupby("region")["area_mm2"].first()
    assert areas["tissue"] == pytest.approx(0.260 * 0.220, rel=1e-9)
    assert areas["tumour"] + areas["outer_margin"] + areas["stroma"] == pytest.approx(
        areas["tissue"]
    )
    assert areas["centre"] + areas["inner_margin"] == pytest.approx(areas["tumour"])
    assert areas["inner_margin"] + areas["outer_margin"] == pytest.approx(areas["margin"])
    counts = table.pivot_table(
        index="region", columns=["phenotype", "pdl1"], values="count", aggfunc="sum"
    )
    parts = counts.loc[["centre", "inner_margin", "outer_margin", "stroma"]].sum()
    assert parts.equals(counts.loc["tissue"])
    for phenotype in ("tumour", "cd8_t", "other"):
        both = counts[phenotype, "positive"] + counts[phenotype, "negative"]
        assert both.equals(counts[phenotype, "any"])
    assert counts.loc["tissue"].xs("any", level="pdl1").sum() == len(field.truth.cells)


def test_area_agrees_with_a_mask_of_the_polygon(field):
    y, x = (np.indices((220, 260)) + 0.5).astype(float)
    share = shapely.intersects_xy(field.regions["tumour"], x, y).mean()
    assert share * 0.260 * 0.220 == pytest.approx(field.regions.area_mm2("tumour"), rel=0.01)


def test_straight_front_has_the_areas_of_rectangles():
    field = simulate_field(SQUARE, "baseline", seed=2)
    areas = field.truth.regions.groupby("region")["area_mm2"].first() * 1e6
    expected = {
        "centre": 110 * 300, "inner_margin": 40 * 300, "outer_margin": 40 * 300,
        "stroma": 110 * 300, "margin": 80 * 300, "tumour": 150 * 300, "tissue": 300 * 300,
    }  # fmt: skip
    for region, area in expected.items():
        assert areas[region] == pytest.approx(area, rel=1e-6), region
    assert field.regions["interface"].length == pytest.approx(300)


@pytest.mark.parametrize("seed", range(3))
def test_nest_leaving_by_three_sides_has_margin_along_the_fourth_only(seed):
    field = simulate_field(SQUARE, "baseline", seed=seed)
    x0, y0, x1, y1 = field.regions["interface"].bounds
    upright = x0 == x1
    assert upright or y0 == y1
    cells = field.truth.cells
    away = cells["x_um" if upright else "y_um"] - 150
    inside = cells["distance_to_margin_um"] < 0
    side = -1 if (away[inside] < 0).all() else 1
    assert np.allclose(cells["distance_to_margin_um"], -side * away)
    assert (cells["region"].isin(["inner_margin", "outer_margin"]) == (away.abs() <= 40)).all()
    frame = pd.concat(
        [cells["x_um"], cells["y_um"], 300 - cells["x_um"], 300 - cells["y_um"]], axis=1
    ).min(axis=1)
    assert (cells["edge_censored"] == (frame < away.abs())).all()
    assert cells["edge_censored"].any() and not cells["edge_censored"].all()


@pytest.mark.parametrize(("sides", "leaves"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)])
@pytest.mark.parametrize("seed", [1, 2])
def test_nest_leaves_by_as_many_sides_as_asked(sides, leaves, seed):
    params = FieldParams(width_um=300, height_um=240, nest_sides=sides, nest_fraction=0.4)
    tumour = lay_ground(params, generator(seed, "ground")).tumour
    frame = shapely.box(0, 0, 300, 240).exterior.coords
    sides_met = [
        shapely.LineString(pair).intersection(tumour).length > 1
        for pair in itertools.pairwise(frame)
    ]
    assert sum(sides_met) == leaves
    if sides < 4:
        assert tumour.area == pytest.approx(0.4 * 300 * 240, rel=0.25)


def test_nothing_but_tumour_has_no_interface():
    field = simulate_field(FieldParams(width_um=120, height_um=120, nest_sides=4), "cold", 3)
    cells = field.truth.cells
    assert field.regions["interface"].is_empty
    assert cells["distance_to_margin_um"].isna().all() and cells["edge_censored"].all()
    assert set(cells["region"]) == {"centre"}
    areas = field.truth.regions.groupby("region")["area_mm2"].first()
    assert areas["margin"] == 0 and areas["tumour"] == pytest.approx(0.0144)


def test_free_edge_of_the_section_is_no_interface():
    params = FieldParams(
        width_um=300,
        height_um=200,
        glass_fraction=0.3,
        nest_fraction=0.5,
        roughness_um=0,
        pixel_size_um=1,
    )
    field = simulate_field(params, "baseline", seed=4)
    assert field.regions.area_mm2("tissue") == pytest.approx(0.7 * 0.06)
    assert field.regions["interface"].length in (pytest.approx(200), pytest.approx(300))
    dapi = field.image[0].astype(float)
    y, x = np.indices(dapi.shape) + 0.5
    glass = ~shapely.intersects_xy(field.regions["tissue"].buffer(15), x, y)
    assert glass.mean() > 0.2
    assert dapi[glass].mean() < 0.3 * (dapi[~glass].mean() - 100) + 100


def test_islands_and_satellites_are_holes_and_nests():
    params = FieldParams(satellites=2, stromal_islands=2)
    tumour = lay_ground(params, generator(1, "ground")).tumour
    parts = shapely.get_parts(tumour)
    assert len(parts) == 3
    assert sum(len(part.interiors) for part in parts) == 2


def test_contacts_by_hand():
    labels = np.array(
        [
            [1, 1, 2, 2, 0],
            [1, 1, 2, 2, 0],
            [0, 0, 3, 0, 4],
            [5, 0, 0, 0, 4],
        ],
        np.int32,
    )
    pairs, edges = facing_pixels(labels, 0)
    assert dict(zip(map(tuple, pairs.tolist()), edges.tolist(), strict=True)) == {
        (1, 2): 2, (2, 3): 1,
    }  # fmt: skip
    pairs, edges = facing_pixels(labels, 1)
    found = dict(zip(map(tuple, pairs.tolist()), edges.tolist(), strict=True))
    # 1 and 5 across one background pixel down, 3 and 4 across one to the right; corners never
    assert found == {(1, 2): 2, (2, 3): 1, (1, 5): 1, (3, 4): 1}
    assert contact_pairs(labels, 0.5, 1.0, 0.0).tolist() == [[1, 2]]
    assert len(contact_pairs(labels, 0.5, 0.5, 0.5)) == 4


def test_contact_table_is_symmetric_and_agrees_with_the_pairs(field):
    table = field.truth.contacts
    start, end = ["from_phenotype", "from_pdl1"], ["to_phenotype", "to_pdl1"]
    there = table.set_index(start + end)["pairs"]
    back = table.set_index(end + start)["pairs"].reindex(there.index)
    assert len(there) == 81 and there.tolist() == back.tolist()
    pairs = contact_pairs(field.cells, 0.5, SMALL.min_contact_um, SMALL.gap_um)
    whole = table.query("from_pdl1 == 'any' and to_pdl1 == 'any'")
    once = whole[whole["from_phenotype"] <= whole["to_phenotype"]]
    assert once["pairs"].sum() == len(pairs)


def test_touching_is_having_a_cd8_neighbour(field):
    cells = field.truth.cells.set_index("label")
    pairs = contact_pairs(field.cells, 0.5, SMALL.min_contact_um, SMALL.gap_um)
    cd8 = set(cells.index[cells["phenotype"] == "cd8_t"])
    touching = {a for a, b in pairs.tolist() if b in cd8} | {
        b for a, b in pairs.tolist() if a in cd8
    }
    assert set(cells.index[cells["touching_cd8"]]) == touching


def test_headline_is_counted_from_the_cells(field):
    cells = field.truth.cells
    summary = field.truth.summary.set_index(["metric", "region"])
    chosen = cells[
        (cells["phenotype"] == "tumour")
        & cells["touching_cd8"]
        & cells["region"].isin(["centre", "inner_margin"])
    ]
    row = summary.loc[("pdl1_negative_fraction_touching_cd8", "tumour")]
    assert row["denominator"] == len(chosen) > 20
    assert row["numerator"] == (~chosen["pdl1_positive"]).sum()
    assert row["value"] == pytest.approx(1 - chosen["pdl1_positive"].mean())
    density = summary.loc[("cd8_density", "tissue")]
    assert density["value"] == pytest.approx((cells["kind"] == "cd8_t").sum() / (0.26 * 0.22))
