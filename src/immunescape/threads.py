"""How many threads this process may use: what the machine has, less what others were given."""

import os

__all__ = ["THREAD_SETTINGS", "allotted_threads"]

_OWN = "IMMUNESCAPE_THREADS"
_SCHEDULERS = ("SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NCPUS", "LSB_DJOB_NUMPROC")
"""What SLURM, Grid Engine, PBS and LSF say of a job's processors."""
THREAD_SETTINGS = (
    _OWN, "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
"""Environment variables by which a new process is kept to a number of threads."""


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
