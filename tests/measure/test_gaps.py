"""Labels beside what was not imaged, by hand."""

import numpy as np

from immunescape.measure import clear_gaps, labels_at_gaps
from immunescape.slide import Imaged

IMAGED = Imaged(np.array([[0, 6, 0, 4], [0, 3, 4, 9], [5, 6, 4, 9]]))
LABELS = np.array(
    [
        [1, 0, 0, 2, 2, 0, 3, 3, 0],
        [1, 0, 0, 2, 2, 0, 3, 3, 0],
        [0, 0, 4, 0, 0, 0, 0, 3, 0],
        [0, 0, 4, 0, 9, 9, 0, 8, 8],  # from here on only four columns were imaged
        [5, 0, 0, 7, 7, 0, 0, 8, 8],
        [5, 5, 0, 0, 0, 6, 6, 0, 0],  # and the last row
    ],
    np.int32,
)


def test_labels_end_where_the_image_ends() -> None:
    expected = LABELS.copy()
    expected[3:5, 4:] = 0
    for edge in (2, 3, 100):
        cleared = LABELS.copy()
        clear_gaps(cleared, IMAGED, edge)
        np.testing.assert_array_equal(cleared, expected)
        # 3, 6 and 7 have a pixel beside the gap; those of 2 and 4 are a pixel away from it
        np.testing.assert_array_equal(labels_at_gaps(cleared, IMAGED, edge), [3, 6, 7])


def test_a_slide_without_gaps_is_left_alone() -> None:
    labels = LABELS.copy()
    clear_gaps(labels, None)
    np.testing.assert_array_equal(labels, LABELS)
    assert labels_at_gaps(labels, None).size == 0


def test_blocks_without_a_gap_are_not_read() -> None:
    class Read:
        shape, dtype = (200, 300), np.dtype("int32")

        def __getitem__(self, key):
            assert key[1].start == 200, key
            return np.zeros((key[0].stop - key[0].start, key[1].stop - key[1].start), np.int32)

    imaged = Imaged(np.array([[0, 200, 0, 250]]))
    clear_gaps(Read(), imaged, 100)
    labels_at_gaps(Read(), imaged, 100)
