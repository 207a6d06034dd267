"""Merges, cuts and removals in label images drawn by hand, with the answer beside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.io.edits import Edits
from immunescape.segment import corrections
from immunescape.segment.corrections import correct_labels, labels_at
from tests.segment.drawn import ellipses

PIXEL = 0.5


def drawn(text: str) -> np.ndarray:
    """Labels of a picture in characters; a dot is background, letters go on after 9."""
    rows = [line.strip() for line in text.strip().splitlines()]
    return np.array([[0 if c == "." else int(c, 36) for c in row] for row in rows], np.int32)


def shown(labels: np.ndarray) -> str:
    return "\n".join("".join("." if v == 0 else np.base_repr(v, 36).lower() for v in row)
                     for row in labels)  # fmt: skip


def um(row: int, column: int) -> tuple[float, float]:
    """Return x and y of the centre of a pixel."""
    return (column + 0.5) * PIXEL, (row + 0.5) * PIXEL


class Editor:
    """Makes rows one after the other, as a person would."""

    def __init__(self):
        self.edits = Edits()

    def __call__(self, action, *args):
        self.edits = self.edits.with_rows(getattr(self.edits, action)(*args))
        return self

    def apply(self, cells, nuclei=None, **more):
        more = {"least_px": 1, **more}
        return correct_labels(nuclei, cells, self.edits.of_labels, PIXEL, **more)


def whys(corrected) -> list[str]:
    return [outcome.why for outcome in corrected.outcomes]


CELLS = """
    11122..
    11222..
    .3322.4
    .33...4
"""
NUCLEI = """
    1......
    ...2...
    .3.....
    ......4
"""


def test_a_merged_cell_has_the_label_named_first_and_so_has_its_nucleus():
    cells, nuclei = drawn(CELLS), drawn(NUCLEI)
    done = Editor()("merge", *um(1, 3), um(0, 0)).apply(cells, nuclei)
    assert whys(done) == [""] and done.labels == {2}
    assert shown(cells) == shown(drawn("22222..\n22222..\n.3322.4\n.33...4"))
    assert shown(nuclei) == shown(drawn("2......\n...2...\n.3.....\n......4"))


def test_merges_follow_each_other_by_position():
    cells = drawn(CELLS)
    steps = Editor()("merge", *um(0, 0), um(0, 3))("merge", *um(3, 1), um(0, 4))
    done = steps.apply(cells)
    assert whys(done) == ["", ""] and done.labels == {3}
    assert shown(cells) == shown(drawn("33333..\n33333..\n.3333.4\n.33...4"))


@pytest.mark.parametrize(
    ("where", "other", "why"),
    [
        ((0, 0), (3, 6), "the two cells do not touch"),
        ((2, 3), (3, 6), "the two cells do not touch"),
        ((0, 0), (1, 1), "both positions lie in one cell"),
        ((0, 6), (0, 0), "no cell lies there"),
        ((0, 0), (0, 6), "at the second position, no cell lies there"),
        ((0, 0), (9, 9), "at the second position, it lies outside the slide"),
        ((0, -1), (0, 0), "it lies outside the slide"),
    ],
)
def test_a_merge_that_cannot_be_says_why_and_changes_nothing(where, other, why):
    cells = drawn(CELLS)
    done = Editor()("merge", *um(*where), um(*other)).apply(cells)
    assert whys(done) == [why] and not done.labels
    assert shown(cells) == shown(drawn(CELLS))


def test_cells_that_meet_at_a_corner_do_not_touch():
    cells = drawn("11..\n11..\n..22\n..22")
    assert whys(Editor()("merge", *um(0, 0), um(3, 3)).apply(cells)) == [
        "the two cells do not touch"
    ]


GAPS = """
    111.22
    111..2
    .....2
    111333
    1.1..4
    ...4.4
"""


@pytest.mark.parametrize(
    ("gap", "answer"),
    [
        (0, None),
        (1, "111111\n111..1\n.....1\n111333\n1.1..4\n...4.4"),
        (2, "111111\n111111\n.....1\n111333\n1.1..4\n...4.4"),
    ],
)
def test_a_strip_between_merged_cells_becomes_part_of_them(gap, answer):
    """A strip of one label's own, between its pieces, is no strip between two cells."""
    cells = drawn(GAPS)
    done = Editor()("merge", *um(0, 0), um(0, 5)).apply(cells, gap_px=gap)
    assert whys(done) == (["the two cells do not touch"] if answer is None else [""])
    assert shown(cells) == shown(drawn(answer or GAPS))


def test_no_other_cell_is_between_two_that_touch_across_a_gap():
    cells = drawn("1.3.2\n1.3.2")
    assert whys(Editor()("merge", *um(0, 0), um(0, 4)).apply(cells, gap_px=5)) == [
        "the two cells do not touch"
    ]
    assert shown(cells) == shown(drawn("1.3.2\n1.3.2"))


