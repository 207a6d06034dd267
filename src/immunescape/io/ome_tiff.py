"""OME-TIFF: channel names and physical sizes from OME-XML, pyramids from SubIFDs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from immunescape.errors import SlideError
from immunescape.io.found import Found, Scene, choose_scene, level_arrays
from immunescape.io.tiff_pages import check_whole, is_colour, parse_xml, refuse_colour
from immunescape.io.tiff_planes import TiffPlanes
from immunescape.io.units import UnknownUnitError, micrometres, milliseconds

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["read_ome_tiff"]

_EXTRAS = re.compile(r"\b(?:label|macro|overview|thumbnail)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Image:
    """One ``Image`` of the OME-XML."""

    name: str
    sizes: dict[str, int]
    order: str
    channels: tuple[str | None, ...]
    samples: int
    physical: tuple[tuple[str, str] | None, tuple[str, str] | None]
    blocks: tuple[dict[str, int], ...]
    exposure_ms: tuple[float | None, ...]


def read_ome_tiff(tif: "TiffFile", path: Path, scene: str | int | None) -> Found:
    """Read the header of an OME-TIFF.

    Images called label, macro, overview or thumbnail are left out where others exist.

    Raises
    ------
    SlideError
        If the OME-XML cannot be understood, pixels are in other files, the image is a stack in z
        or time or a colour picture, or there are several scenes and none was chosen.
    """
    images = _images(path, tif.ome_metadata or "")
    images = [i for i in images if not _EXTRAS.search(i.name)] or images
    scenes = [Scene((i.sizes["C"], i.sizes["Y"], i.sizes["X"]), i.name) for i in images]
    at = choose_scene(path, scenes, scene)
    image = images[at]
    _refuse_stack(path, image)
    pages = _pages(tif, path, image)
    if is_colour(pages[0]) and (image.samples > 1 or pages[0].shaped[4] > 1):
        raise refuse_colour(path)
    if image.samples in (3, 4) and image.sizes["C"] == image.samples:
        raise refuse_colour(path)
    levels = [pages, *_reduced(pages)]
    for level in levels:
        check_whole(path, level)
    arrays = [TiffPlanes.of_pages(path, level) for level in levels]
    count = image.sizes["C"]
    if arrays[0].shape != (count, image.sizes["Y"], image.sizes["X"]):
        raise SlideError(
            f"{path.name}: its OME-XML promises {count} channels of {image.sizes['X']} x "
            f"{image.sizes['Y']} px, but its pages hold {arrays[0].shape[0]} of "
            f"{arrays[0].shape[2]} x {arrays[0].shape[1]} px; export it again"
        )
    size, reason, notes = _pixel_size(path, image)
    return Found(
        arrays=level_arrays(arrays, count),
        channels=image.channels,
        pixel_um=size,
        format="OME-TIFF",
        no_size=reason,
        scene=at + 1 if len(images) > 1 else None,
        notes=notes,
        exposure_ms=image.exposure_ms,
    )


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _images(path: Path, xml: str) -> list[_Image]:
    try:
        root = parse_xml(xml)
    except ElementTree.ParseError:
        raise SlideError(f"{path.name}: its OME-XML cannot be parsed; export it again") from None
    if any(_local(element) == "BinaryOnly" for element in root):
        raise SlideError(
            f"{path.name} is one part of an OME-TIFF in several files; "
            "join them into one OME-TIFF (bfconvert does)"
        )
    uuids = {(u.text or "").strip() for u in root.iter() if _local(u) == "UUID"}
    if len(uuids) > 1:
        raise SlideError(
            f"{path.name} keeps its pixels in {len(uuids)} files; "
            "join them into one OME-TIFF (bfconvert does)"
        )
    images = []
    for element in root:
        if _local(element) == "Image":
            for pixels in element:
                if _local(pixels) == "Pixels":
                    images.append(_image(path, element, pixels))
    if not images:
        raise SlideError(f"{path.name}: its OME-XML describes no image; export it again")
    return images


def _image(path: Path, element: ElementTree.Element, pixels: ElementTree.Element) -> _Image:
    channels = [child for child in pixels if _local(child) == "Channel"]
    data = [child for child in pixels if _local(child) == "TiffData"]
    try:
        sizes = {axis: int(pixels.attrib.get(f"Size{axis}", 1)) for axis in "XYCZT"}
        per_channel = [int(c.attrib.get("SamplesPerPixel", 1)) for c in channels]
        blocks = tuple({k: int(v) for k, v in d.attrib.items()} for d in data)
    except ValueError:
        raise SlideError(
            f"{path.name}: its OME-XML holds no usable sizes; export it again"
        ) from None
    samples = max(per_channel, default=1)
    names: list[str | None] = []
    for channel, spp in zip(channels, per_channel, strict=True):
        name = channel.attrib.get("Name")
        names += [name] if spp == 1 else [None] * spp
    physical = tuple(
        (pixels.attrib[f"PhysicalSize{axis}"], pixels.attrib.get(f"PhysicalSize{axis}Unit", "µm"))
        if f"PhysicalSize{axis}" in pixels.attrib
        else None
        for axis in "YX"
    )
    return _Image(
        name=element.attrib.get("Name", ""),
        sizes=sizes,
        order=pixels.attrib.get("DimensionOrder", "XYCZT"),
        channels=tuple(names),
        samples=samples,
        physical=(physical[0], physical[1]),
        blocks=blocks,
        exposure_ms=_exposures(pixels, sizes["C"]),
    )


def _exposures(pixels: ElementTree.Element, count: int) -> tuple[float | None, ...]:
    """Return for how many ms each channel was exposed, where its plane says so."""
    said = {
        plane.attrib.get("TheC", ""): milliseconds(
            plane.attrib.get("ExposureTime"), plane.attrib.get("ExposureTimeUnit", "s")
        )
        for plane in pixels
        if _local(plane) == "Plane"
    }
    return tuple(said.get(str(channel)) for channel in range(count))


def _refuse_stack(path: Path, image: _Image) -> None:
    for axis, thing, remedy in (
        ("Z", "focal planes", "export one plane or a projection"),
        ("T", "time points", "export one of them"),
    ):
        if image.sizes[axis] > 1:
            raise SlideError(f"{path.name} has {image.sizes[axis]} {thing}; {remedy}")


def _pages(tif: "TiffFile", path: Path, image: _Image) -> "list[TiffPage]":
    """Return the page of each channel (or group of samples), in channel order."""
    total = image.sizes["C"]
    first = image.blocks[0].get("IFD", 0) if image.blocks else 0
    tif.pages.useframes = False
    spp = _page(tif, path, first).samplesperpixel
    planes = max(total // spp, 1)
    where: dict[int, int] = {}
    for block in image.blocks or ({},):
        start = block.get("FirstC", 0) // (spp if image.samples > 1 else 1)
        ifd = block.get("IFD", 0)
        count = block.get("PlaneCount", 1 if "IFD" in block else planes)
        where.update({start + i: ifd + i for i in range(min(count, planes - start))})
    missing = [c + 1 for c in range(planes) if c not in where]
    if missing:
        raise SlideError(
            f"{path.name}: its OME-XML names no pixels for channel {missing[0]}; export it again"
        )
    pages = [_page(tif, path, where[c]) for c in range(planes)]
    if any(p.shaped != pages[0].shaped or p.dtype != pages[0].dtype for p in pages):
        raise SlideError(f"{path.name} has channels that differ in size or type; export it again")
    return pages


def _page(tif: "TiffFile", path: Path, index: int) -> "TiffPage":
    try:
        return tif.pages[index].aspage()
    except IndexError:
        raise SlideError(
            f"{path.name} is truncated: it lacks page {index + 1} that its OME-XML names; "
            "copy it again"
        ) from None


def _reduced(pages: "list[TiffPage]") -> "list[list[TiffPage]]":
    """Return the pages of each smaller level; levels that lack a channel are left out."""
    below = [[sub.aspage() for sub in page.pages] if page.pages else [] for page in pages]
    depth = min(len(subs) for subs in below)
    levels = [[subs[level] for subs in below] for level in range(depth)]
    return [
        level
        for level in levels
        if all(p.shaped == level[0].shaped and p.dtype == pages[0].dtype for p in level)
    ]


def _pixel_size(
    path: Path, image: _Image
) -> tuple[tuple[float, float] | None, str, tuple[str, ...]]:
    """Return the pixel's height and width in µm, why they are missing, and warnings."""
    edges: list[float | None] = []
    for stated in image.physical:
        if stated is None:
            edges.append(None)
            continue
        value, unit = stated
        try:
            edges.append(micrometres(float(value), unit))
        except ValueError:
            return None, f"states a pixel size of {value!r}, which is no number", ()
        except UnknownUnitError as error:
            return None, f"states its pixel size in {str(error)!r}, an unknown unit", ()
    height, width = edges
    if height is None and width is None:
        if any(image.physical):
            return None, "states its pixel size in pixels", ()
        return None, "has no pixel size", ()
    if height is None or width is None:
        edge = height or width or 0.0
        note = f"{path.name} states one edge of a pixel only; the other is taken to be equal"
        return (edge, edge), "", (note,)
    return (height, width), "", ()
