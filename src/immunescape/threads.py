"""How many threads this process may use: what the machine has, less what others were given."""

import os

__all__ = ["allotted_threads", "limit_threads"]

_OWN = "IMMUNESCAPE_THREADS"
_SCHEDULERS = ("SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NCPUS", "LSB_DJOB_NUMPROC")
"""What SLURM, Grid Engine, PBS and LSF say of a job's processors."""
_LIBRARIES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip


def allotted_threads() -> int:
    """Return how many threads this process may keep busy; at least 1.

    The least of what the processor affinity, the cgroup and the batch system allow, and of
    ``IMMUNESCAPE_THREADS`` where that is set.
    """
    from dask.system import CPU_COUNT

    counts = [int(CPU_COUNT)]
    for name in (_OWN, *_SCHEDULERS):
        text = os.environ.get(name, "")
        if text.isdecimal() and int(text):
            counts.append(int(text))
    return max(1, min(counts))


def limit_threads(count: int) -> None:
    """Keep what this process loads from now on to a number of threads.

    Parameters
    ----------
    count
        For each of the libraries that compute on several threads; they take turns. One that is
        loaded already keeps what it began with.
    """
    os.environ[_OWN] = str(count)
    for name in _LIBRARIES:
        os.environ[name] = str(count)
