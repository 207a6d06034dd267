"""Which cells touch: edges that two labels share, directly or across a narrow gap."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.blocks import Block, BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.params import Between, Params

__all__ = ["ContactParams", "Contacts", "find_contacts"]

_STEP = "contacts"
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class ContactParams(Params):
    """When two cells count as touching.

    Parameters
    ----------
    min_contact_um
        Length of shared edge from which two cells touch, in µm. Corners alone never count.
    gap_um
        Widest strip of background between two cells, in µm, across which they still share an
        edge. Segmentation often leaves such a strip where two cells lie side by side; 0 asks
        for labels that meet. Cells grown here from nuclei leave none: they meet wherever both
        reach, and are asked to.
    block_px
        Edge of the blocks in which the label image is read, in pixels; the result does not
        depend on it.
    """

    min_contact_um: Annotated[float, Between(0.0, 50.0, step=0.1, unit="µm")] = 1.0
    gap_um: Annotated[float, Between(0.0, 20.0, step=0.1, unit="µm")] = 1.0
    block_px: Annotated[int, Between(64, 16384, step=64, unit="px")] = 1024


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of touching cells of one slide.

    Parameters
    ----------
    pairs
        One row a pair, sorted: ``label_a < label_b`` and ``contact_um``, the length of the edge
        that they share. It is not copied and must not be changed afterwards.
    """

    pairs: pd.DataFrame

    def __len__(self) -> int:
        return len(self.pairs)

    def directed(self) -> pd.DataFrame:
        """Return every pair in both directions, as ``label_from, label_to, contact_um``, sorted."""
        a, b, length = (self.pairs[c].to_numpy() for c in ("label_a", "label_b", "contact_um"))
        both = pd.DataFrame(
            {
                "label_from": np.concatenate([a, b]),
                "label_to": np.concatenate([b, a]),
                "contact_um": np.concatenate([length, length]),
            }
        )
        return both.sort_values(["label_from", "label_to"], ignore_index=True)

    def between(self, from_labels: npt.ArrayLike, to_labels: npt.ArrayLike) -> pd.DataFrame:
        """Return the contacts of some cells with some others.

        Parameters
        ----------
        from_labels, to_labels
            Labels of either kind; they may overlap or be equal.

        Returns
        -------
        pandas.DataFrame
            Rows ``label_from, label_to, contact_um``. Where both kinds hold both cells of a pair,
            it stands in both directions.
        """
        both = self.directed()
        keep = np.isin(both["label_from"], np.asarray(from_labels, np.int64)) & np.isin(
            both["label_to"], np.asarray(to_labels, np.int64)
        )
        return both[keep].reset_index(drop=True)

    def count(self, labels: npt.ArrayLike, to_labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Count for each of ``labels`` the cells among ``to_labels`` that it touches."""
        wanted = np.asarray(labels, np.int64)
        sources = self.between(wanted, to_labels)["label_from"].to_numpy()
        first = np.searchsorted(sources, wanted, side="left")
        last = np.searchsorted(sources, wanted, side="right")
        return np.asarray(last - first, np.int64)


def find_contacts(
    cells: Plane,
    pixel_size_um: float,
    params: ContactParams = ContactParams(),
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> Contacts:
    """Find the pairs of cells that share an edge.

    The shared edge of two cells is counted along rows and columns of pixels. Two labels that
    follow each other in a row or a column, with nothing but background between them and not
    more of it than fits into ``gap_um``, add one pixel edge. Pixels that meet at a corner add
    none, and neither do two parts of one cell. Lengths along a slanted border are therefore
    those of its staircase.

    Parameters
    ----------
    cells
        Label image ``(y, x)`` of integers below 2³¹; 0 is background. Read one block at a time.
    pixel_size_um
        Edge of a pixel in µm.
    params
        Shortest contact, widest gap and block size.
    progress
        Called after each block.
    mapper
        Where the blocks are looked through.

    Returns
    -------
    Contacts
        Pairs with at least ``min_contact_um`` of shared edge; none for an empty image. Pairs that
        share nothing never appear, not even when ``min_contact_um`` is 0.

    Examples
    --------
    Labels 1 and 2 share two edges, 2 and 3 lie one pixel apart; 1 and 3 meet nowhere.

    >>> import numpy as np
    >>> cells = np.array([[1, 2, 0, 3], [1, 2, 0, 3]])
    >>> find_contacts(cells, 0.5).pairs
       label_a  label_b  contact_um
    0        1        2         1.0
    1        2        3         1.0
    """
    gap_px = int(np.floor(params.gap_um / pixel_size_um + _ROUNDING))
    height, width = int(cells.shape[0]), int(cells.shape[1])
    blocks = list(iter_blocks((height, width), params.block_px))
    found = []
    parts = mapper(_STEP, partial(_edges_of, cells, gap_px), blocks)
    for done, part in enumerate(parts, start=1):
        found.append(part)
        progress(_STEP, done, len(blocks))
    pairs, edges = _merge(found)
    fewest = max(int(np.ceil(params.min_contact_um / pixel_size_um - _ROUNDING)), 1)
    keep = edges >= fewest
    return Contacts(
        pd.DataFrame(
            {
                "label_a": pairs[keep] >> 32,
                "label_b": pairs[keep] & 0xFFFFFFFF,
                "contact_um": edges[keep] * float(pixel_size_um),
            }
        )
    )


def _edges_of(
    cells: Plane, gap_px: int, block: Block
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the edges of a block: those whose lower or right pixel it holds."""
    outer = Block(max(block.y0 - gap_px - 1, 0), block.y1, max(block.x0 - gap_px - 1, 0), block.x1)
    labels = np.require(np.asarray(cells[outer.slices]), np.int32, ["C", "W"])
    return _block_edges(labels, block.y0 - outer.y0, block.x0 - outer.x0, gap_px)


def _merge(
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Add up the edges of each pair over the blocks; pairs come out sorted."""
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    pairs, which = np.unique(np.concatenate([p for p, _ in found]), return_inverse=True)
    edges = np.zeros(len(pairs), np.int64)
    np.add.at(edges, which, np.concatenate([n for _, n in found]))
    return pairs, edges


def _block_edges(
    labels: npt.NDArray[np.int32], top: int, left: int, gap_px: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the packed pairs of one block and how many edges each has."""
    from immunescape.spatial._edges import emit_edges

    packed = emit_edges(labels, top, left, gap_px)
    packed.sort()
    first = np.flatnonzero(np.diff(packed, prepend=-1))
    return packed[first], np.diff(first, append=len(packed))
