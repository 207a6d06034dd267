"""Taking labels and measurements over from an earlier result."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.cells import CellTable
from immunescape.errors import LabelsError, OutputError
from immunescape.io.edits import Outcome
from immunescape.io.labels import LabelStore
from immunescape.io.output import NO_ROOM
from immunescape.io.tables import read_cells
from immunescape.margin import GridMask
from immunescape.pipeline.corrections import Unedited
from immunescape.pipeline.inputs import Opened
from immunescape.pipeline.kept import PROPOSALS, RIMS, copy_plane, unpacked
from immunescape.pipeline.measured import Labelled, Measured
from immunescape.pipeline.outputs import STORE
from immunescape.pipeline.stages import Earlier
from immunescape.pipeline.touching import Touching
from immunescape.segment.corrections import Corrected

if TYPE_CHECKING:
    from immunescape.study import Study

__all__ = [
    "MEASUREMENTS",
    "UNEDITED",
    "keep_measurements",
    "labelled_before",
    "measured_before",
    "read_unedited",
    "taken_over",
    "unedited_before",
    "unedited_store",
    "without_tables",
]

UNEDITED = "unedited"
"""Store within a store: labels as they were found, where a person corrected them."""
MEASUREMENTS = "measurements"
"""Name of the table of measurements in that store."""


@contextmanager
def taken_over(folder: Path) -> Iterator[None]:
    """Say of an earlier result that cannot be read how to make it again."""
    try:
        yield
    except OutputError:
        raise
    except (LabelsError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        raise OutputError(
            f"the earlier result in {folder.name} is damaged; pass --overwrite to make it again"
        ) from error


def measured_before(folder: Path, opened: Opened, earlier: Earlier, study: "Study") -> Measured:
    """Take over labels and measurements of an earlier run; no pixel of the slide is read."""
    cells = CellTable(read_cells(folder).frame[list(earlier.measured_columns)])
    told = {"correction": earlier.correction, "warnings": earlier.warnings}
    measured = _measured(LabelStore.open(folder / STORE), cells, opened, earlier, study, told)
    why = earlier.corrected.get("not_applied", {})
    outcomes = [Outcome(edit, why.get(edit.time, "")) for edit in opened.edits.of_labels]
    labels = frozenset(map(int, earlier.corrected.get("labels", ())))
    return dataclasses.replace(measured, corrected=Corrected(tuple(outcomes), labels))


def unedited_store(folder: Path, earlier: Earlier) -> Path:
    """Return the store with the labels as they were found."""
    return folder / STORE / UNEDITED if earlier.unedited else folder / STORE


def unedited_before(
    folder: Path, opened: Opened, earlier: Earlier, study: "Study", key: str
) -> Unedited:
    """Take over what an earlier run, or one before it, made of the labels as they were found.

    Parameters
    ----------
    folder
        Its result.
    opened, study
        The slide and its parameters.
    earlier
        What is told of it.
    key
        Of the contacts of these cells.
    """
    store = LabelStore.open(unedited_store(folder, earlier))
    if earlier.unedited:
        measured = read_unedited(store, opened, earlier, study)
    else:
        cells = CellTable(read_cells(folder).frame[list(earlier.measured_columns)])
        told = {"correction": earlier.correction, "warnings": earlier.warnings}
        measured = _measured(store, cells, opened, earlier, study, told)
    contacts = store.table("contacts", key)
    if contacts is None:
        contacts = Touching.found(measured, without_tables(study)).contacts
    return Unedited(measured, contacts)


def read_unedited(
    store: LabelStore, opened: Opened, earlier: Earlier, study: "Study"
) -> Measured:  # fmt: skip
    """Read the measurements of labels as they were found from their own store."""
    table = store.table(MEASUREMENTS, MEASUREMENTS)
    if table is None:
        raise ValueError("the store holds no measurements")
    told = earlier.unedited
    cells = CellTable(table.set_index("label")[list(told["measured_columns"])])
    return _measured(store, cells, opened, earlier, study, told)


def keep_measurements(store: LabelStore, cells: CellTable) -> None:
    """Keep the measurements of labels as they were found beside these, unless they are there."""
    if store.table(MEASUREMENTS, MEASUREMENTS) is None:
        store.put_table(MEASUREMENTS, cells.frame.reset_index(), MEASUREMENTS)


def without_tables(study: "Study") -> "Study":
    """Return a study that asks for no table of sensitivity."""
    sensitivity = dataclasses.replace(study.sensitivity, tables="none")
    return dataclasses.replace(study, sensitivity=sensitivity)


def _measured(
    store: LabelStore,
    cells: CellTable,
    opened: Opened,
    earlier: Earlier,
    study: "Study",
    told: Mapping[str, Any],
) -> Measured:
    slide = opened.slide
    rims = store.table(RIMS, RIMS)
    height, width = slide.shape
    tissue = GridMask(
        mask=np.asarray(store["tissue"][...]) > 0,
        grid_um=store.scale_um("tissue"),
        frame_um=(width * slide.pixel_size_um, height * slide.pixel_size_um),
    ).of_imaged(slide.imaged, slide.pixel_size_um)
    return Measured(
        name=slide.name,
        shape=slide.shape,
        pixel_size_um=slide.pixel_size_um,
        panel=opened.panel,
        cells=cells,
        nuclei=store["nuclei"] if "nuclei" in store else None,
        cell_labels=store["cells"],
        tissue=tissue,
        rims=None if rims is None else rims.set_index("label"),
        proposals=unpacked(np.asarray(store[PROPOSALS][...]), tissue),
        exclude_proposed=study.quality.exclude,
        origin=earlier.origin,
        correction=told["correction"],
        warnings=tuple(told["warnings"]),
        label_warnings=earlier.label_warnings,
        imaged=slide.imaged,
    )


def labelled_before(folder: Path, store: LabelStore, opened: Opened, earlier: Earlier) -> Labelled:
    """Copy the labels that an earlier run found beside, where new measurements will join them."""
    before = LabelStore.open(unedited_store(folder, earlier))
    for name in (n for n in ("nuclei", "cells") if n in before):
        copy_plane(before[name], store.add(name, opened.slide.shape))
        store.finish(name)
    return Labelled(
        store=store,
        nuclei=store["nuclei"] if "nuclei" in store else None,
        cells=store["cells"],
        origin=earlier.origin,
        warnings=earlier.label_warnings,
    )
