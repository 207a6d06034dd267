"""Slides of a patient side by side, at one scale and one contrast."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from immunescape.report.figures import marker_key, overview_sketch
from immunescape.report.html.drawn import SCREEN, Drawn, drawing, inline_svg
from immunescape.report.pictures import picture_limits
from immunescape.report.told import OVERVIEW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immunescape.report.figures import Sketch
    from immunescape.report.told import Told
    from immunescape.results import Picture

__all__ = ["picture_key", "side_by_side", "side_by_side_sketches"]

_TALLEST = 1.25
_SMALL_PX = 700


def side_by_side_sketches(
    slides: "Mapping[str, Told]", *, small: bool = False
) -> "dict[str, Sketch]":
    """Return the slides of a patient in small, so that lengths and lights can be compared.

    Parameters
    ----------
    slides
        By ``sample_id``; one without a picture is left out.
    small
        Whether they stand on one page, so that fewer pixels do, and their key stands outside.

    Returns
    -------
    dict
        By ``sample_id``, in their order. All show an area of the same size, as large as the
        largest slide; around a smaller one it is black. Each marker has the same contrast in all.
    """
    shown = {
        name: (told, picture)
        for name, told in slides.items()
        if (picture := told.picture(OVERVIEW)) is not None
    }
    if not shown:
        return {}
    limits = picture_limits([(picture, told.panel) for told, picture in shown.values()])
    extents = [picture.extent_um for _, picture in shown.values()]
    across = max(right - left for left, right, _, _ in extents)
    down = max(bottom - top for _, _, top, bottom in extents)
    across = max(across, down / _TALLEST)
    found = {}
    for name, (told, picture) in shown.items():
        framed = _framed(_reduced(picture, _SMALL_PX) if small else picture, across, down)
        result = dataclasses.replace(told.result, pictures={OVERVIEW: framed})
        sketch = overview_sketch(
            dataclasses.replace(told, result=result), limits, aspect=down / across, small=small
        )
        if sketch is not None:
            found[name] = sketch
    return found


def side_by_side(slides: "Mapping[str, Told]") -> dict[str, Drawn]:
    """Return the same, drawn for a page."""
    drawn = {}
    with drawing():
        for place, (name, sketch) in enumerate(side_by_side_sketches(slides, small=True).items()):
            figure, _ = sketch.draw(SCREEN)
            title = f"{name}: the slide in small, with the tumour's outline and the margin"
            svg = inline_svg(figure, f"slide{place}", title=title)
            drawn[name] = Drawn(svg=svg, title=title, caption=sketch.caption, picture=True)
    return drawn


def _reduced(picture: "Picture", most: int) -> "Picture":
    """Return a picture of fewer pixels: means of square blocks; what is left over is dropped."""
    factor = -(-max(picture.pixels.shape[1:]) // most)
    height, width = (n // factor for n in picture.pixels.shape[1:])
    if factor == 1 or not height or not width:
        return picture
    parts = picture.pixels[:, : height * factor, : width * factor]
    means = parts.reshape(len(parts), height, factor, width, factor).mean(axis=(2, 4))
    return dataclasses.replace(
        picture, pixels=means.astype(np.float32), pixel_size_um=picture.pixel_size_um * factor
    )


def picture_key(slides: "Mapping[str, Told]") -> list[tuple[str, str]]:
    """Return the names of the stains that the pictures show, and their colours, each once."""
    shown = [told for told in slides.values() if told.picture(OVERVIEW) is not None]
    return list(dict.fromkeys(one for told in shown for one in marker_key(told)))


def _framed(picture: "Picture", across_um: float, down_um: float) -> "Picture":
    """Return a picture in the middle of a larger one without light."""
    pixel = picture.pixel_size_um
    height, width = picture.pixels.shape[1:]
    more_y = max(round(down_um / pixel) - height, 0)
    more_x = max(round(across_um / pixel) - width, 0)
    above, before = more_y // 2, more_x // 2
    padding = ((0, 0), (above, more_y - above), (before, more_x - before))
    return dataclasses.replace(
        picture,
        pixels=np.pad(picture.pixels, padding),
        x_um=picture.x_um - before * pixel,
        y_um=picture.y_um - above * pixel,
    )
