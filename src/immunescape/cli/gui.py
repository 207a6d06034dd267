"""``immunescape gui``: the workbench in napari."""

import sys
from importlib.util import find_spec
from pathlib import Path

from immunescape.errors import OutputError

__all__ = ["gui"]

_NEEDED = ("napari", "qtpy", "magicgui")


def gui(path: Path | None = None, /) -> int:
    """Open the workbench in napari.

    Parameters
    ----------
    path
        A slide, the folder of a result, or a sample sheet to work through.
    """
    if missing := [name for name in _NEEDED if not _installed(name)]:
        print(
            f'immunescape: {missing[0]} is not installed; pip install "immunescape[all]" brings '
            "the window, the other commands work without it",
            file=sys.stderr,
        )
        return 2
    if path is not None and not path.exists():
        raise OutputError(
            f"{path.name} does not exist; give a slide, the folder of a result or a sample sheet"
        )
    from immunescape.napari.window import show

    show(path)
    return 0


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
