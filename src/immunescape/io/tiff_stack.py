"""ImageJ hyperstacks and plain TIFF stacks."""

import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.errors import SlideError
from immunescape.io.found import Found, Scene, choose_scene, level_arrays
from immunescape.io.tiff_pages import check_whole, is_colour, refuse_colour, resolution_um
from immunescape.io.tiff_planes import PlaneAt, TiffPlanes
from immunescape.io.units import UnknownUnitError, micrometres

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

__all__ = ["read_tiff_stack"]

_PALETTE = 3
_PLAUSIBLE_UM = (0.05, 5.0)
_POSITION = re.compile(r"^(?:[czt]:\d+/\d+\s*)+-?\s*")
_STACKS = {
    "Z": ("focal planes", "export one plane or a projection"),
    "T": ("time points", "export one of them"),
}


def read_tiff_stack(
    tif: "TiffFile", path: Path, scene: str | int | None, names: tuple[str, ...] | None
) -> Found:
    """Read the header of a TIFF that is neither OME-TIFF nor Akoya's.

    The axis beside y and x is the channel. A stack in z or time is taken for channels only if
    ``names`` has one name for each of its planes. Smaller copies of the image are its pyramid if
    they have all channels, otherwise they are left out.

    Raises
    ------
    SlideError
        If it is a colour picture, has more axes than a slide, is cut short, or holds several
        images of which none was chosen.
    """
    series, levels = _series(tif)
    if len(series) > 1 and _is_row_of_channels(series):
        pages = [s.keyframe for s in series]
        arrays = [_checked(path, pages)]
        at, several = 0, False
    else:
        several = len(series) > 1
        scenes = [Scene(_scene_size(s), s.name) for s in series]
        at = choose_scene(path, scenes, scene)
        arrays = [_array(path, series[at], names, tif.is_imagej)]
        candidates = [*series[at].levels[1:], *([] if several else levels)]
        for level in candidates:
            if level.dtype == series[at].dtype and not is_colour(level.keyframe):
                arrays.append(_array(path, level, names, tif.is_imagej))
    count = arrays[0].shape[0]
    page = series[at].keyframe
    if tif.is_imagej:
        size, reason, notes = _imagej_size(tif, page)
        labels = _imagej_labels(tif, count)
    else:
        size, reason, labels, notes = resolution_um(page), "has no pixel size", (None,) * count, ()
        if size is not None and not all(_PLAUSIBLE_UM[0] <= e <= _PLAUSIBLE_UM[1] for e in size):
            size = None
    return Found(
        arrays=level_arrays(arrays, count),
        channels=labels,
        pixel_um=size,
        format="ImageJ TIFF" if tif.is_imagej else "TIFF stack",
        no_size=reason,
        names_needed=not tif.is_imagej,
        scene=at + 1 if several else None,
        notes=notes,
    )


def _series(tif: "TiffFile") -> "tuple[list[TiffPageSeries], list[TiffPageSeries]]":
    """Return the images of a file, and those that are reduced copies."""
    everything = list(tif.series)
    reduced = [s for s in everything if s.keyframe.is_reduced]
    return [s for s in everything if s not in reduced] or everything, reduced


def _is_row_of_channels(series: "list[TiffPageSeries]") -> bool:
    first = series[0]
    return all(
        len(s.shape) == 2 and s.shape == first.shape and s.dtype == first.dtype for s in series
    )


def _scene_size(series: "TiffPageSeries") -> tuple[int, int, int]:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    height, width = int(sizes.get("Y", 1)), int(sizes.get("X", 1))
    return max(prod(series.shape) // max(height * width, 1), 1), height, width


def _array(
    path: Path, series: "TiffPageSeries", names: tuple[str, ...] | None, imagej: bool
) -> TiffPlanes:
    page = series.keyframe
    count, height, width = _scene_size(series)
    colour = is_colour(page) and not (imagej and int(page.photometric) == _PALETTE)
    planar = int(page.photometric) == 2 and page.shaped[0] in (3, 4) and names is None
    if colour or planar:
        raise refuse_colour(path)
    _refuse_axes(path, series, names)
    samples = page.shaped[0] * page.shaped[4]
    pages = [p.aspage() for p in series.pages if p is not None]
    if len(pages) * samples == count:
        return _checked(path, pages)
    plane = height * width * page.dtype.itemsize
    promised = page.dataoffsets[0] + count * plane
    if samples > 1 or not page.is_memmappable or promised > path.stat().st_size:
        raise SlideError(f"{path.name} is truncated or lacks pages; copy or export it again")
    planes = tuple(PlaneAt(page.offset, 0, i * plane) for i in range(count))
    return TiffPlanes(path, planes, (height, width), page.dtype)


def _checked(path: Path, pages: "list[TiffPage]") -> TiffPlanes:
    check_whole(path, pages)
    return TiffPlanes.of_pages(path, pages)


def _refuse_axes(path: Path, series: "TiffPageSeries", names: tuple[str, ...] | None) -> None:
    long = {a: n for a, n in zip(series.axes, series.shape, strict=True) if a not in "YX" and n > 1}
    if len(long) <= 1:
        axis, count = next(iter(long.items()), ("C", 1))
        if axis not in _STACKS or (names is not None and len(names) == count):
            return
        thing, remedy = _STACKS[axis]
        raise SlideError(
            f"{path.name} has {count} {thing}; {remedy}, "
            "or name them with --channel-names if they are channels"
        )
    for axis, (thing, remedy) in _STACKS.items():
        if axis in long:
            raise SlideError(f"{path.name} has {long[axis]} {thing}; {remedy}")
    raise SlideError(
        f"{path.name} has the axes {series.axes}, more than channel, y and x; export it as OME-TIFF"
    )


def _imagej_labels(tif: "TiffFile", count: int) -> tuple[str | None, ...]:
    metadata: dict[str, Any] = tif.imagej_metadata or {}
    labels = metadata.get("Labels")
    if isinstance(labels, str):
        labels = [labels]
    if not isinstance(labels, (list, tuple)) or len(labels) != count:
        return (None,) * count
    lines = [(str(label).splitlines() or [""])[0] for label in labels]
    return tuple(_POSITION.sub("", line) or None for line in lines)


def _imagej_size(
    tif: "TiffFile", page: "TiffPage"
) -> tuple[tuple[float, float] | None, str, tuple[str, ...]]:
    unit = str((tif.imagej_metadata or {}).get("unit", ""))
    x, y = (page.tags.valueof(code) for code in ("XResolution", "YResolution"))
    try:
        edges = (
            (micrometres(y[1] / y[0], unit), micrometres(x[1] / x[0], unit)) if x and y else (None,)
        )
    except UnknownUnitError as error:
        return None, f"states its pixel size in {str(error)!r}, an unknown unit", ()
    except (ZeroDivisionError, TypeError):
        return None, "has no pixel size", ()
    height, width = edges[0], edges[-1]
    if height is None or width is None:
        return None, "has no pixel size", ()
    return (height, width), "", ()
