"""Colours on the screen: markers as the field paints them, classes told apart by any eye."""

from collections.abc import Sequence

from immunescape.report.colours import (
    ANSWER_COLOURS,
    MARKER_COLOURS,
    OTHER_COLOURS,
    PHENOTYPE_COLOURS,
    REGION_COLOURS,
    marker_colours,
)

__all__ = [
    "ANSWER_COLOURS",
    "MARKER_COLOURS",
    "OTHER_COLOURS",
    "PHENOTYPE_COLOURS",
    "REGION_COLOURS",
    "ROLE_COLOURS",
    "marker_colours",
    "rgba",
]

ROLE_COLOURS = {
    "tumour": "#ff5a4d",
    "margin_line": "#ffb000",
    "analysed": "#6f8cff",
    "excluded": "#c8c8c8",
    "necrosis": "#a0a0a0",
    "control": "#00d0d0",
    "lymphoid": "#b48cff",
    "epidermis": "#e6aa78",
    "nerve": "#dcdc3c",
    "stroma_area": "#8fd08f",
    "tissue": "#ffffff",
    "interface": "#ffdc00",
    "proposed": "#ff7ad9",
    **{name: colour for name, colour in REGION_COLOURS.items() if name != "excluded"},
}
"""Outlines of what is drawn, proposed and found."""


def rgba(colour: str | Sequence[float], alpha: float = 1.0) -> tuple[float, float, float, float]:
    """Return red, green, blue and opacity from 0 to 1.

    Examples
    --------
    >>> rgba("#ff0000", 0.5)
    (1.0, 0.0, 0.0, 0.5)
    """
    if isinstance(colour, str):
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    else:
        red, green, blue = colour[:3]
    return red, green, blue, alpha
