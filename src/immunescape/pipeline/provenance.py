"""What produced a result: versions, wall time and peak memory of each step, no personal data."""

import dataclasses
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import psutil

from immunescape import __version__
from immunescape.memory import return_freed

if TYPE_CHECKING:
    from immunescape.phenotype import Gate
    from immunescape.pipeline.corrections import Unedited
    from immunescape.pipeline.inputs import Opened
    from immunescape.pipeline.inspection import Inspection
    from immunescape.pipeline.measured import Measured
    from immunescape.pipeline.stages import StageKeys
    from immunescape.study import Study

__all__ = ["Recorder", "StepRecord", "provenance_of", "versions"]

_PACKAGES = (
    "cellpose", "imagecodecs", "numba", "numpy", "pandas", "pyarrow", "scikit-image",
    "scikit-learn", "scipy", "shapely", "tifffile", "torch", "zarr",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that compute."""
    found = {"immunescape": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


@dataclass(frozen=True)
class StepRecord:
    """Cost of one step: wall time, and peak resident memory of the process during it."""

    step: str
    wall_s: float
    peak_memory_mb: float
    reused: bool = False


@dataclass
class Recorder:
    """Records the cost of each step of one run.

    Parameters
    ----------
    interval_s
        How often resident memory is sampled while a step runs.
    """

    interval_s: float = 0.02
    records: list[StepRecord] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record the block as one step; nothing is recorded if it fails."""
        process = psutil.Process()
        peak = process.memory_info().rss
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(self.interval_s):
                peak = max(peak, process.memory_info().rss)

        watcher = threading.Thread(target=watch, daemon=True)
        begun = time.perf_counter()
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        wall_s = time.perf_counter() - begun
        peak = max(peak, process.memory_info().rss)
        self.records.append(StepRecord(name, round(wall_s, 3), round(peak / 2**20, 1)))
        return_freed()

    def reuse(self, name: str) -> None:
        """Record that a step's earlier output was used again, unless this run made it."""
        if any(record.step == name for record in self.records):
            return
        self.records.append(StepRecord(name, 0.0, 0.0, reused=True))

    def as_rows(self) -> list[Mapping[str, Any]]:
        """Return the records as plain values for JSON."""
        return [vars(record) for record in self.records]


def provenance_of(
    study: "Study",
    opened: "Opened",
    measured: "Measured",
    inspection: "Inspection",
    keys: "StageKeys",
    gates: "Mapping[tuple[str, str], tuple[Gate, ...]]",
    recorder: Recorder,
    warnings: tuple[str, ...],
    unedited: "Unedited | None" = None,
    whole_sha256: str = "",
) -> Mapping[str, object]:
    """Return what a result keeps of how it was made, as plain values for JSON.

    Parameters
    ----------
    study
        Everything that decides the numbers.
    opened
        The files that were given.
    measured
        Labels and measurements.
    inspection
        What is told of the nuclei.
    keys
        What decides each stage.
    gates
        Gates of the slide alone by kind and variant; none where other slides had a share in them.
    recorder
        Cost of each step.
    warnings
        All that is told.
    unedited
        The slide before its labels were corrected.
    whole_sha256
        Hash of every byte of the slide; the one that tells it from others may be of samples.
    """
    return {
        "use": "for research use, not for diagnosis",
        "versions": versions(),
        "input": {**dataclasses.asdict(opened.files[0]), "whole_sha256": whole_sha256},
        "format": opened.slide.format,
        "pixel_size_um": opened.slide.pixel_size_um,
        "shape_px": list(opened.slide.shape),
        "segmentation": dict(measured.origin),
        "segmentation_quality": inspection.kept,
        "correction": dict(measured.correction),
        "seed": study.seed,
        "steps": recorder.as_rows(),
        "warnings": list(warnings),
        "stages": {
            "keys": dataclasses.asdict(keys),
            "gates": [
                {"kind": kind, "variant": variant, "gates": [vars(gate) for gate in found]}
                for (kind, variant), found in gates.items()
            ],
            "measured_columns": list(measured.cells.frame.columns),
            "warnings": list(measured.warnings),
            "label_warnings": list(measured.label_warnings),
            "corrected": {
                "labels": sorted(measured.corrected.labels),
                "not_applied": {o.edit.time: o.why for o in measured.corrected.outcomes if o.why},
            },
            "unedited": {} if unedited is None else _told(unedited.measured),
        },
    }


def _told(measured: "Measured") -> Mapping[str, object]:
    """Return what is kept of measurements that corrected ones took the place of."""
    return {
        "measured_columns": list(measured.cells.frame.columns),
        "correction": dict(measured.correction),
        "warnings": list(measured.warnings),
    }
