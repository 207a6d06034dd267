"""Training the compact network, on pictures with masks and on stains rendered onto tissue."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from immunescape.blocks import Progress, silent
from immunescape.errors import ModelError
from immunescape.params import Between, Params

if TYPE_CHECKING:
    from immunescape.segment.data import Field

__all__ = ["TrainParams", "TrainResult", "split_fields", "train_compact"]


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
    patch_px
        Edge of a patch; a multiple of 8.
    learning_rate
        Highest learning rate, reached after the first hundred updates.
    weight_decay
        Pull of the weights towards zero.
    rendered
        Share of patches that are stains rendered onto tissue masks, where there are any.
    validation
        Share of the pictures that is held out, the same for the same seed.
    save_minutes
        Time between two checkpoints.
    threads
        Threads for the network; 0 takes all.
    workers
        Processes that prepare patches; 0 prepares them in the main process.
    bfloat16
        Compute in half precision, about twice as fast on processors that know it.
    seed
        Source of all chance: the split, the first weights, the patches.
    """

    steps: Annotated[int, Between(1, 1_000_000)] = 6000
    minutes: Annotated[float, Between(0, 10_000, step=1, unit="min")] = 0.0
    batch: Annotated[int, Between(1, 256)] = 8
    patch_px: Annotated[int, Between(64, 1024, step=8, unit="px")] = 224
    learning_rate: Annotated[float, Between(1e-6, 0.1, step=1e-4)] = 0.003
    weight_decay: Annotated[float, Between(0, 1, step=1e-4)] = 0.0001
    rendered: Annotated[float, Between(0, 1, step=0.05)] = 0.5
    validation: Annotated[float, Between(0, 0.5, step=0.05)] = 0.1
    save_minutes: Annotated[float, Between(0, 600, step=1, unit="min")] = 4.0
    threads: Annotated[int, Between(0, 256)] = 0
    workers: Annotated[int, Between(0, 64)] = 1
    bfloat16: bool = True
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


def split_fields(
    fields: "list[Field]", share: float, seed: int
) -> "tuple[list[Field], list[Field]]":
    """Divide fields into those to train on and those held out, by name and seed alone.

    At least one field stays for training; with a positive share and two fields or more, at least
    one is held out.
    """
    count = len(fields)
    held = min(max(round(share * count), 1), count - 1) if share and count > 1 else 0
    order = np.random.default_rng(seed).permutation(count)
    out = set(order[:held].tolist())
    ordered = sorted(fields, key=lambda f: f.name)
    return (
        [f for k, f in enumerate(ordered) if k not in out],
        [f for k, f in enumerate(ordered) if k in out],
    )


def train_compact(
    data_dir: Path,
    out: Path,
    params: TrainParams | None = None,
    progress: Progress = silent,
    *,
    initial: Path | None = None,
    resume: bool = True,
) -> TrainResult:
    """Train the compact network and write its weights.

    Parameters
    ----------
    data_dir
        Folder as ``data.read_fields`` reads it.
    out
        Weights file to write (``.safetensors``): a running average of the weights, at every
        checkpoint and at the end. Beside it ``.state.pt`` keeps what a resumption needs and
        ``.csv`` the losses.
    params
        How to train.
    progress
        Told the steps done.
    initial
        Weights to start from instead of random ones (fine-tuning).
    resume
        Continue from ``.state.pt`` where it was written with the same params.

    Raises
    ------
    LabelsError
        If the folder holds nothing to train on.
    ModelError
        If ``patch_px`` is no multiple of 8, or the initial weights do not fit.
    """
    import torch

    from immunescape.segment.data import Patches, read_fields, scaled
    from immunescape.segment.network import STRIDE_PX, CompactNet
    from immunescape.segment.training import TrainingRun, fixed_batches

    params = params or TrainParams()
    if params.patch_px % STRIDE_PX:
        raise ModelError(f"patch_px is {params.patch_px}; give a multiple of {STRIDE_PX}")
    real, drawn = read_fields(data_dir)
    real, held_real = split_fields(real, params.validation, params.seed)
    drawn, held_drawn = split_fields(drawn, params.validation, params.seed)
    patches = Patches([scaled(f) for f in real], drawn, params.patch_px, params.rendered)
    checks = [
        fixed_batches(Patches([scaled(f) for f in held_real], [], params.patch_px)),
        fixed_batches(Patches([], held_drawn, params.patch_px)),
    ]
    if params.threads:
        torch.set_num_threads(params.threads)
    torch.manual_seed(params.seed)
    net = CompactNet()
    if initial is not None:
        try:
            net.load_model(initial)
        except Exception as error:
            raise ModelError(
                f"{initial.name} does not fit the compact network; start from its own weights"
            ) from error
    run = TrainingRun(net.to(memory_format=torch.channels_last), params, out)
    if resume:
        run.restore()
    losses: list[float] = []
    loader = torch.utils.data.DataLoader(
        _Indexed(patches, params.seed),
        batch_size=params.batch,
        sampler=range(run.step * params.batch, params.steps * params.batch),
        num_workers=params.workers,
        multiprocessing_context="spawn" if params.workers else None,
        persistent_workers=False,
    )
    saved = time.monotonic()
    run.started = saved - run.seconds
    for images, targets in loader:
        losses.append(run.update(images, targets))
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
    return TrainResult(out, run.step, run.seconds, tuple(run.history))


class _Indexed:
    """Patches by number, so that neither workers nor resumption change what is seen."""

    def __init__(self, patches: Any, seed: int) -> None:
        self.patches, self.seed = patches, seed

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> Any:
        return self.patches.patch((self.seed, index))