def test_a_cut_gives_the_smaller_part_the_next_number_and_its_nucleus_too():
    cells = drawn("""
        .11111.
        1111111
        .11111.
        .....77
    """)
    nuclei = drawn("""
        .......
        .11..1.
        .......
        .....7.
    """)
    # between the fourth and the fifth column of the cell
    line = (4.0 * PIXEL, -1.0, 4.0 * PIXEL, 3.0)
    done = Editor()("split", *um(1, 0), line).apply(cells, nuclei)
    assert whys(done) == [""] and done.labels == {1, 8}
    assert shown(cells) == shown(drawn(".11188.\n1111888\n.11188.\n.....77"))
    assert shown(nuclei) == shown(drawn(".......\n.11..8.\n.......\n.....7."))


def test_equal_parts_leave_the_label_to_the_one_with_the_first_pixel():
    for line in ((1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.0)):
        cells = drawn("1111\n1111")
        Editor()("split", *um(0, 3), line).apply(cells)
        assert shown(cells) == shown(drawn("1122\n1122"))


def test_pixels_on_the_line_go_to_one_side_whichever_way_it_was_drawn():
    pictures = set()
    for line in ((*um(0, 2), *um(3, 2)), (*um(3, 2), *um(0, 2))):
        cells = drawn("11111\n" * 4)
        Editor()("split", *um(0, 0), line).apply(cells)
        pictures.add(shown(cells))
    # walking down, the left hand is to the right of the picture
    assert pictures == {"\n".join(["22111"] * 4)}


def test_a_slanted_cut():
    cells = drawn("1111\n1111\n1111\n1111")
    # from the upper right corner to the lower left one: pixels on it go left of who walks down
    Editor()("split", *um(0, 0), (2.0, 0.0, 0.0, 2.0)).apply(cells)
    assert shown(cells) == shown(drawn("2221\n2211\n2111\n1111"))


@pytest.mark.parametrize(
    ("line", "least", "why"),
    [
        ((3.0, 0.0, 3.0, 2.0), 1, "the line misses the cell"),  # wholly to the right
        ((1.0, 5.0, 1.0, 9.0), 1, "the line misses the cell"),  # its extension alone would cut
        ((0.5, 0.0, 0.5, 1.0), 3, "it would leave a part of 2 pixels; 3 are needed"),
    ],
)
def test_a_cut_that_cannot_be_says_why_and_changes_nothing(line, least, why):
    cells = drawn("1111\n1111")
    done = Editor()("split", *um(0, 0), line).apply(cells, least_px=least)
    assert whys(done) == [why] and not done.labels
    assert shown(cells) == shown(drawn("1111\n1111"))


def test_a_removed_cell_is_background_and_what_names_it_later_is_not_applied():
    cells, nuclei = drawn(CELLS), drawn(NUCLEI)
    steps = Editor()("merge", *um(0, 0), um(0, 3))("delete", *um(1, 1))
    steps("delete", *um(0, 0))("delete", *um(3, 6))
    done = steps.apply(cells, nuclei)
    assert whys(done) == ["", "", "no cell lies there", ""] and done.labels == set()
    assert shown(cells) == shown(drawn(".......\n.......\n.33....\n.33...."))
    assert shown(nuclei) == shown(drawn(".......\n.......\n.3.....\n......."))


def test_numbers_of_new_cells_are_above_those_of_nuclei_without_a_cell():
    cells, nuclei = drawn("1111\n...."), drawn("1..1\n...9")
    Editor()("split", *um(0, 0), (1.0, 0.0, 1.0, 1.0)).apply(cells, nuclei)
    assert shown(cells) == shown(drawn("11aa\n...."))
    assert shown(nuclei) == shown(drawn("1..a\n...9"))


def test_a_cell_in_pieces_is_changed_as_a_whole():
    cells = drawn("11..11\n22....")
    Editor()("merge", *um(1, 0), um(0, 0)).apply(cells)
    assert shown(cells) == shown(drawn("22..22\n22...."))
    Editor()("delete", *um(0, 5)).apply(cells)
    assert not cells.any()


def test_pieces_far_apart_are_left_alone(monkeypatch):
    monkeypatch.setattr(corrections, "_WIDEST_PX", 4)
    cells = drawn("11..11\n22....")
    done = Editor()("delete", *um(0, 0))("delete", *um(1, 0)).apply(cells)
    assert whys(done) == ["the pieces of its cell lie over 4 pixels apart", ""]
    assert shown(cells) == shown(drawn("11..11\n......"))


def test_the_largest_number_there_is_is_not_exceeded():
    cells = np.full((2, 4), np.iinfo(np.int32).max, np.int32)
    done = Editor()("split", *um(0, 0), (1.0, 0.0, 1.0, 1.0)).apply(cells)
    assert whys(done) == ["no number is left for the new cell"]


def test_nothing_to_do_reads_nothing():
    assert correct_labels(None, None, (), PIXEL).outcomes == ()


