"""Which cells share a border: plain counting of facing pixels."""

import numpy as np
import numpy.typing as npt

__all__ = ["contact_pairs", "facing_pixels", "touches"]

Pairs = npt.NDArray[np.int64]


def facing_pixels(labels: npt.NDArray[np.int32], gap_px: int) -> tuple[Pairs, Pairs]:
    """Count the pixel edges that each two labels share.

    Two pixels of different labels face each other when they lie in one row or column with
    nothing, or at most ``gap_px`` pixels of background only, between them. Corners never count.

    Returns
    -------
    pairs
        ``(n, 2)`` labels, the smaller first, in ascending order.
    edges
        Number of facing pixels of each pair.

    Examples
    --------
    >>> labels = np.array([[1, 1, 0, 2], [1, 1, 2, 2]], np.int32)
    >>> facing_pixels(labels, 0)
    (array([[1, 2]]), array([1]))
    >>> facing_pixels(labels, 1)
    (array([[1, 2]]), array([2]))
    """
    found = []
    for image in (labels, labels.T):
        for gap in range(gap_px + 1):
            here, there = image[:, : -1 - gap], image[:, 1 + gap :]
            facing = (here != there) & (here > 0) & (there > 0)
            for between in range(1, gap + 1):
                facing &= image[:, between : image.shape[1] - 1 - gap + between] == 0
            found.append(np.column_stack([here[facing], there[facing]]))
    both = np.sort(np.concatenate(found).astype(np.int64), axis=1)
    pairs, edges = np.unique(both, axis=0, return_counts=True)
    return pairs, edges.astype(np.int64)


def contact_pairs(
    labels: npt.NDArray[np.int32], pixel_size_um: float, min_contact_um: float, gap_um: float
) -> Pairs:
    """Return the pairs of labels in contact, ``(n, 2)``, each once with the smaller first.

    A contact is a shared border of at least ``min_contact_um``, across at most ``gap_um`` of
    background; a length that falls short by rounding alone counts.
    """
    pairs, edges = facing_pixels(labels, int(np.floor(gap_um / pixel_size_um + 1e-9)))
    return pairs[edges * pixel_size_um >= min_contact_um - 1e-9]


def touches(pairs: Pairs, is_other: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell for each label whether it has a contact with a label for which ``is_other`` is true.

    Both arrays are indexed by label; entry 0, the background, is False.
    """
    touching = np.zeros(len(is_other), bool)
    for one, two in (pairs.T, pairs.T[::-1]):
        touching[one[is_other[two]]] = True
    return touching
