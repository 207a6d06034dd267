"""Blocks done on threads: in order, few at a time, and none after an error or an early end."""

import threading
import time
import weakref

import pytest

import immunescape.blocks
from immunescape.blocks import iter_blocks, map_blocks

BLOCKS = list(iter_blocks((4, 10), 1))  # 40, one a pixel
THREADS = 2


class Result:
    """What comes of a block; a reference tells whether it is still there."""

    def __init__(self, block):
        self.block = block


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(immunescape.blocks, "allotted_threads", lambda: THREADS)


def test_results_come_in_order_and_go_when_they_were_used():
    made = []

    def work(block):
        time.sleep(0.002 * (block.x0 % 3))  # later ones are done before earlier ones
        result = Result(block)
        made.append(weakref.ref(result))
        return result

    seen, most = [], 0
    for result in map_blocks(work, BLOCKS):
        seen.append(result.block)
        time.sleep(0.005)  # slower than the threads
        most = max(most, sum(ref() is not None for ref in made))
    del result
    assert seen == BLOCKS
    assert most <= 2 * THREADS + 1  # the one in hand, and those that wait
    assert sum(ref() is not None for ref in made) == 0


def test_no_more_are_worked_on_than_there_are_threads():
    at_work, most, lock = 0, 0, threading.Lock()

    def work(block):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with lock:
            at_work -= 1

    assert len(list(map_blocks(work, BLOCKS))) == len(BLOCKS)
    assert most == THREADS


def test_after_an_error_or_an_early_end_nothing_is_begun():
    begun = []

    def work(block):
        begun.append(block)
        if block == BLOCKS[5]:
            raise ValueError("of this block")
        return block

    results = map_blocks(work, BLOCKS)
    assert [next(results) for _ in range(5)] == BLOCKS[:5]
    with pytest.raises(ValueError, match="of this block"):
        next(results)
    assert len(begun) <= 5 + 2 * THREADS
    assert list(results) == []
    begun.clear()
    results = map_blocks(work, BLOCKS[6:])
    next(results)
    results.close()
    count = len(begun)
    assert count <= 1 + 2 * THREADS
    time.sleep(0.02)
    assert len(begun) == count
    assert list(map_blocks(work, [])) == []
