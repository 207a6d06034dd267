"""``immunescape init``: a commented study with the panel of a slide prefilled."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from immunescape.cli.options import (
    ChannelNames,
    Nuclear,
    PixelSize,
    Scene,
    open_matched,
    split_names,
)
from immunescape.errors import OutputError
from immunescape.study import SlideOptions, Study, write_study

__all__ = ["init"]


def init(
    slide: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))] = Path("study.toml"),
    pixel_size_um: PixelSize = None,
    channel_names: ChannelNames = None,
    scene: Scene = None,
    nuclear: Nuclear = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write a commented study file whose panel is that of a slide, ready to be edited.

    Parameters
    ----------
    slide
        The slide file, OME-Zarr folder or folder of tiles.
    out
        Study file to write.
    overwrite
        Replace an existing study file.
    """
    if out.exists() and not overwrite:
        raise OutputError(f"{out.name} exists already; pass --overwrite or another file with -o")
    if not out.resolve().parent.is_dir():
        raise OutputError(f"the folder for {out.name} does not exist; make it first")
    options = SlideOptions(
        pixel_size_um=pixel_size_um,
        channel_names=split_names(channel_names) or (),
        scene=scene,
        nuclear=split_names(nuclear) or (),
    )
    opened, match = open_matched(slide, options)
    write_study(out, Study(slide=options, panel=match.panel.stains))
    for warning in (*opened.warnings, *match.warnings):
        print(f"warning: {warning}")
    print(f"wrote {out.name}; edit it and pass it to immunescape run with --study")
    return 0
