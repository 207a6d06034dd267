"""What a reader of margin numbers must doubt: reasons by region, and warnings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.margin.grid import GridMask
from immunescape.regions import Regions

__all__ = ["Doubts", "is_lymph_node", "line_doubts", "margin_doubts", "tissue_doubts"]

_LITTLE_MM2 = 0.02
_FOLLOWED = 0.9
"""A drawn line follows at least this share of the outline, and the outline this share of it."""
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class Doubts:
    """Reason by region for those that cannot be judged, and warnings on those that can."""

    not_evaluable: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def is_lymph_node(site: str) -> bool:
    """Tell whether a site is a lymph node, however the words are joined."""
    return re.sub(r"[^a-z]", "", site.casefold()) in ("lymphnode", "lymphnodes")


def tissue_doubts(tissue: GridMask, analysed: GridMask) -> tuple[str, ...]:
    """Tell what is little, of the tissue that is left to analyse."""
    before, after = tissue.area_um2(), analysed.area_um2()
    if after == 0:
        return ("no tissue is left to analyse",)
    found = []
    if after / 1e6 < _LITTLE_MM2:
        found.append(f"only {after / 1e6:.2g} mm² of tissue is analysed")
    if after < _MOSTLY * before:
        found.append(f"what was drawn leaves out {1 - after / before:.0%} of the tissue")
    return tuple(found)


def line_doubts(
    line: BaseGeometry, outline: BaseGeometry, tumour: BaseGeometry, width_um: float
) -> tuple[str, ...]:
    """Tell how a drawn margin line departs from the tumour outline that it replaces.

    Parameters
    ----------
    line
        The part of it amid analysed tissue, not empty.
    outline
        Where the tumour outline would have been interface.
    tumour
        The tumour.
    width_um
        Width of the margin: a line nearer than this follows the outline.
    """
    fine = width_um / 100
    near = line.intersection(shapely.boundary(tumour).simplify(fine).buffer(width_um)).length
    if near < _FOLLOWED * line.length:
        return (
            f"{1 - near / line.length:.0%} of the drawn margin line is farther from the tumour "
            "outline than the margin's width",
        )
    along = outline.intersection(line.simplify(fine).buffer(width_um)).length
    if along < _FOLLOWED * outline.length:
        return (
            f"the drawn margin line follows {along / outline.length:.0%} of the tumour outline; "
            "along the rest there is no margin",
        )
    return ()


def margin_doubts(
    tumour: BaseGeometry,
    interface: BaseGeometry,
    annotations: Regions,
    analysed: GridMask,
    *,
    tumour_area_um2: float,
    nodal: bool,
    width_um: float,
    tolerance_um: float,
) -> Doubts:
    """Tell which regions cannot be judged and what is weak about the margin.

    Parameters
    ----------
    tumour
        The tumour region within the frame.
    interface
        Outline or drawn line; empty where there is none.
    annotations
        What was drawn.
    analysed
        Analysed tissue.
    tumour_area_um2
        Analysed tissue within the tumour.
    nodal
        Whether the lesion was in a lymph node whose own tissue is not told from stroma.
    width_um, tolerance_um
        Width of the margin, and how near to the frame an outline lies at it.
    """
    found: dict[str, str] = {}
    warnings: list[str] = []
    line = annotations.get("margin_line")
    if tumour.is_empty:
        found["tumour"] = reason = "no tumour region on this slide"
        if not line.is_empty:
            warnings.append(
                "a margin line is drawn but there is no tumour region to tell its inner side"
            )
    elif tumour_area_um2 == 0:
        found["tumour"] = reason = "the tumour region holds no analysed tissue"
        warnings.append(reason)
    elif interface.is_empty and not line.is_empty:
        reason = "the drawn margin line lies outside the analysed tissue"
        warnings.append(reason)
    else:
        reason = "the tumour has no margin within the analysed tissue"
    if interface.is_empty or "tumour" in found:
        found |= dict.fromkeys(("centre", "inner_margin", "outer_margin", "margin"), reason)
    else:
        if line.is_empty:
            warnings += _outline_doubts(tumour, interface, analysed, tolerance_um)
        if interface.length < 2 * width_um:
            warnings.append(
                f"the margin is only {interface.length:.0f} µm long, less than both its widths of "
                f"{width_um:g} µm: its numbers come from one place"
            )
    if nodal:
        for name in ("outer_margin", "stroma", "margin"):
            found.setdefault(
                name,
                "lymph node: the node's own lymphoid tissue is not told from stroma; "
                "draw one of the two as Lymphoid or Stroma",
            )
    return Doubts(found, tuple(warnings))


def _outline_doubts(
    tumour: BaseGeometry, interface: BaseGeometry, analysed: GridMask, tolerance_um: float
) -> list[str]:
    """Tell where the outline is where most of it is no margin."""
    whole = shapely.boundary(tumour)
    if interface.length >= _MOSTLY * whole.length:
        return []
    frame = shapely.box(0, 0, *analysed.frame_um).boundary.buffer(tolerance_um)
    margin = interface.length / whole.length
    # where the interface meets the frame both reach over the tolerance
    at_frame = min(whole.intersection(frame).length / whole.length, 1 - margin)
    rest = "glass or at what was left out"
    if analysed.gaps is not None:
        rest = "glass, at what was left out or was not imaged"
    return [
        f"only {margin:.0%} of the tumour outline is margin; {at_frame:.0%} lies at the frame, "
        f"{max(1 - margin - at_frame, 0):.0%} at {rest}"
    ]
