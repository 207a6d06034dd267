import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from immunescape.results import BLOCK_COLUMNS, BLOCK_UM, REGION_NAMES
from immunescape.simulate import PointParams, simulate_cells

FIELDS = 60


def cd8_counts(params, region="tissue"):
    counts = []
    for seed in range(FIELDS):
        cells = simulate_cells(params, seed).cells
        mine = (cells["phenotype"] == "cd8_t").to_numpy()
        if region != "tissue":
            mine &= (cells["region"] == region).to_numpy()
        counts.append(mine.sum())
    return np.array(counts)


@pytest.mark.parametrize("cd8", ["regular", "independent", "clustered"])
def test_cd8_intensity_is_the_planted_one_in_every_region(cd8):
    params = PointParams(width_um=600, height_um=600, cd8=cd8)
    fields = [simulate_cells(params, seed) for seed in range(FIELDS)]
    for name in REGION_NAMES[:4]:
        counts = [
            ((f.cells["phenotype"] == "cd8_t") & (f.cells["region"] == name)).sum() for f in fields
        ]
        expected = fields[0].planted.cd8_density_per_mm2[name] * fields[0].areas.areas_mm2[name]
        error = np.std(counts, ddof=1) / np.sqrt(FIELDS)
        assert abs(np.mean(counts) - expected) < 4 * error


def test_how_cd8_t_cells_gather_shows_in_the_variance_of_their_number():
    even = dict.fromkeys(
        ("cd8_centre_per_mm2", "cd8_inner_per_mm2", "cd8_outer_per_mm2", "cd8_stroma_per_mm2"),
        600.0,
    )
    index = {}
    for cd8 in ("regular", "independent", "clustered"):
        params = PointParams(
            width_um=600, height_um=600, cd8=cd8, cluster_um=10, cluster_cells=8, hard_core_um=14,
            **even,
        )  # fmt: skip
        counts = cd8_counts(params)
        index[cd8] = counts.var(ddof=1) / counts.mean()
    low, high = stats.chi2.ppf([0.0005, 0.9995], FIELDS - 1) / (FIELDS - 1)
    assert low < index["independent"] < high
    # A Thomas process has 1 + the mean of a cluster, less what the border cuts.
    assert 0.75 * 9 * low < index["clustered"] < 9 * high
    assert index["regular"] < index["independent"] < index["clustered"]


def test_regular_cd8_t_cells_keep_their_distance():
    made = simulate_cells(PointParams(cd8="regular", hard_core_um=12), 1)
    mine = made.cells.points_um[(made.cells["phenotype"] == "cd8_t").to_numpy()]
    assert cKDTree(mine).query(mine, k=2)[0][:, 1].min() > 12


@pytest.mark.parametrize("pdl1", ["independent", "patchy"])
def test_pdl1_has_exactly_the_planted_probability(pdl1):
    params = PointParams(width_um=600, height_um=600, pdl1=pdl1, patch_um=30)
    shares = {key: [] for key in [("tumour", True), ("tumour", False), ("other", True)]}
    for seed in range(FIELDS):
        made = simulate_cells(params, seed)
        frame = made.cells.frame
        cd8 = (frame["phenotype"] == "cd8_t").to_numpy()
        a, b = (made.pairs[c].to_numpy() - 1 for c in ("label_a", "label_b"))
        touching = np.zeros(len(frame), bool)
        touching[a[cd8[b]]] = True
        touching[b[cd8[a]]] = True
        for (phenotype, near), found in shares.items():
            mine = (frame["phenotype"] == phenotype).to_numpy() & (touching == near)
            found.append((int((~frame["pdl1_positive"])[mine].sum()), int(mine.sum())))
    for key, found in shares.items():
        k, n = np.array(found).T
        p = k.sum() / n.sum()
        error = np.sqrt(((k - p * n) ** 2).sum()) / n.sum()
        assert abs(p - made.planted.pdl1_negative[key]) < 4 * error


def test_patches_correlate_as_said():
    # Two places 40 µm apart with a length of 40 µm: exp(-1/2); thresholded at the median the
    # signs agree with probability 1/2 + arcsin(rho) / pi.
    params = PointParams(
        width_um=1000, height_um=1000, pdl1="patchy", patch_um=40, negative_apart=0.5,
        negative_touching=0.5, tumour_share=0.9,
    )  # fmt: skip
    same = []
    for seed in range(12):
        frame = simulate_cells(params, seed).cells.frame
        tumour = frame[frame["phenotype"] == "tumour"]
        tree = cKDTree(tumour[["x_um", "y_um"]])
        pairs = tree.query_pairs(41.0, output_type="ndarray")
        xy = tumour[["x_um", "y_um"]].to_numpy()
        far = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T) > 39.0
        sign = tumour["pdl1_positive"].to_numpy(bool)
        same.append((sign[pairs[far, 0]] == sign[pairs[far, 1]]).mean())
    assert np.mean(same) == pytest.approx(0.5 + np.arcsin(np.exp(-0.5)) / np.pi, abs=0.02)


def test_areas_by_block_sum_to_regions_and_bands_and_hold_every_cell():
    made = simulate_cells(PointParams(width_um=700, height_um=500), 3)
    areas, table = made.areas, made.areas.by_block
    assert tuple(table.columns) == BLOCK_COLUMNS
    assert sum(areas.areas_mm2[r] for r in REGION_NAMES[:4]) == pytest.approx(0.35)
    assert areas.areas_mm2["margin"] == pytest.approx(
        areas.areas_mm2["inner_margin"] + areas.areas_mm2["outer_margin"]
    )
    sums = table.groupby("region")["area_mm2"].sum()
    assert all(sums[r] == pytest.approx(areas.areas_mm2[r]) for r in REGION_NAMES[:4])
    in_band = table.groupby("from_um")["area_mm2"].sum()
    bands = areas.bands.set_index("from_um")["area_mm2"]
    assert np.allclose(in_band.reindex(bands.index).fillna(0), bands)
    places = set(zip(table["row"], table["column"], table["region"], strict=True))
    x, y = (made.cells.points_um // BLOCK_UM).astype(int).T
    assert set(zip(y, x, made.cells["region"], strict=True)) <= places
    assert table.groupby(["row", "column"])["area_mm2"].sum().max() == pytest.approx(0.01)


def test_contacts_are_the_pairs_of_near_centres():
    made = simulate_cells(PointParams(width_um=300, height_um=300, contact_um=14), 2)
    xy = made.cells.points_um
    distance = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    expected = {(i + 1, j + 1) for i, j in np.argwhere(np.triu(distance <= 14, 1))}
    assert set(made.pairs[["label_a", "label_b"]].itertuples(index=False, name=None)) == expected


def test_the_same_seed_gives_the_same_field_and_another_another():
    params = PointParams(cd8="clustered", pdl1="patchy")
    first, again, other = (simulate_cells(params, seed) for seed in (5, 5, 6))
    assert first.cells.frame.equals(again.cells.frame)
    assert first.pairs.equals(again.pairs)
    assert not first.cells.frame.equals(other.cells.frame)


def test_more_cells_than_the_distance_allows_are_refused():
    with pytest.raises(ValueError, match="cannot be"):
        simulate_cells(PointParams(cd8="regular", cd8_outer_per_mm2=4000, hard_core_um=12), 0)
