"""Train the shipped network anew, with its log and its curve.

    python docs/model/train.py DATA WORK [--minutes 0] [--start WEIGHTS | --tissue | --ladder]

DATA holds ``train`` and ``tissue_masks``; WORK receives the simulated fields, the weights
``compact.safetensors``, checkpoints to resume from, and the losses. ``--start`` goes on from
weights that were trained before, with fewer and smaller steps and with nuclei at other depths; the
shipped weights were made without. ``--tissue`` teaches a larger network, a fifth of its patches
from real tissue with the labels of another program; it is not shipped either. ``--ladder`` trains
networks of several sizes on equally many patches instead, and times and scores them: the trade of
accuracy against speed by which the size was chosen. On a graphics processor, where there is one,
all run there; they need none.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from simulated_fields import write_fields

from immunescape.segment import (
    Match,
    SegmentParams,
    TrainParams,
    load_model,
    match_labels,
    segment_nuclei,
    train_compact,
)
from immunescape.segment.learning.data import read_fields
from immunescape.segment.learning.splits import split_fields
from immunescape.segment.network import load_weights, save_weights
from immunescape.slide import Slide

SIZES = {
    "0.2 M": (16, 32, 48, 64),
    "0.4 M": (24, 48, 64, 96),
    "0.93 M, shipped": (48, 64, 96, 128),
    "1.5 M": (48, 64, 128, 192),
    "2.4 M": (64, 96, 160, 224),
}
"""Channels of each level of the networks that were compared."""

SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0)

START_STEPS = 3000
START_POOL = 12000
START_RATE = 0.0015
START_DEEP = 0.5

TISSUE_WIDTHS = (48, 64, 128, 192)
TISSUE_SHARES = {"rendered": 0.3, "simulated": 0.1, "tissue": 0.2, "deep": 0.1}

LADDER_STEPS = 240
LADDER_POOL = 3840


def main() -> None:
    """Train one network, or several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=0.0)
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--start", type=Path)
    one.add_argument("--tissue", action="store_true")
    one.add_argument("--ladder", action="store_true")
    args = parser.parse_args()
    simulated = args.work / "simulated"
    write_fields(simulated)
    if args.ladder:
        ladder(args.data, args.work, simulated)
        return
    params = TrainParams(minutes=args.minutes)
    if args.start:
        params = TrainParams(
            steps=START_STEPS,
            pool=START_POOL,
            learning_rate=START_RATE,
            deep=START_DEEP,
            minutes=args.minutes,
        )
    if args.tissue:
        params = TrainParams(**TISSUE_SHARES, minutes=args.minutes)
    out = args.work / "compact.safetensors"
    done = train_compact(
        args.data, out, params, tell(),
        simulated=simulated, initial=args.start, widths=TISSUE_WIDTHS if args.tissue else (),
    )  # fmt: skip
    print(f"{done.steps} updates in {done.seconds / 60:.0f} minutes; wrote {out.name}")
    settle(out, args.data)
    draw_losses(out.with_suffix(".csv"), args.work / "losses.png")


