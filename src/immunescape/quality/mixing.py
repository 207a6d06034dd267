"""Whether the stains of a file were taken apart."""

from dataclasses import dataclass

import numpy as np

from immunescape.panel import Panel
from immunescape.quality._sample import sample_bins
from immunescape.slide import Slide

__all__ = ["Mixed", "looks_mixed"]

_BIN_UM = 1.5
_BRIGHT = 99.0
_DARK = 1.0
_EDGE, _INNER = 2.0, 10.0
_SHARP = 0.82
"""Light that leaks is a fixed share of its source: the lower edge of the ratio is this sharp."""
_STAINED = 0.25
"""A source is bright: at least this share of what the target is, and the channels usually are."""
_FEWEST = 2000
_EVERYWHERE = 3
_ODD = 0.15


@dataclass(frozen=True)
class Mixed:
    """Light of one channel that is seen in another.

    Parameters
    ----------
    source, target
        Channels.
    share
        Share of the source's light that every bright place of it shows in the target.
    """

    source: str
    target: str
    share: float

    def __str__(self) -> str:
        return (
            f"{self.target} holds at least {self.share:.0%} of the light of {self.source}: the "
            "file does not look spectrally unmixed; unmix it before any gate is believed"
        )


def looks_mixed(slide: Slide, panel: Panel, least: float = 0.1) -> tuple[Mixed, ...]:
    """Find pairs of channels of which one leaks into the other.

    Among the brightest hundredth of places of a source, bleed-through puts the same share of its
    light into the target everywhere, so that the lowest ratios are alike; two markers of one cell
    vary apart from each other, and so do their ratios. What is bright in the target besides does
    not matter.

    Parameters
    ----------
    slide
        At most 64 blocks of 256 pixels are read.
    panel
        Its stains. Targets are markers: nuclear markers overlie the nuclear stain by nature.
        Sources are all stains but autofluorescence and ignored ones.
    least
        Smallest share that is told.

    Returns
    -------
    tuple of Mixed
        One a pair of channels, the largest share first. ``str`` of each is a warning.
    """
    sample = sample_bins(slide, _BIN_UM).astype(np.float64)
    if sample.shape[1] < _FEWEST:
        return ()
    light = sample - np.percentile(sample, _DARK, axis=1, keepdims=True)
    bright = np.percentile(light, _BRIGHT, axis=1)
    usual = float(np.median(bright))
    found: dict[frozenset[str], Mixed] = {}
    for source in panel.stains:
        i = slide.index(source.channel)
        if source.role in ("autofluorescence", "ignored") or bright[i] <= _STAINED * usual:
            continue
        odd = np.zeros(light.shape[1], bool)
        others = np.array([k for k in range(len(light)) if k != i and bright[k] > 0], np.intp)
        if len(others) >= _EVERYWHERE:
            odd = (light[others] / bright[others, None]).min(axis=0) >= _ODD
        shown = light[i, ~odd]
        if len(shown) < _FEWEST:
            continue
        here = ~odd & (light[i] >= np.percentile(shown, _BRIGHT))
        leaks = []
        for target in (s for s in panel.markers if s.channel != source.channel):
            j = slide.index(target.channel)
            edge, inner = np.percentile(light[j, here] / light[i, here], (_EDGE, _INNER))
            dim = bright[i] < _STAINED * bright[j]
            if not dim and edge >= least and edge >= _SHARP * inner:
                leaks.append(Mixed(source.channel, target.channel, float(edge)))
        for leak in leaks:
            pair = frozenset((leak.source, leak.target))
            if pair not in found or found[pair].share < leak.share:
                found[pair] = leak
    return tuple(sorted(found.values(), key=lambda m: -m.share))
