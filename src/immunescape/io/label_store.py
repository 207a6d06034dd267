"""Label images as OME-Zarr 0.5, written block by block and read lazily."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.blocks import Block, BlockMap, in_threads, iter_blocks
from immunescape.errors import LabelsError

if TYPE_CHECKING:
    import pandas as pd
    import zarr

__all__ = ["LabelStore"]

_CHUNK = 1024
_SHARD = 4096
"""Chunks of a large image are kept together in files of so many pixels a side."""
_VERSION = "0.5"


@dataclass(frozen=True, eq=False)
class LabelStore:
    """An OME-Zarr group ``labels`` with one pyramid a name: ``nuclei``, ``cells``, ``tissue`` ...

    ``store[name]`` is the full-resolution ``(y, x)`` array of a name.

    Parameters
    ----------
    path
        Folder of the store, such as ``labels.zarr``.
    group
        The opened zarr group.
    pixel_size_um
        Edge of a pixel of the slide.
    resumed
        Whether label images that are there already may be added again, to be written on.

    Examples
    --------
    >>> import tempfile
    >>> store = LabelStore.create(Path(tempfile.mkdtemp()) / "labels.zarr", 0.5)
    >>> nuclei = store.add("nuclei", (4, 6))
    >>> nuclei[1:3, 2:4] = 7
    >>> store.finish("nuclei")
    >>> int(LabelStore.open(store.path)["nuclei"][2, 3])
    7
    """

    path: Path
    group: "zarr.Group"
    pixel_size_um: float
    resumed: bool = False

    @classmethod
    def resume(cls, path: Path, keep: tuple[str, ...]) -> "LabelStore":
        """Open a store that an interrupted run began, less all but the label images named.

        Raises
        ------
        LabelsError
            If the folder is no store that this program wrote, or a label image in it is damaged.
        """
        import zarr

        path = path.absolute()
        pixel_size_um = cls.open(path).pixel_size_um
        group = zarr.open_group(path, mode="r+", zarr_format=3)
        for name in set(group.group_keys()) - {"labels"}:
            shutil.rmtree(path / name)
        _keep_only(path, group, lambda name: name in keep)
        for unfinished in path.rglob("*.partial"):  # by zarr, which was killed as it wrote
            unfinished.unlink()
        store = cls(path, group, pixel_size_um, resumed=True)
        try:
            for name in store.names:
                store.levels(name)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise LabelsError(f"{path.name} is damaged; remove it, and it is made anew") from error
        return store

    @staticmethod
    def drop(path: Path, names: tuple[str, ...]) -> None:
        """Remove label images from a store."""
        import zarr

        group = zarr.open_group(path, mode="r+", zarr_format=3)
        _keep_only(path, group, lambda name: name not in names)

    @classmethod
    def create(cls, path: Path, pixel_size_um: float) -> "LabelStore":
        """Start an empty store in a folder that does not exist or is empty.

        Raises
        ------
        LabelsError
            If something is there already.
        """
        import zarr

        path = path.absolute()  # as any other process finds it
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise LabelsError(f"{path.name} exists already; remove it or write elsewhere")
        group = zarr.open_group(path, mode="w", zarr_format=3)
        group.attrs["ome"] = {"version": _VERSION}
        group.attrs["pixel_size_um"] = float(pixel_size_um)
        group.create_group("labels").attrs["ome"] = {"version": _VERSION, "labels": []}
        return cls(path, group, float(pixel_size_um))

    @classmethod
    def open(cls, path: Path) -> "LabelStore":
        """Open a store to read.

        Raises
        ------
        LabelsError
            If the folder is no store that this program wrote.
        """
        import zarr

        path = path.absolute()
        try:
            group = zarr.open_group(path, mode="r", zarr_format=3)
            pixel_size_um = float(group.attrs["pixel_size_um"])  # type: ignore[arg-type]
            group["labels"]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise LabelsError(
                f"{path.name} is no label store; give the labels.zarr of a result"
            ) from error
        return cls(path, group, pixel_size_um)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the label images, in the order they were added."""
        return tuple(self._ome("labels")["labels"])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> "zarr.Array[Any]":
        return self.levels(name)[0]

    def levels(self, name: str) -> "tuple[zarr.Array[Any], ...]":
        """Return the pyramid of a name, full resolution first; one level before ``finish``.

        Raises
        ------
        LabelsError
            If the store has no labels of that name.
        """
        if name not in self.names:
            held = ", ".join(self.names) or "none"
            raise LabelsError(f"{self.path.name} has no labels {name!r}; it has {held}")
        datasets = self._ome(f"labels/{name}")["multiscales"][0]["datasets"]
        return tuple(self._array(f"labels/{name}/{d['path']}") for d in datasets)

    def scale_um(self, name: str) -> float:
        """Return the edge of a full-resolution pixel of a name in µm."""
        self.levels(name)
        dataset = self._ome(f"labels/{name}")["multiscales"][0]["datasets"][0]
        return float(dataset["coordinateTransformations"][0]["scale"][0])

    def add(
        self, name: str, shape: tuple[int, int], pixel_size_um: float | None = None
    ) -> "zarr.Array[Any]":
        """Add a label image and return its full-resolution array, to be written by block.

        Parameters
        ----------
        name
            Name of the label image; must be new.
        shape
            Height and width.
        pixel_size_um
            Edge of a pixel where it differs from the slide's.

        Returns
        -------
        zarr.Array
            ``(y, x)`` int32, all 0 but in a store that is resumed; blocks of 4096 pixels on a grid
            anchored at the origin, or of 1024 where no side is longer than 4096, can be written
            independently.
        """
        import zarr
        from zarr.codecs import ZstdCodec

        if name in self.names:
            if self.resumed and self[name].shape == shape:
                return self[name]
            raise LabelsError(f"{self.path.name} has labels {name!r} already")
        parent = self.group["labels"]
        assert isinstance(parent, zarr.Group)
        array = parent.create_group(name, overwrite=self.resumed).create_array(
            "0",
            shape=shape,
            chunks=(_CHUNK, _CHUNK),
            shards=_shards(shape),
            dtype="int32",
            fill_value=0,
            compressors=[ZstdCodec(level=3)],
            dimension_names=("y", "x"),
        )
        self._describe(name, pixel_size_um or self.pixel_size_um, 1)
        parent.attrs["ome"] = {"version": _VERSION, "labels": [*self.names, name]}
        return array

    def finish(self, name: str, mapper: BlockMap = in_threads) -> None:
        """Build the pyramid of a label image that is written.

        Each level keeps every second pixel of the one before, the first of each pair, until one
        chunk holds it.

        Parameters
        ----------
        name
            Name of the label image.
        mapper
            Where the blocks of a level are made.
        """
        import zarr

        parent = self.group[f"labels/{name}"]
        assert isinstance(parent, zarr.Group)
        level = self[name]
        count = 1
        while max(level.shape) > _CHUNK:
            shape = tuple(-(-side // 2) for side in level.shape)
            there = self.resumed and str(count) in parent
            smaller = (
                self._array(f"labels/{name}/{count}")
                if there
                else parent.create_array(
                    str(count),
                    shape=shape,
                    chunks=level.chunks,
                    shards=_shards(shape),
                    dtype="int32",
                    fill_value=0,
                    compressors=level.compressors,
                    dimension_names=("y", "x"),
                    overwrite=True,
                )
            )
            blocks = list(iter_blocks((shape[0], shape[1]), (smaller.shards or smaller.chunks)[0]))
            for _ in mapper(f"{name} level {count}", partial(_halve, level, smaller), blocks):
                pass
            level, count = smaller, count + 1
        self._describe(name, self.scale_um(name), count)

    def put_table(self, name: str, table: "pd.DataFrame", key: str) -> None:
        """Keep a table of numbers beside the labels it was made from.

        Parameters
        ----------
        name
            Name of the table; must be new.
        table
            Numeric columns; the index is not kept.
        key
            What decides the table; only the same key gives it back.
        """
        group = self.group.require_group("tables").create_group(name)
        group.attrs["key"] = key
        group.attrs["columns"] = list(table.columns)
        for column in table.columns:
            values = table[column].to_numpy()
            group.create_array(column, data=values, chunks=(max(len(values), 1),))

    def table(self, name: str, key: str) -> "pd.DataFrame | None":
        """Return a kept table; None if it is absent or was made with another key."""
        import pandas as pd

        if f"tables/{name}" not in self.group:
            return None
        group: Any = self.group[f"tables/{name}"]
        if group.attrs["key"] != key:
            return None
        return pd.DataFrame({c: group[c][...] for c in group.attrs["columns"]})

    def _describe(self, name: str, pixel_size_um: float, levels: int) -> None:
        axes: Any = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
        datasets: Any = [
            {
                "path": str(k),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [pixel_size_um * 2**k, pixel_size_um * 2**k]}
                ],
            }
            for k in range(levels)
        ]
        self.group[f"labels/{name}"].attrs["ome"] = {
            "version": _VERSION,
            "multiscales": [{"name": name, "axes": axes, "datasets": datasets}],
            "image-label": {},
        }

    def _ome(self, path: str) -> Any:
        return self.group[path].attrs["ome"]

    def _array(self, path: str) -> "zarr.Array[Any]":
        import zarr

        array = self.group[path]
        assert isinstance(array, zarr.Array)
        return array


def _keep_only(path: Path, group: "zarr.Group", wanted: Callable[[str], bool]) -> None:
    """Remove all label images but some, and those that were begun and not named."""
    labels: Any = group["labels"]
    names = [name for name in labels.attrs.get("ome", {}).get("labels", ()) if wanted(name)]
    for place in (path / "labels").iterdir():
        if place.is_dir() and place.name not in names:
            shutil.rmtree(place)
    labels.attrs["ome"] = {"version": _VERSION, "labels": names}


def _shards(shape: tuple[int, ...]) -> tuple[int, int] | None:
    return (_SHARD, _SHARD) if max(shape) > _SHARD else None


def _halve(level: Any, smaller: Any, block: Block) -> None:
    """Write a block of a level from the level before it."""
    source = level[2 * block.y0 : 2 * block.y1, 2 * block.x0 : 2 * block.x1]
    smaller[block.slices] = np.asarray(source)[::2, ::2]
