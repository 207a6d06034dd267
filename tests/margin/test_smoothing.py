"""Smoothing in strips is smoothing."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from immunescape.margin.smoothing import smoothed


@pytest.mark.parametrize("mode", ["nearest", "constant"])
@pytest.mark.parametrize("shape", [(3, 5), (512, 40), (1300, 64)])
@pytest.mark.parametrize("sigma", [0.7, 9.0, 300.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strips_change_no_digit(mode, shape, sigma, dtype):
    plane = np.random.default_rng(0).normal(size=shape).astype(dtype)
    whole = ndi.gaussian_filter(plane, sigma, mode=mode, truncate=4.0)
    np.testing.assert_array_equal(smoothed(plane, sigma, mode=mode), whole)
