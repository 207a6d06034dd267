import numpy as np
import pytest

from immunescape.segment.score import Match, match_labels


def test_counts_by_hand():
    drawn = np.array([[1, 1, 1, 0, 7, 7, 0, 9]])
    found = np.array([[4, 4, 4, 0, 7, 0, 7, 0]])
    assert match_labels(drawn, found) == Match(1, 2, 1)
    assert match_labels(drawn, drawn, 0.99) == Match(3, 0, 0)
    total = match_labels(drawn, found) + Match(3, 0, 0)
    assert total.average_precision == pytest.approx(4 / 7)
    assert np.isnan(match_labels(drawn * 0, drawn * 0).average_precision)
    with pytest.raises(ValueError, match=r"0\.4"):
        match_labels(drawn, found, 0.4)
