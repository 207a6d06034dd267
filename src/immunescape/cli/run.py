"""``immunescape run``: one slide in, its tables out."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from immunescape.cli.progress import show_progress
from immunescape.cli.study_flags import StudyFlags
from immunescape.cluster import block_map
from immunescape.errors import ParameterError
from immunescape.pipeline import Estimate, Inputs, Means, run_slide
from immunescape.report import headline_tables

__all__ = ["run"]


def run(
    slide: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    annotations: Path | None = None,
    labels: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    calls: Path | None = None,
    edits: Path | None = None,
    control: Path | None = None,
    workers: int = 1,
    scheduler: str = "",
    scratch: Path | None = None,
    no_labels: Annotated[bool, Parameter(negative=())] = False,
    csv: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    flags: StudyFlags = StudyFlags(),
) -> int:
    """Analyse one slide: cells, gates, tumour margin, contacts and the headline numbers.

    Parameters
    ----------
    slide
        OME-TIFF, QPTIFF, inForm component data, OME-Zarr, ImageJ or plain TIFF stack.
    out
        Folder that holds one folder a slide.
    annotations
        GeoJSON with the tumour and other regions, as QuPath exports it; without it the tumour
        region is derived from the tumour cells.
    labels
        Masks made elsewhere, in place of the segmentation: one label image, or a pair of nuclei
        and cells.
    calls
        Table of calls made elsewhere, in place of the gates.
    edits
        Corrections made by hand, as ``edits.csv`` of a result holds them: calls of single cells,
        cells merged, cut or removed. Without it those in the folder of the result are replayed.
    control
        Result folder of a control slide from the same stain run; it vouches for the stains where
        this slide cannot.
    workers
        Processes on this machine that share the slide; one uses all its processors, too.
    scheduler
        Address of a Dask scheduler, such as ``tcp://HOST:8786``, whose workers share the slide.
    scratch
        Folder for what is kept until the result is written, for a large slide some 12 bytes a
        pixel; by default beside the result. With --scheduler all workers must see it.
    no_labels
        Keep no label images: a smaller result, which another run or the viewer cannot take up.
    csv
        Write the cells as CSV in place of parquet.
    overwrite
        Make everything again, even over the result of another slide; files of your own stay.
    quiet
        Show no progress and print no tables.
    flags
        What decides the numbers.
    """
    chosen = flags.chosen()
    inputs = Inputs(
        # other processes may work elsewhere
        slide=slide.absolute(), annotations=annotations, labels=labels, calls=calls, edits=edits,
        control=control, study=flags.study,
    )  # fmt: skip
    if workers < 1:
        raise ParameterError(f"--workers is {workers}; give a number from 1")

    def announce(estimate: Estimate) -> None:
        if not quiet:
            print(f"{inputs.slide.name}: {estimate}", file=sys.stderr, flush=True)

    with block_map(workers, scheduler) as mapper, show_progress(quiet=quiet) as progress:
        means = Means(
            mapper=mapper, scratch=scratch, keep_labels=not no_labels, announce=announce
        )  # fmt: skip
        result = run_slide(
            inputs, out, chosen.study, csv=csv, overwrite=overwrite, sweeps=chosen.sweeps,
            notes=chosen.notes, means=means, progress=progress,
        )  # fmt: skip
    if not quiet:
        print(headline_tables({result.name: result.tables}))
        for warning in result.warnings:
            print(f"warning: {warning}")
    return 0
