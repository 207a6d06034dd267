import doctest

import pytest

from immunescape.intervals import bootstrap, plain
from immunescape.spatial import kinds, sensitivity, stains

MODULES = [bootstrap, plain, kinds, sensitivity, stains]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_docstrings_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
