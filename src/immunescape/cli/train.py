"""``immunescape train``: the compact network, taught on one's own annotations."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from immunescape.cli.options import ChannelNames, Nuclear, PixelSize, split_names
from immunescape.cli.progress import show_progress
from immunescape.report.grid import grid
from immunescape.segment import TrainParams
from immunescape.segment.learning.finetune import FINE_TUNING, FIRST_TRAINING, finetune
from immunescape.segment.learning.tuned import Tuned

__all__ = ["describe_tuned", "train"]


def _usual_values() -> str:
    """Say the defaults of both kinds of training, for no single one would be true."""
    tuning, first = dataclasses.asdict(FINE_TUNING), dataclasses.asdict(FIRST_TRAINING)
    values = [
        f"{name.replace('_', '-')} {value}" + (f" ({first[name]})" if first[name] != value else "")
        for name, value in tuning.items()
    ]
    return f"Defaults, in brackets with --initial none: {', '.join(values)}."


_TRAINING = Group("Training", help=_usual_values())


def train(
    data: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    initial: str = "compact",
    pixel_size_um: PixelSize = None,
    channel_names: ChannelNames = None,
    nuclear: Nuclear = None,
    held_out: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    training: Annotated[TrainParams, Parameter(group=_TRAINING, show_default=False)] = FINE_TUNING,
) -> int:
    """Teach the compact network on pictures and label images, and say whether it helped.

    Parameters
    ----------
    data
        Folder with ``images`` and ``masks`` of the same names, or with both side by side, as
        ``P07.ome.tif`` and ``P07_nuclei.tif``.
    out
        Weights file to write, ending in .safetensors.
    initial
        Network to start from: compact, the path of weights that train wrote, or none for a first
        training, whose parameters have other defaults (more and larger steps).
    held_out
        Pictures to judge by, such as ``P07*``, in place of a lot; may be repeated.
    overwrite
        Start anew even if the weights file exists.
    quiet
        Show no progress and print nothing.
    """
    from immunescape.segment.learning.annotated import ReadOptions

    options = ReadOptions(
        pixel_size_um=pixel_size_um,
        channel_names=split_names(channel_names) or (),
        nuclear=split_names(nuclear) or (),
    )
    with show_progress(quiet=quiet) as progress:
        tuned = finetune(
            data, out, training, progress,
            initial=initial, options=options, held_out=held_out, resume=not overwrite,
        )  # fmt: skip
    if not quiet:
        print(describe_tuned(tuned))
    return 0


def describe_tuned(tuned: Tuned) -> str:
    """Return what became of a training as lines of text."""
    lines = [
        f"{tuned.steps} updates in {tuned.seconds:.0f} s; wrote {tuned.weights.name}",
        f"held out: {tuned.held_out}",
    ]
    if (comparison := tuned.comparison) is not None:
        before, after = comparison.found
        table = [
            (
                score.metric,
                _estimate(score.before, score.before_interval),
                _estimate(score.after, score.after_interval),
                _estimate(score.after - score.before, score.change_interval, sign="+"),
            )
            for score in comparison.scores
        ]
        drawn = f"of {comparison.drawn}"
        table.append(
            ("nuclei found", f"{before} {drawn}", f"{after} {drawn}", f"{after - before:+}")
        )
        lines += [
            "",
            grid(("", f"before ({tuned.compared_with})", "after", "change"), table, 1),
            "",
            f"95 % intervals over {len(comparison.after)} {comparison.units}",
        ]
    lines += [f"warning: {note}" for note in tuned.notes]
    lines.append(tuned.verdict)
    if comparison is not None and comparison.verdict == "better":
        lines.append(f"use it: immunescape run SLIDE -o OUT --segment.model {tuned.weights.name}")
    return "\n".join(lines)


def _estimate(value: float, interval: tuple[float, float], sign: str = "") -> str:
    if math.isnan(value):
        return "-"
    ends = "" if math.isnan(interval[0]) else " to ".join(f"{e:{sign}.3f}" for e in interval)
    return f"{value:{sign}.3f}" + (f" ({ends})" if ends else "")
