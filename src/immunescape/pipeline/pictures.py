"""Pictures that stay with a result: the slide in small, and the place the headline is about."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape import __version__
from immunescape.blocks import Block, Plane, iter_blocks, map_blocks
from immunescape.errors import OutputError
from immunescape.io.pictures import read_pictures
from immunescape.report.picks import Pick, Picker
from immunescape.report.told import CLOSEUP, OVERVIEW, labels_within
from immunescape.results import Picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immunescape.pipeline.job import Job
    from immunescape.pipeline.provenance import Recorder
    from immunescape.pipeline.stages import Earlier
    from immunescape.results import SlideResult
    from immunescape.slide import Slide

__all__ = ["Pictured", "closeup_block", "overview_of", "pictured"]

_STEP = "pictures"
_LONG_PX = 1200
_CLOSEUP_UM = 200.0
_BIN_UM = 25.0
_AT_INTERFACE_UM = 20.0
_READ_PX = 2048
_NEGATIVE = Pick(phenotype="tumour", pdl1="negative", touching=True)


@dataclass(frozen=True, eq=False)
class Pictured:
    """The pictures of a slide.

    Parameters
    ----------
    pictures
        By name.
    record
        What the provenance keeps of each.
    """

    pictures: Mapping[str, Picture] = field(default_factory=dict)
    record: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def outlines(self, labels: Plane) -> npt.NDArray[np.int32]:
        """Return the labels of the cells in the closeup, of the label image of the slide."""
        return labels_within(labels, self.pictures[CLOSEUP])


def pictured(
    job: "Job", result: "SlideResult", earlier: "Earlier | None", recorder: "Recorder"
) -> Pictured:
    """Return the pictures of a slide, taken over from an earlier result as far as they hold.

    The overview is read once and kept. The closeup stays where it was as long as it shows a
    PD-L1-negative tumour cell that touches CD8, or where none is on the slide the same place
    would be chosen again; otherwise that block alone is read.

    Parameters
    ----------
    job
        The slide and the folder of its result.
    result
        Its cells and shapes.
    earlier
        What the folder holds already.
    recorder
        Told whether the step was run or taken over.
    """
    slide = job.opened.slide
    channels = tuple(s.channel for s in job.opened.panel.stains if s.role != "ignored")
    key = _key(job, channels)
    record = {
        name: told
        for name, told in (earlier.pictures if earlier else {}).items()
        if isinstance(told, Mapping) and told.get("key") == key
    }
    try:
        kept = read_pictures(job.folder, record)
    except OutputError:  # whatever befell them, the slide is at hand
        kept = {}
    block = closeup_block(result, slide.shape, slide.pixel_size_um)
    if CLOSEUP in kept and not _stays(result, kept[CLOSEUP], block, slide.pixel_size_um):
        del kept[CLOSEUP]
    if kept.keys() >= {OVERVIEW, CLOSEUP}:
        recorder.reuse(_STEP)
    else:
        with recorder.step(_STEP):
            if OVERVIEW not in kept:
                kept[OVERVIEW] = overview_of(slide, channels)
            if CLOSEUP not in kept:
                kept[CLOSEUP] = Picture(
                    pixels=slide.read(block, channels),
                    channels=channels,
                    pixel_size_um=slide.pixel_size_um,
                    x_um=block.x0 * slide.pixel_size_um,
                    y_um=block.y0 * slide.pixel_size_um,
                )
    told = {
        name: {
            "x_um": kept[name].x_um,
            "y_um": kept[name].y_um,
            "pixel_size_um": kept[name].pixel_size_um,
            "shape_px": list(kept[name].pixels.shape[1:]),
            "key": key,
        }
        for name in (OVERVIEW, CLOSEUP)
    }
    return Pictured(kept, told)


def overview_of(slide: "Slide", channels: tuple[str, ...]) -> Picture:
    """Return the whole slide, at most 1200 pixels long, as means of square blocks of its pixels.

    Parameters
    ----------
    slide
        Read block by block, from the smallest level that is not smaller than the picture.
    channels
        Those to read.

    Returns
    -------
    Picture
        In the type of the slide, whole numbers rounded; rows and columns left over at the far
        edges are dropped.
    """
    long = [max(a.shape[-2:]) for a in slide.arrays]
    level = max((k for k, size in enumerate(long) if size >= _LONG_PX), default=0)
    factor = max(min(-(-int(long[level]) // _LONG_PX), *slide.arrays[level].shape[-2:]), 1)
    height, width = (int(n) // factor for n in slide.arrays[level].shape[-2:])
    pixels = np.empty((len(channels), height, width), slide.dtype.newbyteorder("="))

    def reduced(block: Block) -> npt.NDArray[Any]:
        y0, y1, x0, x1 = (n * factor for n in (block.y0, block.y1, block.x0, block.x1))
        full = slide.read(Block(y0, y1, x0, x1), channels, level)
        if factor == 1:
            return full
        parts = full[:, : block.shape[0] * factor, : block.shape[1] * factor]
        shape = (len(channels), block.shape[0], -1, block.shape[1], factor)
        means = parts.reshape(shape).mean(axis=(2, 4), dtype=np.float64)
        return np.asarray(np.rint(means) if pixels.dtype.kind in "ui" else means)

    blocks = list(iter_blocks((height, width), max(_READ_PX // factor, 1)))
    for block, part in zip(blocks, map_blocks(reduced, blocks), strict=True):
        pixels[:, *block.slices] = part
    pixel_um = slide.pixel_size_um * slide.downsamples[level] * factor
    return Picture(pixels, channels, pixel_um)


def closeup_block(result: "SlideResult", shape: tuple[int, int], pixel_um: float) -> Block:
    """Choose what the closeup shows: 200 x 200 µm, or all of a smaller slide.

    Parameters
    ----------
    result
        Cells with phenotype, region, contacts and distance to the margin.
    shape
        Height and width of the slide in pixels.
    pixel_um
        Edge of a pixel.

    Returns
    -------
    Block
        The square with most PD-L1-negative tumour cells that touch CD8 within the margin; without
        any there, of those on the slide; then most cells at the interface, most tumour cells,
        most cells; the middle of a slide without cells. Squares start every 25 µm; of equals the
        uppermost is taken, then the leftmost.
    """
    points = result.cells.points_um
    height, width = (min(round(_CLOSEUP_UM / pixel_um), n) for n in shape)
    wanted = next((mask for mask in _wishes(result) if mask.any()), None)
    if wanted is None:
        y, x = (shape[0] - height) // 2, (shape[1] - width) // 2
    else:
        y, x = _densest(points[wanted], shape, pixel_um)
    y, x = max(min(y, shape[0] - height), 0), max(min(x, shape[1] - width), 0)
    return Block(y, y + height, x, x + width)


def _wishes(result: "SlideResult") -> "Iterator[npt.NDArray[np.bool_]]":
    """Yield which cells the closeup is to show, the best first."""
    cells = result.cells
    picker = Picker(cells)
    distance = np.full(len(cells), np.nan)
    if "distance_to_margin_um" in cells:
        distance = np.abs(cells["distance_to_margin_um"].to_numpy(np.float64))
    width = result.tables["summary"]["margin_width_um"].dropna()
    negative = picker.mask(_NEGATIVE)
    yield negative & (distance <= (float(width.iloc[0]) if len(width) else 0.0))
    yield negative
    yield (distance <= _AT_INTERFACE_UM) & picker.mask(Pick())
    yield picker.mask(Pick(phenotype="tumour"))
    yield np.ones(len(cells), bool)


def _densest(
    points_um: npt.NDArray[np.float64], shape: tuple[int, int], pixel_um: float
) -> tuple[int, int]:
    """Return the upper left pixel of the square that holds most points."""
    bins = [max(int(np.ceil(n * pixel_um / _BIN_UM)), 1) for n in shape]
    at = [np.clip((points_um[:, 1 - k] // _BIN_UM).astype(int), 0, bins[k] - 1) for k in (0, 1)]
    counts = np.zeros((bins[0] + 1, bins[1] + 1), np.int64)
    np.add.at(counts, (at[0] + 1, at[1] + 1), 1)
    total = counts.cumsum(axis=0).cumsum(axis=1)
    wide = [min(round(_CLOSEUP_UM / _BIN_UM), n) for n in bins]
    y, x = wide
    within = total[y:, x:] - total[:-y, x:] - total[y:, :-x] + total[:-y, :-x]
    row, column = np.unravel_index(int(within.argmax()), within.shape)
    return round(int(row) * _BIN_UM / pixel_um), round(int(column) * _BIN_UM / pixel_um)


def _stays(result: "SlideResult", before: Picture, block: Block, pixel_um: float) -> bool:
    left, right, top, bottom = before.extent_um
    negative = Picker(result.cells).mask(_NEGATIVE)
    if not negative.any():
        return (round(before.y_um / pixel_um), round(before.x_um / pixel_um)) == (
            block.y0, block.x0,
        )  # fmt: skip
    x, y = result.cells.points_um[negative].T
    return bool(((x >= left) & (x < right) & (y >= top) & (y < bottom)).any())


def _key(job: "Job", channels: tuple[str, ...]) -> str:
    """Return the hash of what decides the pixels of pictures, but not the place of the closeup."""
    slide = job.opened.slide
    decides = {
        "version": __version__,
        "slide": [f.sha256 for f in job.opened.files if f.role == "slide"],
        "scene": job.study.slide.scene,
        "channels": [slide.index(c) for c in channels],
        "names": channels,
        "pixel_size_um": slide.pixel_size_um,
        "sizes": [_LONG_PX, _CLOSEUP_UM],
    }
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()
