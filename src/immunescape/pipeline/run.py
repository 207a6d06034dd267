"""One slide from its file to its result folder, taking over what an earlier run left unchanged."""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immunescape.blocks import Progress, silent
from immunescape.cells import CellTable
from immunescape.errors import LabelsError, OutputError
from immunescape.io.labels import LabelStore, check_imported_labels
from immunescape.io.output import NO_ROOM, check_folder_name, staged_folder
from immunescape.io.tables import read_cells
from immunescape.margin import GridMask
from immunescape.pipeline.analysis import analyse
from immunescape.pipeline.inputs import Inputs, Opened, open_inputs, with_model_found
from immunescape.pipeline.measured import (
    Labelled,
    Measured,
    copy_plane,
    label_slide,
    measure_labelled,
)
from immunescape.pipeline.outputs import OUTPUT_NAMES, update_outputs, write_outputs
from immunescape.pipeline.provenance import Recorder, versions
from immunescape.pipeline.stages import Earlier, StageKeys, earlier_result, stage_keys
from immunescape.spatial import find_contacts

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.results import SlideResult
    from immunescape.study import Study

__all__ = ["run_slide"]

_STORE = "labels.zarr"


def run_slide(
    inputs: Inputs,
    out: Path,
    study: "Study",
    *,
    csv: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> "SlideResult":
    """Analyse one slide and write its result folder ``out/<slide name>/``.

    Parameters
    ----------
    inputs
        The files given.
    out
        Folder that holds one folder a slide.
    study
        Everything that decides the numbers.
    csv
        Write the cells as CSV in place of parquet.
    overwrite
        Make everything again, whatever the folder holds.
    progress
        Called as the work goes on.

    Returns
    -------
    SlideResult
        What was written.

    Raises
    ------
    ImmunescapeError
        One line that names the file, the thing and the remedy; nothing half-written stays, and
        an earlier result stays as it was.
    """
    recorder = Recorder()
    with recorder.step("open"):
        study = with_model_found(inputs, study)
        opened = open_inputs(inputs, study)
        slide, panel = opened.slide, opened.panel
        folder = out / check_folder_name(slide.name)
        earlier = None if overwrite else earlier_result(folder)
        if earlier and earlier.slide_sha256 != opened.files[0].sha256:
            raise OutputError(
                f"{folder.name} in {out.name} holds the result of another slide; "
                "pass --overwrite to replace it, or another folder with -o"
            )
        keys = stage_keys(slide, panel, study, opened.files)
    kept = dataclasses.replace(
        study,
        panel=panel.stains,
        input=opened.files,
        # the weights' own name: a result holds no path of the machine that made it
        segment=dataclasses.replace(study.segment, model=Path(study.segment.model).name),
    )

    def conclude(measured: Measured, contacts: "pd.DataFrame") -> "SlideResult":
        with recorder.step("analyse"):
            result = analyse(
                measured, study, opened.annotations, calls=opened.calls, contacts=contacts,
                progress=progress,
            )  # fmt: skip
        warnings = tuple(dict.fromkeys((*opened.warnings, *measured.warnings, *result.warnings)))
        provenance = _provenance(study, opened, measured, keys, recorder, warnings)
        return dataclasses.replace(result, provenance=provenance, warnings=warnings)

    if earlier and earlier.keys.measurements == keys.measurements:
        recorder.reuse("segment")
        recorder.reuse("measure")
        with _taken_over(folder):
            measured = _measured_before(folder, opened, earlier)
            contacts = LabelStore.open(folder / _STORE).table("contacts", keys.contacts)
            if contacts is not None:
                recorder.reuse("contacts")
            else:
                with recorder.step("contacts"):
                    contacts = find_contacts(
                        measured.cell_labels, slide.pixel_size_um, study.contact, progress=progress
                    ).pairs
        result = conclude(measured, contacts)
        update_outputs(folder, result, kept, slide.pixel_size_um, csv=csv)
        return result
    with staged_folder(folder, replaces=OUTPUT_NAMES) as stage:
        if earlier and earlier.keys.labels == keys.labels:
            recorder.reuse("segment")
            with _taken_over(folder):
                labelled = _labelled_before(folder, stage, opened, earlier)
        else:
            if opened.labels is not None:
                check_imported_labels(opened.labels)
            labelled = label_slide(
                slide, panel, LabelStore.create(stage / _STORE, slide.pixel_size_um), study,
                labels=opened.labels, progress=progress, recorder=recorder,
            )  # fmt: skip
        measured = measure_labelled(
            slide, panel, labelled, study, progress=progress, recorder=recorder
        )
        if (folder / "edits.csv").exists():
            shutil.copyfile(folder / "edits.csv", stage / "edits.csv")
        with recorder.step("contacts"):
            contacts = find_contacts(
                labelled.cells, slide.pixel_size_um, study.contact, progress=progress
            ).pairs
            labelled.store.put_table("contacts", contacts, keys.contacts)
        result = conclude(measured, contacts)
        write_outputs(stage, result, kept, slide.pixel_size_um, csv=csv)
    return result


@contextmanager
def _taken_over(folder: Path) -> Iterator[None]:
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


def _measured_before(folder: Path, opened: Opened, earlier: Earlier) -> Measured:
    """Take over labels and measurements of an earlier run; no pixel of the slide is read."""
    slide = opened.slide
    store = LabelStore.open(folder / _STORE)
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
        origin=earlier.origin,
        warnings=earlier.warnings,
        label_warnings=earlier.label_warnings,
    )


def _labelled_before(folder: Path, stage: Path, opened: Opened, earlier: Earlier) -> Labelled:
    """Copy the labels of an earlier run beside, where new measurements will join them."""
    before = LabelStore.open(folder / _STORE)
    store = LabelStore.create(stage / _STORE, opened.slide.pixel_size_um)
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


def _provenance(
    study: "Study",
    opened: Opened,
    measured: Measured,
    keys: StageKeys,
    recorder: Recorder,
    warnings: tuple[str, ...],
) -> Mapping[str, object]:
    return {
        "use": "for research use, not for diagnosis",
        "versions": versions(),
        "input": dataclasses.asdict(opened.files[0]),
        "format": opened.slide.format,
        "pixel_size_um": opened.slide.pixel_size_um,
        "shape_px": list(opened.slide.shape),
        "segmentation": dict(measured.origin),
        "seed": study.seed,
        "steps": recorder.as_rows(),
        "warnings": list(warnings),
        "stages": {
            "keys": dataclasses.asdict(keys),
            "measured_columns": list(measured.cells.frame.columns),
            "warnings": list(measured.warnings),
            "label_warnings": list(measured.label_warnings),
        },
    }
