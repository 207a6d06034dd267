"""Pictures of nuclei whose truth is known, drawn without the program's own renderer."""

import numpy as np
from scipy import ndimage as ndi


def ellipses(shape, spacing=22, seed=0):
    """Labels of separate ellipses on a jittered grid; some lie on the frame."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    yy, xx = np.mgrid[-14:15, -14:15]
    k = 0
    for y in range(0, shape[0] + spacing, spacing):
        for x in range(0, shape[1] + spacing, spacing):
            k += 1
            cy, cx = np.array([y, x]) + rng.integers(-3, 4, 2)
            a, b, turn = rng.uniform(6, 9), rng.uniform(5, 7), rng.uniform(0, np.pi)
            u = yy * np.cos(turn) + xx * np.sin(turn)
            v = -yy * np.sin(turn) + xx * np.cos(turn)
            py, px = np.nonzero((u / a) ** 2 + (v / b) ** 2 <= 1)
            py, px = py + cy - 14, px + cx - 14
            ok = (py >= 0) & (py < shape[0]) & (px >= 0) & (px < shape[1])
            py, px = py[ok], px[ok]
            free = labels[py, px] == 0
            if len(py) > 30 and free.all():
                labels[py, px] = k
    fresh = np.zeros(labels.max() + 1, np.int32)
    there = np.unique(labels)[1:]
    fresh[there] = np.arange(1, len(there) + 1)
    return fresh[labels]


def stained(labels, seed=0, noise=0.03):
    """A nuclear stain of the labels, background 0 and nuclei about 1."""
    rng = np.random.default_rng(seed)
    bright = rng.uniform(0.6, 1.2, labels.max() + 1)
    bright[0] = 0
    image = ndi.gaussian_filter(bright[labels], 1.0)
    return (image + rng.normal(0, noise, labels.shape)).astype(np.float32)
