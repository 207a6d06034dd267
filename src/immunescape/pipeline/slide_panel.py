"""The panel that a slide is measured with: the study's, or what its channel names tell."""

import dataclasses
from typing import TYPE_CHECKING

from immunescape.errors import PanelError
from immunescape.panel import Panel, match_panel

if TYPE_CHECKING:
    from immunescape.slide import Slide
    from immunescape.study import Study

__all__ = ["panel_of", "read_in_cells"]


def panel_of(slide: "Slide", study: "Study") -> tuple[Panel, tuple[str, ...]]:
    """Return the study's panel where it has one, else what the channel names tell.

    Raises
    ------
    PanelError
        If the study's panel does not fit the slide, or channel names leave a decision.
    """
    if not study.panel:
        match = match_panel(slide.channels, nuclear=study.slide.nuclear, slide_name=slide.name)
        return match.panel, match.warnings
    absent = [s.channel for s in study.panel if s.channel not in slide.channels]
    if absent:
        raise PanelError(
            f"the study's panel names the channel {absent[0]!r}, but {slide.name} has "
            f"{', '.join(slide.channels)}; correct the panel or pass --channel-names"
        )
    stains = study.panel
    if study.slide.nuclear:
        known = [s.channel for s in stains]
        for name in study.slide.nuclear:
            if name not in known:
                raise PanelError(
                    f"--nuclear names {name!r}, which is not in the study's panel; "
                    f"it has {', '.join(known)}"
                )
        chosen = set(study.slide.nuclear)
        stains = tuple(
            dataclasses.replace(s, role="nuclear")
            if s.channel in chosen
            else dataclasses.replace(s, role="nuclear_unused")
            if s.role == "nuclear"
            else s
            for s in stains
        )
    panel = Panel(stains)
    named = {s.channel for s in stains}
    left = [c for c in slide.channels if c not in named]
    warnings = [f"the study's panel leaves out the channel {c!r}; it is not measured" for c in left]
    warnings += [
        f"no channel shows {m}; metrics that need it are not evaluable" for m in panel.missing
    ]
    return panel, tuple(warnings)


def read_in_cells(panel: Panel) -> tuple[Panel, list[str]]:
    """Read nuclear markers over the whole cell where no nuclei are known."""
    moved = [s.marker for s in panel.markers if s.compartment == "nucleus"]
    stains = tuple(
        dataclasses.replace(s, compartment="cell") if s.marker in moved else s for s in panel.stains
    )
    warnings = [
        f"the labels show cells and no nuclei: {marker} is read over the whole cell"
        for marker in moved
    ]
    return Panel(stains), warnings
