import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunescape.errors import ParameterError
from immunescape.spatial import ContactParams, find_contacts
from tests.real_data import needs
from tests.spatial.real_fields import FIHC4, FIHC4_EXPECTED, FIHC4_PIXEL_UM, fihc4, iris_table


def draw(picture):
    """Turn a drawing into labels: digits are labels, a dot is background."""
    rows = [line.strip() for line in picture.strip().splitlines()]
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], np.int32)


def contacts(picture, pixel_size_um=1.0, **params):
    """Return ``{(a, b): length}`` of a drawing."""
    cells = draw(picture) if isinstance(picture, str) else picture
    pairs = find_contacts(cells, pixel_size_um, ContactParams(**params)).pairs
    return {(a, b): length for a, b, length in pairs.itertuples(index=False)}


def by_search(cells, gap):
    """Find edges by walking right and down from every pixel, one at a time."""
    found = {}
    for view in (cells, cells.T):
        for line in view:
            for i, label in enumerate(line):
                if label == 0:
                    continue
                for other in line[i + 1 : i + 2 + gap]:
                    if other == 0:
                        continue
                    if other != label:
                        pair = (min(label, other), max(label, other))
                        found[pair] = found.get(pair, 0) + 1
                    break
    return found


labels = hnp.arrays(
    np.int32,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 0, 1, 2, 3, 70_000]),
)


def test_a_shared_edge():
    assert contacts("""
        112
        112
        333
    """) == {(1, 2): 2.0, (1, 3): 2.0, (2, 3): 1.0}


def test_corners_alone_never_count():
    picture = """
        1..
        .2.
        ..1
    """
    assert contacts(picture, gap_um=0, min_contact_um=0) == {}
    assert contacts(picture, gap_um=5, min_contact_um=0) == {}


@pytest.mark.parametrize(
    ("gap_um", "pixel_size_um", "found"),
    [(0.0, 0.5, False), (0.9, 0.5, False), (1.0, 0.5, True), (0.3, 0.1, True), (0.6, 0.3, True)],
)
def test_a_gap_of_two_pixels(gap_um, pixel_size_um, found):
    # 0.3 / 0.1 is 2.999... in floating point, and three pixels all the same.
    gap = 3 if pixel_size_um == 0.1 else 2
    cells = np.array([[1] + [0] * gap + [2]] * 4)
    expected = {(1, 2): 4 * pixel_size_um} if found else {}
    assert contacts(cells, pixel_size_um, gap_um=gap_um, min_contact_um=0) == expected


def test_a_gap_holds_background_only():
    assert contacts(
        """
        1.3.2
        1.3.2
    """,
        gap_um=3,
    ) == {(1, 3): 2.0, (2, 3): 2.0}


def test_a_gap_within_one_cell_is_nothing():
    assert (
        contacts(
            """
        1.1.1
        11111
    """,
            gap_um=2,
            min_contact_um=0,
        )
        == {}
    )


def test_the_shortest_contact_itself_counts():
    picture = """
        1122
        1122
        33..
    """
    assert contacts(picture, 0.5, min_contact_um=1.0) == {(1, 2): 1.0, (1, 3): 1.0}
    assert contacts(picture, 0.5, min_contact_um=1.1) == {}
    assert contacts(picture, 0.1, min_contact_um=0.2) == {(1, 2): 0.2, (1, 3): 0.2}


def test_pairs_are_ordered_and_typed():
    pairs = find_contacts(np.array([[90_000, 5, 7]]), 2.0).pairs
    assert pairs.columns.tolist() == ["label_a", "label_b", "contact_um"]
    assert pairs.to_numpy().tolist() == [[5, 7, 2.0], [5, 90_000, 2.0]]
    assert [str(t) for t in pairs.dtypes] == ["int64", "int64", "float64"]


@pytest.mark.parametrize("shape", [(0, 0), (5, 5), (1, 1)])
def test_an_empty_image_has_no_contact(shape):
    found = find_contacts(np.zeros(shape, np.int32), 0.5)
    assert len(found) == 0
    assert found.pairs.columns.tolist() == ["label_a", "label_b", "contact_um"]
    assert [str(t) for t in found.pairs.dtypes] == ["int64", "int64", "float64"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64])
def test_labels_of_any_integer_type(dtype):
    assert contacts(np.array([[1, 2]], dtype)) == {(1, 2): 1.0}


def test_the_largest_labels():
    top = 2**31 - 1
    assert contacts(np.array([[top, top - 1]])) == {(top - 1, top): 1.0}


