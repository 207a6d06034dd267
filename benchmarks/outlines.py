"""Draw the outlines of nuclei and cells of a result over the nuclear stain, to be looked at.

python benchmarks/outlines.py SLIDE OUT/SLIDE_NAME picture.png [--crop Y X SIZE]
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

from immunescape.blocks import Block
from immunescape.io import open_slide
from immunescape.io.labels import LabelStore
from immunescape.panel import match_panel

mpl.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    """Write one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--crop", nargs=3, type=int, metavar=("Y", "X", "SIZE"))
    options = parser.parse_args()
    slide = open_slide(options.slide)
    block = Block(0, slide.shape[0], 0, slide.shape[1])
    if options.crop:
        y, x, size = options.crop
        block = Block(y, y + size, x, x + size).grown(0, slide.shape)
    stain = match_panel(slide.channels).panel.nuclear[0]
    image = slide.read(block, (stain.channel,))[0].astype(float)
    low, high = np.percentile(image, (1, 99.7))
    store = LabelStore.open(options.result / "labels.zarr")
    height, width = block.shape
    figure, axes = plt.subplots(1, 2, figsize=(18, 9 * height / width + 0.4), layout="constrained")
    for axis in axes:
        axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_axis_off()
    for name, colour in (("cells", "#4fc3f7"), ("nuclei", "#ffd54f")):
        if name in store:
            labels = np.asarray(store[name][block.slices])
            for label in np.unique(labels)[1:]:
                axes[1].contour(labels == label, [0.5], colors=colour, linewidths=0.6)
    axes[0].set_title(f"{stain.channel}")
    axes[1].set_title("nuclei (yellow), cells (blue)")
    figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
