"""``immunescape demo``: the main job on the sample patient that comes with the package."""

import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from immunescape.cli.progress import show_progress
from immunescape.errors import OutputError
from immunescape.pipeline import Inputs, run_pooled
from immunescape.report import headline_tables
from immunescape.study import Study

__all__ = ["demo", "sample_folder"]


def sample_folder() -> Path:
    """Return the folder of the sample images: in the package, or in the source tree.

    Raises
    ------
    OutputError
        If neither holds them.
    """
    package = Path(str(files("immunescape")))
    for folder in (package / "sample_images", package.parents[1] / "sample_images"):
        if (folder / "samples.csv").is_file():
            return folder
    raise OutputError("the sample images are absent from this installation; install it again")


def demo(
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("immunescape-demo"),
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Analyse the simulated sample patient at three timepoints and print the headline tables.

    Parameters
    ----------
    out
        Folder for the results, one folder a slide.
    overwrite
        Replace results that are there already.
    quiet
        Show no progress.
    """
    folder = sample_folder()
    begun = time.perf_counter()
    samples = pd.read_csv(folder / "samples.csv")
    inputs = [
        Inputs(slide=folder / str(row.slide), annotations=folder / str(row.annotations))
        for row in samples.itertuples()
    ]
    with show_progress(quiet=quiet) as progress:
        results = run_pooled(inputs, out, Study(), overwrite=overwrite, progress=progress)
    timepoints = [str(timepoint) for timepoint in samples["timepoint"]]
    tables = {t: result.tables for t, result in zip(timepoints, results, strict=True)}
    notes = dict.fromkeys(f"{r.name}: {text}" for r in results for text in r.warnings)
    print("Sample patient, simulated: see README.md beside the sample images.\n")
    print(headline_tables(tables))
    for note in notes:
        print(f"warning: {note}")
    print(f"\n{len(tables)} slides in {time.perf_counter() - begun:.0f} s; results in {out}/")
    return 0
