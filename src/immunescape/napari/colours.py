"""Colours on the screen: markers as the field paints them, classes told apart by any eye."""

from collections.abc import Sequence

from immunescape.panel import Panel, Stain

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

MARKER_COLOURS = {
    "pdl1": "#ff2a2a",
    "cd8": "#ffe600",
    "s100": "#3f9fe0",
    "sox10": "#2a40f0",
    "s100_sox10": "#3f9fe0",
}
"""Markers of the question: red, yellow, light blue, and a dark blue that shows on black."""

NUCLEI_COLOUR = "#6a6a6a"
UNUSED_COLOUR = "#b0b0b0"

OTHER_COLOURS = ("#00c08b", "#ff7ad9", "#ff9d2e", "#b48cff", "#c6e377", "#ffffff")
"""For any other marker, in this order; the last of them again where there are more."""

PHENOTYPE_COLOURS = {
    "tumour": "#56b4e9",
    "cd8_t": "#f0e442",
    "other": "#999999",
    "unknown": "#cc79a7",
}
"""Phenotypes: sky blue, yellow, grey and purple of Okabe and Ito's palette."""

ANSWER_COLOURS = {"positive": "#d55e00", "negative": "#56b4e9", "missing": "#cc79a7"}
"""Answers to one marker: vermilion, sky blue and purple of the same palette."""

REGION_COLOURS = {
    "centre": "#d55e00",
    "inner_margin": "#e69f00",
    "outer_margin": "#56b4e9",
    "stroma": "#009e73",
    "excluded": "#999999",
}
"""The disjoint regions, from inside to outside."""

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


def marker_colours(panel: Panel) -> dict[str, str]:
    """Return a colour for each stain of a panel, by marker key.

    Other markers take theirs in the order of the channels, so that the same panel always looks
    the same.
    """
    spare = 0
    colours: dict[str, str] = {}
    for stain in panel.stains:
        known = _known(stain)
        if known is None:
            known = OTHER_COLOURS[min(spare, len(OTHER_COLOURS) - 1)]
            spare += 1
        colours[stain.marker] = known
    return colours


def _known(stain: Stain) -> str | None:
    if stain.role in ("nuclear", "nuclear_unused"):
        return NUCLEI_COLOUR
    if stain.role in ("autofluorescence", "ignored"):
        return UNUSED_COLOUR
    return MARKER_COLOURS.get(stain.marker)


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
