"""How many contacts come of growing nuclei, beside cells whose borders are known otherwise.

    python benchmarks/growth.py ../shared/data --fields 20

First table: real tissue, six lung-tumour fields and a lymphoid field. Contacts between the cells
that inForm drew, under our rule for imported cells, and between inForm's nuclei grown by several
distances, under our rule for grown ones. Nothing here was drawn by hand, and inForm has a largest
reach of its own (3 µm in the lung fields): it is another program's answer, not the truth.

Second table: simulated ``response`` fields that nothing was trained on. Tumour cells that touch
a CD8 T cell, and how many of them are PD-L1-negative, by the true cells, by the true nuclei grown
and by the nuclei found and grown. Kinds and calls are the true ones throughout, a nucleus found
has those of the true one that it shares most pixels with: what differs is contact alone.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.segment import SegmentParams, grow_cells, load_model, segment_nuclei
from immunescape.simulate import evaluation_field
from immunescape.spatial import ContactParams, find_contacts

TISSUES = {"nuclei/tissue_masks": ("lung tumour", 0.5), "inform": ("lymphoid tissue", 0.497)}
"""Folder of maps -> what they are of, and the edge of a pixel in µm."""
MAPS = "*_binary_seg_maps.tif"
REACHES_UM = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
SIMULATED_UM = (2.5, 3.0)
LYMPHOID = ("cd8_t", "lymphocyte")
"""Kinds of simulated cells whose borders lie half a µm nearer to their nuclei."""
IMPORTED = ContactParams()
GROWN = ContactParams(gap_um=0.0)

Labels = npt.NDArray[np.int32]


def inform_maps(folder: Path) -> Iterator[tuple[str, Labels, Labels]]:
    """Yield name, nuclei and cells of each of inForm's maps in a folder.

    Pages are tissue, nuclei, cytoplasm and membrane. The membrane is a line of a pixel without
    numbers, which lies between cells and belongs to none.
    """
    import tifffile

    for path in sorted(folder.glob(MAPS)):
        nuclei, cytoplasm = tifffile.imread(path, key=(1, 2)).astype(np.int32)
        name = path.name.removesuffix("_binary_seg_maps.tif")
        yield name, nuclei, np.where(nuclei > 0, nuclei, cytoplasm)


def grown(nuclei: Labels, pixel_um: float, reach_um: float) -> Labels:
    """Return the nuclei grown to cells."""
    cells = np.zeros_like(nuclei)
    grow_cells(nuclei, cells, pixel_um, reach_um)
    return cells


def print_real(data: Path) -> None:
    """Print contacts between inForm's cells, and how far growing its nuclei is from them."""
    head = ["field", "cells", "contacts, inForm's cells", *(f"{r:g} µm" for r in REACHES_UM)]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for folder, (tissue, pixel_um) in TISSUES.items():
        rows = []
        for name, nuclei, cells in inform_maps(data / folder):
            known = len(find_contacts(cells, pixel_um, IMPORTED))
            ours = [
                len(find_contacts(grown(nuclei, pixel_um, r), pixel_um, GROWN)) for r in REACHES_UM
            ]
            rows.append((int(nuclei.max()), known, *ours))
            print_counts(name, rows[-1])
        print_counts(f"{len(rows)} of {tissue}", np.sum(rows, axis=0).tolist())


def print_counts(name: str, row: Sequence[int]) -> None:
    """Print one line: two counts, then differences from the second in per cent."""
    cells, known, *others = row
    off = (f"{100 * (n / known - 1):+.1f} %" for n in others)
    print(f"| {name} | {cells} | {known} | {' | '.join(off)} |", flush=True)


def print_simulated(fields: int) -> None:
    """Print tumour cells touching CD8 and those of them that are negative, by ways to contact."""
    model = load_model("compact", device="cpu")
    touching: Counter[str] = Counter()
    negative: Counter[str] = Counter()
    areas = np.zeros(2)
    for number in range(fields):
        field = evaluation_field("response", number)
        pixel_um = field.params.pixel_size_um
        found = np.zeros_like(field.nuclei)
        segment_nuclei(field.slide, ("DAPI",), found, SegmentParams(device="cpu"), model=model)
        whose = most_shared(found, field.nuclei)
        known = np.flatnonzero(whose)
        areas += (
            np.bincount(found.ravel())[known].sum(),
            np.bincount(field.nuclei.ravel())[whose[known]].sum(),
        )
        itself = np.arange(field.nuclei.max() + 1)
        ways = {"true cells": (field.cells, IMPORTED, itself)}
        for reach in SIMULATED_UM:
            ways |= {
                f"true nuclei, {reach:g} µm": (grown(field.nuclei, pixel_um, reach), GROWN, itself),
                f"nuclei found, {reach:g} µm": (grown(found, pixel_um, reach), GROWN, whose),
            }
        cells = field.truth.cells.set_index("label")
        near, far = (ways[f"true nuclei, {reach:g} µm"][0] for reach in SIMULATED_UM)
        lymphoid = np.isin(far, cells.index[cells["kind"].isin(LYMPHOID)])
        name = "true nuclei, {1:g} µm, lymphocytes {0:g} µm".format(*SIMULATED_UM)
        ways[name] = np.where(lymphoid, near, far), GROWN, itself
        for way, (labels, rule, who) in ways.items():
            cells_touching = tumour_touching(labels, pixel_um, rule, who, cells)
            touching[way] += len(cells_touching)
            negative[way] += int((~cells.loc[cells_touching, "pdl1_positive"].astype(bool)).sum())
    first = touching["true cells"]
    print("| cells | tumour cells touching CD8 | | PD-L1-negative of them |\n|---|---|---|---|")
    for way, n in touching.items():
        print(f"| {way} | {n} | {100 * (n / first - 1):+.1f} % | {100 * negative[way] / n:.1f} % |")
    print(f"area of the nuclei found, of the true ones: {areas[0] / areas[1]:.3f}")


def most_shared(found: Labels, true: Labels) -> npt.NDArray[np.int64]:
    """Return for each label found the true one that it shares most pixels with, or 0."""
    both = (found > 0) & (true > 0)
    shared = pd.DataFrame({"found": found[both], "true": true[both]}).value_counts()
    best = shared.reset_index().drop_duplicates("found").set_index("found")["true"]
    return best.reindex(range(int(found.max()) + 1), fill_value=0).to_numpy()


def tumour_touching(
    labels: Labels, pixel_um: float, rule: ContactParams, whose: npt.NDArray[np.int64],
    cells: pd.DataFrame,
) -> pd.Index:  # fmt: skip
    """Return the true labels of the tumour cells that touch a CD8 T cell."""
    kinds = cells["phenotype"].reindex(range(int(cells.index.max()) + 1), fill_value="")
    pairs = find_contacts(labels, pixel_um, rule).directed()
    of, to = whose[pairs["label_from"]], whose[pairs["label_to"]]
    hits = (kinds.to_numpy()[of] == "tumour") & (kinds.to_numpy()[to] == "cd8_t")
    return pd.Index(np.unique(of[hits]))


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--fields", type=int, default=20, help="simulated fields")
    options = parser.parse_args()
    for folder in TISSUES:
        if not any((options.data / folder).glob(MAPS)):
            parser.error(f"{options.data / folder} has no {MAPS}; pass the folder of the real data")
    if options.fields < 1:
        parser.error(f"--fields {options.fields}: give 1 or more")
    print_real(options.data)
    print()
    print_simulated(options.fields)
    return 0


if __name__ == "__main__":
    sys.exit(main())
