"""Where a run keeps the tiles it has done, until its result is written."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.blocks import BlockMap, in_threads
from immunescape.errors import ClusterError, LabelsError
from immunescape.io.labels import LabelStore
from immunescape.io.tile_store import Stage, TileStore
from immunescape.pipeline.estimate import Estimate, check_room, estimate_run

if TYPE_CHECKING:
    from immunescape.pipeline.job import Job

__all__ = ["Means", "Tiles", "drop_labels", "tiles_of"]

_FOUND, _CORRECTED, _GIVEN = "labels.zarr", "corrected.zarr", "given"
_PLANES, _ROOM = "planes", "room"
_LABELS = ("nuclei", "cells")
_WRITES = {"nuclei": "write nuclei", "cells": "grow"}
"""The step that writes each label image."""


def _nothing(estimate: Estimate) -> None:
    """Announce nothing."""


@dataclass(frozen=True, eq=False)
class Means:
    """How a run is carried out; no number depends on it.

    Parameters
    ----------
    mapper
        What does a function on the blocks of a slide.
    scratch
        Folder for what is kept until the result is written; by default beside the result.
    keep_labels
        Whether the label images are part of the result. Without them it cannot be taken up again:
        another run segments the slide anew.
    announce
        Told what the run will take, before it starts.
    """

    mapper: BlockMap = in_threads
    scratch: Path | None = None
    keep_labels: bool = True
    announce: Callable[[Estimate], None] = _nothing

    def place(self, folder: Path) -> Path:
        """Return where the tiles of the result in a folder are kept, for any process to find."""
        target = folder.absolute()
        if self.scratch is None:
            return target.parent / f".{target.name}.tiles"
        other = hashlib.sha256(str(target).encode()).hexdigest()[:12]
        return self.scratch.absolute() / f"immunescape-{target.name}-{other}.tiles"


@dataclass(frozen=True, eq=False)
class Tiles:
    """What is kept of one slide while it is worked on.

    Parameters
    ----------
    store
        Where.
    base
        What does a function on the blocks that are not kept.
    labels_key
        Hash of all that decides the labels that are found.
    tile_px
        Edge of the tiles in which they are found. Where two tiles do not agree on a nucleus it
        decides the numbers of all behind it, so that nothing is kept for other tiles.
    """

    store: TileStore
    base: BlockMap
    labels_key: str
    tile_px: int

    def mapper(self, stage: str, key: str) -> BlockMap:
        """Return a map that keeps what it does, as part of a stage with this key."""
        return self._stage(stage, key).keeping(self.base)

    @property
    def labelling(self) -> BlockMap:
        """The map by which labels are found."""
        return self._labels.keeping(self.base)

    @property
    def planes(self) -> Path:
        """Folder for the planes that lie between pixels and labels."""
        return self._labels.folder / _PLANES

    @property
    def room(self) -> Path:
        """Folder for what lives only as long as a step."""
        return self.store.folder / _ROOM

    def drop_planes(self) -> None:
        """Make room: the labels are written."""
        shutil.rmtree(self.planes, ignore_errors=True)

    def found(self, pixel_size_um: float) -> LabelStore:
        """Return the store for the labels as they are found, with what an earlier run wrote."""
        place = self._labels.folder / _FOUND
        try:
            store = LabelStore.resume(place, _LABELS)
            if all(name in store for name in _LABELS if self._labels.holds(_WRITES[name])):
                return store
        except LabelsError:  # not begun, not far enough, or damaged
            pass
        # tiles that are told as written are of no use without what they were written into
        return LabelStore.create(self.fresh(), pixel_size_um)

    def fresh(self) -> Path:
        """Return the place of the labels as they are found, empty, to be copied to."""
        shutil.rmtree(self._labels.folder)
        return self._labels.folder / _FOUND

    def corrected(self, pixel_size_um: float) -> LabelStore:
        """Return an empty store for corrected labels."""
        return LabelStore.create(self.store.fresh(_CORRECTED), pixel_size_um)

    def give(self, target: Path, *, unedited: str, keep_labels: bool) -> None:
        """Move the labels to where the result will have them; nothing may read them any more.

        Parameters
        ----------
        target
            Folder that does not exist.
        unedited
            Name of the store of labels as they were found within that of the corrected ones.
        keep_labels
            Whether the label images go with it, or tables and masks alone.
        """
        # at once out of the reach of a later run: what follows may be interrupted, and a store of
        # which a part is gone must not be taken for one whose tiles are all written
        given = self.store.fresh(_GIVEN)
        os.rename(self._labels.folder, given)
        found, corrected = given / _FOUND, self.store.folder / _CORRECTED
        if corrected.exists():
            shutil.move(found, corrected / unedited)
            found = corrected
        if not keep_labels:
            drop_labels(found, unedited)
        shutil.move(found, target)

    @property
    def _labels(self) -> Stage:
        return self._stage("labels", self.labels_key)

    def _stage(self, name: str, key: str) -> Stage:
        whole = hashlib.sha256(f"{key} {self.tile_px}".encode()).hexdigest()
        return self.store.stage(name, whole)


def drop_labels(store: Path, unedited: str) -> None:
    """Remove the label images from a store, and from the one of that name within it."""
    for place in (store, store / unedited):
        if place.exists():
            LabelStore.drop(place, _LABELS)


@contextmanager
def tiles_of(job: "Job", means: Means) -> Iterator[Tiles]:
    """Give the place for the tiles of a job.

    It is removed when the block succeeds, and when it fails; it stays when the process is
    interrupted or killed, or loses its workers, and the next run of the same slide into the same
    folder goes on from it.

    Parameters
    ----------
    job
        The slide.
    means
        Where, and by what.

    Raises
    ------
    OutputError
        If another run works on the slide, there is too little room, or nothing can be written.
    """
    folder = means.place(job.folder)
    estimate = estimate_run(job, means)
    means.announce(estimate)
    check_room(estimate, job.opened.slide.name, job.folder, folder)
    made = [p for p in folder.parents if not p.exists()]
    store = TileStore.open(folder)
    for name in (_CORRECTED, _GIVEN):  # made anew where they are wanted
        store.fresh(name)
    try:
        yield Tiles(store, means.mapper, job.keys.labels, job.study.segment.tile_px)
        store.remove()
    except ClusterError:
        store.leave()
        raise
    except Exception:
        store.remove()
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise
    except BaseException:
        store.leave()
        raise
