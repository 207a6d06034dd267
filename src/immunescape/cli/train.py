"""``immunescape train``: a compact network from one's own images and label images."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from immunescape.cli.progress import show_progress
from immunescape.errors import LabelsError, OutputError
from immunescape.segment import TrainParams, train_compact

__all__ = ["train"]


def train(
    data: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    initial: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    training: Annotated[TrainParams, Parameter(group="Training")] = TrainParams(),
) -> int:
    """Train the compact network on pairs of images and label images.

    Parameters
    ----------
    data
        Folder with ``images/*.tif`` and ``masks/*.tif`` of the same names.
    out
        Weights file to write, ending in .safetensors.
    initial
        Weights to start from, in place of random ones.
    overwrite
        Start anew even if the weights file exists.
    quiet
        Show no progress.
    """
    if not data.is_dir():
        raise LabelsError(f"{data.name} is not a folder; pass one with images/ and masks/")
    if out.suffix != ".safetensors":
        raise OutputError(f"{out.name} must end in .safetensors; pass such a name with -o")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder for {out.name} does not exist; make it first")
    if out.exists() and not overwrite and not out.with_suffix(".state.pt").exists():
        raise OutputError(f"{out.name} exists already; pass --overwrite or another file with -o")
    with show_progress(quiet=quiet) as progress:
        done = train_compact(data, out, training, progress, initial=initial, resume=not overwrite)
    if not quiet:
        print(f"{done.steps} updates in {done.seconds:.0f} s; wrote {out.name}")
    return 0
