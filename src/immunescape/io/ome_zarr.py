"""OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.errors import SlideError
from immunescape.io.found import Found, Scene, choose_scene, level_arrays
from immunescape.io.lazy_planes import LazyPlanes
from immunescape.io.units import UnknownUnitError, micrometres

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrPlanes", "is_zarr", "read_ome_zarr"]

_MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
_STACKS = {
    "z": ("focal planes", "export one plane or a projection"),
    "t": ("time points", "export one of them"),
}


class ZarrPlanes(LazyPlanes):
    """A lazy ``(c, y, x)`` view of a Zarr array that may have further axes of length 1.

    Parameters
    ----------
    array
        Array whose last two axes are y and x.
    channel_axis
        Position of the channels; None if the array has none.
    """

    def __init__(self, array: "zarr.Array[Any]", channel_axis: int | None) -> None:
        self._array = array
        self._channel_axis = channel_axis
        count = 1 if channel_axis is None else int(array.shape[channel_axis])
        self.shape = (count, int(array.shape[-2]), int(array.shape[-1]))
        self.dtype: np.dtype[Any] = np.dtype(array.dtype).newbyteorder("=")

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunk to read at a time: one channel, a multiple of the stored chunks."""
        stored = getattr(self._array, "shards", None) or self._array.chunks
        height, width = (
            max(min(max(2048 // edge, 1) * edge, length, 4096), 1)
            for edge, length in zip(stored[-2:], self.shape[-2:], strict=True)
        )
        return 1, height, width

    def read_plane(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Read a rectangle of one channel."""
        lead: list[Any] = [0] * (len(self._array.shape) - 2)
        if self._channel_axis is not None:
            lead[self._channel_axis] = channel
        return np.asarray(self._array[(*lead, slice(y0, y1), slice(x0, x1))])


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr store, by its own files alone."""
    return any((folder / mark).is_file() for mark in _MARKS)


def read_ome_zarr(path: Path, scene: str | int | None) -> Found:
    """Read the metadata of an OME-Zarr folder.

    Raises
    ------
    SlideError
        If it is no OME-Zarr image, is a plate or a label image, is a stack in z or time,
        or holds several scenes and none was chosen.
    """
    import zarr
    from zarr.errors import BaseZarrError

    try:
        group = zarr.open_group(str(path), mode="r", use_consolidated=False)
        images = _images(path, group)
        infos = [_Info(path, *image) for image in images]
        at = choose_scene(path, [Scene(i.size, i.name) for i in infos], scene)
        return infos[at].found(at + 1 if len(infos) > 1 else None)
    except SlideError:
        raise
    except (BaseZarrError, OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise SlideError(
            f"{path.name} is a damaged or incomplete OME-Zarr; copy or export it again"
        ) from error


def _metadata(group: "zarr.Group") -> dict[str, Any]:
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _images(path: Path, group: "zarr.Group") -> list[tuple[Any, dict[str, Any], dict[str, Any]]]:
    """Return the group, its metadata and the multiscale of each image in a folder."""
    metadata = _metadata(group)
    if "plate" in metadata or "well" in metadata:
        raise SlideError(f"{path.name} is a plate of fields; name the folder of one field")
    if "image-label" in metadata or "labels" in metadata:
        raise SlideError(
            f"{path.name} holds labels, not stains; "
            "give the slide here and pass this folder with --labels"
        )
    if multiscales := metadata.get("multiscales"):
        return [(group, metadata, multiscale) for multiscale in multiscales]
    found = []
    for key in sorted((k for k in group.group_keys() if k.isdecimal()), key=int):
        inner = group[key]
        inside = _metadata(inner)  # type: ignore[arg-type]
        found += [(inner, inside, multiscale) for multiscale in inside.get("multiscales", [])]
    if not found:
        raise SlideError(f"{path.name} is a Zarr folder without OME-Zarr metadata; export it again")
    return found


class _Info:
    """One multiscale image and what its metadata say."""

    def __init__(
        self, path: Path, group: "zarr.Group", metadata: dict[str, Any], multiscale: dict[str, Any]
    ) -> None:
        self.path = path
        self.name = str(multiscale.get("name") or "")
        self.version = str(metadata.get("version") or multiscale.get("version") or "")
        self.multiscale = multiscale
        self.arrays: list[Any] = [group[d["path"]] for d in multiscale["datasets"]]
        axes = multiscale.get("axes") or list("tczyx")[-len(self.arrays[0].shape) :]
        self.axes = [a if isinstance(a, dict) else {"name": a} for a in axes]
        self.names = [str(a.get("name", "")).lower() for a in self.axes]
        channels = (metadata.get("omero") or {}).get("channels") or []
        self.labels = [c.get("label") for c in channels]
        shape = self.arrays[0].shape
        if len(self.names) != len(shape) or self.names[-2:] != ["y", "x"]:
            raise SlideError(
                f"{path.name} has the axes {' '.join(self.names)}, not channel, y and x; "
                "export it again"
            )
        self.channel_axis = self.names.index("c") if "c" in self.names else None
        count = 1 if self.channel_axis is None else int(shape[self.channel_axis])
        self.size = (count, int(shape[-2]), int(shape[-1]))

    def found(self, scene: int | None) -> Found:
        for name, length in zip(self.names[:-2], self.arrays[0].shape[:-2], strict=True):
            if name != "c" and length > 1:
                thing, remedy = _STACKS.get(name, (f"planes along {name}", "export one of them"))
                raise SlideError(f"{self.path.name} has {length} {thing}; {remedy}")
        size, reason = self._pixel_size()
        levels = [ZarrPlanes(array, self.channel_axis) for array in self.arrays]
        labels = [str(label) if label else None for label in self.labels[: self.size[0]]]
        return Found(
            arrays=level_arrays(levels, self.size[0]),
            channels=tuple(labels + [None] * (self.size[0] - len(labels))),
            pixel_um=size,
            format=f"OME-Zarr {self.version}".strip(),
            no_size=reason,
            scene=scene,
        )

    def _pixel_size(self) -> tuple[tuple[float, float] | None, str]:
        scale = [1.0] * len(self.axes)
        stated = False
        dataset = self.multiscale["datasets"][0]
        for owner in (dataset, self.multiscale):
            for step in owner.get("coordinateTransformations") or []:
                if step.get("type") == "scale" and len(step.get("scale", [])) == len(scale):
                    scale = [a * float(b) for a, b in zip(scale, step["scale"], strict=True)]
                    stated = True
        if not stated:
            return None, "has no pixel size"
        edges = []
        for axis, edge in zip(self.axes[-2:], scale[-2:], strict=True):
            unit = str(axis.get("unit") or "")
            try:
                edges.append(micrometres(edge, unit))
            except UnknownUnitError as error:
                return None, f"states its pixel size in {str(error)!r}, an unknown unit"
        height, width = edges
        if height is None or width is None:
            return None, "states a pixel size without a unit of length"
        return (height, width), ""
