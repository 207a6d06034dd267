"""Which kinds of cell touch which: contacts found on the whole slide, stratified afterwards."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import CONTACTS_COLUMNS, REGION_NAMES
from immunescape.spatial.kinds import (
    PDL1_MEMBERS,
    PDL1_STATUS,
    PHENOTYPES,
    REGION_MEMBERS,
    by_region,
    kinds_of,
    missing_reason,
)
from immunescape.spatial.neighbours import nearest_distance_um

__all__ = ["add_contact_columns", "contact_table", "pair_rows", "touched_by"]

_QUERIES = tuple(product(PHENOTYPES, PDL1_STATUS))
_MEMBERS = np.kron(np.eye(4, dtype=np.int64), PDL1_MEMBERS)
"""Rows the twelve kinds of the table, columns the twelve codes phenotype x PD-L1 they hold."""


def add_contact_columns(
    cells: CellTable, pairs: pd.DataFrame, *, missing: Mapping[str, str] | None = None
) -> CellTable:
    """Add what each cell touches and how far the next CD8 T cell is.

    Parameters
    ----------
    cells
        Table with ``phenotype``.
    pairs
        Contacts of the whole slide, a row a pair: ``label_a``, ``label_b``.
    missing
        Reason by marker key, for the markers that the slide lacks; only ``cd8`` matters.

    Returns
    -------
    CellTable
        With ``n_contacts`` (int), ``n_cd8_contacts`` (nullable int), ``touching_cd8`` (nullable
        boolean) and ``distance_to_cd8_um``: from centroid to centroid of the nearest *other*
        ``cd8_t`` cell, NaN where there is none. Where CD8 is missing the last three are missing.
        A CD8 T cell anywhere on the slide counts, in an excluded area too; a neighbour whose
        phenotype is unknown does not.

    Raises
    ------
    ValueError
        If a contact names a label that is not in the table.
    """
    n = len(cells)
    a, b = ends = pair_rows(cells, pairs)
    cd8 = (cells["phenotype"] == "cd8_t").to_numpy(bool, na_value=False)
    contacts = np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
    if missing_reason(missing or {}, "cd8"):
        return cells.with_columns(
            {
                "n_contacts": contacts,
                "n_cd8_contacts": pd.array([pd.NA] * n, dtype="Int64"),
                "touching_cd8": pd.array([pd.NA] * n, dtype="boolean"),
                "distance_to_cd8_um": np.full(n, np.nan),
            }
        )
    touched = touched_by(ends, cd8)
    return cells.with_columns(
        {
            "n_contacts": contacts,
            "n_cd8_contacts": pd.array(touched, dtype="Int64"),
            "touching_cd8": pd.array(touched > 0, dtype="boolean"),
            "distance_to_cd8_um": _distance_to_others(cells.points_um, cd8),
        }
    )


def contact_table(
    cells: CellTable, pairs: pd.DataFrame, *, missing: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Count contacts between every two kinds of cell, by the region of the first.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``, and ``pdl1_positive`` where PD-L1 was gated.
    pairs
        Contacts of the whole slide, a row a pair: ``label_a``, ``label_b``.
    missing
        Reason by marker key, for the markers that the slide lacks.

    Returns
    -------
    DataFrame
        Columns ``CONTACTS_COLUMNS``; a row for each ordered pair of kinds (phenotype and PD-L1
        ``any``, ``positive``, ``negative``) and region. The region is that of the `from` cell;
        the `to` cell may lie anywhere on the slide, so that no contact is cut by a border.

        ``from_count``
            `from` cells in the region.
        ``to_count``
            `to` cells on the slide.
        ``from_touching``
            `from` cells in the region that touch at least one `to` cell.
        ``to_touching``
            `to` cells on the slide that at least one `from` cell in the region touches.
        ``pairs``
            Contacts between a `from` cell in the region and a `to` cell; each contact once, also
            where both of its cells could be either.

        Numbers are missing, never 0, for kinds whose marker is missing.

    Raises
    ------
    ValueError
        If a contact names a label that is not in the table.
    """
    kinds = kinds_of(cells, missing)
    a, b = pair_rows(cells, pairs)
    kind = kinds.phenotype * 3 + kinds.pdl1
    code = kind * 5 + kinds.region

    in_region = by_region(np.einsum("fk,kr->fr", _MEMBERS, kinds.count().reshape(12, 5)))
    on_slide = _MEMBERS @ np.bincount(kind, minlength=12)
    from_touching, to_touching = _touching(code, a, b)
    contacts = _distinct_contacts(code[a], code[b])

    rows = []
    for (f, (fp, fs)), (t, (tp, ts)) in product(enumerate(_QUERIES), enumerate(_QUERIES)):
        no_from, no_to = (fp, fs) in kinds.absent, (tp, ts) in kinds.absent
        for r, region in enumerate(REGION_NAMES):
            either = no_from or no_to
            rows.append(
                (
                    fp, fs, tp, ts, region,
                    pd.NA if no_from else in_region[f, r],
                    pd.NA if no_to else on_slide[t],
                    pd.NA if either else from_touching[f, r, t],
                    pd.NA if either else to_touching[f, r, t],
                    pd.NA if either else contacts[f, r, t],
                )
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(CONTACTS_COLUMNS))
    return table.astype(dict.fromkeys(CONTACTS_COLUMNS[5:], "Int64"))


