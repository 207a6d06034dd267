"""Opening slides and results in napari: by name and content, without reading pixels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_warning

from immunescape.errors import (
    ChannelNamesError,
    ImmunescapeError,
    OutputError,
    PixelSizeError,
    SceneError,
)
from immunescape.io.mosaic_tiles import name_parts, tile_paths
from immunescape.napari.layers import LayerData, layers_of_result, slide_layers
from immunescape.napari.remedies import AGAIN

__all__ = [
    "find_reader",
    "is_claimed",
    "is_result",
    "read_result",
    "read_slide",
    "result_at",
    "result_data",
    "slide_data",
]

Reader = Callable[[Any], list[Any]]
NOTHING: list[Any] = [(None,)]
"""What napari takes for read, although no layer came of it."""

_ENDINGS = (
    ".ome.tif", ".ome.tiff", ".qptiff", "component_data.tif", "component_data.tiff",
)  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SESSION = ".session"
_MOST_NAMES = 5
_ZARR = (".zgroup", ".zattrs", "zarr.json")
_TILE = ("_component_data.tif", "_component_data.tiff")


def find_reader(path: str | Path | Sequence[str]) -> Reader | None:
    """Return what reads a path; None where it is no slide and no result.

    Parameters
    ----------
    path
        A file or folder, or a list of one. A list of several is a stack, which no slide is.

    Returns
    -------
    callable or None
        Given the path, it returns layer data. This function opens nothing but the first bytes of
        a file, and never fails.
    """
    try:
        one = _only(path)
        if one is None:
            return None
        if one.is_dir():
            if is_result(one):
                return read_result
            return read_slide if _is_zarr_image(one) or _holds_tiles(one) else None
        if one.name.casefold().endswith(_ENDINGS):
            with one.open("rb") as handle:
                return read_slide if handle.read(4).startswith(_TIFF) else None
    except (OSError, ValueError, TypeError):
        pass
    return None


def is_result(folder: Path) -> bool:
    """Whether a folder is a result: it holds a study and label images."""
    return (folder / "study.toml").is_file() and (folder / "labels.zarr").is_dir()


def is_claimed(path: Path) -> bool:
    """Whether a path is meant for this plugin, even where it cannot be read.

    What is named as a slide, and a folder that holds results or parts of one, is better told by
    the workbench what is wrong with it than asked by napari which reader it should have.
    """
    if find_reader(str(path)) is not None:
        return True
    try:
        if path.is_dir():
            return path.name.endswith(_SESSION) or bool(_parts(path) or _results(path))
        if path.name.casefold().endswith(_ENDINGS):
            return True
        from immunescape.cohort.worklist import is_sheet

        return is_sheet(path)
    except OSError:
        return False


def result_at(path: Path) -> Path | None:
    """Return the result that a path stands for: itself, or the only one in it.

    Parameters
    ----------
    path
        A file or folder.

    Returns
    -------
    Path or None
        None where it holds no result, such as a slide.

    Raises
    ------
    OutputError
        If it is part of a result, holds several, or is what a person drew.
    """
    if not path.is_dir():
        return None
    if is_result(path):
        return path
    if path.name.endswith(_SESSION):
        slide = path.name.removesuffix(_SESSION)
        raise OutputError(f"{path.name} holds what was drawn on {slide}; open that slide")
    if there := _parts(path):
        lacks = "labels.zarr" if "study.toml" in there else "study.toml"
        raise OutputError(f"{path.name} is no whole result: {lacks} is missing; {AGAIN}")
    found = _results(path)
    if len(found) > 1:
        names = [p.name for p in found[:_MOST_NAMES]]
        names += ["…"] if len(found) > _MOST_NAMES else []
        raise OutputError(
            f"{path.name} holds the results of {len(found)} slides; open one of them: "
            + ", ".join(names)
        )
    return found[0] if found else None


def _parts(folder: Path) -> list[str]:
    names = ("study.toml", "labels.zarr", "cells.parquet")
    return [name for name in names if (folder / name).exists()]


def _results(folder: Path) -> list[Path]:
    """Return the results in a folder, or in that which a cohort has for its slides."""
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and is_result(p))
    slides = folder / "slides"
    if not inside and slides.is_dir():
        inside = sorted(p for p in slides.iterdir() if p.is_dir() and is_result(p))
    return inside


def read_slide(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of a slide; what is wrong with it is told in a notification."""
    return _told(slide_data, path)


def read_result(path: str | Sequence[str]) -> list[Any]:
    """Return the layers of a finished result; what is wrong with it is told in a notification."""
    return _told(result_data, path)


def result_data(folder: Path) -> list[LayerData]:
    """Return the layers of a finished result.

    Raises
    ------
    OutputError
        One line that names the file, what is wrong and what to do.
    """
    try:
        return layers_of_result(folder)
    except ImmunescapeError as error:
        problem = str(error).rpartition("; ")[0] or str(error)
        where = "" if folder.name in problem else f"{folder.name}: "
        raise OutputError(f"{where}{problem}; {AGAIN}") from error


def slide_data(path: Path) -> list[LayerData]:
    """Return the layers of a slide.

    Raises
    ------
    SlideError
        One line that names the file, what is wrong and what to do.
    """
    from immunescape.io.slides import open_slide

    return slide_layers(open_slide(path))


def _told(read: Callable[[Path], list[LayerData]], path: str | Sequence[str]) -> list[Any]:
    one = _only(path)
    assert one is not None
    try:
        layers = read(one)
    except (PixelSizeError, SceneError, ChannelNamesError) as error:
        problem = str(error).split("; pass ")[0]
        show_error(f"{problem}; open it in the workbench, step 1, which asks for it")
        return NOTHING
    except ImmunescapeError as error:
        show_error(str(error))
        return NOTHING
    slide = next((facts["opened"] for facts in map(_facts, layers) if "opened" in facts), None)
    if slide is None:
        show_warning(
            f"The slide of {one.name} does not lie beside its result: cells and regions are shown "
            "without it. Put it beside the folder and open that again, or choose it in step 1."
        )
    else:
        for warning in slide.warnings:
            show_warning(warning)
    return layers


def _facts(layer: LayerData) -> Any:
    return layer[1]["metadata"]["immunescape"]


def _only(path: str | Path | Sequence[str]) -> Path | None:
    if isinstance(path, str | Path):
        return Path(path)
    return Path(path[0]) if len(path) == 1 else None


def _holds_tiles(folder: Path) -> bool:
    """Whether a folder holds tiles of a slide by their names; one of any TIFFs may be a stack."""
    if any((folder / mark).is_file() for mark in _ZARR):
        return False
    files = tile_paths(folder)
    return any(p.name.endswith(_TILE) or name_parts(p.name) is not None for p in files)


def _is_zarr_image(folder: Path) -> bool:
    """Whether a folder looks like an image in OME-Zarr, and not like labels or a plate."""
    if not any((folder / mark).is_file() for mark in _ZARR):
        return False
    texts = [(folder / mark) for mark in ("zarr.json", ".zattrs") if (folder / mark).is_file()]
    text = "".join(t.read_text(encoding="utf-8", errors="ignore") for t in texts)
    if '"plate"' in text or '"image-label"' in text or '"labels"' in text:
        return False
    return '"multiscales"' in text or (folder / "OME").is_dir() or "bioformats2raw" in text
