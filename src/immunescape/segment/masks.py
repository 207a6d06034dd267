"""From flows to nuclei: pixels follow the flow, and those that end together are one nucleus."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from immunescape.segment._objects import as_labels
from immunescape.segment._peaks import gather
from immunescape.segment._pieces import keep_largest_filled
from immunescape.segment._walk import pad_field, pad_flows, walk
from immunescape.segment.flows import flow_errors

__all__ = ["follow", "masks_from_flows", "tidy"]


def masks_from_flows(
    flows: npt.NDArray[np.floating[Any]],
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_area_px: float = 0.0,
    threads: int = 0,
) -> npt.NDArray[np.int32]:
    """Find the nuclei of a network's output.

    Parameters
    ----------
    flows
        ``(3, y, x)`` as the network gives them: five times the flow along y and x, and the
        logit of being inside a nucleus. Not finite values count as outside.
    cellprob_threshold
        Logit above which a pixel can belong to a nucleus.
    flow_threshold
        Largest mean squared disagreement between the network's flows and those of the shape found;
        0 keeps all shapes.
    min_area_px
        Smaller nuclei are dropped.
    threads
        How many to use, 0 for as many as there are processors and work for; labels are the same.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32, 0 is background; labels are 1..n, each one piece without holes.

    Notes
    -----
    The mask step gives the masks of Cellpose's for the same ends. The pixels are moved otherwise:
    Cellpose samples the field up to half a pixel off, depending on where in the block a pixel lies.
    """
    flows = np.ascontiguousarray(flows, dtype=np.float32)
    field, inside = pad_flows(flows, cellprob_threshold, threads)
    starts = np.flatnonzero(inside)
    if not len(starts):
        return np.zeros(inside.shape, dtype=np.int32)
    labels, top = gather(starts, walk(field, starts, threads), inside.shape)
    del field, inside, starts
    keep = keep_largest_filled(labels, top) >= max(min_area_px, 1)
    if flow_threshold > 0:
        keep &= ~(flow_errors(labels, flows[:2], threads=threads) > flow_threshold)
    keep[0] = False
    if not keep[1:].all():
        _renumber(labels, np.where(keep, np.cumsum(keep), 0).astype(np.int32))
    return labels


def follow(
    field: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], *, threads: int = 0
) -> npt.NDArray[np.int64]:
    """Move every inside pixel along the field until it rests.

    Parameters
    ----------
    field
        ``(2, y, x)`` pixels a step, along y and x; what is not a number counts as 0.
    inside
        ``(y, x)``, where to start.
    threads
        How many to use, 0 for as many as there are processors and work for; ends are the same.

    Returns
    -------
    numpy.ndarray
        ``(2, n)``: the pixel where each ended, in row order of the starts. Between pixels the
        field is interpolated linearly; paths end at the frame.
    """
    ends = walk(pad_field(field), np.flatnonzero(inside), threads)
    return np.stack(np.divmod(ends, max(inside.shape[1], 1)))


def tidy(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Keep the largest piece of every label and fill its holes.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32 with the same labels. Pieces are joined by edges, not corners; of equally
        large ones the first in row order stays. A hole is background, joined by edges, that
        borders one label alone and does not reach the frame.
    """
    labels, top = as_labels(labels.copy())
    if top:
        keep_largest_filled(labels, top)
    return labels


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _renumber(labels: Any, fresh: Any) -> None:
    flat = labels.ravel()
    for i in range(flat.size):
        flat[i] = fresh[flat[i]]
