"""Flags that several commands share: how the slide file is read."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from immunescape.io import open_slide
from immunescape.panel import PanelMatch, match_panel
from immunescape.params import help_texts
from immunescape.slide import Slide
from immunescape.study import SlideOptions

__all__ = [
    "ChannelNames",
    "LabelsAre",
    "Nuclear",
    "PixelSize",
    "Scene",
    "Site",
    "open_matched",
    "split_names",
]

_HELP = help_texts(SlideOptions)
_COMMAS = " Separate them by commas."

PixelSize = Annotated[float | None, Parameter(help=_HELP["pixel_size_um"])]
ChannelNames = Annotated[str | None, Parameter(help=_HELP["channel_names"] + _COMMAS)]
Scene = Annotated[str | None, Parameter(help=_HELP["scene"])]
Nuclear = Annotated[str | None, Parameter(help=_HELP["nuclear"] + _COMMAS)]
Site = Annotated[str | None, Parameter(help=_HELP["site"])]
LabelsAre = Annotated[
    Literal["cells", "nuclei"] | None,
    Parameter(help=f"{_HELP['labels_are']} [default: {SlideOptions().labels_are}]"),
]


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Split a comma-separated list of names; None stays None."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def open_matched(path: Path, options: SlideOptions) -> tuple[Slide, PanelMatch]:
    """Open a slide as the options say and match its channels to markers."""
    slide = open_slide(
        path,
        pixel_size_um=options.pixel_size_um,
        channel_names=options.channel_names or None,
        scene=options.scene,
    )
    return slide, match_panel(slide.channels, nuclear=options.nuclear, slide_name=slide.name)
