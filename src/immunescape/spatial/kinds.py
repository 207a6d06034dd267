"""What kind each cell is: phenotype, PD-L1 status and region as codes, counted by table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.intervals.blocks import REGION_MEMBERS
from immunescape.panel import TITLES
from immunescape.results import PHENOTYPES, REGION_NAMES
from immunescape.spatial.notes import join

__all__ = [
    "PDL1_MEMBERS",
    "PDL1_STATUS",
    "PHENOTYPES",
    "PHENOTYPE_MEMBERS",
    "REGION_MEMBERS",
    "Kinds",
    "by_region",
    "kinds_of",
    "missing_reason",
]

PDL1_STATUS = ("any", "positive", "negative")
_PDL1_CODES = ("missing", "positive", "negative")
_REGION_CODES = (*REGION_NAMES[:4], "excluded")

PHENOTYPE_MEMBERS = np.vstack([np.ones((1, 4), np.int64), np.eye(4, dtype=np.int64)])
"""Rows ``any`` and the four phenotypes, columns the phenotype codes they hold."""
PDL1_MEMBERS = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1]], np.int64)
"""Rows of ``PDL1_STATUS``, columns missing, positive, negative."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """Codes of every cell and which kinds of cell cannot be told on this slide.

    Parameters
    ----------
    phenotype
        ``(n,)`` index into ``PHENOTYPES``.
    pdl1
        ``(n,)`` 0 missing, 1 positive, 2 negative.
    region
        ``(n,)`` index into the four disjoint regions, 4 for excluded.
    edge_censored
        ``(n,)`` whether the cell is nearer to the frame than to the interface.
    absent
        Reason by ``(phenotype, pdl1)``, ``any`` included, for kinds that have no count at all
        because a marker is missing: their count is missing, never 0.
    doubtful
        Reason by phenotype for kinds that have a count but hold cells of another kind.
    unproven
        Reason by marker key, ``cd8`` and ``pdl1``, where nothing on the slide shows that the
        stain worked: kinds that rest on it have a count, and no number is made of it.
    """

    phenotype: npt.NDArray[np.int64]
    pdl1: npt.NDArray[np.int64]
    region: npt.NDArray[np.int64]
    edge_censored: npt.NDArray[np.bool_]
    absent: Mapping[tuple[str, str], str]
    doubtful: Mapping[str, str]
    unproven: Mapping[str, str] = field(default_factory=dict)

    def count(self, mask: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
        """Count cells as ``(4 phenotypes, 3 PD-L1 codes, 5 region codes)``, of a mask or all."""
        code = (self.phenotype * 3 + self.pdl1) * 5 + self.region
        code = code if mask is None else code[mask]
        return np.bincount(code, minlength=60).reshape(4, 3, 5).astype(np.int64)

    def why_not(self, phenotype: str, pdl1: str = "any") -> str:
        """Return why cells of this kind cannot be judged; empty where they can."""
        if reason := self.absent.get((phenotype, pdl1), "") or self.doubtful.get(phenotype, ""):
            return reason
        cd8 = self.unproven.get("cd8", "") if phenotype == "cd8_t" else ""
        return join(cd8, self.unproven.get("pdl1", "") if pdl1 != "any" else "")


def by_region(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sum the last axis, five region codes, to the seven regions of every table."""
    return counts @ REGION_MEMBERS.T


def missing_reason(missing: Mapping[str, str], *markers: str) -> str:
    """Return why none of some alternative markers is there; empty if at least one is.

    Parameters
    ----------
    missing
        Reason by marker key, for the markers that a slide lacks.
    *markers
        Keys of which one is enough.

    Examples
    --------
    >>> missing_reason({"cd8": "no such channel"}, "cd8")
    'CD8: no such channel'
    >>> missing_reason({"sox10": "no such channel"}, "sox10", "s100")
    ''
    """
    if not all(marker in missing for marker in markers):
        return ""
    parts = []
    for marker in markers:
        name = TITLES.get(marker, marker)
        reason = missing[marker]
        named = any(word.casefold() in reason.casefold() for word in (name, marker))
        parts.append(reason if named else f"{name}: {reason}")
    return "; ".join(dict.fromkeys(parts))


def kinds_of(
    cells: CellTable,
    missing: Mapping[str, str] | None = None,
    unproven: Mapping[str, str] | None = None,
) -> Kinds:
    """Return the kind of each cell.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``; ``pdl1_positive`` and ``edge_censored`` where
        they are known. A phenotype that is missing is ``unknown``.
    missing
        Reason by marker key, for the markers that the slide lacks: ``cd8``, ``pdl1``, ``s100``,
        ``sox10``. One of the last two is enough to call tumour cells.
    unproven
        Reason by marker key for stains that may have failed; of `unproven_stains`.

    Returns
    -------
    Kinds
        Codes in the order of the rows. PD-L1 of a phenotype is absent also where its cells are
        there but none has a value.

    Raises
    ------
    ValueError
        If a phenotype or a region is none of the known ones, or a column is not there.
    """
    missing = missing or {}
    n = len(cells)
    phenotype = _codes(cells, "phenotype", PHENOTYPES, na="unknown")
    region = _codes(cells, "region", _REGION_CODES, na="excluded")
    status = np.zeros(n, np.int64)
    if "pdl1_positive" in cells and "pdl1" not in missing:
        positive = cells["pdl1_positive"].astype("boolean")
        known = positive.notna().to_numpy(bool)
        status = np.where(known, np.where(positive.fillna(False).to_numpy(bool), 1, 2), 0)
    edge = np.zeros(n, bool)
    if "edge_censored" in cells:
        edge = cells["edge_censored"].astype("boolean").fillna(False).to_numpy(bool)

    no_cd8 = missing_reason(missing, "cd8")
    no_tumour = missing_reason(missing, "s100", "sox10")
    no_pdl1 = missing_reason(missing, "pdl1")
    if not no_pdl1 and "pdl1_positive" not in cells:
        no_pdl1 = "PD-L1 was not gated"
    absent: dict[tuple[str, str], str] = {}
    for code, name in enumerate(("any", *PHENOTYPES)):
        mine = status if name == "any" else status[phenotype == code - 1]
        unread = ""
        if not no_pdl1 and mine.size and not mine.any():
            unread = f"PD-L1 is missing for all {'' if name == 'any' else name + ' '}cells"
        base = {"cd8_t": no_cd8, "tumour": no_tumour}.get(name, "")
        for pdl1 in PDL1_STATUS:
            if reason := base or ("" if pdl1 == "any" else no_pdl1 or unread):
                absent[name, pdl1] = reason
    doubtful = {}
    if no_cd8 or no_tumour:
        held = [kind for kind, no in (("tumour", no_tumour), ("CD8 T", no_cd8)) if no]
        why = "; ".join(filter(None, (no_tumour, no_cd8)))
        doubtful["other"] = f"other cells include {' and '.join(held)} cells ({why})"
    return Kinds(phenotype, status, region, edge, absent, doubtful, unproven or {})


def _codes(cells: CellTable, column: str, names: tuple[str, ...], na: str) -> Any:
    if column not in cells:
        raise ValueError(f"the cell table has no column {column!r}")
    codes, found = pd.factorize(cells[column])
    known = pd.Index(names, dtype=object).get_indexer(pd.Index(found, dtype=object))
    if (known < 0).any():
        wrong = str(found[known < 0][0])
        raise ValueError(f"{column} {wrong!r} is none of {', '.join(names)}")
    # A missing value has the code -1 and finds the last entry.
    return np.append(known, names.index(na)).astype(np.int64)[codes]
