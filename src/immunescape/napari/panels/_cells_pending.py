"""The cell table as corrected calls will leave it, before the numbers are made again."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.pipeline.calling import recall
from immunescape.pipeline.corrections import ByHand
from immunescape.segment.corrections import labels_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from immunescape.io.edits import Edit, Edits
    from immunescape.pipeline.finished import Finished

__all__ = ["gone_and_joined", "with_calls"]


def with_calls(finished: "Finished", edits: "Edits", made_with: "Edits") -> CellTable:
    """Return the cell table with the calls as they are corrected now.

    Only the cells are called again that corrections name, or named when the result was made;
    gates, regions and contacts stay until the corrections are applied.

    Parameters
    ----------
    finished
        The result.
    edits
        All corrections.
    made_with
        Those that the result was made with.
    """
    cells = finished.cells
    if set(edits.of_calls) == set(made_with.of_calls):
        return cells
    now, then = (ByHand.located(e.of_calls, finished.measured) for e in (edits, made_with))
    named = {label for by_hand in (now, then) for _, label in by_hand.found if label > 0}
    rows = cells.frame.index.get_indexer(pd.Index(sorted(named), dtype=np.int64))
    rows = rows[rows >= 0]
    if not len(rows):
        return cells
    asked = np.unique(np.concatenate([rows, _witnesses(cells)]))
    measured = CellTable(finished.measured.cells.frame.iloc[asked])
    called = finished.shared.called
    imported = called.imported
    if imported is not None:
        imported = dataclasses.replace(imported, frame=imported.frame.iloc[asked])
    called = dataclasses.replace(
        called, by_hand=now, inside=called.inside[asked], imported=imported
    )
    again = recall(called, measured, called.gates, finished.job.study).cells.frame
    again = again.loc[cells.frame.index[rows]]
    columns: dict[str, Any] = {}
    for name in ("phenotype", *(c for c in cells.frame if str(c).endswith("_positive"))):
        column = cells.frame[name].copy()
        column.iloc[rows] = again[name].array
        columns[str(name)] = column
    if "edited" in cells:
        by_hand = now.labels(called.markers) | finished.measured.corrected.labels
        edited = cells.frame["edited"].copy()
        edited.iloc[rows] = np.isin(again.index, list(by_hand))
        columns["edited"] = edited
    return cells.with_columns(columns)


def _witnesses(cells: CellTable) -> "npt.NDArray[np.intp]":
    """Return a row with a call for each marker that has one: rules ask whether there are any."""
    rows = []
    for name in cells.frame:
        if str(name).endswith("_positive"):
            known = cells.frame[name].notna().to_numpy(bool)
            if known.any():
                rows.append(int(np.argmax(known)))
    return np.array(rows, np.intp)


def gone_and_joined(
    finished: "Finished", pending: "Sequence[Edit]"
) -> tuple[frozenset[int], dict[int, int]]:
    """Return which stored cells corrections that wait remove, and which they join to another.

    Cells that are to be split first keep their place: what becomes of their parts is seen in the
    crop alone.

    Parameters
    ----------
    finished
        The result.
    pending
        Corrections that it does not have yet, in order.
    """
    plane, pixel = finished.measured.cell_labels, finished.measured.pixel_size_um
    waiting = [e for e in pending if e.action != "call"]
    points = [(e.x_um, e.y_um) for e in waiting]
    others = [(e.numbers[0], e.numbers[1]) if e.action == "merge" else p
              for e, p in zip(waiting, points, strict=True)]  # fmt: skip
    labels = labels_at(plane, np.array([*points, *others]).reshape(-1, 2), pixel).tolist()
    split: set[int] = set()
    gone: set[int] = set()
    joined: dict[int, int] = {}
    n = len(waiting)
    for edit, label, other in zip(waiting, labels[:n], labels[n:], strict=True):
        if label <= 0 or other <= 0 or split & {label, other}:
            continue
        if edit.action == "split":
            split.add(label)
        elif edit.action == "delete":
            gone.add(label)
            gone |= {k for k, v in joined.items() if v == label}
        elif edit.action == "merge" and label != other:
            joined[other] = joined.get(label, label)
    return frozenset(gone), joined
