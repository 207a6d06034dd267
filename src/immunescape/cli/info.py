"""``immunescape info``: what was understood of a slide file."""

from pathlib import Path

from immunescape.cli.options import (
    ChannelNames,
    Nuclear,
    PixelSize,
    Scene,
    open_matched,
    split_names,
)
from immunescape.panel import PanelMatch
from immunescape.pipeline import estimate_slide
from immunescape.slide import Slide
from immunescape.study import SlideOptions

__all__ = ["describe", "info"]


def info(
    slide: Path,
    /,
    *,
    pixel_size_um: PixelSize = None,
    channel_names: ChannelNames = None,
    scene: Scene = None,
    nuclear: Nuclear = None,
) -> int:
    """Print what was understood of a slide: size, levels, pixel size, channels and markers.

    Parameters
    ----------
    slide
        The slide file, OME-Zarr folder or folder of tiles.
    """
    options = SlideOptions(
        pixel_size_um=pixel_size_um,
        channel_names=split_names(channel_names) or (),
        scene=scene,
        nuclear=split_names(nuclear) or (),
    )
    opened, match = open_matched(slide, options)
    print(describe(opened, match))
    print(f"a run takes {estimate_slide(opened.shape, opened.pixel_size_um)}, at most")
    return 0


def describe(slide: Slide, match: PanelMatch) -> str:
    """Return what was understood of a slide as lines of text."""
    height, width = slide.shape
    size_mm = (width * slide.pixel_size_um / 1000, height * slide.pixel_size_um / 1000)
    levels = ", ".join(f"{a.shape[2]} x {a.shape[1]}" for a in slide.arrays)
    lines = [
        f"slide       {slide.name}",
        f"format      {slide.format}, {slide.dtype}",
        f"size        {width} x {height} px, {size_mm[0]:.3f} x {size_mm[1]:.3f} mm",
        f"pixel size  {slide.pixel_size_um:.4g} µm",
        f"levels      {len(slide.arrays)}: {levels}",
        *slide.facts,
        "channels",
    ]
    name_width = max(len(c) for c in slide.channels)
    times = slide.exposure_ms or (None,) * len(slide.channels)
    for number, (stain, time) in enumerate(zip(match.panel.stains, times, strict=True), start=1):
        role = stain.role.replace("_", ", ")
        where = f", read in the {stain.compartment}" if stain.role == "marker" else ""
        if time is not None:
            where += f", exposed for {time:g} ms"
        lines.append(
            f"  {number:>2}  {stain.channel:<{name_width}}  {stain.marker:<16} {role}{where}"
        )
    lines += [f"warning: {text}" for text in (*slide.warnings, *match.warnings)]
    return "\n".join(lines)
