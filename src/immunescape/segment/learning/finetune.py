"""Teaching the network on one's own annotations, and saying whether it helped."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape import __version__
from immunescape.blocks import Block, Progress, silent
from immunescape.errors import LabelsError, ModelError, OutputError
from immunescape.segment.interrupts import interrupts_wait
from immunescape.segment.learning.pairs import Pair, find_pairs
from immunescape.segment.learning.train import TrainParams, train_fields
from immunescape.segment.learning.tuned import Tuned, begin_tuning, state_file, write_tuned
from immunescape.segment.models import COMPACT_WEIGHTS, NETWORK_UM, load_model

if TYPE_CHECKING:
    from immunescape.segment.learning.annotated import AnnotatedField, ReadOptions
    from immunescape.segment.learning.data import Field
    from immunescape.segment.learning.held_out import HeldOut

__all__ = ["FINE_TUNING", "FIRST_TRAINING", "finetune", "network_field", "usual_params"]

FINE_TUNING = TrainParams(
    steps=300,
    batch=8,
    learning_rate=0.0003,
    weight_decay=0.0,
    pool=600,
    rendered=0.0,
    simulated=0.0,
    crowded=0.0,
    deep=0.0,
    validation=0.2,
    frozen_norm=True,
    pixel_um=NETWORK_UM,
)
"""How a network that has learned from many pictures is taught on few: briefly and gently.

