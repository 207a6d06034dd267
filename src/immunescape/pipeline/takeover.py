"""Taking labels and measurements over from an earlier result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immunescape.cells import CellTable
from immunescape.errors import LabelsError, OutputError
from immunescape.io.labels import LabelStore
from immunescape.io.output import NO_ROOM
from immunescape.io.tables import read_cells
from immunescape.margin import GridMask
from immunescape.pipeline.inputs import Opened
from immunescape.pipeline.kept import PROPOSALS, RIMS, copy_plane, unpacked
from immunescape.pipeline.measured import Labelled, Measured
from immunescape.pipeline.outputs import STORE
from immunescape.pipeline.stages import Earlier

if TYPE_CHECKING:
    from immunescape.study import Study

__all__ = ["labelled_before", "measured_before", "taken_over"]


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
    slide = opened.slide
    store = LabelStore.open(folder / STORE)
    rims = store.table(RIMS, RIMS)
    cells = CellTable(read_cells(folder).frame[list(earlier.measured_columns)])
    height, width = slide.shape
    tissue = GridMask(
        mask=np.asarray(store["tissue"][...]) > 0,
        grid_um=store.scale_um("tissue"),
        frame_um=(width * slide.pixel_size_um, height * slide.pixel_size_um),
    )
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
        correction=earlier.correction,
        warnings=earlier.warnings,
        label_warnings=earlier.label_warnings,
    )


def labelled_before(folder: Path, stage: Path, opened: Opened, earlier: Earlier) -> Labelled:
    """Copy the labels of an earlier run beside, where new measurements will join them."""
    before = LabelStore.open(folder / STORE)
    store = LabelStore.create(stage / STORE, opened.slide.pixel_size_um)
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
