"""When a place is proposed for exclusion."""

from dataclasses import dataclass
from typing import Annotated

from immunescape.params import Between, Params

__all__ = ["QualityParams"]


@dataclass(frozen=True, kw_only=True)
class QualityParams(Params):
    """When a place is proposed for exclusion.

    Parameters
    ----------
    blur_ratio
        Nuclei are out of focus where their fine detail falls below this share of what is usual on
        the slide; the place reaches to where it is nearly usual. 0 proposes nothing.
    fold_score
        A fold is brighter in the channels together and softer than tissue near by: this many
        robust standard deviations at its clearest. 0 proposes nothing.
    bright_everywhere
        Pigment and debris are at least this bright in every channel at once, as a share of what
        only one place in 200 reaches; 0 proposes nothing.
    debris_contrast
        What is bright in every channel is debris, not pigment, where its brightest 2 µm are this
        many times as bright as the 6 µm about them.
    min_area_um2
        Smaller folds and places out of focus are not proposed.
    min_speck_um2
        Smaller specks of pigment, debris and saturation are not proposed.
    exclude
        Whether what is proposed is left out of the analysis. If not, a person decides: the
        proposals stand in ``regions.geojson``, and ``quality.csv`` says what they would remove.
    block_px
        Edge of the blocks read; it changes memory, not the result.
    """

    blur_ratio: Annotated[float, Between(0, 1, step=0.01)] = 0.86
    fold_score: Annotated[float, Between(0, 20, step=0.1)] = 6.5
    bright_everywhere: Annotated[float, Between(0, 2, step=0.05)] = 0.3
    debris_contrast: Annotated[float, Between(1, 9, step=0.1)] = 1.5
    min_area_um2: Annotated[float, Between(0, 1e6, step=100, unit="µm²")] = 2500.0
    min_speck_um2: Annotated[float, Between(0, 1e4, step=1, unit="µm²")] = 12.0
    exclude: bool = False
    block_px: Annotated[int, Between(64, 8192, step=64, unit="px")] = 1024
