"""A slide on which hardly any tissue was found, and one of a lymph node."""

import pytest
import shapely
from tests.margin.test_tissue import NOWHERE, PIXEL_UM, SECTION, X, Y, picture

from immunescape.margin import GridMask, map_margin, tissue_mask
from immunescape.regions import Regions


@pytest.mark.parametrize(("tissue", "told"), [((X < 200) & (Y < 300), True), (SECTION, False)])
def test_hardly_any_tissue_is_told(tissue, told):
    found = tissue_mask(picture(tissue, NOWHERE, 4), None, PIXEL_UM)
    share = found.mask.mask.mean()
    said = f"tissue covers only {share:.0%} of drawn; check the outline of the tissue"
    assert (share < 0.1) == told
    assert found.warnings == ((said,) if told else ())


def test_a_lymph_node_says_what_to_draw():
    frame = GridMask.whole((1000.0, 1000.0))
    result = map_margin(
        frame, Regions(), shapely.Point(500, 500).buffer(250), "drawn", "Lymph Node"
    )
    said = (
        "lymph node: the node's own lymphoid tissue is not told from stroma; draw one of the two "
        "as Lymphoid or Stroma"
    )
    judged = result.areas.not_evaluable
    assert judged == dict.fromkeys(("outer_margin", "stroma", "margin"), said)
