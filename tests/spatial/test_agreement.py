import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.cells import CellTable
from immunescape.spatial.agreement import (
    agreement_table,
    cohen_kappa,
    readers_table,
    sensitivity_interval,
)
from immunescape.spatial.review_cells import calls_to_review, draw_cells


def cells_of(positive, **columns):
    n = len(positive)
    frame = pd.DataFrame(
        {
            "x_um": np.arange(n, dtype=float),
            "y_um": np.zeros(n),
            "cd8_positive": pd.array(positive, dtype="boolean"),
            **columns,
        },
        index=pd.Index(np.arange(1, n + 1), name="label"),
    )
    return CellTable(frame)


def answers_of(*rows):
    """Rows of reader, called, answer, number of cells; every row has cells of its own."""
    table, x = [], 0
    for reader, called, answer, count in rows:
        for _ in range(count):
            table.append((reader, "cd8", called, answer, float(x), 1.0))
            x += 1
    return pd.DataFrame(table, columns=["reader", "marker", "called", "answer", "x_um", "y_um"])


def metric(table, name, reader="A"):
    (row,) = table[(table["metric"] == name) & (table["reader"] == reader)].to_dict("records")
    return row


def test_by_hand():
    # 40 of 50 called positive are; 5 of 50 called negative are too. Of 1000 called positive 800
    # are, of 9000 called negative 900 are: 800 of 1700 were found.
    answers = answers_of(
        ("A", "positive", "yes", 40), ("A", "positive", "no", 10),
        ("A", "negative", "yes", 5), ("A", "negative", "no", 45),
        ("A", "negative", "cannot tell", 3),
    )  # fmt: skip
    table = agreement_table(answers, {"cd8": (1000, 9000)})
    precision, missed = metric(table, "precision"), metric(table, "missed_rate")
    assert precision["value"] == 0.8
    # Wilson's limits of 40 / 50 and 5 / 50, worked from the formula with z = 1.959964
    assert (precision["ci_low"], precision["ci_high"]) == pytest.approx((0.6696, 0.8876), abs=5e-5)
    assert (missed["value"], missed["cannot_tell"]) == (0.1, 3)
    assert (missed["ci_low"], missed["ci_high"]) == pytest.approx((0.0435, 0.2136), abs=5e-5)
    found = metric(table, "sensitivity")
    assert found["value"] == pytest.approx(800 / 1700)
    assert (found["numerator"], found["denominator"]) == pytest.approx((800, 1700))
    assert found["ci_low"] < 800 / 1700 < found["ci_high"]


def test_a_share_of_the_cells_shown_would_be_far_too_high():
    answers = answers_of(
        ("A", "positive", "yes", 50), ("A", "negative", "yes", 5), ("A", "negative", "no", 45)
    )
    table = agreement_table(answers, {"cd8": (100, 100_000)})
    assert metric(table, "sensitivity")["value"] == pytest.approx(100 / (100 + 10_000))


def test_the_last_answer_about_a_cell_counts():
    answers = pd.concat(
        [answers_of(("A", "positive", "no", 1)), answers_of(("A", "positive", "yes", 1))]
    )
    assert metric(agreement_table(answers, {"cd8": (1, 0)}), "precision")["value"] == 1.0


def test_nothing_is_made_up_where_a_call_was_not_looked_at():
    table = agreement_table(answers_of(("A", "positive", "yes", 3)), {"cd8": (10, 10)})
    assert math.isnan(metric(table, "missed_rate")["value"])
    found = metric(table, "sensitivity")
    assert math.isnan(found["value"]) and math.isnan(found["ci_low"])
    assert agreement_table(answers_of(), {}).empty


def test_ends_that_can_be_told_without_a_sample():
    assert sensitivity_interval(3, 4, 0, 0, (10, 0)) == (1.0, 1.0)
    assert sensitivity_interval(0, 0, 2, 4, (0, 10)) == (0.0, 0.0)
    low, high = sensitivity_interval(20, 20, 0, 20, (100, 100))
    assert high == 1.0 and 0.8 < low < 1.0
    low, high = sensitivity_interval(0, 20, 5, 20, (100, 100))
    assert low == 0.0 and 0.2 < high < 0.6


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_the_interval_holds_the_estimate(data):
    n = [data.draw(st.integers(1, 200)) for _ in range(2)]
    yes = [data.draw(st.integers(0, k)) for k in n]
    sizes = (data.draw(st.integers(1, 10_000)), data.draw(st.integers(1, 10_000)))
    low, high = sensitivity_interval(yes[0], n[0], yes[1], n[1], sizes)
    if not any(yes):
        assert math.isnan(low) and math.isnan(high)
        return
    found = [s * y / k for s, y, k in zip(sizes, yes, n, strict=True)]
    assert 0 <= low <= found[0] / sum(found) + 1e-9
    assert found[0] / sum(found) - 1e-9 <= high <= 1