What it normalises by stays as it was learned, and the learning rate is a tenth of that of a first
training, so that it forgets little of what the new pictures do not show. No nuclei are laid among
others, dimmed or blurred: a person's own tissue is as crowded and as deep as it is.
"""

FIRST_TRAINING = dataclasses.replace(
    TrainParams(),
    rendered=0.0,
    simulated=0.0,
    crowded=0.0,
    deep=0.0,
    validation=FINE_TUNING.validation,
    pixel_um=NETWORK_UM,
)
"""How a network that has learned nothing is taught."""

_LEAST_NUCLEI = 20
_NONE = "none"


def finetune(
    data: Path,
    out: Path,
    params: TrainParams | None = None,
    progress: Progress = silent,
    *,
    initial: str = "compact",
    options: "ReadOptions | None" = None,
    held_out: Sequence[str] = (),
    resume: bool = True,
) -> Tuned:
    """Teach the compact network on annotated pairs, and compare it with what it was.

    Parameters
    ----------
    data
        Folder of pairs, as ``find_pairs`` describes it.
    out
        Weights file to write (``.safetensors``). Beside it: ``.csv`` the losses, ``.scores.csv``
        the comparison, ``.json`` what the weights were made from, ``.state.pt`` what a resumption
        needs. The weights are written even where they turn out to be no better; ``Tuned.verdict``
        says so.
    params
        How to train; None takes ``usual_params`` of ``initial``.
    progress
        Told the pictures read, the steps done and the pictures scored.
    initial
        Network to start from: ``compact``, the path of weights that training wrote, or ``none``.
    options
        How to read pictures whose files do not say it.
    held_out
        Pictures to judge by, by name, in place of a lot (see ``hold_out``).
    resume
        Go on with an interrupted training on the same pairs with the same parameters.

    Returns
    -------
    Tuned
        The comparison is made once, at the end, on nuclei that decided nothing: not when training
        stops, nor which weights are kept.

    Raises
    ------
    LabelsError, SlideError, PanelError, AnnotationError
        If the pairs cannot be used: each names the file and the remedy.
    ModelError
        If the initial weights are missing or do not fit.
    OutputError
        If the place cannot be written, or holds another training.
    """
    from immunescape.segment.learning.annotated import read_pair
    from immunescape.segment.learning.comparison import compare
    from immunescape.segment.learning.held_out import hold_out

    params = params or usual_params(initial)
    _check_place(out)
    start = _weights(initial)
    pairs = find_pairs(data)
    fields = []
    for number, pair in enumerate(pairs, start=1):
        fields.append(read_pair(pair, options))
        progress("read", number, len(pairs))
    _check_fields(fields, pairs)
    division = hold_out(fields, params.validation, params.seed, held_out)
    _check_nuclei(division)
    if params.pixel_um != NETWORK_UM:
        raise ModelError(
            f"pixels of {params.pixel_um:g} µm are asked for, but {out.name} will be used at "
            f"{NETWORK_UM:g} µm; leave out --training.pixel-um"
        )
    with interrupts_wait():
        before = load_model("compact" if start in (None, COMPACT_WEIGHTS) else str(start))
    plan = _plan(initial, start, params, pairs, division, options)
    finished = begin_tuning(out, plan, resume)
    if finished is None:
        result = train_fields(
            [network_field(field, NETWORK_UM) for field in division.train], [],
            [network_field(field, NETWORK_UM) for field in division.held],
            out, params, progress, initial=start, resume=state_file(out).exists(),
        )  # fmt: skip
        finished = result.steps, result.seconds
    after = load_model(str(out))
    tuned = Tuned(
        out,
        "compact" if start in (None, COMPACT_WEIGHTS) else before.name,
        *finished,
        division.sentence,
        compare(before, after, division.held, params.seed, progress) if division.held else None,
        tuple(note for field in fields for note in field.notes),
    )
    write_tuned(tuned, plan, after.sha256)
    return tuned


def usual_params(initial: str) -> TrainParams:
    """Return the parameters of a training that starts from a network of this name."""
    return FIRST_TRAINING if initial == _NONE else FINE_TUNING


def network_field(field: "AnnotatedField", network_um: float) -> "Field":
    """Bring an annotated field to the pixels of a network, as the engine brings a slide.

    Returns
    -------
    Field
        Each pixel has the label that the picture's pixel at its centre has.
    """
    import numpy as np

    from immunescape.segment.learning.data import Field
    from immunescape.segment.sampling import Grid

    height, width = field.labels.shape
    grid = Grid.between((height, width), field.pixel_um, network_um)
    block = Block(0, grid.shape[0], 0, grid.shape[1])
    at = [
        np.minimum(np.floor((np.arange(n) + 0.5) * grid.ratio).astype(np.intp), side - 1)
        for n, side in zip(grid.shape, (height, width), strict=True)
    ]
    picture = grid.shrink(field.picture[grid.footprint(block).slices], block)
    labels = field.labels[np.ix_(*at)]
    return Field(field.name, labels, picture, pixel_um=network_um, levelled=True)


def _weights(initial: str) -> Path | None:
    if initial == _NONE:
        return None
    if initial == "compact":
        return COMPACT_WEIGHTS
    path = Path(initial).expanduser()
    if not path.is_file():
        raise ModelError(f"{path.name} does not exist; pass --initial compact, none or weights")
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path.name} holds no weights of the compact network; pass --initial with a file "
            "ending in .safetensors that train wrote"
        )
    return path


def _check_place(out: Path) -> None:
    if out.suffix != ".safetensors":
        raise OutputError(f"{out.name} must end in .safetensors; pass such a name with -o")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder for {out.name} does not exist; make it first")


def _check_fields(fields: "Sequence[AnnotatedField]", pairs: Sequence[Pair]) -> None:
    seen: dict[str, str] = {}
    for field, pair in zip(fields, pairs, strict=True):
        if (other := seen.get(field.image_sha256)) is not None:
            raise LabelsError(
                f"{pair.image.name} and {other} are the same picture; keep one of them"
            )
        seen[field.image_sha256] = pair.image.name
    nuclei = sum(field.nuclei for field in fields)
    if nuclei < _LEAST_NUCLEI:
        raise LabelsError(f"{nuclei} nuclei are drawn in all; draw {_LEAST_NUCLEI} or more")


def _check_nuclei(division: "HeldOut") -> None:
    left = sum(field.nuclei for field in division.train)
    if left < _LEAST_NUCLEI:
        raise LabelsError(
            f"{left} nuclei are left to train on beside those held out or cut; draw more, so that "
            f"{_LEAST_NUCLEI} are left"
        )


def _plan(
    initial: str,
    start: Path | None,
    params: TrainParams,
    pairs: Sequence[Pair],
    division: "HeldOut",
    options: "ReadOptions | None",
) -> dict[str, Any]:
    """Return what decides the weights, without a path."""
    from immunescape.io import fingerprint

    nuclei = [{f.name: f.nuclei for f in part} for part in (division.train, division.held)]
    by_name = {f.name: f for f in (*division.train, *division.held)}
    return {
        "program": __version__,
        "initial": {
            "name": initial if initial in ("compact", _NONE) else Path(initial).name,
            "sha256": fingerprint(start).sha256 if start else None,
        },
        "training": dataclasses.asdict(params),
        "reading": dataclasses.asdict(options) if options else {},
        "held_out": division.sentence,
        "pairs": [
            {
                "name": pair.name,
                "image_sha256": by_name[pair.name].image_sha256,
                "mask_sha256": by_name[pair.name].mask_sha256,
                "pixel_um": by_name[pair.name].pixel_um,
                "nuclei_trained_on": nuclei[0].get(pair.name, 0),
                "nuclei_held_out": nuclei[1].get(pair.name, 0),
            }
            for pair in pairs
        ],
    }
