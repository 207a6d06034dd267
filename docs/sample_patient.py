"""Draw the sample patient in the colours of the field, with the interface that counts as margin.

immunescape demo -o DEMO && python docs/sample_patient.py DEMO docs/images/sample_patient.jpg
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from immunescape.blocks import Block
from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.io.geojson import read_annotations
from immunescape.margin import map_margin
from immunescape.margin.grid import GridMask
from immunescape.regions import Regions

mpl.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {
    "DAPI": (0.45, 0.45, 0.45),
    "CD8": (1.0, 0.9, 0.0),
    "PD-L1": (1.0, 0.0, 0.0),
    "S100": (0.35, 0.75, 1.0),
    "SOX10": (0.1, 0.15, 0.9),
}
TIMEPOINTS = ("baseline", "response", "relapse")
SCALE_UM = 100


def composite(slide, top):
    """Return the slide as colours, each stain scaled the same at every timepoint."""
    picture = np.zeros((*slide.shape, 3))
    block = Block(0, slide.shape[0], 0, slide.shape[1])
    for channel, colour in COLOURS.items():
        image = slide.read(block, (channel,))[0].astype(float)
        low, high = np.percentile(image, 5), top[channel]
        picture += np.clip((image - low) / (high - low), 0, 1)[..., None] * colour
    return picture.clip(0, 1)


def main():
    """Write one picture of the three timepoints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="what immunescape demo wrote")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    folder = sample_folder()
    slides = {t: open_slide(folder / f"P01_{t}.ome.tif") for t in TIMEPOINTS}
    top = {
        c: max(np.percentile(s.read(Block(0, s.shape[0], 0, s.shape[1]), (c,)), 99.8)
               for s in slides.values())
        for c in COLOURS
    }  # fmt: skip
    figure, axes = plt.subplots(1, 3, figsize=(15, 6.2), layout="constrained", facecolor="white")
    for axis, (timepoint, slide) in zip(axes, slides.items(), strict=True):
        pixel_um = slide.pixel_size_um
        axis.imshow(composite(slide, top), interpolation="lanczos")
        drawn = read_annotations(
            folder / f"P01_{timepoint}.geojson", pixel_size_um=pixel_um, slide_name=slide.name
        )
        frame = (slide.shape[1] * pixel_um, slide.shape[0] * pixel_um)
        margin = map_margin(GridMask.whole(frame), Regions(), drawn["tumour"], "imported")
        interface = margin.regions["interface"]
        for line in getattr(interface, "geoms", [interface]):
            axis.plot(*(np.asarray(line.coords).T / pixel_um), color="white", linewidth=1.6)
        summary = pd.read_csv(options.results / slide.name / "summary.csv")
        row = summary[
            (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
            & (summary["phenotype"] == "tumour")
            & (summary["region"] == "tissue")
            & (summary["neighbourhood"] == "contact")
        ].iloc[0]
        axis.set_title(
            f"{timepoint}: {row['numerator']:.0f} of {row['denominator']:.0f} tumour cells that\n"
            f"touch CD8 are PD-L1-negative ({100 * row['value']:.0f} %)",
            fontsize=12,
        )
        x, y = slide.shape[1] - 30, slide.shape[0] - 40
        axis.plot([x - SCALE_UM / pixel_um, x], [y, y], color="white", linewidth=4)
        axis.text(
            x - SCALE_UM / pixel_um / 2, y - 18, f"{SCALE_UM} µm", color="white", ha="center",
            fontsize=10,
        )  # fmt: skip
        axis.set(xlim=(0, slide.shape[1]), ylim=(slide.shape[0], 0))
        axis.set_axis_off()
    names = "   ".join(
        f"{name} {what}"
        for name, what in (("PD-L1", "red"), ("CD8", "yellow"), ("S100", "light blue"),
                           ("SOX10", "dark blue"), ("nuclei", "grey"), ("interface", "white line"))
    )  # fmt: skip
    figure.supxlabel(f"{names}; simulated", fontsize=11)
    figure.savefig(options.picture, dpi=100, pil_kwargs={"quality": 82})


if __name__ == "__main__":
    main()
