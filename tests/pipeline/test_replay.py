"""The simulated scheduler, where what must come out can be said beforehand."""

import math

import numpy as np
import pandas as pd
import pytest
from benchmarks.replay import Cluster, Job, Step, Task, enlarged, replay
from benchmarks.scaling_model import COSTS, fitted, models


def tasks(seconds, count=1, megabytes=0.0, client_s=0.0):
    return (Task(((seconds, megabytes),), client_s),) * count


def job(*steps, before_s=0.0, after_s=0.0):
    return Job(tuple(Step(f"{k}", step, before_s) for k, step in enumerate(steps)), after_s)


@pytest.mark.parametrize(("count", "workers"), [(12, 4), (13, 4), (3, 8), (0, 2), (7, 1)])
def test_equal_tasks_go_round_by_round(count, workers):
    found = replay([job(tasks(2.5, count))], Cluster(workers))
    assert found.seconds == pytest.approx(math.ceil(count / workers) * 2.5)


def test_a_step_begins_when_the_last_task_of_the_one_before_is_done():
    # 3 + 3 tasks on two workers: four rounds, although six tasks would fill three
    found = replay([job(tasks(1, 3), tasks(1, 3))], Cluster(2))
    assert found.seconds == pytest.approx(4)
    assert found.step_s == pytest.approx((2, 2))
    assert found.use["workers"] == pytest.approx(6 / 8)
    assert found.bottleneck == "workers"


def test_unequal_tasks_go_to_whoever_is_free_first():
    seconds = np.random.default_rng(3).lognormal(0, 1, 300)
    busy_until = np.zeros(7)
    for one in seconds:
        busy_until[busy_until.argmin()] += one
    found = replay([job(tuple(Task(((s, 0),)) for s in seconds))], Cluster(7))
    assert found.seconds == pytest.approx(busy_until.max())


def test_a_slow_scheduler_sets_the_pace():
    # a task every 10 ms, whoever waits; the last one takes its 50 ms
    found = replay([job(tasks(0.05, 1000))], Cluster(100, dispatch_s=0.01))
    assert found.seconds == pytest.approx(1000 * 0.01 + 0.05)
    assert found.bottleneck == "scheduler"
    # with few workers it is they
    found = replay([job(tasks(0.05, 1000))], Cluster(2, dispatch_s=0.01))
    assert found.seconds == pytest.approx(0.01 + 1000 * 0.05 / 2, rel=0.001)
    assert found.bottleneck == "workers"


def test_what_the_client_does_alone_is_not_shared():
    alone = job(tasks(1, 100, client_s=0.5), before_s=3, after_s=2)
    for workers in (10, 100):
        found = replay([alone], Cluster(workers, send_s=0.25))
        assert found.seconds == pytest.approx(3 + 0.25 + 1 + 100 * 0.5 + 2)
        assert found.bottleneck == "client"
    one = replay([alone], Cluster(1))
    assert one.seconds == pytest.approx(3 + 100 + 0.5 + 2)  # it works while the next task runs


def test_results_are_taken_in_their_order():
    slow_first = (Task(((10, 0),), 1.0), *tasks(1, 3, client_s=1.0))
    assert replay([job(slow_first)], Cluster(4)).seconds == pytest.approx(10 + 4)
    slow_last = (*tasks(1, 3, client_s=1.0), Task(((10, 0),), 1.0))
    assert replay([job(slow_last)], Cluster(4)).seconds == pytest.approx(10 + 1)


def test_storage_is_shared_evenly():
    two = (Task(((0, 10),)), Task(((0, 20),)))
    # 5 MB/s each until the small one is done after 2 s; the other has 10 MB left at 10 MB/s
    found = replay([job(two, tasks(0, 1, megabytes=10))], Cluster(2, storage_mb_s=10))
    assert found.step_s == pytest.approx((3, 1))
    assert found.use["storage"] == pytest.approx(1)
    assert found.bottleneck == "storage"


def test_many_workers_are_no_quicker_than_the_disk():
    reading = job(tasks(1, 1000, megabytes=100))
    found = replay([reading], Cluster(500, storage_mb_s=1000))
    assert found.seconds == pytest.approx(1000 * 100 / 1000, rel=0.03)
    # one worker alone is no quicker than its link, and no slower
    found = replay([reading], Cluster(1, storage_mb_s=1000, link_mb_s=200))
    assert found.seconds == pytest.approx(1000 * (1 + 0.5))


