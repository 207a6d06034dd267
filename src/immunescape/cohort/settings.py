"""How a cohort is run and its numbers compared; what decides those of a slide is the study."""

from dataclasses import dataclass, field
from pathlib import Path

from immunescape.compare import CompareParams
from immunescape.patterns import PatternParams

__all__ = ["CohortRun"]


@dataclass(frozen=True, kw_only=True)
class CohortRun:
    """How a cohort is run; what is computed of a slide is the study's.

    Parameters
    ----------
    workers
        Processes on this machine.
    scheduler
        Address of a Dask scheduler, in place of them.
    shard
        Number of this machine and of all machines, where each does its part alone; ``(0, 0)``
        does all.
    collect
        Measure nothing: finish what the shards have measured.
    retry_failed
        Try slides again that failed with the same files and parameters.
    overwrite
        Make everything again.
    csv
        Write the cells as CSV.
    sweeps
        Parameters to vary, as they were written.
    compare, patterns
        How timepoints are compared, and from where on numbers are consistent with a pattern.
    group_by
        Columns of the sheet whose groups are compared.
    scratch
        Folder for the tiles of slides that are under way; by default beside their results. A slide
        that another machine goes on with begins anew where this is a disk of its own.
    """

    workers: int = 1
    scheduler: str = ""
    shard: tuple[int, int] = (0, 0)
    collect: bool = False
    retry_failed: bool = False
    overwrite: bool = False
    csv: bool = False
    sweeps: tuple[str, ...] = ()
    compare: CompareParams = field(default_factory=CompareParams)
    patterns: PatternParams = field(default_factory=PatternParams)
    group_by: tuple[str, ...] = ()
    scratch: Path | None = None
