"""Simulated fields for training: nuclear stains and their nuclei, as pairs of TIFF files.

    python docs/model/simulated_fields.py FOLDER

Every field stays out of the settings and seeds that are kept for evaluation.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from immunescape.simulate import SCENARIOS, FieldParams, is_kept, simulate_field

FIELDS = 15
SIDE_UM = 400.0
"""Half the area of an evaluation field; 800 pixels."""


def main() -> None:
    """Write the fields."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    write_fields(parser.parse_args().folder)


def write_fields(folder: Path) -> None:
    """Write ``images/*.tif`` and ``masks/*.tif``; fields that are there stay."""
    for sub in ("images", "masks"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    for number in range(FIELDS):
        file = folder / "images" / f"simulated_{number:02}.tif"
        mask = folder / "masks" / file.name
        if mask.exists():
            continue
        params = field_params(number)
        scenario = list(SCENARIOS)[number % len(SCENARIOS)]
        if is_kept(params, number):
            raise SystemExit(f"field {number} lies in what is kept for evaluation")
        field = simulate_field(params, scenario, number, f"training_{number:02}")
        tifffile.imwrite(file, field.image[0], compression="zlib")
        tifffile.imwrite(mask, field.nuclei.astype(np.int32), compression="zlib")
        print(f"{file.name}: {scenario}, {field.nuclei.max()} nuclei", file=sys.stderr)


def field_params(number: int) -> FieldParams:
    """Draw one field's look: density, overlap, blur, haze, photons, light, pigment and debris."""
    rng = np.random.default_rng((20, number))
    between = rng.uniform
    return replace(
        FieldParams(width_um=SIDE_UM, height_um=SIDE_UM),
        nest_sides=int(rng.integers(0, 5)),
        nest_fraction=outside(between(0.2, 0.75), 0.42, 0.48),
        roughness_um=between(5.0, 18.0),
        glass_fraction=float(rng.choice([0.0, 0.0, 0.15])),
        satellites=int(rng.integers(0, 3)),
        nerves=int(rng.integers(0, 2)),
        tumour_density_per_mm2=between(3500.0, 7000.0),
        stroma_density_per_mm2=between(1200.0, 3000.0),
        overlap_fraction=outside(between(0.0, 0.2), 0.07, 0.1),
        psf_um=between(0.25, 0.8),
        haze_fraction=outside(between(0.02, 0.3), 0.16, 0.2),
        bleed_through=outside(between(0.0, 0.08), 0.025, 0.035),
        stain_spread=between(0.2, 0.5),
        photons=outside(float(np.exp(between(np.log(40), np.log(1500)))), 210.0, 240.0),
        background_photons=outside(between(1.0, 20.0), 8.0, 10.0),
        uneven_illumination=outside(between(0.0, 0.4), 0.18, 0.24),
        pedestal=outside(between(0.0, 300.0), 120.0, 160.0),
        pigment=float(rng.choice([0.0, 0.02, 0.05])),
        debris_per_mm2=between(0.0, 40.0),
    )


def outside(value: float, low: float, high: float) -> float:
    """Return the value, or one near the nearer end of a kept range that it lies in."""
    if not low <= value <= high:
        return value
    step = 0.05 * (high - low)
    return low - step if value - low < high - value else high + step


if __name__ == "__main__":
    main()
