"""How ``compact`` bears other pixel sizes: a simulated field, resampled, then misread on purpose.

    python benchmarks/pixel_size.py

First the slide is resampled and says so. Then its pixel size is stated wrongly, so that nuclei
look k times as large as they are.
"""

import numpy as np
import tifffile
from skimage.transform import resize

from immunescape.blocks import Block
from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.segment import load_model, match_labels, segment_nuclei
from immunescape.slide import Slide

EDGE = 700
PIXEL_UM = 0.5
SIZES_UM = (0.2, 0.25, 0.325, 0.5, 0.65, 0.8, 1.0, 1.3)
FACTORS = (0.4, 0.5, 0.7, 1.4, 1.7, 2.0, 2.5)


def main():
    """Print both tables."""
    folder = sample_folder()
    slide = open_slide(folder / "P01_relapse.ome.tif")
    image = slide.read(Block(0, EDGE, 0, EDGE), ("DAPI",))[0].astype(np.float32)
    drawn = tifffile.imread(folder / "truth" / "P01_relapse_nuclei.tif")[:EDGE, :EDGE]
    model = load_model("compact", device="cpu")
    area = np.bincount(drawn.ravel())[1:]
    diameter_um = np.sqrt(area[area > 0] * 4 / np.pi) * PIXEL_UM
    print(f"weights {model.sha256}\nmedian nucleus {np.median(diameter_um):.1f} µm")

    def score(pixel_um, stated_um):
        edge = round(EDGE * PIXEL_UM / pixel_um)
        stain = resize(
            image, (edge, edge), order=1, anti_aliasing=pixel_um > PIXEL_UM, preserve_range=True
        )
        truth = resize(drawn, (edge, edge), order=0, preserve_range=True, anti_aliasing=False)
        truth = truth.astype(np.int32)
        out = np.zeros(truth.shape, np.int32)
        made = Slide("field", (stain[None].astype(np.float32),), ("DAPI",), stated_um)
        found = segment_nuclei(made, ("DAPI",), out, model=model).count
        match = match_labels(truth, out)
        count = len(np.unique(truth)) - 1
        return f"{count} drawn, {found} found, AP@0.5 {match.average_precision:.2f}"

    for pixel_um in SIZES_UM:
        print(f"pixels of {pixel_um:g} µm: {score(pixel_um, pixel_um)}")
    for k in FACTORS:
        print(f"nuclei look {k:g} times as large: {score(PIXEL_UM, PIXEL_UM * k)}")


if __name__ == "__main__":
    main()
