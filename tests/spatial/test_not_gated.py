"""A slide whose PD-L1 was never called."""

import numpy as np
import pytest

from immunescape.cells import CellTable
from immunescape.spatial import summarise
from tests.spatial.recount import areas
from tests.spatial.test_summary import TOUCHING, at, drawn


@pytest.mark.parametrize("missing", [{}, {"pdl1": "PD-L1 was not gated"}])
def test_pdl1_that_was_never_called_is_missing_and_not_negative(missing):
    cells, pairs = drawn((12, 13), (20, 15), (25, 5))
    frame = cells.frame if missing else cells.frame.drop(columns="pdl1_positive")
    row = at(summarise(CellTable(frame), pairs, areas(), missing=missing), TOUCHING)
    assert not row["evaluable"]
    assert "PD-L1 was not gated" in row["reason"]
    assert np.isnan([row["value"], row["numerator"], row["denominator"]]).all()
