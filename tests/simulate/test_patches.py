"""Patches or none, nerves, and the lymph node."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from immunescape.simulate import SCENARIOS, FieldParams, simulate_field
from immunescape.simulate.biology import _in_patches
from immunescape.simulate.chance import generator
from immunescape.simulate.nests import lay_ground
from immunescape.simulate.placement import Bodies

WIDE = FieldParams(width_um=500, height_um=500, pixel_size_um=1.0, encircled_fraction=0.0)


def test_cd8_cells_cluster_as_much_as_asked():
    flat = replace(
        SCENARIOS["baseline"], cd8_per_mm2=(400.0,) * 4, lymphocytes_per_mm2=(0.0,) * 4,
        macrophages_per_mm2=(0.0,) * 4, name="flat",
    )  # fmt: skip
    dispersion = {}
    for clustering in (0.0, 1.2):
        params = replace(
            WIDE, cd8_clustering=clustering, nest_fraction=0.0, stroma_density_per_mm2=200.0
        )
        ratios = []
        for seed in range(4):
            cells = simulate_field(params, flat, seed).truth.cells
            at = cells.loc[cells["kind"] == "cd8_t", ["x_um", "y_um"]].to_numpy()
            squares = np.minimum((at / 50).astype(int), 9) @ [10, 1]
            counts = np.bincount(squares, minlength=100)
            ratios.append(counts.var() / counts.mean())
        dispersion[clustering] = np.mean(ratios)
    assert dispersion[0.0] == pytest.approx(1, abs=0.2)
    assert dispersion[1.2] > 1.5


def grid(n=60, step=10.0):
    x, y = (step * axis.ravel().astype(float) for axis in np.meshgrid(np.arange(n), np.arange(n)))
    one = np.ones(n * n)
    return Bodies(x, y, np.zeros(n * n, np.int64), 3 * one, 3 * one, 0 * one)


@pytest.mark.parametrize("chance", [0.05, 0.3, 0.85])
def test_patches_of_pdl1_keep_its_mean_and_their_size(chance):
    bodies, rng = grid(), np.random.default_rng(2)
    per_cell = np.full((len(bodies), 3), chance)
    fields = [
        _in_patches(per_cell, bodies, replace(WIDE, pdl1_clustering=1.5), rng)[:, 0]
        for _ in range(30)
    ]
    assert np.mean(fields) == pytest.approx(chance, abs=0.03)
    values = np.array(fields).reshape(30, 60, 60)
    assert values.std() > 0.3 * np.sqrt(chance * (1 - chance)) * 0.5
    centred = values - values.mean()
    near = (centred[:, :, 1:] * centred[:, :, :-1]).mean() / values.var()
    far = (centred[:, :, 20:] * centred[:, :, :-20]).mean() / values.var()
    assert near > 0.8 and abs(far) < 0.2


def test_no_patches_where_none_are_asked_for_and_certainty_stays():
    bodies, rng = grid(10), np.random.default_rng(2)
    chance = np.full((100, 3), 0.4)
    assert _in_patches(chance, bodies, replace(WIDE, pdl1_clustering=0.0), rng) is chance
    sure = np.repeat([[0.0, 1.0, 0.0]], 100, axis=0)
    assert (_in_patches(sure, bodies, replace(WIDE, pdl1_clustering=2.0), rng) == sure).all()


def test_pdl1_in_patches_can_be_independent_of_cd8():
    even = replace(SCENARIOS["response"], pdl1_tumour=(0.4, 0.4, 0.4), name="independent")
    params = replace(WIDE, pdl1_clustering=1.5)
    touching, not_touching, alike, n = [], [], [], 0
    for seed in range(4):
        cells = simulate_field(params, even, seed).truth.cells
        tumour = cells[cells["kind"] == "tumour"]
        positive = tumour["pdl1_positive"].to_numpy()
        touching.append(positive[tumour["touching_cd8"]])
        not_touching.append(positive[~tumour["touching_cd8"]])
        nearest = KDTree(tumour[["x_um", "y_um"]]).query(tumour[["x_um", "y_um"]], 2)[1][:, 1]
        alike.append((positive == positive[nearest]).mean())
        n += len(tumour)
    assert n > 1000
    a, b = np.concatenate(touching), np.concatenate(not_touching)
    assert abs(a.mean() - b.mean()) < 4 * np.sqrt(0.24 * (1 / len(a) + 1 / len(b))) * 1.5
    share = np.concatenate([a, b]).mean()
    assert np.mean(alike) > share**2 + (1 - share) ** 2 + 0.05


def test_nerves_are_strands_of_s100_cells_in_the_stroma():
    params = FieldParams(
        width_um=500, height_um=400, pixel_size_um=1.0, nerves=2, nest_fraction=0.35
    )
    field = simulate_field(params, "baseline", 5)
    cells, nerve = field.truth.cells, field.regions["nerve"]
    spindle = cells[cells["kind"] == "nerve"]
    assert len(spindle) > 15
    assert spindle["s100_positive"].all() and not spindle["sox10_positive"].any()
    assert set(spindle["phenotype"]) == {"other"}
    at = spindle[["x_um", "y_um"]].to_numpy()
    assert field.regions.distance_um("nerve", at).max() < 5
    assert not nerve.intersects(field.regions["tumour"])
    assert len(nerve.geoms) == 2
    inside = cells[field.regions.covers("nerve", cells[["x_um", "y_um"]].to_numpy())]
    assert (inside["kind"] == "nerve").mean() > 0.8
    assert "nerve" not in simulate_field(replace(params, nerves=0), "baseline", 5).regions


def test_the_outer_side_of_a_node_metastasis_is_full_of_its_own_cd8_cells():
    field = simulate_field(WIDE, "node", 2)
    assert field.site == "lymph_node"
    cells, lymphoid = field.truth.cells, field.regions["lymphoid"]
    assert lymphoid.area / 1e6 == pytest.approx(
        field.regions.area_mm2("tissue") - field.regions.area_mm2("tumour"), rel=0.12
    )
    assert lymphoid.distance(field.regions["tumour"]) == pytest.approx(14, abs=0.5)
    within = cells[field.regions.covers("lymphoid", cells[["x_um", "y_um"]].to_numpy())]
    share = within["kind"].value_counts(normalize=True)
    assert share["lymphocyte"] + share["cd8_t"] > 0.85
    density = field.truth.summary.set_index(["metric", "region"])["value"]
    assert density["cd8_density", "stroma"] > 1000 > 5 * density["cd8_density", "centre"]


def test_a_field_may_hold_no_tumour():
    field = simulate_field(replace(WIDE, nest_fraction=0.0), "baseline", 2)
    assert field.regions["tumour"].is_empty and field.regions["interface"].is_empty
    assert "tumour" not in set(field.truth.cells["kind"])
    assert set(field.truth.cells["region"]) == {"stroma"}
    assert lay_ground(replace(WIDE, nest_fraction=0.0, satellites=1), generator(1, "g")).tumour.area
