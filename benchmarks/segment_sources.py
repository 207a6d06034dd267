"""Pictures with drawn nuclei on which ways to find nuclei are compared, none of them trained on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from immunescape.blocks import Block
from immunescape.errors import LabelsError
from immunescape.io import open_slide
from immunescape.segment.learning.data import Field, read_fields
from immunescape.segment.learning.render import render_stain
from immunescape.segment.learning.splits import split_fields
from immunescape.segment.learning.train import TrainParams

DIAMETER_UM = 9.0
"""Width of the median nucleus to which a scale brings pictures whose pixel size is unknown."""

RENDERED_UM = 0.5
WINDOWS = 2
RENDERINGS = 6
WAYS = ("in focus", "others out of focus", "membranes bleed in")
QUICK = 6

VALIDATION = "validation, own scale"
VALIDATION_CONSTANT = "validation, one scale"
HELDOUT = "heldout, own scale"
HELDOUT_CONSTANT = "heldout, one scale"
RENDERED = "rendered"
INFORM = "inform"
NAMES = {
    "validation": (VALIDATION, VALIDATION_CONSTANT),
    "heldout": (HELDOUT, HELDOUT_CONSTANT),
    "rendered": (RENDERED,),
    "inform": (INFORM,),
}
"""Sources as they are asked for, and the rows each gives."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture with its drawn nuclei.

    Parameters
    ----------
    source, group, name
        Where it is from: the source, the part of the source, its own name.
    image
        ``(y, x)`` float32 nuclear stain.
    drawn
        ``(y, x)`` int32 labels, 0 is background.
    pixel_um
        Edge of a pixel as the methods are told it.
    """

    source: str
    group: str
    name: str
    image: npt.NDArray[np.float32]
    drawn: npt.NDArray[np.int32]
    pixel_um: float

    def save(self, file: Path) -> None:
        """Write everything to one ``.npz`` file."""
        words = [self.source, self.group, self.name]
        np.savez(
            file, image=self.image, drawn=self.drawn, pixel_um=self.pixel_um, words=np.array(words)
        )

    @classmethod
    def load(cls, file: Path) -> "Picture":
        """Read what ``save`` wrote."""
        with np.load(file) as kept:
            words = (str(w) for w in kept["words"])
            return cls(*words, kept["image"], kept["drawn"], float(kept["pixel_um"]))


def median_diameter_px(labels: npt.NDArray[np.int32]) -> float:
    """Return the median of the diameters of circles as large as the nuclei; NaN without any."""
    area = np.bincount(labels.ravel())[1:]
    area = area[area > 0]
    return float(np.median(np.sqrt(area * 4 / np.pi))) if area.size else float("nan")


@cache
def nuclei(root: Path) -> tuple[list[Field], list[Field]]:
    """Return the pictures of ``nuclei/train`` and the tissue masks, read once."""
    return read_fields(root / "nuclei")


@cache
def constant_um(root: Path) -> float:
    """Return the one pixel size at which the median training picture has nuclei of 9 µm."""
    diameters = [median_diameter_px(f.labels) for f in nuclei(root)[0]]
    return DIAMETER_UM / float(np.nanmedian(diameters))


def pictures(root: Path, wanted: str, quick: bool = False) -> Iterator[Picture]:
    """Yield the pictures of a source.

    Parameters
    ----------
    root
        Holds ``nuclei`` and ``inform``.
    wanted
        One of ``NAMES``.
    quick
        A few pictures only, spread over the source.
    """
    defaults = TrainParams()
    if wanted == "validation":
        _, held = split_fields(nuclei(root)[0], defaults.validation, defaults.seed)
        yield from _at_both_scales(held, NAMES[wanted], constant_um(root), quick)
    elif wanted == "heldout":
        fields, _ = read_fields(root / "nuclei" / "heldout")
        yield from _at_both_scales(fields, NAMES[wanted], constant_um(root), quick)
    elif wanted == "rendered":
        _, held = split_fields(nuclei(root)[1], defaults.validation, defaults.seed)
        yield from rendered(held, 1 if quick else RENDERINGS)
    else:
        yield _inform(root / "inform")


def _at_both_scales(
    fields: list[Field], names: tuple[str, ...], constant: float, quick: bool
) -> Iterator[Picture]:
    for field in fields[:: max(len(fields) // QUICK, 1)] if quick else fields:
        own = DIAMETER_UM / median_diameter_px(field.labels)
        group = "x".join(map(str, field.labels.shape))
        assert field.image is not None
        for name, pixel_um in zip(names, (own, constant), strict=True):
            pixel_um = pixel_um if np.isfinite(pixel_um) else constant
            yield Picture(name, group, field.name, field.image, field.labels, pixel_um)


def rendered(fields: list[Field], renderings: int) -> Iterator[Picture]:
    """Render stains onto quarters of each field, in three ways by turns; chance is fixed."""
    for field in fields:
        height, width = (side // WINDOWS for side in field.labels.shape)
        upside_down = np.ascontiguousarray(field.labels[::-1, ::-1])
        for seed in range(renderings):
            for number in range(WINDOWS**2):
                y, x = number // WINDOWS * height, number % WINDOWS * width
                window = slice(y, y + height), slice(x, x + width)
                rng = np.random.default_rng((2026, seed, number))
                labels = np.ascontiguousarray(field.labels[window])
                ghosts = membranes = None
                way = WAYS[(seed + number) % len(WAYS)]
                if way == WAYS[1]:
                    ghosts = upside_down[window]
                    keep = rng.random(int(ghosts.max(initial=0)) + 1) < rng.uniform(0.05, 0.6)
                    ghosts = np.where(keep[ghosts], ghosts, 0)
                elif way == WAYS[2] and field.membranes is not None:
                    membranes = field.membranes[window].astype(np.float32)
                stain = render_stain(labels, rng, ghosts=ghosts, membranes=membranes)
                name = f"{field.name.removesuffix('_binary_seg_maps.tif')}, {seed}.{number}"
                yield Picture(RENDERED, way, name, stain, labels, RENDERED_UM)


def _inform(folder: Path) -> Picture:
    """Return the DAPI of the lymphoid field FIHC4 with inForm's own map of nuclei."""
    file = next(folder.glob("FIHC4*_component_data.tif"), None)
    if file is None:
        raise LabelsError(f"{folder} has no FIHC4*_component_data.tif; pass the real data")
    slide = open_slide(file)
    height, width = slide.shape
    stain = slide.read(Block(0, height, 0, width), ("DAPI",))[0].astype(np.float32)
    maps = file.with_name(file.name.replace("component_data", "binary_seg_maps"))
    labels = tifffile.imread(maps, key=1).astype(np.int32)
    return Picture(INFORM, "FIHC4", "FIHC4", stain, labels, slide.pixel_size_um)
