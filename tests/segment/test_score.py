import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from immunescape.segment.score import (
    Faults,
    Match,
    Overlap,
    label_centroids,
    match_centroids,
    match_labels,
)


def drawn(text):
    """Label image of rows of digits; a dot is background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in text.split()])


def faults(one, other):
    return Overlap.of(drawn(one), drawn(other)).faults()


def test_counts_by_hand():
    drawn = np.array([[1, 1, 1, 0, 7, 7, 0, 9]])
    found = np.array([[4, 4, 4, 0, 7, 0, 7, 0]])
    assert match_labels(drawn, found) == Match(1, 2, 1)
    assert match_labels(drawn, drawn, 0.99) == Match(3, 0, 0)
    total = match_labels(drawn, found) + Match(3, 0, 0)
    assert total.average_precision == pytest.approx(4 / 7)
    assert np.isnan(match_labels(drawn * 0, drawn * 0).average_precision)
    for iou in (0.4, 1.0):
        with pytest.raises(ValueError, match=str(iou)):
            match_labels(drawn, found, iou)
    with pytest.raises(ValueError, match="equal"):
        match_labels(drawn, found[:, 1:])


def test_rates_by_hand():
    match = Match(hits=6, missed=2, extra=4)
    assert match.average_precision == 6 / 12
    assert match.precision == 6 / 10
    assert match.recall == 6 / 8
    assert match.f1 == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert match.count_error == 2 / 8  # 10 found, 8 drawn
    assert Match(3, 1, 0).count_error == -0.25
    for rate in ("average_precision", "precision", "recall", "f1", "count_error"):
        assert np.isnan(getattr(Match(0, 0, 0), rate))
    assert Match(0, 5, 0).f1 == 0 and np.isnan(Match(0, 5, 0).precision)


def test_thresholds_of_overlap_are_exclusive():
    # 4 pixels and 3 of them: 0.75 exactly
    assert match_labels(drawn("1111"), drawn("1110"), 0.75) == Match(0, 1, 1)
    assert match_labels(drawn("1111"), drawn("1110"), 0.74) == Match(1, 0, 0)


def test_a_nucleus_in_two_pieces_is_split():
    assert faults("111111", "111222") == Faults(drawn=1, found=2, split=1, merged=0)
    # together they cover half, but not less
    assert faults("111111", "12...3").split == 1
    assert faults("111111", "1....2").split == 0
    # one piece is no split, however small
    assert faults("111111", "111...").split == 0
    # the second found one lies mostly outside
    assert faults("1111..", "11.222").split == 0
    # exactly half outside is not mostly inside
    assert faults("1111..", "11.2.2").split == 0


def test_a_split_nucleus_can_be_a_hit():
    whole, pieces = drawn("1111111111"), drawn("1111111112")
    assert match_labels(whole, pieces) == Match(1, 0, 1)
    assert Overlap.of(whole, pieces).faults().split == 1


def test_two_nuclei_in_one_outline_are_merged():
    assert faults("111222", "111111") == Faults(drawn=2, found=1, split=0, merged=1)
    assert faults("11.22.33", "44444444").merged == 1
    # two thirds of each; half of each is not most of it
    assert faults("111222", ".1111.").merged == 1
    assert faults("11112222", "..1111..").merged == 0
    # however wide the outline
    assert faults("1........2", "7777777777").merged == 1
    # neighbours that lend a pixel to each other
    assert faults("111222", "112222").merged == 0


def test_rates_of_faults_add_up():
    total = faults("111222", "111111") + faults("111111", "111222")
    assert total == Faults(drawn=3, found=3, split=1, merged=1)
    assert total.split_rate == total.merge_rate == pytest.approx(1 / 3)
    assert np.isnan(Faults(0, 0, 0, 0).split_rate) and np.isnan(Faults(0, 0, 0, 0).merge_rate)


def test_nothing_on_either_side():
    empty, one = drawn("..."), drawn(".1.")
    assert Overlap.of(empty, one).faults() == Faults(0, 1, 0, 0)
    assert match_labels(one, empty) == Match(0, 1, 0)
    assert match_labels(empty[:, :0], empty[:, :0]) == Match(0, 0, 0)
    assert label_centroids(empty).shape == (0, 2)


labels = arrays(np.uint8, (6, 7), elements=st.integers(0, 5))


@settings(deadline=None)
@given(labels, labels)
def test_split_one_way_is_merged_the_other_and_slow_counting_agrees(one, other):
    overlap = Overlap.of(one, other)
    split = merged = hits = 0
    ids, others = np.unique(one[one > 0]), np.unique(other[other > 0])
    for i in ids:
        pieces = [j for j in others if 2 * ((one == i) & (other == j)).sum() > (other == j).sum()]
        covered = ((one == i) & np.isin(other, pieces)).sum()
        split += len(pieces) >= 2 and 2 * covered >= (one == i).sum()
        hits += any(
            ((one == i) & (other == j)).sum() > 0.6 * ((one == i) | (other == j)).sum()
            for j in others
        )
    for j in others:
        inside = [i for i in ids if 2 * ((one == i) & (other == j)).sum() > (one == i).sum()]
        merged += len(inside) >= 2
    assert overlap.faults() == Faults(len(ids), len(others), split, merged)
    assert overlap.match(0.6) == Match(hits, len(ids) - hits, len(others) - hits)
    assert Overlap.of(other, one).faults().merged >= split
    assert overlap.match(0.6) == Overlap.of(one.T * 40, other.T.astype(np.int32) * 7).match(0.6)


def test_centroids_are_middles_of_pixels_in_um():
    square = np.zeros((6, 8), np.int32)
    square[1:3, 2:6] = 9
    square[5, 0] = 4
    assert label_centroids(square, 0.5).tolist() == [[0.25, 2.75], [2.0, 1.0]]


def test_middles_within_a_distance_are_paired_once():
    drawn_um, found_um = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[1.5, 0.0], [3.5, 0.0]])
    # the nearest of all first would leave the first drawn one alone
    assert match_centroids(drawn_um, found_um, 2.0) == Match(2, 0, 0)
    assert match_centroids(drawn_um, found_um, 1.0) == Match(1, 1, 1)
    assert match_centroids(drawn_um, drawn_um, 0.5) == Match(2, 0, 0)
    assert match_centroids(drawn_um, drawn_um[:1].repeat(3, axis=0), 0.5) == Match(1, 1, 2)
    assert match_centroids(drawn_um[:0], found_um, 3.0) == Match(0, 0, 2)
    assert match_centroids(drawn_um, found_um[:0], 3.0) == Match(0, 2, 0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_as_many_are_paired_as_can_be(seed, count, other):
    rng = np.random.default_rng(seed)
    one, two = rng.uniform(0, 12, (count, 2)), rng.uniform(0, 12, (other, 2))
    apart = np.hypot(*(one[:, None] - two[None]).transpose(2, 0, 1))
    rows, columns = linear_sum_assignment((apart > 3).astype(float))
    hits = int((apart[rows, columns] <= 3).sum())
    assert match_centroids(one, two, 3.0) == Match(hits, count - hits, other - hits)
