"""Before and after: counts drawn by hand, and verdicts that the numbers bear out."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.segment import load_model, segment_nuclei
from immunescape.segment.learning.annotated import AnnotatedField
from immunescape.segment.learning.comparison import compare, found_nuclei, score_field
from immunescape.segment.score import Match, match_labels
from immunescape.slide import Slide
from tests.segment.drawn import ellipses, stained


@pytest.fixture(scope="module")
def compact():
    return load_model("compact", device="cpu")


def field(labels, picture=None, name="P1", pixel_um=0.5):
    labels = np.asarray(labels, np.int32)
    picture = np.zeros(labels.shape) if picture is None else picture
    return AnnotatedField(name, picture.astype(np.float32), labels, pixel_um)


def drawn(text):
    return np.array([[-1 if c == "?" else int(c) for c in row] for row in text.split()])


def test_counts_drawn_by_hand():
    labels = drawn("""
        1100022
        1100022
        0000000
        3300044
        3300044
    """)
    found = drawn("""
        1100022
        1000022
        0000000
        3000000
        0000000
    """)
    (unit,) = score_field(field(labels), found)
    # 1: three of four pixels; 2: all; 3: one of four; 4: none
    assert unit.matches == (Match(2, 2, 1), Match(1, 3, 2))
    assert (unit.name, unit.section) == ("P1", 0)
    assert unit.matches[0] == match_labels(labels, found, 0.5)


def test_what_was_not_annotated_does_not_count():
    labels = drawn("""
        11000??
        11000??
        00000??
        33000??
    """)
    found = drawn("""
        1100022
        1100022
        0004444
        3355555
    """)
    # 2 lies wholly where nobody looked; of 4 half does and half counts; 5 is mostly annotated.
    (unit,) = score_field(field(labels), found)
    assert unit.matches[0] == Match(2, 0, 2)


def test_sections_add_up_to_the_whole():
    labels = ellipses((150, 260))
    found = np.roll(labels, (2, 3), (0, 1))
    found[:, :40] = 0
    (whole,) = score_field(field(labels), found)
    units = score_field(field(labels), found, 4)
    assert [u.section for u in units] == [1, 2, 3, 4]
    for k in (0, 1):
        assert sum((u.matches[k] for u in units), Match(0, 0, 0)) == whole.matches[k]
    per_section = [u.matches[0].hits + u.matches[0].missed for u in units]
    assert max(per_section) - min(per_section) <= 2


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 100), st.integers(1, 5))
def test_turning_the_field_changes_no_sum(seed, sections):
    labels = ellipses((90, 130), seed=seed)
    found = np.roll(ellipses((90, 130), seed=seed), 3, 0)
    sums = []
    for turn in range(4):
        units = score_field(field(np.rot90(labels, turn)), np.rot90(found, turn), sections)
        sums.append([sum((u.matches[k] for u in units), Match(0, 0, 0)) for k in (0, 1)])
    assert sums[0] == sums[1] == sums[2] == sums[3]


def test_a_whole_picture_is_found_as_run_finds_it(compact):
    labels = ellipses((120, 150))
    counts = stained(labels) * 700 + 100
    slide = Slide("s", (counts[None],), ("DAPI",), 0.5)
    expected = np.zeros(labels.shape, np.int32)
    segment_nuclei(slide, ("DAPI",), expected, model=compact)
    from immunescape.segment.levels import slide_levels

    picture = slide_levels(slide, "DAPI").apply(counts)
    np.testing.assert_array_equal(found_nuclei(field(labels, picture), compact), expected)


def test_a_part_keeps_black_and_white_of_the_whole(compact):
    seen = []

    def predict(image):
        seen.append(image)
        return compact.predict(image)

    picture = stained(ellipses((120, 150))) * 0.4 + 0.1  # dim against the rest of its slide
    watching = dataclasses.replace(compact, predict=predict, pixel_um=0.5)
    found_nuclei(field(ellipses((120, 150)), picture), watching)
    (image,) = seen
    assert image.max() == pytest.approx(picture.max(), abs=1e-5)
    bright = picture[picture > 0.3]
    np.testing.assert_allclose(np.sort(image[image > 0.3]), np.sort(bright), atol=1e-5)


def fake(compact, level):
    """A network that finds all that is brighter than a level, each piece by itself."""
    from scipy import ndimage as ndi

    from immunescape.segment.flows import label_flows

    def predict(image):
        pieces = ndi.label(image > level)[0]
        inside = np.where(pieces > 0, 8.0, -8.0)
        return np.concatenate([5 * label_flows(pieces), inside[None]]).astype(np.float32)

    return dataclasses.replace(compact, predict=predict, pixel_um=0.5)


ALL, BRIGHT, NOTHING = 0.3, 0.75, 9.0
"""What the fake network sees of a flat picture of which every other nucleus is dim."""


def flat(labels):
    """Every other nucleus at half the light, no noise and no blur."""
    return np.where(labels % 2 == 0, 1.0, 0.5) * (labels > 0)


def test_a_better_network_is_said_to_be_better_and_a_worse_one_worse(compact):
    labels = ellipses((220, 260))
    one = field(labels, flat(labels))
    good, bad = fake(compact, ALL), fake(compact, BRIGHT)
    up, down, same = (compare(a, b, [one]) for a, b in ((bad, good), (good, bad), (bad, bad)))
    assert (up.verdict, down.verdict, same.verdict) == ("better", "worse", "not shown to be better")
    assert up.units == "sections"
    assert up.drawn == labels.max()
    assert up.found[0] == pytest.approx(labels.max() / 2, abs=2)
    for metric in ("AP@0.5", "AP@0.75", "F1@0.5"):
        score = up[metric]
        assert score.before_interval[0] <= score.before <= score.before_interval[1]
        assert score.change_interval[0] <= score.after - score.before <= score.change_interval[1]
    assert up["AP@0.5"].after > 0.95
    assert up["AP@0.5"].before == pytest.approx(0.5, abs=0.05)
    assert up["count error"].before == pytest.approx(-0.5, abs=0.05)


def test_fewer_than_five_units_give_no_interval_and_no_verdict(compact):
    labels = ellipses((70, 80))
    result = compare(fake(compact, NOTHING), fake(compact, ALL), [field(labels, flat(labels))])
    assert len(result.after) < 5
    assert result["AP@0.5"].after > result["AP@0.5"].before == 0
    assert np.isnan(result["AP@0.5"].change_interval).all()
    assert result.verdict == "not shown to be better"


def test_five_fields_are_units_themselves(compact):
    labels = ellipses((70, 80))
    fields = [field(labels, flat(labels), f"P{k}") for k in range(5)]
    result = compare(fake(compact, ALL), fake(compact, ALL), fields)
    assert result.units == "pictures"
    assert [u.name for u in result.after] == ["P0", "P1", "P2", "P3", "P4"]
    assert {u.section for u in result.after} == {0}