def test_contacts_between_kinds():
    found = find_contacts(draw("""
        1122
        3322
        3344
    """), 1.0)  # fmt: skip
    assert set(zip(found.pairs.label_a, found.pairs.label_b, strict=True)) == {
        (1, 2), (1, 3), (2, 3), (2, 4), (3, 4),
    }  # fmt: skip
    rows = found.between([1, 4], [2, 3])
    assert rows[["label_from", "label_to"]].to_numpy().tolist() == [[1, 2], [1, 3], [4, 2], [4, 3]]
    assert found.count([4, 1, 9], [2]).tolist() == [1, 1, 0]
    assert found.count([2, 3], [2, 3]).tolist() == [1, 1]


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ParameterError, match="gap_um"):
        ContactParams(gap_um=-1.0)


def test_progress_reports_every_block():
    seen = []
    find_contacts(
        np.ones((100, 130), np.int32), 1.0, ContactParams(block_px=64),
        progress=lambda *report: seen.append(report),
    )  # fmt: skip
    assert seen == [("contacts", i, 6) for i in range(1, 7)]


@pytest.mark.parametrize("gap_px", [0, 1, 5])
@pytest.mark.parametrize("block_px", [64, 256])
def test_blocks_and_whole_give_the_same_contacts(block_px, gap_px):
    rng = np.random.default_rng(gap_px)
    cells = np.kron(rng.integers(0, 900, (60, 70)), np.ones((9, 8), int))
    cells[rng.random(cells.shape) < 0.3] = 0
    whole = find_contacts(cells, 0.5, ContactParams(gap_um=gap_px / 2, block_px=1024)).pairs
    blocks = find_contacts(cells, 0.5, ContactParams(gap_um=gap_px / 2, block_px=block_px)).pairs
    assert len(whole) > 1000
    pd.testing.assert_frame_equal(blocks, whole, check_exact=True)


@settings(max_examples=60, deadline=None)
@given(cells=labels, gap=st.integers(0, 4))
def test_edges_equal_a_search_pixel_by_pixel(cells, gap):
    assert contacts(cells, gap_um=gap, min_contact_um=0) == by_search(cells, gap)


@settings(max_examples=30, deadline=None)
@given(cells=labels, gap=st.integers(0, 3), turns=st.integers(1, 3), mirror=st.booleans())
def test_turning_and_mirroring_change_nothing(cells, gap, turns, mirror):
    turned = np.rot90(cells[::-1] if mirror else cells, turns)
    assert contacts(turned, gap_um=gap) == contacts(cells, gap_um=gap)


@settings(max_examples=30, deadline=None)
@given(cells=labels, gap=st.integers(0, 3), fresh=st.permutations([5, 6, 7, 8]))
def test_relabelling_changes_nothing(cells, gap, fresh):
    names = dict(zip([1, 2, 3, 70_000], fresh, strict=True)) | {0: 0}
    renamed = np.vectorize(names.get, otypes=[int])(cells)
    expected = {
        tuple(sorted((names[a], names[b]))): v for (a, b), v in contacts(cells, gap_um=gap).items()
    }
    assert contacts(renamed, gap_um=gap) == expected


@settings(max_examples=30, deadline=None)
@given(cells=labels, gap=st.integers(0, 3))
def test_doubling_the_pixel_doubles_contacts(cells, gap):
    assume(cells.size)
    once = contacts(cells, 0.5, gap_um=gap * 0.5, min_contact_um=1.0)
    twice = contacts(cells, 1.0, gap_um=gap * 1.0, min_contact_um=2.0)
    assert twice == {pair: 2 * length for pair, length in once.items()}


@needs(FIHC4[0], f"{FIHC4[1]}_binary_seg_maps.tif")
@pytest.mark.parametrize("kind", FIHC4_EXPECTED)
def test_lymphocytes_touch_as_phenoptr_counts(kind):
    field = fihc4()
    found = find_contacts(field.labels, FIHC4_PIXEL_UM)
    cells = field.cells
    rows = found.between(
        cells.index[cells["kind"] == "Helper T"], cells.index[cells["kind"] == kind]
    )
    counts = (rows["label_from"].nunique(), rows["label_to"].nunique(), len(rows))
    assert np.abs(np.subtract(counts, FIHC4_EXPECTED[kind])).max() <= 2


@needs("iris", "expected", "sample_contact_density.csv")
def test_melanoma_contacts_are_those_published():
    table = iris_table()
    print(table.to_string(float_format="%.1f"))
    off = (table["ours"] - table["published"]).abs()
    within = off <= np.maximum(0.15 * table["published"], 6)
    assert within.all(), table[~within]
    assert table["difference_%"].abs().median() <= 3
    head = (table["from"] == "CD8+ PD1+") & (table["to"] == "SOX10+ PDL1-")
    assert head.sum() == 2
    assert (table.loc[head, "difference_%"].abs() <= 3).all()
