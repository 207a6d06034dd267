"""Masks that others drew: TIFF, OME-Zarr or our own store, checked against the slide."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Plane, iter_blocks
from immunescape.errors import LabelsError, SlideError
from immunescape.io.label_store import LabelStore
from immunescape.slide import Slide

__all__ = [
    "ImportedLabels",
    "LabelPlane",
    "LabelStore",
    "check_imported_labels",
    "read_imported_labels",
]

_BLOCK = 2048
_NAMES = {
    "nuclei": ("nuclei", "nucleus", "nuclear"),
    "cells": ("cells", "cell", "whole_cell", "wholecell"),
}
_PAIR_PAGES = 2
_PALETTE = 3


@dataclass(frozen=True)
class ImportedLabels:
    """Masks of one slide; a cell and its nucleus share one label.

    Parameters
    ----------
    nuclei, cells
        Lazy ``(y, x)`` int32, 0 is background; None for what was not given.
    """

    nuclei: "LabelPlane | None"
    cells: "LabelPlane | None"


class LabelPlane:
    """A lazy ``(y, x)`` int32 view of a stored label image.

    Parameters
    ----------
    source
        Array of two or more axes, the last two of which are ``y`` and ``x``.
    lead
        Index along the axes before ``y``.
    name
        File name, for messages.
    """

    def __init__(self, source: Plane, lead: tuple[int, ...], name: str) -> None:
        self.source, self.lead, self.name = source, lead, name
        self.shape = (int(source.shape[-2]), int(source.shape[-1]))
        self.dtype = np.dtype(np.int32)

    def __getitem__(self, key: Any, /) -> npt.NDArray[np.int32]:
        return np.asarray(self.stored(key)).astype(np.int32)

    def stored(self, key: Any) -> npt.NDArray[Any]:
        """Return pixels in the type of the file."""
        key = key if isinstance(key, tuple) else (key,)
        return np.asarray(self.source[(*self.lead, *key)])


def read_imported_labels(
    path: Path | tuple[Path, Path],
    slide: Slide,
    *,
    are: Literal["cells", "nuclei"] = "cells",
    check_pixels: bool = True,
) -> ImportedLabels:
    """Open masks and check that they fit the slide.

    Parameters
    ----------
    path
        A TIFF (one page, or two: nuclei and cells), an OME-Zarr 0.4 or 0.5 (a label image, or an
        image with a ``labels`` group), a plain zarr array, the ``labels.zarr`` of a result, or a
        folder with ``nuclei.tif`` and ``cells.tif``. Two paths are nuclei and cells.
    slide
        The slide that they are masks of.
    are
        What a single, unnamed label image shows.
    check_pixels
        Read every block once to check its numbers; otherwise headers alone are read, and
        `check_imported_labels` is to be called before the pixels are used.

    Returns
    -------
    ImportedLabels
        Lazy planes; no block is kept.

    Raises
    ------
    LabelsError
        If a file is missing or no label image (colours, fractions, negative or too large numbers),
        its size is not the slide's, several label images have names that say nothing, or nuclei
        lie in cells of another label.
    """
    if isinstance(path, tuple):
        planes = {"nuclei": _single(path[0]), "cells": _single(path[1])}
    else:
        planes = _open(path, are)
    for plane in planes.values():
        _check_form(plane, slide)
    labels = ImportedLabels(planes.get("nuclei"), planes.get("cells"))
    if check_pixels:
        check_imported_labels(labels)
    return labels


def check_imported_labels(labels: ImportedLabels) -> None:
    """Read every block of masks once and refuse what cannot be the numbers of cells.

    Raises
    ------
    LabelsError
        As `read_imported_labels` does.
    """
    nuclei, cells = labels.nuclei, labels.cells
    for plane in (nuclei, cells):
        if plane is not None:
            _check_numbers(plane)
    if nuclei is not None and cells is not None:
        _check_pair(nuclei, cells)


def _open(path: Path, are: str) -> dict[str, LabelPlane]:
    if not path.exists():
        raise LabelsError(f"{path.name} does not exist; give the path of a label image")
    if path.is_dir():
        pair = [next(iter(sorted(path.glob(f"{name}.tif*"))), None) for name in _NAMES]
        if pair[0] is not None and pair[1] is not None:
            return {"nuclei": _single(pair[0]), "cells": _single(pair[1])}
        return _open_zarr(path, are)
    source = _open_tiff(path)
    if source.shape[0] == 1:
        return {are: LabelPlane(source, (0,), path.name)}
    if source.shape[0] == _PAIR_PAGES:
        return {name: LabelPlane(source, (k,), path.name) for k, name in enumerate(_NAMES)}
    raise LabelsError(
        f"{path.name} has {source.shape[0]} planes; give one label image, or two: nuclei and cells"
    )


def _single(path: Path) -> LabelPlane:
    planes = _open(path, "cells")
    if len(planes) > 1:
        raise LabelsError(f"{path.name} holds nuclei and cells; give it alone")
    return planes["cells"] if "cells" in planes else planes["nuclei"]


def _open_tiff(path: Path) -> Plane:
    from immunescape.io.tiff_pages import check_whole, is_colour, opened
    from immunescape.io.tiff_planes import PlaneAt, TiffPlanes

    try:
        with opened(path) as tif:
            first = tif.series[0]
            alike = [s for s in tif.series if s.shape == first.shape]
            pages = [page.aspage() for s in alike for page in s.pages if page is not None]
            coloured = any(is_colour(page) and int(page.photometric) != _PALETTE for page in pages)
            check_whole(path, pages)
            source = TiffPlanes.of_pages(path, pages)
            if len(alike) == 1 and len(pages) == 1 and first.size > pages[0].size:
                # Several planes behind one directory, as ImageJ writes them.
                step = pages[0].size * source.dtype.itemsize
                planes = [
                    PlaneAt(pages[0].offset, 0, k * step)
                    for k in range(first.size // pages[0].size)
                ]
                source = TiffPlanes(path, tuple(planes), source.shape[1:], source.dtype)
    except SlideError as error:
        raise LabelsError(str(error)) from error
    if coloured:
        raise LabelsError(
            f"{path.name} is a colour picture; save labels as whole numbers, one plane"
        )
    return source


def _open_zarr(path: Path, are: str) -> dict[str, LabelPlane]:
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise LabelsError(
            f"{path.name} is no label image; give a TIFF, an OME-Zarr or nuclei.tif and cells.tif"
        ) from error
    if isinstance(node, zarr.Array):
        return _lead(node, path, are)
    if "labels" not in node:
        return _lead(_level(node, path), path, are)
    group = node["labels"]
    assert isinstance(group, zarr.Group)
    names = tuple(group.group_keys())
    found = {
        kind: next((n for n in names if n.lower() in aliases), None)
        for kind, aliases in _NAMES.items()
    }
    if not any(found.values()):
        if len(names) != 1:
            raise LabelsError(
                f"{path.name} has the labels {', '.join(names) or 'none'}; name them nuclei and "
                "cells, or give the path of one"
            )
        found = {are: names[0]}
    planes: dict[str, LabelPlane] = {}
    for kind, name in found.items():
        if name is not None:
            child = group[name]
            assert isinstance(child, zarr.Group)
            planes |= {kind: _only(_lead(_level(child, path), path, kind), path)}
    return planes


def _only(planes: dict[str, LabelPlane], path: Path) -> LabelPlane:
    if len(planes) > 1:
        raise LabelsError(f"{path.name} has a label image of two channels; store one plane a name")
    return next(iter(planes.values()))


def _level(group: Any, path: Path) -> Plane:
    """Return the full-resolution array of an OME-Zarr image, 0.4 or 0.5."""
    import zarr

    attributes = group.attrs.asdict()
    multiscales = attributes.get("ome", attributes).get("multiscales")
    try:
        array = group[multiscales[0]["datasets"][0]["path"]]
    except (KeyError, IndexError, TypeError) as error:
        raise LabelsError(
            f"{path.name} is a zarr group without a label image; give an OME-Zarr label image"
        ) from error
    if not isinstance(array, zarr.Array):
        raise LabelsError(f"{path.name} names a level that is no array; save it again")
    return array


def _lead(array: Plane, path: Path, are: str) -> dict[str, LabelPlane]:
    """Return the planes of an array whose axes before ``y`` hold one or two planes."""
    lead = tuple(int(side) for side in array.shape[:-2])
    planes = int(np.prod(lead)) if lead else 1
    if len(array.shape) < 2 or planes not in (1, _PAIR_PAGES):
        raise LabelsError(
            f"{path.name} has shape {tuple(array.shape)}; give one (y, x) label image, or two"
        )
    names = (are,) if planes == 1 else tuple(_NAMES)
    where = [tuple(map(int, np.unravel_index(k, lead))) if lead else () for k in range(planes)]
    return {name: LabelPlane(array, at, path.name) for name, at in zip(names, where, strict=True)}


def _check_form(plane: LabelPlane, slide: Slide) -> None:
    if plane.shape != slide.shape:
        raise LabelsError(
            f"{plane.name} is {plane.shape[0]} x {plane.shape[1]} pixels but {slide.name} is "
            f"{slide.shape[0]} x {slide.shape[1]}; give masks of this slide at full resolution"
        )
    kind = np.dtype(plane.source.dtype).kind
    if kind not in "uifb":
        raise LabelsError(f"{plane.name} does not hold numbers; save labels as whole numbers")
    if kind == "b":
        raise LabelsError(
            f"{plane.name} only says inside or outside; give every cell its own number"
        )


def _check_numbers(plane: LabelPlane) -> None:
    kind = np.dtype(plane.source.dtype).kind
    for stored in _blocks(plane):
        if kind == "f" and not (np.isfinite(stored).all() and (stored == np.rint(stored)).all()):
            raise LabelsError(f"{plane.name} holds fractions; save labels as whole numbers")
        if stored.size and stored.min() < 0:
            raise LabelsError(f"{plane.name} holds negative numbers; labels start at 1, 0 is none")
        if stored.size and stored.max() > np.iinfo(np.int32).max:
            raise LabelsError(
                f"{plane.name} holds labels above {np.iinfo(np.int32).max}; number cells from 1"
            )


def _check_pair(nuclei: LabelPlane, cells: LabelPlane) -> None:
    """Refuse pairs in which more of a nucleus lies in another cell than in its own."""
    pairs: list[npt.NDArray[np.int64]] = []
    for block in iter_blocks(nuclei.shape, _BLOCK):
        nucleus, cell = nuclei[block.slices].ravel(), cells[block.slices].ravel()
        both = (nucleus > 0) & (cell > 0)
        code, count = np.unique(
            nucleus[both].astype(np.int64) << 32 | cell[both], return_counts=True
        )
        pairs.append(np.stack([code, count], axis=1))
    table = np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=np.int64)
    code, at = np.unique(table[:, 0], return_inverse=True)
    count = np.bincount(at, weights=table[:, 1], minlength=len(code))
    nucleus, cell = code >> 32, code & 0xFFFFFFFF
    own = nucleus == cell
    labels, where = np.unique(nucleus, return_inverse=True)
    inside = np.bincount(where, weights=count * own, minlength=len(labels))
    outside = np.bincount(where, weights=count * ~own, minlength=len(labels))
    wrong = labels[outside > inside]
    if len(wrong):
        raise LabelsError(
            f"{nuclei.name}: {len(wrong)} nuclei lie in a cell of another label (first: "
            f"{wrong[0]}); give a cell and its nucleus the same label in {cells.name}"
        )


def _blocks(plane: LabelPlane) -> Iterator[npt.NDArray[Any]]:
    for block in iter_blocks(plane.shape, _BLOCK):
        yield plane.stored(block.slices)
