"""Processes that share the work: beside this one, or those of a Dask cluster that is there."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pickle import PickleBuffer
from typing import Any, TypeVar

from immunescape.blocks import Block, BlockMap, in_threads
from immunescape.errors import ClusterError
from immunescape.threads import THREAD_SETTINGS, allotted_threads

__all__ = ["ALLOWED_DEATHS", "block_map", "cluster_client", "environment_kept", "scheduler_lost"]

ALLOWED_DEATHS = 3
"""How often work may lose its process before it counts as failed."""
_PATIENCE_S = 30

_Result = TypeVar("_Result")


@contextmanager
def cluster_client(count: int = 0, scheduler: str = "") -> Iterator[Any]:
    """Give the client of a Dask cluster.

    Parameters
    ----------
    count
        Number of processes to start on this machine, for as long as the block lasts. They share
        the threads that this process may use.
    scheduler
        Address of a Dask scheduler, in place of processes here. Its workers must see the same
        files under the same paths.

    Raises
    ------
    ClusterError
        If the scheduler does not answer, or has no worker.
    """
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
            yield client
        return
    threads = str(max(1, allotted_threads() // count))
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS - 1,
        # loaded libraries read these once, when a process begins
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_SETTINGS, threads),
    }
    with environment_kept(), dask.config.set(settings):
        with _deaf():
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=logging.CRITICAL,
            )  # fmt: skip
        try:
            with Client(cluster) as client:
                yield client
        finally:
            cluster.close(timeout=_PATIENCE_S)


@contextmanager
def block_map(workers: int = 1, scheduler: str = "") -> Iterator[BlockMap]:
    """Give what does a function on the blocks of one slide.

    Parameters
    ----------
    workers
        Number of processes on this machine; one is this process itself, with all its threads.
    scheduler
        Address of a Dask scheduler; see `cluster_client`. A worker does as many blocks at once as
        it has threads.
    """
    if workers == 1 and not scheduler:
        yield in_threads
        return
    with cluster_client(workers, scheduler) as client:
        yield _OnCluster(client)


def scheduler_lost() -> ClusterError:
    """Return what to say when the scheduler went away."""
    return ClusterError(
        "the Dask scheduler went away; start it again and run the same command to go on"
    )


class _OnCluster:
    """Does blocks on the processes of a cluster; a lost process loses the blocks it worked on."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(
        self, step: str, function: Callable[[Block], _Result], blocks: Sequence[Block], /
    ) -> Iterator[_Result]:
        from concurrent.futures import CancelledError

        import dask
        from distributed.scheduler import KilledWorker

        if not blocks:
            return
        # The function may hold a table of all cells: it is sent to each process once. As the result
        # of a task it is there again after all who held it are lost, as scattered data is not; for
        # that the scheduler keeps it until the step is done.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": sys.maxsize}):
            sent = self.client.submit(_same, _Sent(function), pure=False)
        futures = [self.client.submit(_call, sent, block, pure=False) for block in blocks]
        futures.reverse()
        try:
            while futures:
                yield futures.pop().result()
        except KilledWorker as error:
            count = error.allowed_failures + 1  # a scheduler that was there decides by itself
            raise ClusterError(
                f"a worker process was lost {'once' if count == 1 else f'{count} times'} in the "
                f"step {step}, most likely for want of memory; give it more, or take smaller tiles"
            ) from error
        except CancelledError as error:
            raise scheduler_lost() from error
        finally:
            self.client.cancel(futures)


_OPENING = threading.Lock()


class _Sent:
    """A function on its way: opened once a process, and in the worker, where it is called.

    The scheduler, which keeps and forwards it, neither loads a network with it nor fails at it.
    """

    def __init__(self, function: Callable[[Block], Any] | None, *packed: Any) -> None:
        self._function, self._packed = function, packed

    def __reduce__(self) -> tuple[Any, ...]:
        from distributed.protocol.pickle import dumps

        packed, function = self._packed, self._function  # another thread may open it now
        if function is not None:
            buffers: list[PickleBuffer] = []
            head = dumps(function, buffer_callback=buffers.append)
            packed = (head, *(buffer.raw() for buffer in buffers))
        # as buffers the columns of a table are passed on without a copy
        return _Sent, (None, *map(PickleBuffer, packed))

    def __dask_tokenize__(self) -> int:
        return id(self)  # it is told apart by its task: what it holds need not be hashed for that

    def opened(self) -> Callable[[Block], Any]:
        """Return the function."""
        from distributed.protocol.pickle import loads

        with _OPENING:
            if self._function is None:
                self._function = loads(self._packed[0], buffers=self._packed[1:])
                self._packed = ()
            return self._function


def _same(sent: _Sent) -> _Sent:
    return sent


def _call(sent: _Sent, block: Block) -> Any:
    return sent.opened()(block)


@contextmanager
def environment_kept() -> Iterator[None]:
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
