"""What a run will take, said before it starts: time, room on the disk, files."""

import math
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import OutputError
from immunescape.segment.models import NETWORK_UM
from immunescape.threads import allotted_threads

if TYPE_CHECKING:
    from immunescape.pipeline.job import Job
    from immunescape.pipeline.tiles import Means

__all__ = ["Estimate", "check_room", "estimate_run", "estimate_slide"]

# Measured with benchmarks/whole_slide.py; see docs/scaling.md.
_START_S = 10.0
_NETWORK_CORE_S_PER_MPX = 1.3
_PIXELS_CORE_S_PER_MPX = 1.05
_TABLES_S_PER_MPX = 0.2
_FLOWS_BYTES, _PLANE_BYTES = 6, 4
_TILES_BYTES = 1.5
_RESULT_BYTES = 0.5
_LABELS_BYTES = 0.25
_FIXED_BYTES = 20e6
_SHARD_PX = 4096
_CHUNK_PX = 1024
_OTHER_FILES = 150


@dataclass(frozen=True)
class Estimate:
    """What a run on one slide takes, at most: of glass less is computed and kept.

    Parameters
    ----------
    seconds
        Wall time with the compact network on this machine's processors; a graphics processor,
        further workers or taken-over steps make it less. NaN for other networks.
    result_bytes, scratch_bytes
        Room for the result, and for what is kept until it is written.
    files
        Files of the result.
    """

    seconds: float
    result_bytes: float
    scratch_bytes: float
    files: int

    def __str__(self) -> str:
        time = "" if math.isnan(self.seconds) else f"about {_duration(self.seconds)}, "
        return (
            f"{time}{_size(self.result_bytes)} in {self.files} files, and "
            f"{_size(self.scratch_bytes)} more while it runs"
        )


def estimate_slide(
    shape: tuple[int, int],
    pixel_size_um: float,
    *,
    compact: bool = True,
    segmented: bool = True,
    keep_labels: bool = True,
    threads: int | None = None,
) -> Estimate:
    """Return what a run on a slide takes, from its size alone.

    Parameters
    ----------
    shape
        Height and width in pixels.
    pixel_size_um
        Edge of a pixel.
    compact
        Whether our own network finds the nuclei.
    segmented
        Whether they are to be found, or labels are given.
    keep_labels
        Whether the label images are kept.
    threads
        How many processors work; by default those this process may use.
    """
    pixels = shape[0] * shape[1]
    network = pixels * (pixel_size_um / NETWORK_UM) ** 2 if segmented else 0.0
    cores = threads or allotted_threads()
    seconds = (
        (network / 1e6 * _NETWORK_CORE_S_PER_MPX + pixels / 1e6 * _PIXELS_CORE_S_PER_MPX) / cores
        + pixels / 1e6 * _TABLES_S_PER_MPX
        + _START_S
    )
    files = _OTHER_FILES
    if keep_labels:
        files += 2 * _stored_files(shape)
    result = pixels * (_RESULT_BYTES - (0 if keep_labels else _LABELS_BYTES)) + _FIXED_BYTES
    return Estimate(
        seconds=seconds if compact or not segmented else math.nan,
        result_bytes=result,
        scratch_bytes=network * (_FLOWS_BYTES + _PLANE_BYTES) + pixels * _TILES_BYTES,
        files=files,
    )


def estimate_run(job: "Job", means: "Means") -> Estimate:
    """Return what a run of a job takes."""
    opened = job.opened
    return estimate_slide(
        opened.slide.shape,
        opened.slide.pixel_size_um,
        compact=job.study.segment.model == "compact",
        segmented=opened.labels is None,
        keep_labels=means.keep_labels,
    )


def check_room(estimate: Estimate, name: str, result: Path, scratch: Path) -> None:
    """Refuse a run for which there is no room; what an interrupted run left there counts.

    Parameters
    ----------
    estimate
        What it takes.
    name
        Of the slide.
    result, scratch
        Folders, which need not exist.

    Raises
    ------
    OutputError
        If one of the disks has too little room.
    """
    there = sum(_file_size(path) for path in scratch.rglob("*"))
    needs = [
        (result, estimate.result_bytes, "-o"),
        (scratch, max(estimate.scratch_bytes - there, 0.0), "--scratch"),
    ]
    first, second = (_existing(place) for place, _, _ in needs)
    if os.stat(first).st_dev == os.stat(second).st_dev:
        needs = [(result, sum(room for _, room, _ in needs), "-o or --scratch")]
    for place, room, flag in needs:
        free = shutil.disk_usage(_existing(place)).free
        if room > free:
            raise OutputError(
                f"{name} needs {_size(room)} on the disk of {place.parent.name or place.parent} "
                f"and {_size(free)} are free; free some, or pass another folder with {flag}"
            )


def _file_size(path: Path) -> int:
    """Return the size of a file; 0 for a folder, or what another run has removed meanwhile."""
    try:
        told = path.stat()
    except OSError:
        return 0
    return told.st_size if stat.S_ISREG(told.st_mode) else 0


def _existing(place: Path) -> Path:
    place = place.absolute()
    return next(p for p in (place, *place.parents) if p.exists())


def _stored_files(shape: tuple[int, int]) -> int:
    """Files of one label image with its pyramid."""
    files, level = 0, shape
    while True:
        edge = _SHARD_PX if max(level) > _SHARD_PX else _CHUNK_PX
        files += 1 + math.ceil(level[0] / edge) * math.ceil(level[1] / edge)
        if max(level) <= _CHUNK_PX:
            return files
        level = (-(-level[0] // 2), -(-level[1] // 2))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 1):.0f} MB"
