"""Where work is done: in this process, in processes beside it, or on a cluster that is there."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from immunescape.errors import ClusterError
from immunescape.threads import THREAD_SETTINGS, allotted_threads

__all__ = ["ALLOWED_DEATHS", "Died", "Workers", "worker_processes"]

ALLOWED_DEATHS = 3
"""How often a slide may lose its worker process before it counts as failed."""
_PATIENCE_S = 30


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
            raise ClusterError(
                "the Dask scheduler went away; start it again and run the same command to go on"
            ) from error


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
        with _environment_kept():
            for name in THREAD_SETTINGS:
                os.environ.setdefault(name, str(allotted_threads()))
            yield Here()
        return
    import dask
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout=_PATIENCE_S)
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"no Dask scheduler with a worker answers at {scheduler}; start it with `dask "
                "scheduler` and `dask worker`, or leave --scheduler out"
            ) from error
        with client:
            yield OnCluster(client)
        return
    threads = str(max(1, allotted_threads() // count))
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS - 1,
        # loaded libraries read these once, when a process begins
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_SETTINGS, threads),
    }
    with _environment_kept(), dask.config.set(settings):
        with _deaf():
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=logging.CRITICAL,
            )  # fmt: skip
        try:
            with Client(cluster) as client:
                yield OnCluster(client)
        finally:
            cluster.close(timeout=_PATIENCE_S)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back what starting processes sets for this one too."""
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that start now leave Ctrl-C to this one, which tells them to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