def pair_rows(cells: CellTable, pairs: pd.DataFrame) -> tuple[Any, Any]:
    """Return the positions in the table of both cells of each contact."""
    index = cells.frame.index
    a, b = (index.get_indexer(pd.Index(pairs[c].to_numpy())) for c in ("label_a", "label_b"))
    for ends, column in ((a, "label_a"), (b, "label_b")):
        if (ends < 0).any():
            label = pairs[column].to_numpy()[ends < 0][0]
            raise ValueError(f"a contact names the cell {label}, which is not in the table")
    return a, b


def touched_by(ends: tuple[Any, Any], kind: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Count for each cell its contacts with cells of a kind, given the ends of `pair_rows`."""
    a, b = ends
    n = len(kind)
    return np.bincount(a[kind[b]], minlength=n) + np.bincount(b[kind[a]], minlength=n)


def _distance_to_others(
    points: npt.NDArray[np.float64], target: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Distance of each point to the nearest target that is not itself; NaN where none is."""
    distance = np.empty(len(points))
    distance[~target] = nearest_distance_um(points[~target], points[target])
    distance[target] = nearest_distance_um(points[target], points[target], same=True)
    return distance


def _touching(code: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Count touching cells as two arrays ``(from kind, region, to kind)``.

    Each cell collects the sixty codes of its neighbours as bits of one integer.
    """
    bits = np.zeros(len(code), np.uint64)
    flag = np.left_shift(np.uint64(1), np.arange(60, dtype=np.uint64))
    np.bitwise_or.at(bits, a, flag[code[b]])
    np.bitwise_or.at(bits, b, flag[code[a]])
    some = bits > 0
    bits, code = bits[some], code[some]
    sixty = _MEMBERS[:, None, :, None] * REGION_MEMBERS[None, :, None, :]

    to_any_region = np.repeat(_MEMBERS, 5, axis=1).astype(np.uint64) @ flag
    from_touching = np.zeros((12, 7, 12), np.int64)
    for t in range(12):
        counts = np.bincount(code[(bits & to_any_region[t]) > 0], minlength=60).reshape(12, 5)
        from_touching[:, :, t] = by_region(_MEMBERS @ counts)

    to_touching = np.zeros((12, 7, 12), np.int64)
    masks = sixty.reshape(84, 60).astype(np.uint64) @ flag
    for row, mask in enumerate(masks):
        counts = np.bincount(code[(bits & mask) > 0] // 5, minlength=12)
        to_touching[row // 7, row % 7] = _MEMBERS @ counts
    return from_touching, to_touching


def _distinct_contacts(code_a: Any, code_b: Any) -> npt.NDArray[np.int64]:
    """Count contacts as ``(from kind, region, to kind)``, each contact at most once a cell."""
    one_way = np.bincount(code_a * 60 + code_b, minlength=3600).reshape(60, 60)
    both_ways = (one_way + one_way.T).reshape(12, 5, 12, 5)
    directed = np.einsum("fk,rg,kgl,tl->frt", _MEMBERS, REGION_MEMBERS, both_ways.sum(3), _MEMBERS)
    shared = _MEMBERS[:, None, :] * _MEMBERS[None, :, :]  # codes that are both from and to kind
    twice = np.einsum(
        "ftk,rg,kglh,rh,ftl->frt", shared, REGION_MEMBERS, both_ways, REGION_MEMBERS, shared,
        optimize=True,
    )  # fmt: skip
    result: npt.NDArray[np.int64] = directed - twice // 2
    return result