@pytest.mark.parametrize(("precision", "missed"), [(0.9, 0.05), (0.95, 0.005), (0.6, 0.2)])
def test_the_interval_covers_what_it_promises(precision, missed):
    chance = np.random.default_rng(11)
    sizes, n = (800, 9200), 60
    truth = sizes[0] * precision / (sizes[0] * precision + sizes[1] * missed)
    yes = chance.binomial(n, precision, 1500), chance.binomial(n, missed, 1500)
    held = [
        low <= truth <= high
        for low, high in (
            sensitivity_interval(int(a), n, int(b), n, sizes) for a, b in zip(*yes, strict=True)
        )
    ]
    assert np.mean(held) > 0.93


# Fleiss, Statistical Methods for Rates and Proportions, 2nd edition, table 13.1 and page 221:
# two raters of 100 patients, kappa 0.68 with a standard error of 0.087.
def test_kappa_equals_fleiss():
    value, low, high = cohen_kappa([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert value == pytest.approx(0.68, abs=0.005)
    assert (high - low) / 2 / 1.959964 == pytest.approx(0.087, abs=0.001)


def test_kappa_by_hand():
    # 35 of 50 agree; chance alone (0.5 x 0.6 + 0.5 x 0.4) gives 0.5: 0.2 / 0.5
    assert cohen_kappa([[20, 5], [10, 15]]).value == pytest.approx(0.4)
    assert cohen_kappa([[5, 0], [0, 5]]) == (1.0, 1.0, 1.0)
    assert all(math.isnan(end) for end in cohen_kappa([[5, 0], [0, 0]]))
    assert all(math.isnan(end) for end in cohen_kappa([[0, 0], [0, 0]]))


def test_readers_are_compared_over_cells_that_both_decided():
    first = answers_of(
        ("A", "positive", "yes", 20), ("A", "positive", "yes", 5),
        ("A", "negative", "no", 10), ("A", "negative", "no", 15), ("A", "negative", "no", 4),
    )  # fmt: skip
    second = answers_of(
        ("B", "positive", "yes", 20), ("B", "positive", "no", 5),
        ("B", "negative", "yes", 10), ("B", "negative", "no", 15),
        ("B", "negative", "cannot tell", 4),
    )  # fmt: skip
    (row,) = readers_table(pd.concat([first, second])).to_dict("records")
    assert (row["reader"], row["other_reader"], row["cells"]) == ("A", "B", 50)
    assert (row["agreement"], row["kappa"]) == pytest.approx((0.7, 0.4))
    assert readers_table(first).empty


def test_cells_that_cannot_be_asked_about_are_left_out():
    cells = cells_of(
        [True, False, None, True, False],
        region=["centre", "excluded", "centre", "stroma", "stroma"],
        edited=[False, False, False, True, False],
    )
    assert calls_to_review(cells, "cd8").to_dict() == {1: True, 5: False}
    assert calls_to_review(cells, "pdl1").empty
    assert draw_cells(cells, "pdl1", 5, 0).empty


def test_a_draw_takes_as_many_of_each_call_mixed_and_the_same_for_everyone():
    cells = cells_of([True] * 30 + [False] * 2000)
    drawn = draw_cells(cells, "cd8", 20, seed=4)
    assert drawn["called"].value_counts().to_dict() == {"positive": 20, "negative": 20}
    assert drawn["label"].is_unique
    assert (drawn["label"].le(30) == (drawn["called"] == "positive")).all()
    changes = int((drawn["called"] != drawn["called"].shift()).sum())
    assert 10 < changes < 32  # neither sorted by call nor alternating
    pd.testing.assert_frame_equal(drawn, draw_cells(cells, "cd8", 20, seed=4))
    assert set(drawn["label"]) != set(draw_cells(cells, "cd8", 20, seed=5)["label"])
    assert set(drawn["label"]) < set(draw_cells(cells, "cd8", 25, seed=4)["label"])
    every = draw_cells(cells, "cd8", 100, seed=4)
    assert every["called"].value_counts().to_dict() == {"positive": 30, "negative": 100}
    # a cell that is gone, somewhere else, leaves the others where they were
    gone = next(label for label in cells.frame.index if label not in set(drawn["label"]))
    rest = CellTable(cells.frame.drop(gone))
    pd.testing.assert_frame_equal(drawn, draw_cells(rest, "cd8", 20, seed=4))


def test_every_cell_has_the_same_chance():
    cells = cells_of([True] * 10 + [False] * 40)
    drawn = np.zeros(51)
    for seed in range(300):
        drawn[draw_cells(cells, "cd8", 4, seed)["label"]] += 1
    # 120 and 30 of 300 draws each; the farthest of 50 lies within four standard deviations
    assert np.abs(drawn[1:11] - 120).max() < 4 * math.sqrt(300 * 0.4 * 0.6)
    assert np.abs(drawn[11:] - 30).max() < 4 * math.sqrt(300 * 0.1 * 0.9)
