import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.cells import CellTable
from immunescape.results import CONTACTS_COLUMNS
from immunescape.spatial import add_contact_columns, contact_table
from tests.spatial.recount import (
    MEMBERS,
    contacts,
    is_kind,
    neighbours,
    random_slide,
    table,
)

KEY = list(CONTACTS_COLUMNS[:5])
NUMBERS = list(CONTACTS_COLUMNS[5:])


def drawn():
    #  inside the tumour | outside
    #      1 - 2 - 3 - 4 | 5 - 6      1 2 5: tumour, 3 6: CD8, 4: other, 7 touches none
    #          |   |     |     |      8 is CD8 in an excluded fold, it touches 2
    #          8   4 ----|---- 5
    cells = table(
        [
            ("tumour", "-", "centre"),
            ("tumour", "-", "inner_margin"),
            ("cd8_t", "-", "inner_margin"),
            ("other", "+", "inner_margin"),
            ("tumour", "+", "outer_margin"),
            ("cd8_t", "+", "outer_margin"),
            ("tumour", "?", "stroma"),
            ("cd8_t", "-", "excluded"),
        ]
    )
    return cells, contacts((1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (2, 8))


def at(frame, start, end, region):
    row = frame.set_index(KEY).loc[(*start, *end, region)]
    return tuple(row[name] for name in NUMBERS)


def test_contact_columns_by_hand():
    cells, pairs = drawn()
    result = add_contact_columns(cells, pairs)
    assert result["n_contacts"].tolist() == [1, 3, 2, 2, 2, 1, 0, 1]
    assert result["n_cd8_contacts"].tolist() == [0, 2, 0, 1, 1, 0, 0, 0]
    assert result["touching_cd8"].tolist() == [False, True, False, True, True, False, False, False]
    # cells lie 1000 µm apart in a row; CD8 are 3, 6 and 8
    assert result["distance_to_cd8_um"].tolist() == [2e3, 1e3, 3e3, 1e3, 1e3, 2e3, 1e3, 2e3]
    assert "n_contacts" not in cells


def test_missing_cd8_is_missing_not_untouched():
    cells, pairs = drawn()
    result = add_contact_columns(cells, pairs, missing={"cd8": "the panel has no CD8"})
    assert result["n_contacts"].tolist() == [1, 3, 2, 2, 2, 1, 0, 1]
    for column in ("n_cd8_contacts", "touching_cd8", "distance_to_cd8_um"):
        assert result[column].isna().all()
    assert result["touching_cd8"].dtype == "boolean"
    rows = contact_table(cells, pairs, missing={"cd8": "absent"}).set_index(KEY)
    assert pd.isna(rows.loc[("cd8_t", "any", "tumour", "any", "tissue"), "from_count"])
    row = rows.loc[("tumour", "any", "cd8_t", "any", "tissue")]
    assert row["from_count"] == 4
    assert row[["to_count", "from_touching", "to_touching", "pairs"]].isna().all()


@pytest.mark.parametrize("phenotypes", [["tumour", "cd8_t"], ["tumour", "tumour"]])
def test_distance_where_there_is_no_other_cd8(phenotypes):
    cells = table([(p, "-", "centre") for p in phenotypes])
    distance = add_contact_columns(cells, contacts())["distance_to_cd8_um"].tolist()
    assert math.isnan(distance[1])
    assert distance[0] == 1000 if "cd8_t" in phenotypes else math.isnan(distance[0])


def test_two_cd8_cells_at_one_place_are_at_distance_0():
    cells = table([("cd8_t", "-", "centre")] * 2).with_columns({"x_um": 5.0})
    assert add_contact_columns(cells, contacts())["distance_to_cd8_um"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("start", "end", "region", "expected"),
    [
        # from_count, to_count, from_touching, to_touching, pairs
        (("tumour", "any"), ("cd8_t", "any"), "tissue", (4, 3, 2, 3, 3)),
        (("tumour", "any"), ("cd8_t", "any"), "inner_margin", (1, 3, 1, 2, 2)),
        (("tumour", "negative"), ("cd8_t", "any"), "tissue", (2, 3, 1, 2, 2)),
        (("tumour", "positive"), ("cd8_t", "positive"), "margin", (1, 1, 1, 1, 1)),
        (("cd8_t", "any"), ("tumour", "any"), "tissue", (2, 4, 2, 2, 2)),
        (("tumour", "any"), ("tumour", "any"), "tissue", (4, 4, 2, 2, 1)),
        (("tumour", "any"), ("tumour", "any"), "centre", (1, 4, 1, 1, 1)),
        (("other", "any"), ("tumour", "any"), "tumour", (1, 4, 1, 1, 1)),
        (("other", "positive"), ("unknown", "any"), "tumour", (1, 0, 0, 0, 0)),
    ],
)
def test_contact_table_by_hand(start, end, region, expected):
    assert at(contact_table(*drawn()), start, end, region) == expected


def test_contact_table_holds_every_kind_once():
    result = contact_table(*drawn())
    assert tuple(result.columns) == CONTACTS_COLUMNS
    assert len(result) == 12 * 12 * 7
    assert not result.duplicated(KEY).any()
    assert (result[NUMBERS].dtypes == "Int64").all()


def test_missing_pdl1_is_missing_not_zero():
    cells, pairs = drawn()
    cells = CellTable(cells.frame.drop(columns="pdl1_positive"))
    result = contact_table(cells, pairs)
    any_status = (result["from_pdl1"] == "any") & (result["to_pdl1"] == "any")
    assert result.loc[~any_status, "pairs"].isna().all()
    assert result.loc[any_status, "pairs"].notna().all()
    assert result.loc[result["from_pdl1"] == "any", "from_count"].notna().all()


def test_no_contacts_and_no_cells():
    cells, _ = drawn()
    result = contact_table(cells, contacts())
    assert (result[["from_touching", "to_touching", "pairs"]] == 0).all(axis=None)
    nothing = contact_table(CellTable(cells.frame.iloc[:0]), contacts())
    assert (nothing[NUMBERS] == 0).all(axis=None)
    assert len(add_contact_columns(CellTable(cells.frame.iloc[:0]), contacts())) == 0


def test_a_contact_of_a_cell_that_is_not_there_is_refused():
    cells, _ = drawn()
    with pytest.raises(ValueError, match="cell 99"):
        add_contact_columns(cells, contacts((1, 99)))


def recount(cells, pairs):
    rows = dict(zip(cells.labels.tolist(), cells.frame.to_dict("records"), strict=True))
    near = neighbours(cells, pairs)
    edges = [tuple(pair) for pair in pairs[["label_a", "label_b"]].to_numpy().tolist()]
    kinds = [
        (p, s)
        for p in ("tumour", "cd8_t", "other", "unknown")
        for s in ("any", "positive", "negative")
    ]
    of_kind = {k: {label for label, row in rows.items() if is_kind(row, *k)} for k in kinds}
    result = {}
    for start in kinds:
        for region, parts in MEMBERS.items():
            begin = {label for label in of_kind[start] if rows[label]["region"] in parts}
            for end in kinds:
                goal = of_kind[end]
                result[(*start, *end, region)] = (
                    len(begin),
                    len(goal),
                    sum(bool(near[label] & goal) for label in begin),
                    sum(bool(near[label] & begin) for label in goal),
                    sum((a in begin and b in goal) or (b in begin and a in goal) for a, b in edges),
                )
    return result


def test_contact_table_equals_a_recount():
    cells, pairs = random_slide(7, n=220, side_um=140.0)
    assert len(pairs) > 500
    result = contact_table(cells, pairs).set_index(KEY)[NUMBERS]
    expected = recount(cells, pairs)
    assert len(result) == len(expected)
    for key, numbers in zip(result.index, result.to_numpy().tolist(), strict=True):
        assert tuple(numbers) == expected[key], key


def test_contact_columns_equal_a_recount():
    cells, pairs = random_slide(8, n=150)
    near = neighbours(cells, pairs)
    cd8 = set(cells.labels[(cells["phenotype"] == "cd8_t").to_numpy()].tolist())
    result = add_contact_columns(cells, pairs).frame
    for label, row in result.iterrows():
        assert row["n_contacts"] == len(near[label])
        assert row["n_cd8_contacts"] == len(near[label] & cd8)
        assert row["touching_cd8"] == bool(near[label] & cd8)
        nearest = min(
            math.dist((row["x_um"], row["y_um"]), tuple(result.loc[other, ["x_um", "y_um"]]))
            for other in cd8 - {label}
        )
        assert row["distance_to_cd8_um"] == pytest.approx(nearest)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_order_and_labels_change_nothing(seed):
    cells, pairs = random_slide(seed, n=40)
    result = contact_table(cells, pairs)
    rng = np.random.default_rng(seed)
    new = dict(zip(cells.labels.tolist(), (rng.permutation(400)[:40] + 1).tolist(), strict=True))
    frame = cells.frame.rename(index=new).sample(frac=1, random_state=2)
    turned = pairs.rename(columns={"label_a": "label_b", "label_b": "label_a"})
    turned = turned.assign(
        label_a=turned["label_a"].map(new), label_b=turned["label_b"].map(new)
    ).sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(contact_table(CellTable(frame), turned), result)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_contacts_within_the_tissue_are_symmetric(seed):
    cells, pairs = random_slide(seed, n=40)
    cells = cells.with_columns({"region": cells["region"].replace("excluded", "stroma")})
    result = contact_table(cells, pairs)
    result[NUMBERS] = result[NUMBERS].fillna(-1)  # a rare kind may have no PD-L1 value at all
    rows = result[result["region"] == "tissue"].set_index(KEY[:4])
    for key, row in rows.iterrows():
        back = rows.loc[(*key[2:], *key[:2])]
        assert row["pairs"] == back["pairs"]
        assert row["from_touching"] == back["to_touching"]
    four = ["centre", "inner_margin", "outer_margin", "stroma"]
    result = result[result["pairs"] >= 0]
    by_region = result.set_index(KEY)["from_touching"].unstack("region")
    assert (by_region["tissue"] == by_region[four].sum(axis=1)).all()
