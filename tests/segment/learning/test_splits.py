"""Pictures of one place stay together when fields are divided."""

import numpy as np

from immunescape.segment.learning.data import Field
from immunescape.segment.learning.splits import near_duplicates, split_fields
from tests.segment.drawn import stained


def scattered(seed, shape=(200, 200)):
    """Discs anywhere: no two pictures have them at the same places."""
    rng = np.random.default_rng(seed)
    yy, xx = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for k, (y, x) in enumerate(rng.uniform(0, shape, (25, 2)), start=1):
        labels[(yy - y) ** 2 + (xx - x) ** 2 < 64] = k
    return labels


def pictures():
    """Twelve unlike fields, and two more views of the third: shifted, and with more noise."""
    made = []
    for k in range(12):
        labels = scattered(k)
        made.append(Field(f"{k:02}", labels, 1000 * (stained(labels, k) + 0.2).clip(0)))
    third = made[2]
    made.append(Field("12", np.roll(third.labels, 15, 1), np.roll(third.image, 15, 1)))
    rng = np.random.default_rng(0)
    made.append(Field("13", third.labels, third.image + rng.normal(0, 30, (200, 200)).clip(0)))
    return made


def test_only_views_of_one_place_are_near_duplicates():
    group = near_duplicates(pictures())
    assert group[12] == group[13] == group[2] == 2
    assert len(set(group[:12].tolist())) == 12


def test_fields_of_different_size_or_without_pictures_are_compared_too():
    labels = scattered(0, (100, 100))
    fields = [
        Field("a", labels),
        Field("b", labels),
        Field("c", labels[:90]),
        Field("d", scattered(1, (100, 100))),
    ]
    assert near_duplicates(fields).tolist() == [0, 0, 2, 3]
    assert near_duplicates([]).tolist() == []


def test_one_field_in_finer_and_coarser_pixels_is_one_place():
    """As a slide scanned at 20x and at 40x; half of it is another field."""
    fine = pictures()[2]
    coarse = fine.image.reshape(100, 2, 100, 2).mean(axis=(1, 3))
    finer = np.kron(fine.labels, np.ones((3, 3), np.int32))
    fields = [
        *pictures()[:3],
        Field("coarse", fine.labels[::2, ::2], coarse),
        Field("fine", finer, fine.image.repeat(3, 0).repeat(3, 1)),
        Field("wide", fine.labels[:100], fine.image[:100]),
        Field("bare", fine.labels[::2, ::2]),
        Field("other", scattered(40, (100, 100))),
    ]
    assert near_duplicates(fields).tolist() == [0, 1, 2, 2, 2, 5, 2, 7]
    train, held = split_fields(fields[:5], 0.3, 0)
    same = {"02", "coarse", "fine"}
    assert same <= {f.name for f in train} or same <= {f.name for f in held}


def test_a_split_never_parts_them():
    for seed in range(30):
        train, held = split_fields(pictures(), 0.2, seed)
        assert len(train) + len(held) == 14 and 1 <= len(held) <= 6
        sides = {name for name in ("02", "12", "13") if name in {f.name for f in held}}
        assert sides in (set(), {"02", "12", "13"})


def test_something_is_held_out_even_of_large_groups():
    third = pictures()[2]
    many = [Field(f"{k}", third.labels, third.image) for k in range(6)]
    train, held = split_fields([*many, pictures()[0]], 0.1, 0)
    assert len(held) == 1 and len(train) == 6
    assert split_fields(many, 0.1, 0) == (many, [])
