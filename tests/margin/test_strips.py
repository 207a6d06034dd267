"""A plane in strips is the plane."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from immunescape.margin.strips import capped_distance, smoothed, sums_by_label


@pytest.mark.parametrize("mode", ["nearest", "constant"])
@pytest.mark.parametrize("shape", [(3, 5), (512, 40), (1300, 64)])
@pytest.mark.parametrize("sigma", [0.7, 9.0, 300.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strips_change_no_digit(mode, shape, sigma, dtype):
    plane = np.random.default_rng(0).normal(size=shape).astype(dtype)
    whole = ndi.gaussian_filter(plane, sigma, mode=mode, truncate=4.0)
    np.testing.assert_array_equal(smoothed(plane, sigma, mode=mode), whole)


@pytest.mark.parametrize("rows", [1, 40, 1100])
@pytest.mark.parametrize("cap", [1.5, 6.0, 700.0])
def test_distances_are_those_of_the_whole_plane_up_to_the_cap(rows, cap):
    mask = np.random.default_rng(1).random((rows, 50)) < 0.9
    mask[5:, 30:] = True  # nothing near by
    mask[0, 0] = False
    whole = np.minimum(ndi.distance_transform_edt(mask), cap)
    np.testing.assert_allclose(capped_distance(mask, cap), whole, rtol=1e-6)
    full = np.ones((rows, 3), bool)
    assert (capped_distance(full, cap) == np.float32(cap)).all()


def test_sums_by_label_are_those_of_each_label():
    rng = np.random.default_rng(2)
    labels, values = rng.integers(0, 5, (1200, 7)), rng.integers(0, 9, (1200, 7))
    assert sums_by_label(values, labels, 6).tolist() == [
        float(values[labels == k].sum()) for k in range(7)
    ]
