"""Finding nuclei: ``compact`` beside cellpose's own way of running it, and beside Cellpose-SAM.

    make bench-segment, or: .venv-bench/bin/python benchmarks/peers_segment.py [--quick]

Runs the measurements of ``segment_speed.py`` and puts them into one table and one plot, in Mpx/s of
a simulated nuclear stain at 0.5 µm, all of it tissue:

- our whole step, from a slide in memory to labels;
- the same network on the same pixels through cellpose's ``eval`` with its defaults: the pictures
  are compared with the drawn nuclei, so that speed is not bought with errors;
- the forward pass of Cellpose-SAM alone, on one of its tiles of 256 pixels, its weights chance: the
  arithmetic is the same. Its tiles overlap and its masks take time too: both are left out, and so
  a slide takes it longer than this says;
- InstanSeg with the weights of its authors, from a picture in memory to labels, where they were
  fetched.

Ends with 1 if 5 times cellpose's ``eval`` or 100 times Cellpose-SAM are missed, or if InstanSeg is
faster.
"""

import sys
import time

import numpy as np

from immunescape.segment import Model, SegmentParams, load_model, match_labels
from peers import GREY, OURS, dots, judge, machine, parser, save_plot, table, versions
from segment_field import Mosaic, simulate_mosaic
from segment_instanseg import load_instanseg
from segment_speed import (
    LEAST_EVAL,
    LEAST_MPX_S,
    LEAST_SAM,
    PIXEL_UM,
    Beside,
    beside_eval,
    beside_sam,
    timed_step,
    whole_step,
)


def draw(speeds: list[tuple[str, float]]) -> object:
    """Draw Mpx/s."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 2.9), layout="constrained")
    axes = figure.subplots()
    rows = []
    for name, speed in speeds:
        hours = 400 / speed / 3600
        slide = f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.1f} h"
        colour = OURS if name.startswith("compact") else GREY
        rows.append((name, speed, f"{speed:.2g} Mpx/s: {slide} for 400 Mpx", colour))
    dots(axes, rows)
    axes.set_xlabel("Mpx/s, logarithmic")
    axes.set_title("Finding nuclei", fontsize=10, loc="left")
    return figure


def beside_instanseg(crop: Mosaic, model: Model, params: SegmentParams) -> Beside | None:
    """Print our step beside InstanSeg's on the same picture; None where its weights are not."""
    loaded = load_instanseg()
    if loaded is None:
        print("\nInstanSeg left out: fetch its weights with: make instanseg")
        return None
    name, find = loaded
    stain = crop.stain.astype(np.float32)
    find(stain[:256, :256], PIXEL_UM)  # what is compiled then is not timed
    start = time.perf_counter()
    found = find(stain, PIXEL_UM)
    theirs = time.perf_counter() - start
    timed, labels = timed_step(crop, model, params)
    aps = [match_labels(crop.drawn, one).average_precision for one in (labels, found)]
    beside = Beside(timed.total, theirs)
    print(
        f"\n4. InstanSeg ({name}), {' x '.join(map(str, stain.shape))} px\n\n"
        f"   {theirs:.2f} s, AP@0.5 {aps[1]:.3f}; ours {beside.ours:.2f} s, AP@0.5 {aps[0]:.3f}: "
        f"{beside.ratio:.0f} times as long"
    )
    return beside


def main() -> int:
    """Print the measurements and one table of ratios, draw it, and judge the bounds."""
    options = parser(__doc__).parse_args()
    model = load_model("compact", device="cpu", precision=SegmentParams().precision)
    params = SegmentParams(device="cpu")
    print(machine())
    print(versions("immunescape", "cellpose", "torch"))
    edge, crop_px = (1024, 512) if options.quick else (4096, 2048)
    runs, few = (1, 1) if options.quick else (3, 1)
    field = simulate_mosaic(edge * PIXEL_UM, PIXEL_UM)
    crop = field.crop(crop_px)
    timed_step(field.crop(512), model, params)  # loads and compiles what is not timed
    whole = whole_step(field, model, params, runs)
    by_eval = beside_eval(crop, model, params, few)
    by_sam = beside_sam(model, few)
    small_px = crop_px // 2
    by_instanseg = beside_instanseg(field.crop(small_px), model, params)
    size = crop_px**2 / 1e6
    speeds = [
        (f"compact, whole step, {edge}² px", whole),
        (f"compact, whole step, {crop_px}² px", size / by_eval.ours),
        (f"same network, cellpose's eval, {crop_px}² px", size / by_eval.other),
        ("compact, forward pass", 1e-6 / by_sam.ours),
        ("Cellpose-SAM, forward pass", 1e-6 / by_sam.other),
    ]
    times = ["", "1", f"{by_eval.ratio:.1f}", "1", f"{by_sam.ratio:.0f}"]
    asked = [
        ("Mpx/s of the whole step", whole, LEAST_MPX_S, True),
        ("times as fast as cellpose's eval", by_eval.ratio, LEAST_EVAL, True),
        ("times as fast as Cellpose-SAM", by_sam.ratio, LEAST_SAM, True),
    ]
    if by_instanseg:
        small = small_px**2 / 1e6
        speeds += [
            (f"compact, whole step, {small_px}² px", small / by_instanseg.ours),
            (f"InstanSeg, whole step, {small_px}² px", small / by_instanseg.other),
        ]
        times += ["1", f"{by_instanseg.ratio:.0f}"]
        asked.append(("times as fast as InstanSeg", by_instanseg.ratio, 1.0, True))
    print()
    rows = [(name, f"{v:.3g}", t) for (name, v), t in zip(speeds, times, strict=True)]
    print(table(("way", "Mpx/s", "times as long as compact"), rows))
    save_plot(draw(speeds), "segment", options)
    return judge(asked, options)


if __name__ == "__main__":
    sys.exit(main())
