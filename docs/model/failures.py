"""Draw where the shipped network fails: the worst window of simulated fields of several kinds.

    python docs/model/failures.py [FILE]

The upper picture of a pair shows the drawn nuclei, the lower the found ones. The fields are
simulated, because their truth is known to the pixel and their pictures are free to ship; the model
card says in words what was seen on real tissue.
"""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from immunescape.segment import load_model, match_labels, segment_nuclei
from immunescape.simulate import EVALUATION, FIRST_EVALUATION_SEED, simulate_field
from immunescape.slide import Slide

SIDE_UM = 300.0
WINDOW_UM = 60.0
SEED = FIRST_EVALUATION_SEED + 500


@dataclass(frozen=True)
class Kind:
    """One way to make it hard.

    Parameters
    ----------
    title
        What it is.
    scenario
        Scenario of the simulator.
    settings
        What differs from the evaluation's usual field.
    states_um
        Pixel size that the program is told, if it is not the true one.
    """

    title: str
    scenario: str = "response"
    settings: dict[str, Any] = field(default_factory=dict)
    states_um: float = 0.0


KINDS = (
    Kind("usual field"),
    Kind("a fifth of the nuclei overlap", settings={"overlap_fraction": 0.2}),
    Kind("dense lymphoid tissue", "node", {"overlap_fraction": 0.15}),
    Kind("25 photons a pixel", settings={"photons": 25.0}),
    Kind("out of focus", settings={"psf_um": 1.3, "haze_fraction": 0.35}),
    Kind("melanin and debris", "relapse", {"pigment": 0.15, "debris_per_mm2": 400.0}),
    Kind("pixels of 1 µm", settings={"pixel_size_um": 1.0}),
    Kind("nuclei look 2.2 times as large", states_um=1.1),
)


def main() -> None:
    """Draw all kinds into one picture."""
    import matplotlib.pyplot as plt

    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("failures.png")
    model = load_model("compact", device="cpu")
    figure, axes = plt.subplots(4, 4, figsize=(13, 14.2), layout="constrained")
    for number, kind in enumerate(KINDS):
        params = replace(EVALUATION, width_um=SIDE_UM, height_um=SIDE_UM, **kind.settings)
        made = simulate_field(params, kind.scenario, SEED, "failures")
        stain = made.image[0].astype(np.float32)
        pixel_um = kind.states_um or params.pixel_size_um
        slide = Slide("field", (stain[None],), ("DAPI",), pixel_um)
        found = np.zeros(stain.shape, np.int32)
        segment_nuclei(slide, ("DAPI",), found, model=model)
        score = match_labels(made.nuclei, found)
        window = worst(made.nuclei, found, round(WINDOW_UM / params.pixel_size_um))
        low, high = np.percentile(stain, (1, 99.8))
        row, column = divmod(number, 4)
        for part, (labels, colour) in enumerate(((made.nuclei, "#ff8c1a"), (found, "#19e07d"))):
            axis = axes[2 * row + part, column]
            axis.imshow(stain[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            outline(axis, labels[window], colour)
            axis.set_axis_off()
        drawn, seen = score.hits + score.missed, score.hits + score.extra
        axes[2 * row, column].set_title(f"{kind.title}\n{drawn} drawn, {seen} found", fontsize=11)
        axes[2 * row + 1, column].set_title(
            f"AP@0.5 of the field {score.average_precision:.2f}", fontsize=10
        )
        print(f"{kind.title}: AP@0.5 {score.average_precision:.3f}, {score}")
    figure.suptitle(
        f"worst window of {WINDOW_UM:g} µm of each field: drawn above, found below", fontsize=14
    )
    figure.savefig(file, dpi=75)


def worst(
    drawn: npt.NDArray[np.int32], found: npt.NDArray[np.int32], edge: int
) -> tuple[slice, slice]:
    """Return the window with most nuclei missed or extra, away from the frame."""
    wrong = np.zeros(drawn.shape)
    for labels, other in ((drawn, found), (found, drawn)):
        area = np.bincount(labels.ravel())
        width = int(other.max()) + 1
        pairs, shared = np.unique(
            labels.ravel().astype(np.int64) * width + other.ravel(), return_counts=True
        )
        mine, theirs = pairs // width, pairs % width
        overlap = shared / (area[mine] + np.bincount(other.ravel())[theirs] - shared)
        best = np.zeros(len(area))
        both = (mine > 0) & (theirs > 0)
        np.maximum.at(best, mine[both], overlap[both])
        unmatched = (best <= 0.5) & (area > 0)
        unmatched[0] = False
        wrong += np.where(unmatched[labels], 1.0 / np.maximum(area[labels], 1), 0.0)
    total = ndi.uniform_filter(wrong, edge)
    half = edge // 2
    inner = total[half:-half, half:-half]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return slice(int(y), int(y) + edge), slice(int(x), int(x) + edge)


def outline(axis: Any, labels: npt.NDArray[np.int32], colour: str) -> None:
    """Draw the outline of every label at full sharpness, whatever the size of a pixel."""
    from matplotlib.colors import to_rgba

    size = 6
    large = np.kron(labels, np.ones((size, size), np.int32))
    border = np.zeros(large.shape, bool)
    border[1:] |= large[1:] != large[:-1]
    border[:, 1:] |= large[:, 1:] != large[:, :-1]
    border = ndi.binary_dilation(border, iterations=round(len(labels) / 80))
    height, width = labels.shape
    picture = np.zeros((*border.shape, 4))
    picture[border] = to_rgba(colour)
    axis.imshow(picture, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="nearest")


if __name__ == "__main__":
    main()