def test_labels_are_read_at_positions():
    cells = drawn(CELLS)
    points = np.array([um(0, 0), um(2, 6), um(0, 6), (0.5, 0.0), (-0.1, 0.0), (3.5, 0.0)])
    for block in (1, 2, 3, 100):
        assert labels_at(cells, points, PIXEL, block).tolist() == [1, 4, 0, 1, -1, -1]
    assert len(labels_at(cells, np.zeros((0, 2)), PIXEL)) == 0


class Watched:
    """A plane that keeps which parts were read and written."""

    def __init__(self, labels):
        self.labels, self.shape, self.dtype = labels, labels.shape, labels.dtype
        self.read, self.written = [], []

    def __getitem__(self, key):
        part = self.labels[key]
        self.read.append(part.size)
        return part

    def __setitem__(self, key, value):
        self.written.append(self.labels[key].size)
        self.labels[key] = value


def test_only_what_is_around_the_cells_is_written_and_no_more_than_a_block_read():
    watched = Watched(ellipses((300, 300)))
    y, x = np.argwhere(watched.labels == 40)[10]
    Editor()("delete", *um(y, x)).apply(watched, block_px=64)
    assert len(watched.written) == 1 and watched.written[0] <= 20 * 20
    assert max(watched.read) <= 64 * 64


def random_steps(labels, draws) -> Editor:
    """A person who merges, cuts and removes at places drawn by chance."""
    steps = Editor()
    for action, seed in draws:
        rng = np.random.default_rng(seed)
        y, x = rng.integers(0, labels.shape[0]), rng.integers(0, labels.shape[1])
        angle = rng.uniform(0, np.pi)
        dy, dx = 6 * np.sin(angle), 6 * np.cos(angle)
        px, py = um(y, x)
        if action == "merge":
            steps("merge", px, py, um(y + int(dy), x + int(dx)))
        elif action == "split":
            steps("split", px, py, (px - dx, py - dy, px + dx, py + dy))
        else:
            steps("delete", px, py)
    return steps


def touching(shape=(90, 120), seed=1):
    """Cells without gaps between them: the nearest of points drawn by chance."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (40, 2)) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    return (distance.argmin(axis=-1) + 1).astype(np.int32)


DRAWS = st.lists(
    st.tuples(st.sampled_from(["merge", "split", "delete"]), st.integers(0, 10**6)), max_size=12
)


@settings(deadline=None, max_examples=30)
@given(DRAWS, st.integers(16, 130))
def test_blocks_change_nothing_and_every_pixel_keeps_its_cell(draws, block):
    cells, nuclei = touching(), ellipses((90, 120))
    nuclei[nuclei > 0] = touching()[nuclei > 0]
    steps = random_steps(cells, draws)
    others = [cells.copy(), nuclei.copy()]
    done = steps.apply(cells, nuclei, least_px=20)
    again = steps.apply(*others, least_px=20, block_px=block)
    assert done == again
    assert (cells == others[0]).all() and (nuclei == others[1]).all()
    there = nuclei > 0
    assert (nuclei[there] == cells[there]).all()
    made = set(np.unique(cells)) - set(np.unique(touching())) - {0}
    assert made <= done.labels <= set(np.unique(cells))
    for label in np.unique(cells[cells > 0]):
        if label not in done.labels:
            assert ((cells == label) == (touching() == label)).all()


def as_partition(labels):
    """Return labels numbered anew by first pixel, so that two partitions can be compared."""
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.where(labels > 0, rank[which].reshape(labels.shape) + 1, 0)


@settings(deadline=None, max_examples=30)
@given(DRAWS, st.permutations(range(3)))
def test_corrections_far_apart_commute(draws, order):
    """Three fields that share no cell, side by side: whose turn it is decides nothing."""
    tile = touching()
    cells = np.concatenate([np.where(tile, tile + 100 * k, 0) for k in range(3)], axis=1)
    width = tile.shape[1] * PIXEL
    groups = [random_steps(tile, draws[k::3]).edits.rows for k in range(3)]

    def moved(row, by):
        if row.action == "merge":
            return ("merge", row.x_um + by, row.y_um, (row.numbers[0] + by, row.numbers[1]))
        if row.action == "split":
            x0, y0, x1, y1 = row.numbers
            return ("split", row.x_um + by, row.y_um, (x0 + by, y0, x1 + by, y1))
        return ("delete", row.x_um + by, row.y_um)

    results, said = [], []
    for turns in (range(3), order):
        labels, steps, of = cells.copy(), Editor(), []
        for k in turns:
            for row in groups[k]:
                x = row.x_um + k * width
                inside = [x] if row.action != "merge" else [x, row.numbers[0] + k * width]
                if all(k * width <= at < (k + 1) * width for at in inside):
                    steps(*moved(row, k * width))
                    of.append(k)
        done = steps.apply(labels, least_px=20)
        results.append(as_partition(labels))
        said.append([[w for w, g in zip(whys(done), of, strict=True) if g == k] for k in range(3)])
    assert (results[0] == results[1]).all()
    assert said[0] == said[1]
