"""Holding fields out of training: pictures that show the same place stay on one side."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immunescape.segment.learning.data import Field

__all__ = ["near_duplicates", "split_fields"]

_SIDE = 64
_ALIKE = 0.6
"""Of 64,000 pairs of unrelated pictures of one size, one in a thousand reaches 0.53."""
_SHAPE = 0.05
"""Pictures whose ratios of height to width differ by more do not show the same field."""


def near_duplicates(fields: "Sequence[Field]") -> npt.NDArray[np.int64]:
    """Give one number to all fields that show the same nuclei.

    Parameters
    ----------
    fields
        Those without a picture are compared by where their nuclei are.

    Returns
    -------
    numpy.ndarray
        ``(n,)``, equal for fields of one group, which is called by its first field's position.

    Notes
    -----
    Two fields of one shape (height to width, within 5 %) are alike if, after shrinking to 64
    pixels a side, their cross-correlation reaches 0.6 at any shift, whatever the size of their
    pixels; whoever is like a member belongs to the group. A part cut out of another field is not
    noticed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not fields:
        return np.arange(0)
    waves = np.fft.rfft2(np.stack([_small(field) for field in fields]))
    shape = np.array([np.log(np.divide(*field.labels.shape)) for field in fields])
    pairs: list[tuple[int, int]] = []
    for a in range(len(fields) - 1):
        others = a + 1 + np.flatnonzero(np.abs(shape[a + 1 :] - shape[a]) < _SHAPE)
        alike = np.fft.irfft2(waves[a].conj() * waves[others], s=(_SIDE, _SIDE))
        pairs += [(a, b) for b in others[alike.max(axis=(1, 2)) > _ALIKE].tolist()]
    if not pairs:
        return np.arange(len(fields))
    left, right = np.array(pairs).T
    graph = coo_array((np.ones(len(pairs)), (left, right)), shape=(len(fields), len(fields)))
    group = np.asarray(connected_components(graph, directed=False)[1])
    first = np.unique(group, return_index=True)[1]
    return np.asarray(first[group], dtype=np.int64)


def split_fields(
    fields: "list[Field]", share: float, seed: int
) -> "tuple[list[Field], list[Field]]":
    """Divide fields into those to train on and those held out, by name and seed alone.

    Parameters
    ----------
    fields
        In any order; near-duplicates among them are kept on one side.
    share
        Share that is held out. At least one group of fields stays for training; with a positive
        share and two groups or more, at least one is held out.
    seed
        Source of all chance.

    Returns
    -------
    tuple of list of Field
        To train on, and held out; each sorted by name.
    """
    ordered = sorted(fields, key=lambda f: f.name)
    group = near_duplicates(ordered)
    names, sizes = np.unique(group, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    wanted = max(round(share * len(ordered)), 1) if share and len(names) > 1 else 0
    out: set[int] = set()
    held = 0
    for k in order.tolist():
        if held < wanted and held + sizes[k] <= 2 * wanted and len(out) < len(names) - 1:
            out.add(int(names[k]))
            held += int(sizes[k])
    if wanted and not out:
        out.add(int(names[order[np.argmin(sizes[order])]]))
    return (
        [f for f, g in zip(ordered, group.tolist(), strict=True) if g not in out],
        [f for f, g in zip(ordered, group.tolist(), strict=True) if g in out],
    )


def _small(field: "Field") -> npt.NDArray[np.float64]:
    """Logarithm of the brightness on 64 x 64 squares, of mean 0 and length 1."""
    from skimage.transform import resize

    image = (field.labels > 0).astype(np.float64) if field.image is None else field.image
    small = resize(np.log1p(image - image.min()), (_SIDE, _SIDE), anti_aliasing=True)
    small = small - small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-9))
