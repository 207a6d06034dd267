"""Opening a slide from the workbench, with questions where the file leaves something open."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QInputDialog, QWidget

from immunescape.errors import ChannelNamesError, PixelSizeError, SceneError
from immunescape.io import open_slide
from immunescape.napari.layers import layers_of_result, slide_layers
from immunescape.napari.reading import result_at, result_data
from immunescape.pipeline.reopening import check_slide
from immunescape.study import SlideOptions, Study

if TYPE_CHECKING:
    from immunescape.slide import Slide

__all__ = ["ask", "layers_of_lost_slide", "layers_of_path", "open_with"]

_PIXEL_UM = 0.5
_LEAST_UM, _MOST_UM, _DIGITS = 0.01, 20.0, 4


def open_with(path: Path, options: SlideOptions) -> "Slide":
    """Open a slide as the options of a study say.

    Raises
    ------
    SlideError
        If it cannot be opened so.
    """
    return open_slide(
        path,
        pixel_size_um=options.pixel_size_um,
        channel_names=options.channel_names or None,
        scene=options.scene,
    )


def layers_of_path(path: Path, options: SlideOptions) -> list[Any]:
    """Return the layers of a slide or of a result folder; for another thread.

    Raises
    ------
    ImmunescapeError
        One line that names the file, what is wrong and what to do.
    """
    if (result := result_at(path)) is not None:
        return result_data(result)
    layers = slide_layers(open_with(path, options))
    if options != SlideOptions():
        for _, meta, _ in layers:
            meta["metadata"]["immunescape"]["study"] = Study(slide=options)
    return layers


def layers_of_lost_slide(folder: Path, path: Path) -> list[Any]:
    """Return the layers of the slide of a result that was opened without it.

    Parameters
    ----------
    folder
        The result folder.
    path
        Where the slide lies.

    Raises
    ------
    ImmunescapeError
        If it is another slide, or cannot be read.
    """
    study = check_slide(folder, path)
    layers = layers_of_result(folder, slide=open_with(path, study.slide))
    return [layer for layer in layers if layer[1]["metadata"]["immunescape"].get("opened")]


def ask(error: Exception, options: SlideOptions, parent: QWidget | None) -> SlideOptions | None:
    """Ask a person for what a slide file leaves open.

    Parameters
    ----------
    error
        Why the slide could not be opened.
    options
        What was given so far.
    parent
        Window of the question.

    Returns
    -------
    SlideOptions or None
        What to try next; None where the question was cancelled, or there is none to ask.
    """
    problem = str(error).split("; pass ")[0]
    if isinstance(error, PixelSizeError):
        size, given = QInputDialog.getDouble(
            parent, "Pixel size", f"{problem}.\nEdge of a pixel (µm):",
            _PIXEL_UM, _LEAST_UM, _MOST_UM, _DIGITS,
        )  # fmt: skip
        return dataclasses.replace(options, pixel_size_um=size) if given else None
    if isinstance(error, SceneError):
        head, _, _ = problem.partition(":")
        scene, given = QInputDialog.getItem(
            parent, "Scene", f"{head}.\nWhich one?", list(error.scenes), 0, False
        )
        number = str(error.scenes.index(scene) + 1) if given else None
        return dataclasses.replace(options, scene=number) if given else None
    if isinstance(error, ChannelNamesError):
        text, given = QInputDialog.getText(
            parent, "Channels", f"{problem}.\nNames in their order, separated by commas:"
        )
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        return dataclasses.replace(options, channel_names=names) if given and names else None
    return None
