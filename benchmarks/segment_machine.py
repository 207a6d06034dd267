"""What a measurement ran on, and how much memory it took."""

import os
import platform
import resource
import sys
from pathlib import Path


def processor() -> str:
    """Return the processor's name and the number of cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    may = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return f"{len(may)} cores of {names[0] if names else platform.processor()}"


def use_threads(threads: int) -> int:
    """Let networks and compiled loops use so many threads, 0 for their own choice; say how many."""
    import numba
    import torch

    if threads:
        # read by our own loops; numba.set_num_threads would start threads and undo torch's number
        numba.config.NUMBA_NUM_THREADS = threads
        torch.set_num_threads(threads)
    return int(torch.get_num_threads())


def peak_gib() -> float:
    """Return the most memory that was resident in this process so far.

    ``ru_maxrss`` of a process started from a large one begins at the large one's, so Linux is asked
    for the mark of the process itself.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
