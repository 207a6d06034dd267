"""Colours of markers and classes: as the field paints them, told apart by any eye."""

from immunescape.panel import Panel, Stain

__all__ = [
    "ANSWER_COLOURS",
    "MARKER_COLOURS",
    "NUCLEI_COLOUR",
    "OTHER_COLOURS",
    "PHENOTYPE_COLOURS",
    "REGION_COLOURS",
    "UNUSED_COLOUR",
    "marker_colours",
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