def test_parts_of_a_task_follow_each_other():
    found = replay([job((Task(((1, 30), (2, 0), (0, 50))),))], Cluster(1, storage_mb_s=10))
    assert found.seconds == pytest.approx(1 + 3 + 2 + 5)


def test_cores_are_shared_evenly():
    # three threads on two cores: 3 s of work each at two thirds of the speed
    found = replay([job(tasks(3, 3))], Cluster(3, cores=2))
    assert found.seconds == pytest.approx(4.5)
    found = replay([job(tasks(3, 2))], Cluster(2, cores=2))
    assert found.seconds == pytest.approx(3)
    # the client's work counts too: nothing overlaps on one core
    found = replay([job(tasks(1, 10, client_s=0.5))], Cluster(1, cores=1))
    assert found.seconds == pytest.approx(15)


def test_each_worker_warms_up_once():
    found = replay([job(tasks(1, 10), tasks(1, 10))], Cluster(5, warm_s=4))
    assert found.seconds == pytest.approx(4 + 4)


def test_jobs_share_the_workers():
    jobs = [job(tasks(1, 10), tasks(2, 10), after_s=0.5)] * 3
    found = replay(jobs, Cluster(1))
    assert found.seconds == pytest.approx(3 * 30 + 0.5)
    assert replay([], Cluster(1)).seconds == 0


def test_a_larger_slide_has_more_of_the_same_tasks():
    recorded = job(
        (*tasks(1, 2, megabytes=3, client_s=0.1), *tasks(2, 2)), tasks(5, 1, 7), before_s=2,
        after_s=4,
    )  # fmt: skip
    large = enlarged(recorded, 2.5)
    assert [len(step.tasks) for step in large.steps] == [10, 2]
    assert large.steps[0].tasks[4:6] == tasks(1, 2, megabytes=3, client_s=0.1)
    assert large.steps[1].tasks[0].seconds == pytest.approx(12.5 / 2)
    assert large.task_s == pytest.approx(6 * 1 + 4 * 2 + 12.5)
    assert large.megabytes == pytest.approx(6 * 3 + 17.5)
    assert large.client_s == pytest.approx(6 * 0.1 + 2 * 5 + 10)


def test_what_does_not_grow_with_a_slide_is_told_by_a_smaller_one():
    # alone before a step: 3 s and 0.5 s a unit of area; after all: nothing that grows
    small, recorded = (
        job(tasks(1, int(area)), before_s=3 + 0.5 * area, after_s=2) for area in (2.0, 8.0)
    )
    large = enlarged(recorded, 5, small, ratio=0.25)
    assert large.steps[0].before_s == pytest.approx(3 + 0.5 * 40)
    assert large.after_s == pytest.approx(2)
    assert large.count == 40


def test_the_cost_model_finds_a_fixed_part_and_a_slope():
    size = np.array([1.0, 4, 16, 64, 400])
    line = fitted(size, 9 + 1.2 * size)
    assert (line.fixed, line.slope) == pytest.approx((9, 1.2))
    assert line.at(1000) == pytest.approx(1209)
    assert np.abs(line.residuals).max() < 1e-9
    # small and large sizes count alike: errors are relative
    cost = (9 + 1.2 * size) * [1.1, 0.9, 1, 1.1, 0.9]
    off = fitted(size, cost)
    assert np.abs(off.residuals).max() < 0.15 and 1.0 < off.slope < 1.3
    # a cost never falls below nothing
    assert fitted([1, 2, 3], [0.5, 2, 4]).fixed == 0


def test_memory_is_fitted_where_a_slide_has_several_tiles():
    runs = pd.DataFrame({"mpx": [1.0, 16, 64, 400, 400, 400], "cells": [1, 16, 64, 400, 400, 400]})
    for cost in COSTS:
        runs[cost] = 2 + 0.01 * runs.mpx
    runs.loc[0, "peak_gb"] = 0.5
    runs.loc[3, "peak_gb"] = 60  # one of three runs: the median counts
    line, used = models(runs, "mpx")["peak_gb"]
    assert used.mpx.tolist() == [16, 64, 400]
    assert (line.fixed, line.slope) == pytest.approx((2, 0.01))
    assert models(runs, "cells")["wall_s"][1].mpx.tolist() == [1, 16, 64, 400]
