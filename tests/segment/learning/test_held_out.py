"""Nuclei held out: none of them is seen, and none is lost without reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from immunescape.errors import LabelsError
from immunescape.segment.learning.annotated import AnnotatedField
from immunescape.segment.learning.held_out import hold_out, without_cut_nuclei
from tests.segment.drawn import ellipses


def field(labels, name="P1", pixel_um=0.5):
    labels = np.asarray(labels, np.int32)
    return AnnotatedField(name, np.zeros(labels.shape, np.float32), labels, pixel_um)


def numbers(part):
    return set(np.unique(part.labels[part.labels > 0]).tolist())


TINY = ellipses((50, 50))


@pytest.mark.parametrize(("count", "held"), [(5, 1), (7, 1), (10, 2), (20, 4)])
def test_of_five_pictures_and_more_whole_ones_are_held_out(count, held):
    fields = [field(TINY, f"P{k:02}") for k in range(count)]
    out = hold_out(fields, 0.2, 3)
    assert (len(out.held), len(out.train), out.by) == (held, count - held, "picture")
    again = hold_out(fields[::-1], 0.2, 3)
    assert [f.name for f in again.held] == [f.name for f in out.held]
    assert {f.name for f in out.train} | {f.name for f in out.held} == {f.name for f in fields}
    assert f"{held} of {count} pictures, drawn by lot" in out.sentence


def test_never_is_every_picture_held_out_and_other_seeds_choose_others():
    fields = [field(TINY, f"P{k:02}") for k in range(6)]
    assert len(hold_out(fields, 0.5, 0).train) == 3
    chosen = {hold_out(fields, 0.2, seed).held[0].name for seed in range(20)}
    assert len(chosen) > 2


def test_pictures_of_one_place_stay_together():
    rng = np.random.default_rng(0)
    places = [rng.random((64, 64)) for _ in range(4)]

    def seen(name, place, shift):
        picture = np.roll(place, shift, (0, 1)).astype(np.float32)
        return AnnotatedField(name, picture, np.pad(TINY, 7), 0.5)

    fields = [seen(f"{k}{n}", places[k], (n, 3 * n)) for k in range(4) for n in range(2)]
    for seed in range(10):
        held = [f.name for f in hold_out(fields, 0.2, seed).held]
        assert len(held) == 2
        assert held[0][0] == held[1][0]
    same = [seen(f"P{n}", places[0], (n, n)) for n in range(5)]
    with pytest.raises(LabelsError, match="all pictures show the same place"):
        hold_out(same)


def test_pictures_can_be_named():
    fields = [field(TINY, name) for name in ("A_1", "A_2", "B_1")]
    out = hold_out(fields, 0.2, 0, ("A_*",))
    assert ([f.name for f in out.held], [f.name for f in out.train]) == (["A_1", "A_2"], ["B_1"])
    assert "2 of 3 pictures, as named" in out.sentence
    with pytest.raises(LabelsError, match=r"no picture is named C\*; .* A_1, A_2, B_1"):
        hold_out(fields, 0.2, 0, ("C*",))
    with pytest.raises(LabelsError, match="names every picture"):
        hold_out(fields, 0.2, 0, ("*",))


def test_nothing_is_held_out_where_none_is_wanted():
    out = hold_out([field(TINY)], 0.0)
    assert (out.held, out.by, out.sentence) == ((), "nothing", "nothing")


@settings(deadline=None, max_examples=8)
@given(
    st.integers(0, 30),
    st.sampled_from([(150, 210), (210, 150), (180, 180)]),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([0.1, 0.2, 0.5]),
)
def test_a_strip_shares_no_nucleus_with_the_rest(seed, shape, pixel_um, share):
    labels = ellipses(shape, seed=seed)
    out = hold_out([field(labels, pixel_um=pixel_um)], share, seed)
    (train,), (held,) = out.train, out.held
    assert numbers(train).isdisjoint(numbers(held))
    assert len(numbers(held)) == max(round(share * labels.max()), 10)
    for part in (train, held):  # drawn nuclei are whole, and stand where they were drawn
        for number in numbers(part):
            np.testing.assert_array_equal(part.labels == number, labels == number)
        known = part.labels >= 0
        np.testing.assert_array_equal(part.labels[known], labels[known])
    assert not ((train.labels >= 0) & (held.labels >= 0)).any()
    away = ndi.distance_transform_edt(held.labels != 0) * pixel_um
    beyond = ndi.distance_transform_edt(held.labels < 0) * pixel_um
    assert beyond.max() > 0
    assert away[train.labels > 0].min() >= 0
    strip = ndi.binary_opening(held.labels >= 0, np.ones((25, 25)))
    if strip.any():
        gap = ndi.distance_transform_edt(~strip) * pixel_um
        assert gap[train.labels >= 0].min() >= 10 - pixel_um


def test_a_small_picture_is_trained_on_and_two_small_ones_cannot_be_judged_by():
    large, small = field(ellipses((200, 260)), "large"), field(TINY, "small")
    out = hold_out([large, small], 0.2, 0)
    assert [f.name for f in out.train] == ["large", "small"]
    assert [f.name for f in out.held] == ["large"]
    assert "a strip at one side of 1 of 2 pictures" in out.sentence
    with pytest.raises(LabelsError, match=r"no picture holds 20 nuclei.*--training\.validation 0"):
        hold_out([small], 0.2, 0)


def test_nuclei_that_reach_the_unknown_are_unknown():
    drawn = np.array(
        [
            [-1, -1, -1, -1, -1, -1],
            [1, 1, 0, 0, 0, 0],
            [1, 1, 0, 2, 0, 0],
            [0, 0, 0, 2, 4, 0],
            [3, 0, 0, 0, 0, -1],
        ]
    )
    expected = np.where((drawn == 1) | (drawn == 4), -1, drawn)  # corners count
    np.testing.assert_array_equal(without_cut_nuclei(field(drawn)).labels, expected)
    whole = field(np.maximum(drawn, 0))
    assert without_cut_nuclei(whole) is whole
