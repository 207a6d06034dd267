"""Pages of Akoya's TIFF files, told apart by the XML that each of them carries."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from immunescape.errors import SlideError
from immunescape.io.found import level_arrays
from immunescape.io.tiff_pages import check_whole, is_colour, parse_xml, refuse_colour
from immunescape.io.tiff_planes import TiffPlanes

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["QpiPages", "qpi_pages"]

_TEXTS = ("Biomarker", "Name", "ExposureTime", "IsUnmixedComponent")
_SIZE_IN_JSON = re.compile(r'"PixelSizeMicrons"\s*:\s*"?([0-9.eE+-]+)')


@dataclass(frozen=True)
class QpiPages:
    """The pages that show the stains.

    Parameters
    ----------
    levels
        Pyramid of arrays ``(c, y, x)``, full resolution first.
    first
        First page of full resolution.
    texts
        For each channel the text of its XML's own ``Biomarker``, ``Name``, ``ExposureTime`` (in
        µs) and ``IsUnmixedComponent``.
    stated_um
        Edge of a pixel in µm by the XML's scan resolution; None if it does not say.
    """

    levels: tuple[TiffPlanes, ...]
    first: "TiffPage"
    texts: tuple[dict[str, str], ...]
    stated_um: float | None


def qpi_pages(tif: "TiffFile", path: Path) -> QpiPages:
    """Sort the pages: full resolution, its pyramid, and the rest, which is left unread.

    Thumbnail, overview and label show the glass slide, its label with the patient's identity
    included; they are never opened.

    Raises
    ------
    SlideError
        If no page of full resolution is there, it is a colour picture, or the file is cut short.
    """
    tif.pages.useframes = False
    full: list[tuple[TiffPage, ElementTree.Element]] = []
    reduced: list[TiffPage] = []
    for index in range(len(tif.pages)):
        page = tif.pages[index].aspage()
        root = _xml(path, page.description)
        kind = _text(root, "ImageType")
        if kind == "FullResolution":
            full.append((page, root))
        elif kind == "ReducedResolution":
            reduced.append(page)
    if not full:
        raise SlideError(f"{path.name} has no full-resolution page; export it again")
    pages = [page for page, _ in full]
    if any(is_colour(page) for page in pages):
        raise refuse_colour(path)
    if any(page.shaped != pages[0].shaped or page.dtype != pages[0].dtype for page in pages):
        raise SlideError(f"{path.name} has channels that differ in size or type; export it again")
    by_shape: dict[tuple[int, ...], list[TiffPage]] = {}
    for page in reduced:
        if page.dtype == pages[0].dtype and not is_colour(page):
            by_shape.setdefault(page.shaped, []).append(page)
    levels = [pages, *(level for level in by_shape.values() if len(level) == len(pages))]
    for level in levels:
        check_whole(path, level)
    return QpiPages(
        levels=level_arrays([TiffPlanes.of_pages(path, level) for level in levels], len(pages)),
        first=pages[0],
        texts=tuple({tag: _text(root, tag) for tag in _TEXTS} for _, root in full),
        stated_um=_stated(full[0][1]),
    )


def _xml(path: Path, description: str) -> ElementTree.Element:
    try:
        return parse_xml(description)
    except ElementTree.ParseError:
        raise SlideError(f"{path.name}: a page's XML cannot be parsed; export it again") from None


def _text(root: ElementTree.Element, tag: str) -> str:
    return (root.findtext(tag) or "").strip()


def _stated(root: ElementTree.Element) -> float | None:
    scan = root.find(".//ScanResolution/PixelSizeMicrons")
    texts = [] if scan is None else [scan.text or ""]
    texts += [element.text or "" for element in root.iter("PixelSizeMicrons")]
    texts += _SIZE_IN_JSON.findall(root.findtext("ScanProfile") or "")
    for text in texts:
        try:
            return float(text)
        except ValueError:
            continue
    return None
