"""A figure that is drawn once for page and paper, and how figures are saved."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import OutputError
from immunescape.io.output import atomic_path, writing
from immunescape.report.html.drawn import Mark, as_it_stands, drawing
from immunescape.report.plots_style import PAPER, Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawer", "Sketch", "save_figures"]

_DPI = 300
_METADATA = {"Date": None, "Creator": None}

Drawer = Callable[[Look], tuple["Figure", Sequence[Mark]]]


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A figure that can be drawn for a page or for paper.

    Parameters
    ----------
    name
        Names its files and its place on the page; letters, digits and hyphens.
    title
        What it shows.
    caption
        How to read it.
    draw
        Draws it in given colours; to be called within `drawing`.
    picture
        Whether it shows the slide rather than numbers.
    """

    name: str
    title: str
    caption: str
    draw: Drawer
    picture: bool = False


def save_figures(sketches: Sequence[Sketch], folder: Path, prefix: str = "") -> tuple[Path, ...]:
    """Write each figure as SVG and as PNG with 300 dots an inch, and return the files.

    Parameters
    ----------
    sketches
        The figures.
    folder
        Where to; made where it is not there. Files of the same names are replaced.
    prefix
        Put before each name.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    if (folder / "provenance.json").exists():
        raise OutputError(f"{folder.name} is the folder of a result; choose another")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return tuple(path for one in sketches for path in _saved(one, folder, prefix))


def _saved(sketch: Sketch, folder: Path, prefix: str) -> Iterator[Path]:
    from matplotlib import rc_context

    with drawing(), rc_context({"svg.hashsalt": sketch.name}):
        figure, _ = sketch.draw(PAPER)
        as_it_stands(figure)
        for suffix, metadata in ((".svg", _METADATA), (".png", {"Software": None})):
            path = folder / f"{prefix}{sketch.name}{suffix}"
            with atomic_path(path) as beside:
                figure.savefig(
                    beside, dpi=_DPI, metadata=metadata, facecolor=figure.get_facecolor()
                )
            yield path
