"""Reading annotated pairs: the nuclear stain as a network sees it, and what was drawn on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks
from immunescape.errors import LabelsError, PanelError, SlideError
from immunescape.io import fingerprint, open_slide
from immunescape.io.labels import LabelPlane, read_imported_labels
from immunescape.panel import match_panel
from immunescape.segment.learning.pairs import Pair
from immunescape.segment.levels import slide_levels

if TYPE_CHECKING:
    from pathlib import Path

    from immunescape.slide import Slide

__all__ = ["NOT_ANNOTATED", "AnnotatedField", "ReadOptions", "read_pair"]

NOT_ANNOTATED = -1
"""Label of pixels of which nobody said whether a nucleus is there."""

_BLOCK = 2048
_CONTEXT_UM = 40.0
_SPECK_UM2 = 5.0
_NEAR_UM = 10.0
_LARGE = 0.05
_MUCH = 0.25


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How pictures are read where their files do not say it.

    Parameters
    ----------
    pixel_size_um
        Edge of a pixel in µm, in place of the file's; None takes the file's.
    channel_names
        Names of the channels in order, in place of the file's.
    nuclear
        Channels that show the nuclei; empty takes the first that is named like a nuclear stain.
    """

    pixel_size_um: float | None = None
    channel_names: tuple[str, ...] = ()
    nuclear: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AnnotatedField:
    """The annotated part of a picture, with what lies around it.

    Parameters
    ----------
    name
        Name of the picture.
    picture
        ``(y, x)`` float32 nuclear stain at the picture's own pixels, black and white of the whole
        picture at 0 and 1.
    labels
        ``(y, x)`` int32: a number a nucleus, 0 is background, -1 not annotated.
    pixel_um
        Edge of a pixel.
    image_sha256, mask_sha256
        Hashes of the files; of the mask with the region where there is one.
    notes
        What a user should know.
    """

    name: str
    picture: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    pixel_um: float
    image_sha256: str = ""
    mask_sha256: str = ""
    notes: tuple[str, ...] = ()

    @property
    def nuclei(self) -> int:
        """Number of nuclei drawn."""
        return len(np.unique(self.labels[self.labels > 0]))


def read_pair(pair: Pair, options: ReadOptions | None = None) -> AnnotatedField:
    """Read what was annotated of a picture, and 40 µm around it.

    Parameters
    ----------
    pair
        The picture and its label image, in which -1 marks what was not annotated. Where the pair
        has a region, only what is drawn as ``Region`` was annotated, and not what is drawn as
        ``Ignore``; of a nucleus that crosses its outline the part inside counts.
    options
        How to read the picture.

    Returns
    -------
    AnnotatedField
        Black and white are those of the whole picture, as ``segment_nuclei`` finds them; of
        several nuclear stains the brightest counts, as there.

    Raises
    ------
    SlideError
        If the picture cannot be read.
    PanelError
        If no channel, or more than one, could be the nuclear stain.
    LabelsError
        If the label image does not fit the picture, holds anything but numbers of nuclei, or
        holds none where it was annotated.
    AnnotationError
        If the region cannot be read.
    """
    options = options or ReadOptions()
    slide = _open(pair.image, options)
    channels = _nuclear(slide, options.nuclear)
    mask = _plane(pair, slide)
    part = _annotated_part(pair, slide)
    context = round(_CONTEXT_UM / slide.pixel_size_um)
    window = _bounds(mask, part, slide.shape).grown(context, slide.shape)
    labels = np.where(part.inside(window), mask[window.slices], NOT_ANNOTATED).astype(np.int32)
    _check_nuclei(labels, pair)
    layers = [
        slide_levels(slide, channel).apply(slide.read(window, (channel,))[0])
        for channel in channels
    ]
    picture = np.maximum.reduce(layers)
    hashes = [fingerprint(path).sha256 for path in (pair.mask, pair.region) if path is not None]
    notes = (*slide.warnings, *_doubts(pair, picture, labels, slide.pixel_size_um))
    return AnnotatedField(
        pair.name,
        picture,
        labels,
        slide.pixel_size_um,
        fingerprint(pair.image).sha256,
        "+".join(hashes),
        notes,
    )


def _open(path: "Path", options: ReadOptions) -> "Slide":
    """Open a picture; one of a single plane needs no name for its channel."""
    names = options.channel_names or None
    try:
        return open_slide(path, pixel_size_um=options.pixel_size_um, channel_names=names)
    except SlideError as error:
        if names is not None:
            raise
        try:
            return open_slide(path, pixel_size_um=options.pixel_size_um, channel_names=("nuclei",))
        except SlideError as other:
            raise (error if "--channel-names" in str(other) else other) from None


def _nuclear(slide: "Slide", wanted: tuple[str, ...]) -> tuple[str, ...]:
    if len(slide.channels) == 1 and not wanted:
        return slide.channels
    panel = match_panel(slide.channels, nuclear=wanted, slide_name=slide.name).panel
    if not panel.nuclear:
        raise PanelError(
            f"{slide.name} has no channel named like a nuclear stain (channels: "
            f"{', '.join(slide.channels)}); pass --nuclear NAME"
        )
    return tuple(stain.channel for stain in panel.nuclear)


