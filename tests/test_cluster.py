"""Blocks done by processes: what is lost with one is done again, until it is lost too often."""

import os
import signal
from functools import partial

import pytest
from distributed import LocalCluster

from immunescape.blocks import iter_blocks
from immunescape.cluster import block_map
from immunescape.errors import ClusterError

BLOCKS = list(iter_blocks((1, 5), 1))


@pytest.fixture(scope="module")
def cluster():
    """A scheduler that was there before, with one worker."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address=None, memory_limit=0, silence_logs=60,
    ) as cluster:  # fmt: skip
        yield cluster


def place_of(table, folder, deadly, block):
    """Where a block begins, by a table; the worker is killed at the first one a number of times."""
    deaths = len(list(folder.iterdir()))
    if block.x0 == 0 and deaths < deadly:
        (folder / str(deaths)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return table[block.x0]


def test_the_only_worker_may_die_and_is_waited_for(cluster, tmp_path):
    large = dict.fromkeys(range(5), "x" * 3_000_000)  # Dask warns of more than 10 MB in one piece
    large |= {n: f"{n}{text}" for n, text in large.items()}
    with block_map(scheduler=cluster.scheduler_address) as mapper:
        found = list(mapper("a step", partial(place_of, large, tmp_path, 1), BLOCKS))
    assert found == list(large.values())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_block_that_kills_its_workers_names_its_step(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)  # not what ours allows
    with block_map(scheduler=cluster.scheduler_address) as mapper:
        results = mapper("a step", partial(place_of, range(5), tmp_path, 1000), BLOCKS)
        with pytest.raises(ClusterError, match=r"lost once in the step a step, most likely"):
            list(results)
    assert len(list(tmp_path.iterdir())) == 1
