"""A finished result, loaded again as the values it was made of; no pixel of the slide is read."""

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from immunescape.io.labels import LabelStore
from immunescape.io.tables import read_cells
from immunescape.pipeline.calling import ToCall
from immunescape.pipeline.job import Job
from immunescape.pipeline.outputs import STORE
from immunescape.pipeline.shared import MAIN, Shared, call_together
from immunescape.pipeline.stages import earlier_result
from immunescape.pipeline.takeover import measured_before, taken_over, without_tables
from immunescape.pipeline.touching import Touching

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.margin import MarginMap
    from immunescape.pipeline.measured import Measured

__all__ = ["Finished", "load_finished"]

_TABLES = (
    "regions", "bands", "contacts", "summary", "sensitivity", "quality", "segmentation", "gates",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Finished:
    """A result and what it was made of.

    Parameters
    ----------
    job
        The slide, its study and the folder of the result.
    measured
        Labels and measurements.
    touching
        Pairs of cells in contact.
    shared
        Calls and gates.
    margin
        Regions, areas and distances.
    cells
        The cell table as it was written.
    tables
        The other tables by name, as they were written.
    warnings
        What a reader of the numbers should know.
    """

    job: Job
    measured: "Measured"
    touching: Touching
    shared: Shared
    margin: "MarginMap"
    cells: "CellTable"
    tables: dict[str, pd.DataFrame]
    warnings: tuple[str, ...] = ()

    @property
    def store(self) -> LabelStore:
        """The label images."""
        return LabelStore.open(self.job.folder / STORE)

    def mapped(self, width_um: float) -> "MarginMap":
        """Return the regions that another width of the margin gives; takes a second or more."""
        margin = dataclasses.replace(self.job.study.margin, width_um=width_um)
        study = dataclasses.replace(self.job.study, margin=margin)
        tissue = self.measured.counted_tissue()
        return self.shared.called.mapped(tissue, self.job.opened.annotations, study)


def load_finished(job: Job) -> Finished | None:
    """Load the result of a job, where its folder holds one made of the same pixels and labels.

    Parameters
    ----------
    job
        The slide and its study, opened.

    Returns
    -------
    Finished or None
        None where there is no result yet, where it is that of another slide, or where labels or
        measurements would have to be made anew for this study.

    Raises
    ------
    OutputError
        If the folder is damaged or holds something else.
    """
    earlier = earlier_result(job.folder)
    if earlier is None or earlier.keys.measurements != job.keys.measurements:
        return None
    if earlier.slide_sha256 != job.opened.files[0].sha256:
        return None
    study = job.study
    with taken_over(job.folder):
        measured = measured_before(job.folder, job.opened, earlier, study)
        store = LabelStore.open(job.folder / STORE)
        touching = Touching.kept(store, job.keys.contacts, measured, study)
        tables = {
            name: pd.read_csv(job.folder / f"{name}.csv", keep_default_na=True)
            for name in _TABLES
            if (job.folder / f"{name}.csv").exists()
        }
        cells = read_cells(job.folder)
        told = json.loads((job.folder / "provenance.json").read_text(encoding="utf-8"))
    if touching is None:
        touching = Touching.found(measured, study)
    known = {MAIN: earlier.gates[MAIN]} if job.keys.gates == earlier.keys.gates else None
    opened = job.opened
    slide = ToCall.of(measured, opened.annotations, opened.calls, opened.edits.of_calls)
    (shared,) = call_together([slide], without_tables(study), known)
    margin = shared.called.mapped(measured.counted_tissue(), opened.annotations, study)
    warnings = tuple(str(text) for text in told.get("warnings", ()))
    return Finished(job, measured, touching, shared, margin, cells, tables, warnings)
