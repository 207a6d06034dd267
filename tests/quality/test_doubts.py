"""What a person must know before a proposed exclusion is applied."""

import numpy as np

from immunescape.quality import assess_quality, quality_table
from tests.quality.fields import GRID_UM, PANEL, field, on_grid
from tests.quality.test_table import BLUR, CELLS, CODES, FOLD, FRAME


def test_a_large_proposal_is_told():
    """A fifth of the tissue is blurred; then half of the sharp rest is taken away."""
    made = field("response", 21, blurred_fraction=0.2)
    blurred = on_grid(made.regions["blurred"])
    rows = np.arange(len(blurred))[:, None]
    for tissue, large in ((blurred | True, False), (blurred | (rows % 100 < 50), True)):
        found = assess_quality(made.slide, PANEL, tissue, GRID_UM, made.cells)
        share = (found.proposals["blurred"] & tissue).sum() / tissue.sum()
        assert (share > 0.25) == large
        said = f"{share:.0%} of the tissue is proposed for exclusion as blurred"
        assert (said in found.warnings) == large


def test_notes_of_the_table_of_proposals():
    proposals = {"saturated": FOLD, "blurred": BLUR}
    pigmented = np.arange(len(CELLS)) == 3
    table = quality_table(proposals, CODES, 10.0, FRAME, CELLS, pigmented=pigmented)
    notes = table.groupby("issue")["note"].unique().str.join("").to_dict()
    assert notes == {
        "saturated": "the brightest cells lie here: leaving them out lowers every positive share",
        "blurred": "",
        "pigmented_cells": "cells bright in every marker, wherever they lie",
        "all": "all of the places together",
    }
