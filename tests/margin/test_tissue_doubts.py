"""A slide on which hardly any tissue was found."""

import pytest
from tests.margin.test_tissue import NOWHERE, PIXEL_UM, SECTION, X, Y, picture

from immunescape.margin import tissue_mask


@pytest.mark.parametrize(("tissue", "told"), [((X < 200) & (Y < 300), True), (SECTION, False)])
def test_hardly_any_tissue_is_told(tissue, told):
    found = tissue_mask(picture(tissue, NOWHERE, 4), None, PIXEL_UM)
    share = found.mask.mask.mean()
    said = f"tissue covers only {share:.0%} of drawn; check the outline of the tissue"
    assert (share < 0.1) == told
    assert found.warnings == ((said,) if told else ())