def ladder(data: Path, work: Path, simulated: Path) -> None:
    """Train each size, and write its speed and its scores to ``sizes.csv`` and ``sizes.png``."""
    rows = []
    params = TrainParams(steps=LADDER_STEPS, pool=LADDER_POOL)
    for name, widths in SIZES.items():
        out = work / f"ladder_{'_'.join(map(str, widths))}.safetensors"
        done = train_compact(
            data, out, params, tell(),
            simulated=simulated, widths=widths, patches_dir=work / "ladder.patches",
        )  # fmt: skip
        rows.append({"network": name, "widths": " ".join(map(str, widths)), **judged(out, data),
                     "training_seconds": round(done.seconds)})  # fmt: skip
        print(rows[-1], flush=True)
        with (work / "sizes.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    draw_sizes(rows, work / "sizes.png")


def settle(weights: Path, data: Path) -> None:
    """Shift the logit so that 0 is the best threshold for the pictures held out, of five tried.

    Best is the largest sum of AP at 0.5 and 0.75. Users can then leave the threshold alone, and
    the same default serves Cellpose's networks.
    """
    scores = {shift: judged(weights, data, -shift) for shift in SHIFTS}
    for shift, score in scores.items():
        print(f"logit + {shift:g}: AP@0.5 {score['ap_50']:.4f}, AP@0.75 {score['ap_75']:.4f}")
    best = max(scores, key=lambda shift: scores[shift]["ap_50"] + scores[shift]["ap_75"])
    net = load_weights(weights)
    net.head.bias.data[-net.head.bias.numel() // 3 :] += best
    save_weights(net, weights)
    print(f"added {best:g} to the logit of {weights.name}")


def judged(weights: Path, data: Path, threshold: float = 0.0) -> dict[str, float]:
    """Return the speed of a network, and its scores on the pictures that were held out."""
    params = TrainParams()
    model = load_model(str(weights), device="cpu")
    real, _ = read_fields(data)
    _, held = split_fields(real, params.validation, params.seed)
    at = {0.5: Match(0, 0, 0), 0.75: Match(0, 0, 0)}
    for field in held:
        area = np.bincount(field.labels.ravel())[1:]
        pixel_um = 9.0 / float(np.median(np.sqrt(area[area > 0] * 4 / np.pi)))
        slide = Slide(field.name, (field.image[None],), ("DAPI",), pixel_um)
        found = np.zeros(slide.shape, np.int32)
        segment_nuclei(
            slide, ("DAPI",), found, SegmentParams(cellprob_threshold=threshold), model=model
        )
        for iou in at:
            at[iou] += match_labels(field.labels, found, iou)
    picture = np.random.default_rng(0).random((1536, 1536), dtype=np.float32)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        model.predict(picture)
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": sum(p.numel() for p in model.net.parameters()),
        "network_mpx_per_s": round(picture.size / 1e6 / float(np.median(seconds)), 2),
        "ap_50": round(at[0.5].average_precision, 4),
        "ap_75": round(at[0.75].average_precision, 4),
    }


def draw_losses(table: Path, picture: Path) -> None:
    """Draw the losses of a run against its updates."""
    import matplotlib.pyplot as plt

    step, _, *losses = np.genfromtxt(table, delimiter=",", skip_header=1, unpack=True, ndmin=2)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    names = ("training", "held-out pictures", "held-out geometry, rendered")
    for name, loss in zip(names, losses, strict=True):
        axes.plot(step, loss, marker="o", markersize=3, label=name)
    axes.set(xlabel="updates", ylabel="loss", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=120)


def draw_sizes(rows: list[dict[str, object]], picture: Path) -> None:
    """Draw accuracy against speed, a mark for each network."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for key, name in (("ap_50", "AP at IoU 0.5"), ("ap_75", "AP at IoU 0.75")):
        axes.plot([r["network_mpx_per_s"] for r in rows], [r[key] for r in rows], "o-", label=name)
    for row in rows:
        at = (row["network_mpx_per_s"], row["ap_50"])
        axes.annotate(
            str(row["network"]), at, xytext=(2, -6), textcoords="offset points", rotation=-35,
            va="top", rotation_mode="anchor",
        )  # fmt: skip
    axes.set(xlabel="network alone, megapixels per second", ylabel="average precision",
             title=f"after {LADDER_STEPS} updates each", xscale="log")  # fmt: skip
    axes.set_xticks([2, 4, 8, 16], ["2", "4", "8", "16"], minor=False)
    axes.minorticks_off()
    axes.margins(0.12)
    axes.legend(frameon=False, loc="center left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=120)


def tell() -> Callable[[str, int, int], None]:
    """Return what says every half minute how far a step is."""
    last = 0.0

    def told(step: str, done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 30:
            last = time.monotonic()
            print(f"{step} {done} of {total}", file=sys.stderr, flush=True)

    return told


if __name__ == "__main__":
    main()
