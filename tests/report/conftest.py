"""One small slide, analysed once, for the tests of reports."""

import pytest

from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study
from tests.slides import square, write_geojson, write_labels, write_slide


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """The folder of a result of drawn cells, and the result: 216 cells, tumour on the left."""
    place = tmp_path_factory.mktemp("report")
    slide = write_slide(place, "P07_relapse")
    tumour = write_geojson(place, square(0, 0, 180, 240))
    inputs = Inputs(slide=slide, annotations=tumour, labels=(write_labels(place),))
    result = run_slide(inputs, place / "out", Study(reviewed_by="A. Reader"))
    return place / "out" / "P07_relapse", result
