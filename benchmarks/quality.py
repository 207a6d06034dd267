"""How well what is wrong with the pixels is found, on simulated fields whose truth is known.

Prints for each artefact its recall under its own name and under any, the intersection over union,
and how much of the tissue is proposed where nothing is wrong; which cells are told to hold pigment;
which stains are told to have failed; and what a pedestal does to the background that is found.

    python benchmarks/quality.py --seeds 3
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import shapely

from immunescape.io import open_slide
from immunescape.margin import tissue_mask
from immunescape.measure import measure_cells
from immunescape.panel import match_panel
from immunescape.quality import (
    CorrectionParams,
    assess_quality,
    correct_slide,
    looks_mixed,
    pigmented_cells,
    stain_check,
)
from immunescape.simulate import CHANNELS, SCENARIOS, FieldParams, simulate_field
from immunescape.slide import Slide

GRID_UM = 2.0
FIRST_SEED = 2000
PANEL = match_panel(CHANNELS).panel
SPOILED = {
    "fold": {"folds": 1},
    "blurred": {"blurred_fraction": 0.15},
    "saturated": {"saturated_fraction": 0.01},
    "pigment": {"pigment": 0.05},
    "debris": {"debris_per_mm2": 80.0},
}
REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_FIELDS = (
    "inform/FIHC4__0929309_HP_IM3_2_component_data.tif",
    "qptiff/small_vectra.qptiff",
)


def on_grid(shape, params: FieldParams) -> np.ndarray:
    """Return the grid cells whose middle an area covers."""
    x, y = (
        (np.arange(int(np.ceil(n / GRID_UM))) + 0.5) * GRID_UM
        for n in (params.width_um, params.height_um)
    )
    xx, yy = np.meshgrid(x, y)
    shapely.prepare(shape)
    return np.asarray(shapely.intersects_xy(shape, xx, yy))


def union(proposals, shape) -> np.ndarray:
    return np.logical_or.reduce([np.zeros(shape, bool), *proposals.values()])


def print_artefacts(seeds: int, size: float) -> bool:
    """Print recall and false area; return whether every bound holds."""
    kept = True
    print(f"{'':<11}{'recall':>8}{'by any':>8}{'IoU':>7}{'  proposed elsewhere (of tissue)'}")
    for issue in ("clean", *SPOILED):
        sums: dict[str, float] = defaultdict(float)
        for s, scenario in enumerate(SCENARIOS):
            for seed in range(seeds):
                params = FieldParams(
                    width_um=size, height_um=size, glass_fraction=0.2 * (seed % 3 == 2),
                    nest_sides=(3, 1, 4)[seed % 3], **SPOILED.get(issue, {}),
                )  # fmt: skip
                made = simulate_field(params, scenario, FIRST_SEED + 10 * s + seed)
                tissue = on_grid(made.regions["tissue"], params)
                found = assess_quality(made.slide, PANEL, tissue, GRID_UM, made.cells).proposals
                true = np.zeros(tissue.shape, bool)
                if issue in made.regions:
                    true = on_grid(made.regions[issue], params) & tissue
                own, every = found.get(issue, true & False), union(found, tissue.shape)
                near = grown(true)
                sums["true"] += true.sum()
                sums["own"] += (own & true).sum()
                sums["any"] += (every & true).sum()
                sums["or"] += (own | true).sum()
                sums["beside"] += (every & ~near).sum()
                sums["tissue"] += (tissue & ~near).sum()
        elsewhere = sums["beside"] / sums["tissue"]
        kept &= elsewhere < 0.005
        if issue == "clean":
            print(f"{issue:<11}{'':>23}{elsewhere:>9.2%}")
            continue
        recall, both = sums["own"] / sums["true"], sums["any"] / sums["true"]
        iou = sums["own"] / sums["or"]
        print(f"{issue:<11}{recall:>8.2f}{both:>8.2f}{iou:>7.2f}{elsewhere:>9.2%}")
        kept &= recall >= 0.7 or issue in ("pigment", "debris")
    return kept


def grown(true: np.ndarray) -> np.ndarray:
    """Return a mask grown by 24 µm: edges of a place are not its surroundings."""
    from scipy import ndimage as ndi

    return ndi.binary_dilation(true, iterations=round(24 / GRID_UM)) if true.any() else true


def print_cells(seeds: int, size: float) -> bool:
    """Print which cells are told to hold pigment."""
    hit = true = false = clean = touching = wrong = 0
    for scenario in SCENARIOS:
        for seed in range(seeds):
            params = FieldParams(width_um=size, height_um=size, pigment=0.05 * (seed % 3 != 2))
            made = simulate_field(params, scenario, FIRST_SEED + 100 + seed)
            cells = measure_cells(made.slide, made.nuclei, made.cells, PANEL)
            truth = made.truth.cells.set_index("label").loc[cells.labels]
            dark = truth["pigmented"].to_numpy(bool)
            found = pigmented_cells(cells, PANEL)
            answer = (truth["phenotype"] == "tumour") & truth["touching_cd8"]
            answer = answer.to_numpy(bool) & ~dark
            hit, true = hit + (found & dark).sum(), true + dark.sum()
            false, clean = false + (found & ~dark).sum(), clean + (~dark).sum()
            wrong, touching = wrong + (found & answer).sum(), touching + answer.sum()
    print(
        f"\npigmented cells: recall {hit / true:.1%} of {true}; told of {false / clean:.2%} of "
        f"{clean} others, of {wrong} of {touching} tumour cells touching CD8"
    )
    return bool(hit / true >= 0.8 and false / clean < 0.01)


def print_stains(seeds: int, size: float) -> bool:
    """Print which failed stains are told, and which that did not fail."""
    right = wrong = missed = fields = mixed = 0
    for scenario in SCENARIOS:
        for seed in range(seeds):
            for failed in ("none", "cd8", "pdl1", "s100", "sox10"):
                params = FieldParams(width_um=size, height_um=size, unstained=failed)
                made = simulate_field(params, scenario, FIRST_SEED + 200 + seed)
                told = {c.marker for c in stain_check(made.slide, PANEL) if not c.stained}
                right += failed in told
                missed += failed != "none" and failed not in told
                wrong += len(told - {failed})
                mixed += bool(looks_mixed(made.slide, PANEL))
                fields += 1
    print(
        f"failed stains: {right} told, {missed} missed; {wrong} of the stained channels of "
        f"{fields} fields called unstained; {mixed} of {fields} called mixed (none is)"
    )
    shares = []
    for bleed in (0.05, 0.1, 0.15, 0.2, 0.3):
        params = FieldParams(width_um=size, height_um=size, bleed_through=bleed)
        made = simulate_field(params, "baseline", FIRST_SEED + 300)
        found = looks_mixed(made.slide, PANEL)
        pairs = ", ".join(f"{m.source} in {m.target} {m.share:.0%}" for m in found) or "nothing"
        shares.append(f"  bleed-through {bleed:.0%}: {pairs}")
    print("\n".join(shares))
    return not (wrong or missed or mixed)


def print_background(size: float) -> bool:
    """Print the background found with and without a pedestal of 500 more."""
    print("\nbackground found (no light is 106), constant, and by how much 500 more moves it")
    kept = True
    for glass in (0.0, 0.3):
        params = FieldParams(width_um=size, height_um=size, glass_fraction=glass)
        made = simulate_field(params, "baseline", FIRST_SEED)
        raised = Slide("raised", (made.image + np.uint16(500),), CHANNELS, 0.5)
        one, two = (
            correct_slide(s, PANEL, CorrectionParams(background="constant")).record
            for s in (made.slide, raised)
        )
        moved = [two[c]["background"] - one[c]["background"] for c in CHANNELS]
        kept &= bool(np.allclose(moved, 500, atol=0.01))
        values = ", ".join(f"{c} {one[c]['background']:.1f}" for c in CHANNELS)
        print(f"  glass {glass:.0%}: {values}; moved by {min(moved):.2f} to {max(moved):.2f}")
    return kept


def print_real() -> None:
    """Print what is said of the real fields that open."""
    for path in REAL_FIELDS:
        if not (REAL / path).exists():
            print(f"{path} is absent")
            continue
        slide = open_slide(REAL / path)
        panel = match_panel(slide.channels).panel
        tissue = tissue_mask(slide, None, slide.pixel_size_um).mask
        found = assess_quality(slide, panel, tissue.mask, tissue.grid_um)
        share = union(found.proposals, tissue.mask.shape).sum() / tissue.mask.sum()
        failed = [c.marker for c in stain_check(slide, panel) if not c.stained]
        print(
            f"{Path(path).name}: {share:.2%} of the tissue proposed; no stain in: "
            f"{', '.join(failed) or 'none'}; {'; '.join(map(str, looks_mixed(slide, panel)))}"
        )


def main() -> int:
    """Print everything; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="fields a scenario")
    parser.add_argument("--size-um", type=float, default=600.0, help="edge of a field")
    options = parser.parse_args()
    seeds, size = options.seeds, options.size_um
    print(f"{seeds} fields of {size:.0f} µm a scenario ({', '.join(SCENARIOS)})\n")
    kept = [
        print_artefacts(seeds, size),
        print_cells(seeds, size),
        print_stains(max(seeds // 3, 1), size),
        print_background(size),
    ]
    print()
    print_real()
    print("\nall bounds hold" if all(kept) else "\na bound is broken")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