def _plane(pair: Pair, slide: "Slide") -> LabelPlane:
    plane = read_imported_labels(pair.mask, slide, are="nuclei", check_pixels=False).nuclei
    if plane is None:
        raise LabelsError(f"{pair.mask.name} of {pair.name} holds cells; give its nuclei")
    kind = np.dtype(plane.source.dtype).kind
    for block in iter_blocks(plane.shape, _BLOCK):
        stored = plane.stored(block.slices)
        if kind == "f" and not (np.isfinite(stored).all() and (stored == np.rint(stored)).all()):
            raise LabelsError(f"{plane.name} holds fractions; save labels as whole numbers")
        if stored.size and stored.min() < NOT_ANNOTATED:
            raise LabelsError(
                f"{plane.name} holds numbers below -1; number nuclei from 1, 0 is background and "
                "-1 not annotated"
            )
        if stored.size and stored.max() > np.iinfo(np.int32).max:
            raise LabelsError(
                f"{plane.name} holds labels above {np.iinfo(np.int32).max}; number nuclei from 1"
            )
    return plane


class _Part:
    """Says of each pixel whether its centre lies where a person annotated.

    Parameters
    ----------
    area
        Geometry in µm; None for everywhere.
    pixel_um
        Edge of a pixel.
    """

    def __init__(self, area: Any, pixel_um: float) -> None:
        self.area, self.pixel_um = area, pixel_um

    def inside(self, block: Block) -> npt.NDArray[np.bool_]:
        """Return the answer for a block of pixels."""
        if self.area is None:
            return np.ones(block.shape, dtype=np.bool_)
        import shapely

        y = (np.arange(block.y0, block.y1) + 0.5) * self.pixel_um
        x = (np.arange(block.x0, block.x1) + 0.5) * self.pixel_um
        inside = np.zeros(block.shape, dtype=np.bool_)
        low_x, low_y, high_x, high_y = self.area.bounds
        rows = np.flatnonzero((y >= low_y) & (y <= high_y))
        columns = np.flatnonzero((x >= low_x) & (x <= high_x))
        if rows.size and columns.size:
            shapely.prepare(self.area)
            inside[np.ix_(rows, columns)] = shapely.contains_xy(
                self.area, *np.meshgrid(x[columns], y[rows])
            )
        return inside


def _annotated_part(pair: Pair, slide: "Slide") -> _Part:
    if pair.region is None:
        return _Part(None, slide.pixel_size_um)
    import shapely

    from immunescape.io.geojson import read_annotations

    drawn = read_annotations(
        pair.region,
        pixel_size_um=slide.pixel_size_um,
        slide_name=pair.image.name,
        shape=slide.shape,
    )
    if "analysed" not in drawn and "excluded" not in drawn:
        raise LabelsError(
            f"{pair.region.name} draws neither Region nor Ignore; draw what was annotated as "
            "Region, or remove the file"
        )
    height, width = (side * slide.pixel_size_um for side in slide.shape)
    area = drawn["analysed"] if "analysed" in drawn else shapely.box(0, 0, width, height)
    area = shapely.difference(area, drawn.get("excluded"))
    if area.is_empty:
        raise LabelsError(f"{pair.region.name} leaves nothing that was annotated; draw a Region")
    return _Part(area, slide.pixel_size_um)


def _bounds(mask: LabelPlane, part: _Part, shape: tuple[int, int]) -> Block:
    """Return the smallest rectangle that holds all that was annotated."""
    found = []
    for block in iter_blocks(shape, _BLOCK):
        known = part.inside(block) & (mask.stored(block.slices) != NOT_ANNOTATED)
        rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
        if rows.size:
            found.append([block.y0 + rows[0], block.y0 + rows[-1] + 1,
                          block.x0 + columns[0], block.x0 + columns[-1] + 1])  # fmt: skip
    if not found:
        raise LabelsError(
            f"{mask.name} marks everything as not annotated; draw nuclei, or remove the pair"
        )
    edges = np.array(found)
    y0, x0 = edges[:, [0, 2]].min(axis=0).tolist()
    y1, x1 = edges[:, [1, 3]].max(axis=0).tolist()
    return Block(y0, y1, x0, x1)


def _check_nuclei(labels: npt.NDArray[np.int32], pair: Pair) -> None:
    from scipy import ndimage as ndi

    nuclei = labels > 0
    if not nuclei.any():
        raise LabelsError(f"{pair.mask.name} of {pair.name} holds no nuclei; draw some, or remove "
                          "the pair")  # fmt: skip
    first = int(labels[nuclei][0])
    if (labels[nuclei] == first).all() and ndi.label(nuclei)[1] > 1:
        raise LabelsError(
            f"{pair.mask.name} gives all nuclei the number {first}; give each a number of its own"
        )


def _doubts(
    pair: Pair,
    picture: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    pixel_um: float,
) -> list[str]:
    notes = []
    area = np.bincount(labels[labels > 0])
    area = area[area > 0]
    specks = int((area * pixel_um**2 < _SPECK_UM2).sum())
    if specks:
        notes.append(
            f"{pair.mask.name}: {specks} of {len(area)} nuclei are smaller than {_SPECK_UM2:g} "
            "µm², perhaps left over by a brush; they count as nuclei"
        )
    rows, columns = (np.flatnonzero((labels > 0).any(axis=axis)) for axis in (1, 0))
    near = round(_NEAR_UM / pixel_um)
    known = labels != NOT_ANNOTATED
    beyond = known.copy()
    beyond[
        max(rows[0] - near, 0) : rows[-1] + near + 1,
        max(columns[0] - near, 0) : columns[-1] + near + 1,
    ] = False
    bright = picture > np.median(picture[labels > 0]) / 2
    within = known & ~beyond
    if (
        beyond.sum() > _LARGE * known.sum()
        and bright[beyond].mean() > _MUCH * bright[within].mean()
    ):
        notes.append(
            f"{pair.name} is bright in places far from any nucleus drawn, where it was taken to "
            "have none; if it was not annotated there, draw a Region or set the label -1"
        )
    return notes
