"""Taking background and autofluorescence from a slide, lazily and block by block."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Progress, Volume, in_threads, silent
from immunescape.io.lazy_planes import LazyPlanes
from immunescape.panel import Panel
from immunescape.params import Between, Params
from immunescape.quality._sample import sample_bins
from immunescape.quality._survey import COARSE_PX, Survey, survey_slide
from immunescape.slide import Imaged, Slide

__all__ = ["Corrected", "CorrectionParams", "correct_slide"]

_SURFACE_UM = 150.0
"""Over this distance the smooth background follows what empty glass shows."""
_FEWEST_EMPTY = 8
_BIN_UM = 1.5
_STEPS = 24
_LOW = 0.1
_FEWEST_BINS = 50
_SATURATED = 0.001
"""A larger share of saturated pixels is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class CorrectionParams(Params):
    """What is subtracted from the pixels before anything is measured.

    Nothing is subtracted unless asked for: a file that was unmixed has no background, and a gate
    set by hand is in the file's own units.

    Parameters
    ----------
    background
        ``constant`` subtracts from each channel its value of no light, that of empty glass or else
        of the dimmest tissue; ``smooth`` follows how that value drifts over empty glass; ``none``
        leaves the pixels alone.
    autofluorescence
        ``subtract`` takes from each marker what unstained tissue shows of the channel with the
        role autofluorescence; ``none``, or a panel without such a channel, takes nothing.
    block_px
        Edge of the blocks read in the pass before; it changes memory, not the result.
    """

    background: Literal["none", "constant", "smooth"] = "none"
    autofluorescence: Literal["none", "subtract"] = "none"
    block_px: Annotated[int, Between(64, 8192, step=64, unit="px")] = 1024


