"""How well ``compact`` finds nuclei: drawn masks against found ones, as a table.

``python benchmarks/nuclei.py DATA [--heldout] [--weights FILE] [--flow-threshold T]``, where DATA
holds ``train``, ``heldout`` and ``tissue_masks``. Without ``--heldout`` only what training never
saw is scored: a tenth of the pictures of ``train``, and stains rendered onto one tissue field. The
held-out set is for a last look, never for choosing anything.

Pixel sizes of the pictures are unknown. ``scaled`` takes them from the drawn masks, so that the
median nucleus is 8.5 µm wide (what a user knows of a slide); ``as is`` takes 0.5 µm for all.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from immunescape.segment import (
    Match,
    Model,
    SegmentParams,
    load_model,
    match_labels,
    segment_nuclei,
)
from immunescape.segment.data import TYPICAL_PX, Field, read_fields
from immunescape.segment.render import render_stain
from immunescape.segment.train import TrainParams, split_fields
from immunescape.slide import Slide

RENDERINGS = 6
WINDOW = (slice(350, 950), slice(500, 1200))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--heldout", action="store_true")
    parser.add_argument("--weights", default="compact")
    parser.add_argument("--flow-threshold", type=float, default=SegmentParams().flow_threshold)
    args = parser.parse_args()
    model = load_model(args.weights, device="cpu")
    params = SegmentParams(flow_threshold=args.flow_threshold)
    print(f"weights {model.sha256}, flow threshold {params.flow_threshold:g}")
    print("| source | pixel size | nuclei | found | AP@0.5 | AP@0.75 |")
    print("|---|---|---|---|---|---|")
    if args.heldout:
        fields, _ = read_fields(args.data / "heldout")
        report("held-out pictures", "scaled", model, params, fields, scaled=True)
        report("held-out pictures", "as is", model, params, fields, scaled=False)
        return
    defaults = TrainParams()
    real, drawn = read_fields(args.data)
    _, real = split_fields(real, defaults.validation, defaults.seed)
    _, drawn = split_fields(drawn, defaults.validation, defaults.seed)
    report("validation pictures", "scaled", model, params, real, scaled=True)
    report("validation pictures", "as is", model, params, real, scaled=False)
    report("rendered tissue", "0.5 µm", model, params, list(rendered(drawn)), scaled=False)


def rendered(drawn: list[Field]) -> Iterator[Field]:
    for field in drawn:
        labels = np.ascontiguousarray(field.labels[WINDOW])
        for seed in range(RENDERINGS):
            stain = render_stain(labels, np.random.default_rng(seed))
            yield Field(f"{field.name} {seed}", labels, stain)


def report(
    source: str, how: str, model: Model, params: SegmentParams, fields: list[Field], *, scaled: bool
) -> None:
    at = {0.5: Match(0, 0, 0), 0.75: Match(0, 0, 0)}
    for field in fields:
        found = segment(field, model, params, scaled)
        for iou in at:
            at[iou] += match_labels(field.labels, found, iou)
    half = at[0.5]
    print(
        f"| {source} | {how} | {half.hits + half.missed} | {half.hits + half.extra} "
        f"| {half.average_precision:.3f} | {at[0.75].average_precision:.3f} |",
        flush=True,
    )


def segment(field: Field, model: Model, params: SegmentParams, scaled: bool) -> Any:
    area = np.bincount(field.labels.ravel())[1:]
    typical = float(np.median(np.sqrt(area[area > 0] * 4 / np.pi))) if area.any() else TYPICAL_PX
    pixel_um = 0.5 * TYPICAL_PX / typical if scaled else 0.5
    assert field.image is not None
    slide = Slide(field.name, (field.image[None],), ("DAPI",), pixel_um)
    out = np.zeros(slide.shape, np.int32)
    segment_nuclei(slide, ("DAPI",), out, params, model=model)
    return out


if __name__ == "__main__":
    main()
