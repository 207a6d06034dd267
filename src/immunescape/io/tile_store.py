"""What is done of a slide, tile by tile, kept so that a run goes on where another one stopped."""

import os
import pickle
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from immunescape.blocks import Block, BlockMap
from immunescape.errors import OutputError
from immunescape.io.ownership import Ownership

__all__ = ["Stage", "TileStore"]

_Result = TypeVar("_Result")
_MAGIC = b"tile1"


@dataclass(frozen=True, eq=False)
class TileStore:
    """A folder for the work on one slide; it goes when the slide is done.

    Parameters
    ----------
    folder
        Where it is.
    owner
        What this process holds of it.
    """

    folder: Path
    owner: Ownership

    @classmethod
    def open(cls, folder: Path) -> "TileStore":
        """Make the folder, or go on with that of a run that has ended.

        Where that run ended with the machine, as in a power cut, all is begun anew: a tile may be
        told as done while what it wrote into a label image never reached the disk.

        Raises
        ------
        OutputError
            If a run that works on it is under way, or it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            owner = Ownership.take(folder)
            if owner.rebooted:
                for place in folder.iterdir():
                    if place.is_dir():
                        shutil.rmtree(place)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(
                f"cannot write into {folder.parent.name or folder.parent}: {error.strerror}; "
                "pass another folder with -o or --scratch"
            ) from error
        return cls(folder, owner)

    def stage(self, name: str, key: str) -> "Stage":
        """Return what is kept of a stage; what was kept of it under another key is removed.

        Parameters
        ----------
        name
            A short word.
        key
            Hash of all that decides its results.
        """
        place = self.folder / f"{name}-{key[:16]}"
        for other in self.folder.glob(f"{name}-*"):
            if other != place:
                shutil.rmtree(other)
        place.mkdir(exist_ok=True)
        return Stage(place)

    def fresh(self, name: str) -> Path:
        """Return the path of a folder that is not there."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    def leave(self) -> None:
        """Let another run go on with it."""
        self.owner.release()

    def remove(self) -> None:
        """Remove all of it."""
        self.owner.release()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Stage:
    """What is kept of one stage: a folder a step, a file a tile."""

    folder: Path

    def holds(self, step: str) -> bool:
        """Tell whether a block of a step is kept."""
        place = self._place(step)
        return place.is_dir() and any(place.iterdir())

    def keeping(self, base: BlockMap) -> BlockMap:
        """Return a map that keeps each result, and does only the blocks that are not kept."""

        def mapper(
            step: str, function: Callable[[Block], _Result], blocks: Sequence[Block], /
        ) -> Iterator[_Result]:
            place = self._place(step)
            place.mkdir(exist_ok=True)
            there = set(os.listdir(place))
            wanted = [b for b in blocks if _name(b) not in there]
            made = base(step, _Keep(function, place), wanted)
            missing = set(wanted)
            for block in blocks:
                if block in missing:
                    next(made)
                yield _load(place / _name(block), function, block)

        return mapper

    def _place(self, step: str) -> Path:
        return self.folder / step.replace(" ", "-")


@dataclass(frozen=True, eq=False)
class _Keep:
    """Does a function on a block and keeps the result in a file, which appears whole."""

    function: Callable[[Block], Any]
    place: Path

    def __call__(self, block: Block) -> None:
        path = self.place / _name(block)
        if not path.exists():  # by a process that was thought lost
            _save(path, self.function(block))


def _name(block: Block) -> str:
    return f"{block.y0}-{block.y1}-{block.x0}-{block.x1}"


def _save(path: Path, result: Any) -> None:
    import pyarrow as pa

    raw = pickle.dumps(result, protocol=5)
    packed = pa.compress(raw, codec="lz4_raw", asbytes=True)
    head = _MAGIC + len(raw).to_bytes(8, "little") + zlib.crc32(packed).to_bytes(4, "little")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(head + packed)
    os.replace(beside, path)


def _load(path: Path, function: Callable[[Block], _Result], block: Block) -> _Result:
    """Read a kept result; one that is damaged, as after a power cut, is made again."""
    import pyarrow as pa

    data = path.read_bytes()
    size, check = int.from_bytes(data[5:13], "little"), int.from_bytes(data[13:17], "little")
    packed = memoryview(data)[17:]
    if data[:5] == _MAGIC and zlib.crc32(packed) == check:
        try:
            # written by this program into a folder of its own
            result: _Result = pickle.loads(pa.decompress(packed, size, "lz4_raw", asbytes=True))  # noqa: S301
            return result
        except (pickle.UnpicklingError, AttributeError, ImportError, OSError):
            pass
    result = function(block)
    _save(path, result)
    return result
