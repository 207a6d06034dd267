"""Training the compact network, on pictures with masks and on stains rendered onto tissue."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Progress, silent
from immunescape.errors import LabelsError, ModelError
from immunescape.params import Between, Params
from immunescape.segment.learning.splits import split_fields
from immunescape.segment.precision import Precision

if TYPE_CHECKING:
    from immunescape.segment.learning.data import Field

__all__ = ["TrainParams", "TrainResult", "train_compact", "train_fields"]

_CROP_PX = 32


@dataclass(frozen=True, kw_only=True)
class TrainParams(Params):
    """How the compact network is trained.

    Parameters
    ----------
    steps
        Number of weight updates.
    minutes
        Wall time after which training ends even if steps are left; 0 for no limit. The learning
        rate falls to nothing by whichever end comes first.
    batch
        Patches per update.
    pixel_um
        Edge of a pixel of the patches; that at which the network will be run. Patches show nuclei
        0.55 to 1.7 times as large as they are.
    patch_px
        Edge of a patch; a multiple of 16.
    learning_rate
        Highest learning rate, reached after the first hundred updates.
    weight_decay
        Pull of the weights towards zero.
    pool
        Patches that are made before training, each then seen several times, turned and cropped.
    rendered
        Share of patches that are stains rendered onto tissue masks, where there are any.
    simulated
        Share of patches that are cut from simulated fields, where there are any.
    tissue
        Share of patches that are cut from real tissue with the labels of another program, where
        there is any.
    crowded
        Share of the patches cut from pictures among whose nuclei those of other pictures are laid,
        as thick tissue has them.
    deep
        Share of all patches whose nuclei are dimmed and blurred one by one, as those above and
        below the plane in focus are.
    validation
        Share of the pictures that is held out, the same for the same seed.
    save_minutes
        Time between two checkpoints.
    threads
        Threads for the network; 0 takes all.
    workers
        Processes that make patches; 0 makes them in the main process.
    frozen_norm
        Keep the means and spreads by which the network normalises, as fine-tuning on few pictures
        should.
    precision
        Type to compute in; auto takes bfloat16, about twice as fast, where the processor
        multiplies it natively, and float32 elsewhere, where bfloat16 takes ten times as long.
    seed
        Source of all chance: the split, the first weights, the patches.
    """

    steps: Annotated[int, Between(1, 1_000_000)] = 8000
    minutes: Annotated[float, Between(0, 10_000, step=1, unit="min")] = 0.0
    batch: Annotated[int, Between(1, 256)] = 16
    pixel_um: Annotated[float, Between(0.1, 2, step=0.05, unit="µm")] = 0.5
    patch_px: Annotated[int, Between(64, 1024, step=16, unit="px")] = 224
    learning_rate: Annotated[float, Between(1e-6, 0.1, step=1e-4)] = 0.003
    weight_decay: Annotated[float, Between(0, 1, step=1e-4)] = 0.0001
    pool: Annotated[int, Between(1, 1_000_000)] = 28000
    rendered: Annotated[float, Between(0, 1, step=0.05)] = 0.4
    simulated: Annotated[float, Between(0, 1, step=0.05)] = 0.15
    tissue: Annotated[float, Between(0, 1, step=0.05)] = 0.0
    crowded: Annotated[float, Between(0, 1, step=0.05)] = 0.35
    deep: Annotated[float, Between(0, 1, step=0.05)] = 0.0
    validation: Annotated[float, Between(0, 0.5, step=0.05)] = 0.1
    save_minutes: Annotated[float, Between(0, 600, step=1, unit="min")] = 4.0
    threads: Annotated[int, Between(0, 256)] = 0
    workers: Annotated[int, Between(0, 64)] = 2
    precision: Precision = "auto"
    frozen_norm: bool = False
    seed: Annotated[int, Between(0, 2**31 - 1)] = 0


@dataclass(frozen=True)
class TrainResult:
    """What a training run ended with.

    Parameters
    ----------
    weights
        Safetensors file that ``SegmentParams.model`` accepts.
    steps
        Updates done, those before a resumption included.
    seconds
        Wall time spent, likewise.
    history
        Rows of step, seconds, training loss, validation loss on pictures, on rendered stains
        (NaN where there are none).
    """

    weights: Path
    steps: int
    seconds: float
    history: tuple[tuple[float, ...], ...]


def train_compact(
    data_dir: Path,
    out: Path,
    params: TrainParams | None = None,
    progress: Progress = silent,
    *,
    simulated: Path | None = None,
    initial: Path | None = None,
    resume: bool = True,
    widths: tuple[int, ...] = (),
    patches_dir: Path | None = None,
) -> TrainResult:
    """Train the compact network on a folder of pictures and masks; see `train_fields`.

    Parameters
    ----------
    data_dir
        Folder as ``data.read_fields`` reads it. A part of it (``params.validation``) is held out.
    simulated
        Folder with ``images`` and ``masks`` of simulated fields of 0.5 µm per pixel.

    Raises
    ------
    LabelsError
        If the folder holds nothing to train on.
    ModelError
        If ``patch_px`` is no multiple of 16, or the initial weights do not fit.
    """
    from immunescape.segment.learning.composites import read_composites
    from immunescape.segment.learning.data import SIMULATED, read_fields, read_pairs

    params = params or TrainParams()
    real, drawn = read_fields(data_dir)
    real, held = split_fields(real, params.validation, params.seed)
    drawn, held_drawn = split_fields(drawn, params.validation, params.seed)
    if params.tissue:
        shown = {field.name for field in drawn}
        real = real + [field for field in read_composites(data_dir) if field.name in shown]
    if simulated is not None:
        real = real + read_pairs(simulated, SIMULATED, 0.5)
    return train_fields(
        real, drawn, held + held_drawn, out, params, progress,
        initial=initial, resume=resume, widths=widths, patches_dir=patches_dir,
    )  # fmt: skip


def train_fields(
    real: "list[Field]",
    drawn: "list[Field]",
    held: "list[Field]",
    out: Path,
    params: TrainParams | None = None,
    progress: Progress = silent,
    *,
    initial: Path | None = None,
    resume: bool = True,
    widths: tuple[int, ...] = (),
    patches_dir: Path | None = None,
) -> TrainResult:
    """Train the compact network and write its weights.

    Parameters
    ----------
    real, drawn
        Pictures with their masks, and masks to render stains onto.
    held
        Fields of either kind on which the loss is logged; nothing else is done with them.
    out
        Weights file to write (``.safetensors``): a running average of the weights, at every
        checkpoint and at the end. Beside it ``.state.pt`` keeps what a resumption needs,
        ``.csv`` the losses, and ``.patches`` the patches until training ends.
    params
        How to train.
    progress
        Told the patches made and the steps done.
    initial
        Weights to start from instead of random ones (fine-tuning).
    resume
        Continue from ``.state.pt`` where it was written with the same params.
    widths
        Channels of each level of a network to be made; empty for those of the shipped one.
    patches_dir
        Where the patches are made, or were made before from the same fields; they stay there.

    Raises
    ------
    LabelsError
        If there is nothing to train on.
    ModelError
        If ``patch_px`` is no multiple of 16, or the initial weights do not fit.
    """
    import torch

    from immunescape.segment.learning.data import scaled
    from immunescape.segment.learning.patches import Patches
    from immunescape.segment.learning.pool import Pool
    from immunescape.segment.learning.run import TrainingRun, fixed_batches
    from immunescape.segment.network import STRIDE_PX, WIDTHS, CompactNet, load_weights

    params = params or TrainParams()
    if params.patch_px % STRIDE_PX:
        raise ModelError(f"patch_px is {params.patch_px}; give a multiple of {STRIDE_PX}")
    torch.manual_seed(params.seed)
    if initial is None:
        net = CompactNet(widths or WIDTHS)
    else:
        try:
            net = load_weights(initial)
        except Exception as error:
            raise ModelError(
                f"{initial.name} does not fit the compact network; start from its own weights"
            ) from error
    shown = [scaled(f, params.pixel_um) for f in real]
    size = params.patch_px + _CROP_PX
    shares = (params.rendered, params.simulated, params.tissue, params.crowded, params.deep)
    patches = Patches(shown, drawn, size, *shares)
    if not patches:
        raise LabelsError("there is no field to train on; give pictures with masks")
    pictures = [scaled(f, params.pixel_um) for f in held if f.image is not None]
    maps = [f for f in held if f.image is None]
    checks = [
        fixed_batches(Patches(some, others, params.patch_px))
        for some, others in ((pictures, []), ([], maps))
    ]
    if params.threads:
        torch.set_num_threads(params.threads)
    run = TrainingRun(net.to(memory_format=torch.channels_last), params, out)
    if resume:
        run.restore()
    folder = patches_dir or out.with_suffix(".patches")
    count = min(params.pool, params.steps * params.batch)
    pool = Pool(folder, patches, count, params.seed, params.workers, progress)
    losses: list[float] = []
    saved = time.monotonic()
    run.started = saved - run.seconds
    while run.step < params.steps:
        rng = np.random.default_rng((params.seed, 1, run.step))
        numbers = _turn(run.step, params.batch, pool.count, params.seed)
        images, targets = pool.batch(numbers, params.patch_px, rng)
        losses.append(run.update(torch.from_numpy(images), torch.from_numpy(targets)))
        progress("train", run.step, params.steps)
        over = run.fraction() >= 1.0
        if over or time.monotonic() - saved > 60 * params.save_minutes:
            run.check(float(np.mean(losses)), checks)
            losses = []
            run.save()
            saved = time.monotonic()
        if over:
            break
    run.save()
    if patches_dir is None:
        pool.remove()
    return TrainResult(out, run.step, run.seconds, tuple(run.history))


def _turn(step: int, batch: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of the patches of one update: each comes once before any comes again."""
    places = np.arange(step * batch, (step + 1) * batch)
    order = [
        np.random.default_rng((seed, 2, int(epoch))).permutation(count)
        for epoch in np.unique(places // count)
    ]
    return np.asarray(np.concatenate(order)[places - count * int(places[0] // count)])
