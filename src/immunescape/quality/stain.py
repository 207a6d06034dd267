"""Whether a channel shows any stain at all."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.blocks import iter_blocks
from immunescape.panel import TITLES, Panel
from immunescape.quality._sample import bin_mean, spread_blocks, whole_bins
from immunescape.slide import Slide

__all__ = ["StainCheck", "stain_check"]

_BIN_UM = 1.5
_BLOCK_PX = 1024
_CLEAR = 10.0
"""Stain stands out by this many robust standard deviations of what remains unexplained."""
_AREA_UM2 = 7.0
"""Area that has to stand out: a fraction of one cell."""
_ROUGH = 10.0
"""Where most tissue is stained, what remains is this many times rougher than noise."""
_TRIM = 4.0
_ROUNDS = 6
_FEWEST = 500
_FEWEST_OTHERS = 3
_EVERYWHERE = 0.2
"""What is this bright in all other channels is pigment or debris, no stain."""
_REACH_UM = 8.0
"""Nothing is believed this near to it."""
_LEAST = 1e-4
"""Spread is no less than this share of the range: most of a clipped channel may be just 0."""
_SHARE = 0.03
"""Of all that stands out this share at least lies elsewhere."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StainCheck:
    """What was seen of one marker.

    Parameters
    ----------
    marker, channel
        Key and channel.
    stained
        Whether anything stands out from what other stains, autofluorescence and noise explain.
    area_um2
        Area that does, of what was looked at; places near pigment left out.
    roughness
        Robust spread of what remains unexplained, as a multiple of the noise.
    """

    marker: str
    channel: str
    stained: bool
    area_um2: float
    roughness: float

    def __str__(self) -> str:
        title = TITLES.get(self.marker, self.marker)
        if self.stained:
            return f"{title} is stained"
        return (
            f"{title} shows no stain: nothing in its channel stands out from the light of the "
            f"other stains, autofluorescence and noise; a failed stain cannot be told from tissue "
            f"without {title}"
        )


def stain_check(slide: Slide, panel: Panel) -> tuple[StainCheck, ...]:
    """Tell for each marker whether its channel shows stain; no gate or cell is needed.

    What the other channels explain linearly (their bleed-through, and autofluorescence that all of
    them share) is fitted where the marker is not bright and taken away. A stained channel then
    has places far brighter than the spread of the rest, be they one cell; or, where most tissue
    is stained, a spread far beyond the noise. A stain too weak for either is called none.

    Parameters
    ----------
    slide
        At most 64 blocks of 256 pixels are read; every pixel only where those show nothing.
    panel
        Its stains; all but the ignored ones explain each other.

    Returns
    -------
    tuple of StainCheck
        One a marker, in channel order; none for a slide with hardly a pixel to look at.
        ``str`` of one that is not stained is a warning.
    """
    edge = max(round(_BIN_UM / slide.pixel_size_um), 1)
    names = tuple(s.channel for s in panel.stains if s.role != "ignored")
    if not names:
        return ()
    planes, noise = [], []
    blocks = spread_blocks(slide)
    whole = sum(b.shape[0] * b.shape[1] for b in blocks) == slide.shape[0] * slide.shape[1]
    for block in blocks:
        pixels = slide.read(block, names).astype(np.float32)
        planes.append(bin_mean(pixels, edge))
        if (seen := whole_bins(slide, block, edge)) is not None:
            planes[-1][:, ~seen] = np.nan  # which stands out nowhere
            pixels[:, ~slide.imaged.mask(block)] = np.nan  # type: ignore[union-attr]
        if pixels.shape[2] > 1:
            squares = bin_mean(np.diff(pixels, axis=2) ** 2, edge)
            noise.append(squares.reshape(len(names), -1))
    flat = np.concatenate([p.reshape(len(names), -1) for p in planes], axis=1)
    use = np.isfinite(flat).all(axis=0) & (flat != 0).any(axis=0)
    sample = flat[:, use].astype(np.float64)
    if sample.shape[1] < _FEWEST:
        return ()
    sigma = np.sqrt(np.nanmedian(np.concatenate(noise, axis=1), axis=1) / 2) / edge
    floor, top = np.percentile(sample, (1, 99.5), axis=1)
    scale = np.maximum(top - floor, 0.25 * float(np.median(top - floor)))
    bin_um = edge * slide.pixel_size_um
    wanted = int(np.ceil(_AREA_UM2 / bin_um**2))
    found = []
    for stain in panel.markers:
        j = names.index(stain.channel)
        model = _explain(sample, j, floor, np.maximum(scale, 1e-12), bin_um)
        rough = model.spread / sigma[j] if sigma[j] > 0 else np.inf
        count, near = np.sum([model.clear(p) for p in planes], axis=0)
        stained = model.spread > 0 and (
            rough >= _ROUGH or count >= max(wanted, _SHARE * (count + near))
        )
        if not stained and model.spread > 0 and not whole:
            count = near = 0
            for block in iter_blocks(slide.shape, max(_BLOCK_PX // edge, 1) * edge):
                bins = bin_mean(slide.read(block, names), edge)
                if (seen := whole_bins(slide, block, edge)) is not None:
                    bins[:, ~seen] = np.nan
                more = model.clear(bins)
                count, near = count + more[0], near + more[1]
            stained = count >= max(wanted, _SHARE * (count + near))
        area = float(count * bin_um**2)
        found.append(StainCheck(stain.marker, stain.channel, stained, area, float(rough)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Model:
    """A channel as a sum of the others: what remains is measured from its own middle."""

    index: int
    weights: Floats
    offset: float
    spread: float
    floor: Floats
    scale: Floats
    bin_um: float

    def clear(self, bins: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Count the ``(c, y, x)`` bins that stand out, away from pigment and near to it."""
        from scipy import ndimage as ndi

        rest = bins[self.index] - np.tensordot(self.weights, bins, axes=1) - self.offset
        bright = rest > _CLEAR * self.spread
        others = np.delete(np.arange(len(bins)), self.index)
        if bright.any() and len(others) >= _FEWEST_OTHERS:
            light = bins[others] - self.floor[others, None, None]
            odd = (light / self.scale[others, None, None]).min(axis=0) >= _EVERYWHERE
            reach = max(round(_REACH_UM / self.bin_um), 1)
            near = bright & ndi.binary_dilation(odd, iterations=reach)
            return int(bright.sum()) - int(near.sum()), int(near.sum())
        return int(bright.sum()), 0


def _explain(sample: Floats, index: int, floor: Floats, scale: Floats, bin_um: float) -> _Model:
    """Fit a channel by the others, again and again without what is bright in it alone."""
    others = np.delete(np.arange(len(sample)), index)
    design = np.vstack([sample[others], np.ones(sample.shape[1])])
    target = sample[index]
    keep = np.ones(len(target), bool)
    middle = spread = 0.0
    weights = np.zeros(len(sample))
    for _ in range(_ROUNDS):
        part = design[:, keep]
        solved = np.linalg.lstsq(part @ part.T, part @ target[keep], rcond=None)[0]
        rest = target - solved @ design
        middle = float(np.median(rest))
        spread = 1.4826 * float(np.median(np.abs(rest - middle)))
        weights[others] = solved[:-1]
        middle += float(solved[-1])
        keep = rest - (middle - float(solved[-1])) < _TRIM * spread
        if int(keep.sum()) < _FEWEST:
            break
    width = float(target.max() - target.min())
    spread = max(spread, _LEAST * width) if width > 0 else 0.0
    return _Model(index, weights, middle, spread, floor, scale, bin_um)