@dataclass(frozen=True, eq=False)
class Corrected:
    """A slide whose pixels are corrected when they are read.

    Parameters
    ----------
    slide
        float32; values may lie below 0, by noise, and are 0 where nothing was imaged. The very
        slide that was given where nothing is to be subtracted.
    record
        For each channel ``background`` (subtracted; of a smooth one its middle),
        ``background_low, background_high`` (its range), ``autofluorescence`` (share of that
        channel subtracted), ``saturated_share`` and ``saturation`` (None where nothing
        saturates); empty where nothing was asked for.
    warnings
        What a reader of the numbers should know.
    """

    slide: Slide
    record: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def correct_slide(
    slide: Slide,
    panel: Panel,
    params: CorrectionParams = CorrectionParams(),
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> Corrected:
    """Subtract background and autofluorescence from a slide.

    Parameters
    ----------
    slide
        The slide as read; one pass is made over its pixels unless nothing is asked for.
    panel
        Its stains. Background is taken from every channel, autofluorescence from the markers;
        nuclear stains and ignored channels keep it.
    params
        What to subtract.
    progress
        Called after each block of the pass.
    mapper
        Where the blocks are looked at.

    Returns
    -------
    Corrected
        What is subtracted at a pixel depends on that pixel and on a few numbers of the whole
        slide, at every level of the pyramid: tiles of any size see the same values.
    """
    afs = [s for s in panel.stains if s.role == "autofluorescence"]
    subtract = params.autofluorescence == "subtract" and bool(afs)
    warnings: list[str] = []
    if params.autofluorescence == "subtract" and not afs:
        warnings.append(
            f"no channel of {slide.name} has the role autofluorescence; none is subtracted"
        )
    if params.background == "none" and not subtract:
        return Corrected(slide, warnings=tuple(warnings))
    survey = survey_slide(slide, params.block_px, progress, mapper)
    level = _no_light(survey)
    surface: npt.NDArray[np.float32] | None = None
    if params.background == "smooth":
        if int(survey.empty.sum()) < _FEWEST_EMPTY:
            warnings.append(
                f"{slide.name} shows no empty glass to follow a smooth background on; "
                "a constant one is subtracted"
            )
        else:
            surface = _surface(survey, level, COARSE_PX * slide.pixel_size_um)
    coefficients = np.zeros(len(slide.channels))
    if subtract:
        source = slide.index(afs[0].channel)
        sample = sample_bins(slide, _BIN_UM)
        for stain in panel.markers:
            target = slide.index(stain.channel)
            coefficients[target] = _slope(sample[source], sample[target])
    offsets = level if params.background != "none" else np.zeros(len(level))
    source = slide.index(afs[0].channel) if subtract else -1
    arrays = tuple(
        _CorrectedPlanes(
            array, offsets, surface, coefficients, source, level, slide.shape[0] / array.shape[1]
        )
        for array in slide.arrays
    )
    arrays[0].imaged = slide.imaged  # a slide with gaps has no further level
    record: dict[str, Mapping[str, float | None]] = {}
    for c, channel in enumerate(slide.channels):
        low, high = (
            (float(surface[c].min()), float(surface[c].max()))
            if surface is not None
            else (float(offsets[c]),) * 2
        )
        share, top = survey.saturated_share[c], survey.saturation[c]
        record[channel] = {
            "background": float(offsets[c]),
            "background_low": low,
            "background_high": high,
            "autofluorescence": float(coefficients[c]),
            "saturated_share": share,
            "saturation": None if np.isnan(top) else top,
        }
        if share > _SATURATED:
            warnings.append(f"{share:.1%} of the pixels of {channel} are saturated at {top:g}")
    return Corrected(replace(slide, arrays=arrays), record, tuple(warnings))


def _no_light(survey: Survey) -> npt.NDArray[np.float64]:
    """Return the value of no light of each channel."""
    floor = survey.floor[:, np.isfinite(survey.floor).all(axis=0)]
    if not floor.size:
        return np.zeros(len(survey.floor))
    if int(survey.empty.sum()) >= _FEWEST_EMPTY:
        return np.asarray(np.median(survey.mean[:, survey.empty], axis=1))
    return np.asarray(np.percentile(floor, 1, axis=1))


def _surface(
    survey: Survey, level: npt.NDArray[np.float64], step_um: float
) -> npt.NDArray[np.float32]:
    """Return the background on the coarse grid: that of the empty glass near by.

    It is a mean of values that empty glass shows, so that no tissue, however dense, is taken for
    background; far from any glass it comes to the constant.
    """
    from scipy import ndimage as ndi

    smooth = partial(ndi.gaussian_filter, sigma=_SURFACE_UM / step_um, mode="constant", truncate=4)
    weight = smooth(survey.empty.astype(np.float64))
    surface = np.empty(survey.mean.shape, np.float32)
    for c, value in enumerate(level):
        away = smooth(np.where(survey.empty, survey.mean[c] - value, 0.0))
        surface[c] = value + away / (weight + 1e-3)
    return surface


def _slope(glow: npt.NDArray[np.float32], stain: npt.NDArray[np.float32]) -> float:
    """Return how a channel rises with autofluorescence where it is unstained, at least 0.

    In each step of equal share along the autofluorescence the lowest tenth of the channel is
    taken, which stained cells do not reach; the median of the slopes between steps far apart
    heeds no single step.
    """
    if glow.size < _FEWEST_BINS * 4:
        return 0.0
    low, high = np.percentile(glow, (1, 99.9))
    if not high > low:
        return 0.0
    edges = np.linspace(low, high, _STEPS + 1)
    step = np.clip(np.searchsorted(edges, glow, side="right") - 1, 0, _STEPS - 1)
    x, y = [], []
    for k in range(_STEPS):
        here = step == k
        if int(here.sum()) >= _FEWEST_BINS:
            x.append(float(glow[here].mean()))
            y.append(float(np.quantile(stain[here], _LOW)))
    if len(x) < 3:
        return 0.0
    i, j = np.triu_indices(len(x), max(len(x) // 3, 1))
    rise = np.array(y)[j] - np.array(y)[i]
    run = np.array(x)[j] - np.array(x)[i]
    return max(float(np.median(rise / run)), 0.0)


class _CorrectedPlanes(LazyPlanes):
    """Pixels less what is to be subtracted, computed when they are read; 0 in a gap."""

    imaged: Imaged | None = None

    def __init__(
        self,
        array: Volume,
        offsets: npt.NDArray[np.float64],
        surface: npt.NDArray[np.float32] | None,
        coefficients: npt.NDArray[np.float64],
        source: int,
        level: npt.NDArray[np.float64],
        downsample: float,
    ) -> None:
        channels, height, width = array.shape
        self.shape = (int(channels), int(height), int(width))
        self.dtype = np.dtype(np.float32)
        self._array, self._offsets, self._surface = array, offsets, surface
        self._coefficients, self._source, self._level = coefficients, source, level
        self._downsample = downsample
        chunks = getattr(array, "chunks", None)
        if chunks is not None:
            self.chunks = chunks

    def read_plane(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Read and correct a rectangle of one channel."""
        out = self._raw(channel, y0, y1, x0, x1) - self._background(channel, y0, y1, x0, x1)
        coefficient = np.float32(self._coefficients[channel])
        if coefficient > 0:
            glow = self._raw(self._source, y0, y1, x0, x1)
            if self._surface is None:
                glow -= np.float32(self._level[self._source])
            else:
                glow -= self._background(self._source, y0, y1, x0, x1)
            out -= coefficient * glow
        if self.imaged is not None:
            out[~self.imaged.mask(Block(y0, y1, x0, x1))] = 0
        return out

    def _raw(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[np.float32]:
        return np.asarray(self._array[channel, y0:y1, x0:x1]).astype(np.float32)

    def _background(
        self, channel: int, y0: int, y1: int, x0: int, x1: int
    ) -> npt.NDArray[np.float32] | np.float32:
        if self._surface is None:
            return np.float32(self._offsets[channel])
        plane = self._surface[channel]
        (i, v), (j, u) = (
            _between((np.arange(a, b) + 0.5) * self._downsample / COARSE_PX - 0.5, n)
            for (a, b), n in zip(((y0, y1), (x0, x1)), plane.shape, strict=True)
        )
        across = plane[:, j] * (1 - u) + plane[:, np.minimum(j + 1, plane.shape[1] - 1)] * u
        v = v[:, None]
        return np.asarray(
            across[i] * (1 - v) + across[np.minimum(i + 1, len(across) - 1)] * v, np.float32
        )


def _between(
    at: npt.NDArray[np.float64], number: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    at = np.clip(at, 0, number - 1)
    lower = np.floor(at).astype(np.intp)
    return lower, (at - lower).astype(np.float32)
