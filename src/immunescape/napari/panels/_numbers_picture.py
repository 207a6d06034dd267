"""A picture of what the canvas shows, with a scale bar and the colours explained below it."""

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QBuffer, QByteArray, QIODevice, QRect, Qt
from qtpy.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter

from immunescape.io.output import atomic_path
from immunescape.napari.colours import PHENOTYPE_COLOURS
from immunescape.napari.layers import ClassColours, facts_of
from immunescape.report.wording import PHENOTYPE_TITLES

__all__ = ["canvas_picture", "legend_of", "save_picture"]

_GROUND, _INK = "#000000", "#ffffff"
_PAD, _BOX = 8, 12


def legend_of(viewer: Any) -> list[tuple[str, str]]:
    """Return what is visible and in which colour: markers first, then kinds of cells.

    Returns
    -------
    list of (str, str)
        Words and a colour, ``#rrggbb``.
    """
    entries: list[tuple[str, str]] = []
    for layer in viewer.layers:
        facts = facts_of(layer)
        if not layer.visible:
            continue
        if facts.get("channel"):
            entries.append((layer.name, _hex(layer.colormap.colors[-1])))
        elif facts.get("legend"):
            entries += list(facts["legend"])
        elif facts.get("labels") == "cells" and _by_phenotype(layer):
            there = set(layer.features["phenotype"])
            entries += [
                (PHENOTYPE_TITLES[p], c) for p, c in PHENOTYPE_COLOURS.items() if p in there
            ]
        elif layer.__class__.__name__ == "Shapes" and facts.get("role") and len(layer.data):
            entries.append((layer.name, _hex(layer.edge_color[0])))
    return list(dict.fromkeys(entries))


def canvas_picture(viewer: Any) -> QImage:
    """Return the canvas as it is, with its scale bar, and a legend in a strip below.

    Nothing of the slide is covered by the legend, and the viewer looks as before afterwards.
    """
    bar = viewer.canvas.overlays.scale_bar
    shown = bar.visible
    bar.visible = True
    try:
        pixels = np.ascontiguousarray(viewer.screenshot(canvas_only=True, flash=False))
    finally:
        bar.visible = shown
    height, width = pixels.shape[:2]
    canvas = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
    font = QFont()
    font.setPixelSize(13)
    places, strip = _placed(legend_of(viewer), width, QFontMetrics(font))
    picture = QImage(width, height + strip, QImage.Format.Format_RGB32)
    picture.fill(QColor(_GROUND))
    painter = QPainter(picture)
    painter.drawImage(0, 0, canvas)
    painter.setFont(font)
    for text, colour, rect in places:
        square = QRect(rect.left(), height + rect.top() + (rect.height() - _BOX) // 2, _BOX, _BOX)
        painter.fillRect(square, QColor(colour))
        painter.setPen(QColor(_INK))
        words = rect.translated(_BOX + 5, height)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter), text)
    painter.end()
    return picture


def save_picture(viewer: Any, path: Path) -> None:
    """Save the view as PNG, with scale bar and legend.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    canvas_picture(viewer).save(buffer, "PNG")
    path = path if path.suffix.lower() == ".png" else path.with_name(path.name + ".png")
    with atomic_path(path) as beside:
        beside.write_bytes(bytes(data))


def _placed(
    entries: list[tuple[str, str]], width: int, metrics: QFontMetrics
) -> tuple[list[tuple[str, str, QRect]], int]:
    """Lay out a legend in rows; return where each entry stands and how high all rows are."""
    if not entries:
        return [], 0
    line = metrics.height() + 6
    x, y, places = _PAD, _PAD // 2, []
    for text, colour in entries:
        wide = metrics.horizontalAdvance(text) + 4
        if x > _PAD and x + _BOX + 5 + wide > width - _PAD:
            x, y = _PAD, y + line
        places.append((text, colour, QRect(x, y, wide, line)))
        x += _BOX + 5 + wide + 2 * _PAD
    return places, y + line + _PAD // 2


def _hex(colour: Any) -> str:
    red, green, blue = (round(255 * float(c)) for c in colour[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _by_phenotype(layer: Any) -> bool:
    colours = layer.colormap
    if not isinstance(colours, ClassColours) or "phenotype" not in layer.features:
        return False
    fresh = ClassColours([0], list(PHENOTYPE_COLOURS.values()))
    return np.array_equal(colours._palette, fresh._palette)
