"""Figures of matplotlib as inline SVG: one drawing for a light page, a dark one and paper."""

import io
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from immunescape.report.plots_style import Look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from immunescape.report.html.page import Table
    from immunescape.report.plots import Bar

__all__ = ["SCREEN", "Drawn", "Mark", "as_it_stands", "drawing", "inline_svg", "marks_of"]

SCREEN = Look(ground="#fe01f7", ink="#01f702", soft="#01f703", plain="#01f704")
"""Colours that stand for those of the page: `inline_svg` puts its variables in their place."""

_VARIABLES = {
    SCREEN.ground: "var(--ground)",
    SCREEN.ink: "var(--ink)",
    SCREEN.soft: "var(--soft)",
    SCREEN.plain: "var(--plain)",
}
_FONT = re.compile(r"'DejaVu Sans'[^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FEW_COLOURS = 64
_STEP = 7


@dataclass(frozen=True)
class Mark:
    """A place in a chart that tells what it shows.

    Parameters
    ----------
    axes
        The axes it lies in.
    box
        Left, right, bottom, top in their data coordinates; cut at the edges of the axes.
    text
        What is told.
    """

    axes: "Axes"
    box: tuple[float, float, float, float]
    text: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure, ready to be put into a page.

    Parameters
    ----------
    svg
        The drawing.
    title
        What it shows, in a few words.
    caption
        How to read it.
    table
        Its numbers; None where it shows none.
    picture
        Whether it is a picture of the slide rather than a chart.
    """

    svg: "Markup"
    title: str
    caption: str = ""
    table: "Table | None" = None
    picture: bool = False


def marks_of(axes: "Axes", bars: "Iterable[Bar]") -> tuple[Mark, ...]:
    """Return a mark for each bar of a chart."""
    return tuple(Mark(axes, bar.box, bar.text) for bar in bars)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw for a page: text stays text, in the letters of whoever reads it."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        yield


def as_it_stands(figure: "Figure") -> None:
    """Let every text of a figure be shown as it is: a dollar in a name starts no formula."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)


def inline_svg(
    figure: "Figure",
    key: str,
    *,
    title: str,
    description: str = "",
    marks: Sequence[Mark] = (),
    lines: Mapping[str, str] = MappingProxyType({}),
) -> "Markup":
    """Return a figure as SVG for the body of a page.

    Parameters
    ----------
    figure
        Drawn within `drawing`, in the colours of `SCREEN` where they follow the page.
    key
        Starts every id of the drawing; letters, digits and hyphens, once a page.
    title, description
        Told to who cannot see it.
    marks
        Places that tell their values.
    lines
        What some lines tell, by the ``gid`` of their artists up to a colon: all that share one
        are put together, and stand out together.

    Returns
    -------
    markupsafe.Markup
        One ``svg`` element without scripts, links or ids of others. Pictures in it are
        JPEG, or PNG where they hold few colours. The same figure gives the same text.
    """
    from markupsafe import Markup
    from matplotlib import rc_context

    as_it_stands(figure)
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": key}), _without_pixels(figure) as pictures:
        figure.savefig(
            buffer, format="svg", facecolor="none", dpi=72,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )  # fmt: skip
    # what matplotlib itself just wrote
    root = ET.fromstring(buffer.getvalue())  # noqa: S314
    for image, pixels in zip(root.iter(f"{_SVG}image"), pictures, strict=True):
        image.set(_HREF, _picture(pixels))
        image.set("preserveAspectRatio", "none")
    if lines:
        _gather(root, lines)
    _clean(root, key)
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    names = [f"{key}-title"] + ([f"{key}-desc"] if description else [])
    root.set("aria-labelledby", " ".join(names))
    for at, (tag, text) in enumerate((("title", title), ("desc", description))):
        if text:
            child = ET.Element(f"{_SVG}{tag}", {"id": f"{key}-{tag}"})
            child.text = text
            root.insert(at, child)
    for mark in marks:
        root.append(_rectangle(figure, mark, width, height))
    for element in root.iter():  # an HTML parser knows the names without their space
        element.tag = element.tag.removeprefix(_SVG)
    root.set("xmlns", _SVG[1:-1])
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - escaped by the writer


def _gather(root: ET.Element, lines: Mapping[str, str]) -> None:
    """Put the parts of each line into one group that tells what the line shows."""
    groups: dict[str, ET.Element] = {}
    for parent in list(root.iter()):
        for child in list(parent):
            line, colon, _ = child.get("id", "").partition(":")
            if not colon or line not in lines:
                continue
            parent.remove(child)
            if line not in groups:
                text = lines[line]
                group = ET.SubElement(parent, f"{_SVG}g", {"class": "mark line", "data-tip": text})
                ET.SubElement(group, f"{_SVG}title").text = text
                groups[line] = group
            groups[line].append(child)


def _clean(root: ET.Element, key: str) -> None:
    """Take away what a page has no use for, and make ids and colours those of the page."""
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name.endswith("href") and value.startswith("#"):
                used.add(value[1:])
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata") or not isinstance(child.tag, str):
                parent.remove(child)
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{key}-{own}")
        for name, value in list(element.attrib.items()):
            if name.endswith("href"):
                del element.attrib[name]
                element.set("href", f"#{key}-{value[1:]}" if value[0] == "#" else value)
                continue
            value = _REFERENCE.sub(lambda m: f"url(#{key}-{m.group(1)})", value)
            for sentinel, variable in _VARIABLES.items():
                value = value.replace(sentinel, variable)
            element.set(name, _FONT.sub("var(--font)", value))


@contextmanager
def _without_pixels(figure: "Figure") -> Iterator[list[npt.NDArray[np.uint8]]]:
    """Put one pixel in place of each picture, and give the pictures, in the order of drawing.

    Their place follows from the extent alone; matplotlib would spend a second on packing pixels
    that are packed otherwise here.
    """
    images = [image for axes in figure.axes for image in axes.images]
    pixels = [np.asarray(image.get_array(), np.uint8) for image in images]
    for image in images:
        image.set_data(np.zeros((1, 1, 3), np.uint8))
    try:
        yield pixels
    finally:
        for image, own in zip(images, pixels, strict=True):
            image.set_data(own)


def _picture(pixels: npt.NDArray[np.uint8]) -> str:
    """Return pixels ``(y, x, 3)`` within a page: PNG where few colours make it small, else JPEG."""
    import imagecodecs

    from immunescape.report._drawings import data_uri

    some = pixels[::_STEP, ::_STEP].reshape(-1, pixels.shape[-1])
    if len(np.unique(some, axis=0)) > _FEW_COLOURS:
        return data_uri(pixels)
    encoded = imagecodecs.png_encode(np.ascontiguousarray(pixels), level=6)
    return f"data:image/png;base64,{b64encode(encoded).decode('ascii')}"


def _rectangle(figure: "Figure", mark: Mark, width: float, height: float) -> ET.Element:
    """Return where a mark lies in the drawing, in its own units, y down."""
    (x0, x1), (y0, y1) = mark.axes.get_xlim(), mark.axes.get_ylim()
    left, right, bottom, top = mark.box
    corners = [
        (min(max(x, min(x0, x1)), max(x0, x1)), min(max(y, min(y0, y1)), max(y0, y1)))
        for x, y in ((left, bottom), (right, top))
    ]
    shown = mark.axes.transData.transform(corners)
    (ax, ay), (bx, by) = figure.transFigure.inverted().transform(shown)
    rectangle = ET.Element(
        f"{_SVG}rect",
        {
            "class": "mark",
            "x": f"{min(ax, bx) * width:.2f}",
            "y": f"{(1 - max(ay, by)) * height:.2f}",
            "width": f"{abs(bx - ax) * width:.2f}",
            "height": f"{abs(by - ay) * height:.2f}",
            "data-tip": mark.text,
        },
    )
    ET.SubElement(rectangle, f"{_SVG}title").text = mark.text
    return rectangle
