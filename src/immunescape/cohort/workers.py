"""Where work is done: in this process, in processes beside it, or on a cluster that is there."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from immunescape.cluster import cluster_client, environment_kept, scheduler_lost
from immunescape.threads import THREAD_SETTINGS, allotted_threads

__all__ = ["Died", "Workers", "worker_processes"]


class Died(Exception):
    """The process that worked on something was killed, more than once."""


class Workers(Protocol):
    """Something that does work and gives back what came of it, in whatever order."""

    @property
    def capacity(self) -> int:
        """How much can be done at once."""
        ...

    def submit(self, task: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Hand over work under a name of any kind."""
        ...

    def next(self) -> tuple[Any, Any]:
        """Wait until some work has ended; return its name and its result, or `Died`."""
        ...


class Here:
    """Does the work in this process, when it is asked for the result."""

    capacity = 1

    def __init__(self) -> None:
        self._queue: list[tuple[Any, Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, task: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Keep the work until it is asked for."""
        self._queue.append((task, function, arguments))

    def next(self) -> tuple[Any, Any]:
        """Do the oldest work."""
        task, function, arguments = self._queue.pop(0)
        return task, function(*arguments)


class OnCluster:
    """Does the work on the processes of a Dask cluster, one piece at a time in each."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._running: dict[Any, Any] = {}

    @property
    def capacity(self) -> int:
        """One piece of work a process, however many come and go meanwhile."""
        return max(1, len(self.client.nthreads()))

    def submit(self, task: Any, function: Callable[..., Any], *arguments: Any) -> None:
        """Send the work to a process."""
        future = self.client.submit(_one_at_a_time, function, *arguments, pure=False)
        self._running[future] = task

    def next(self) -> tuple[Any, Any]:
        """Wait for a process to be done."""
        from concurrent.futures import CancelledError

        from distributed import wait
        from distributed.scheduler import KilledWorker

        done = wait(list(self._running), return_when="FIRST_COMPLETED").done
        future = next(iter(done))
        task = self._running.pop(future)
        try:
            return task, future.result()
        except KilledWorker as error:
            return task, Died(str(error))
        except CancelledError as error:
            raise scheduler_lost() from error


_BUSY = threading.Lock()


def _one_at_a_time(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run work in a worker process; its threads would only get in each other's way."""
    with _BUSY:
        return function(*arguments)


@contextmanager
def worker_processes(count: int = 1, scheduler: str = "") -> Iterator[Workers]:
    """Give workers.

    Parameters
    ----------
    count
        Number of processes on this machine. They share the threads that this process may use. One
        is this process itself.
    scheduler
        Address of a Dask scheduler, in place of processes here. Its workers must see the same
        files under the same paths.

    Raises
    ------
    ClusterError
        If the scheduler does not answer, or has no worker.
    """
    if count == 1 and not scheduler:
        with environment_kept():
            for name in THREAD_SETTINGS:
                os.environ.setdefault(name, str(allotted_threads()))
            yield Here()
        return
    with cluster_client(count, scheduler) as client:
        yield OnCluster(client)
