"""Replays recorded task times through a simulated scheduler.

A job is what one client does: steps one after the other, each with tasks that workers share. The
client hands over all tasks of a step, takes their results in order, works a moment on each, and
begins the next step when it has the last one. A cohort is a job too: its tasks are slides.

Four things can be short, and each is modelled:

* *workers* do one task at a time;
* the *scheduler* takes a while for each task it hands out, one after the other;
* the *client* is one thread;
* *storage* gives all who read or write at a moment the same share of its bandwidth, and so do the
  *cores* of a machine that more threads than it has cores want to use.

The simulation jumps from event to event. A resource that is shared evenly keeps a clock of how much
each of its users has got so far, so that what ends next stands on top of a heap however often the
shares change.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cluster", "Job", "Outcome", "Step", "Task", "enlarged", "replay"]


@dataclass(frozen=True)
class Task:
    """What a worker does for one block.

    Parameters
    ----------
    parts
        Pairs of core seconds and megabytes, in turn: it computes, then reads or writes, and so on.
    client_s
        What the client does once it has the result, before it takes the next one.
    """

    parts: tuple[tuple[float, float], ...]
    client_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Core seconds."""
        return math.fsum(seconds for seconds, _ in self.parts)

    @property
    def megabytes(self) -> float:
        """What is read and written."""
        return math.fsum(megabytes for _, megabytes in self.parts)


@dataclass(frozen=True)
class Step:
    """Tasks that wait for nothing but the step before.

    Parameters
    ----------
    name
        What is done.
    tasks
        In the order in which the client takes their results.
    before_s
        What the client does before it hands them over.
    """

    name: str
    tasks: tuple[Task, ...]
    before_s: float = 0.0


@dataclass(frozen=True)
class Job:
    """The steps of one client, and what it does after the last one."""

    steps: tuple[Step, ...]
    after_s: float = 0.0

    @property
    def client_s(self) -> float:
        """Seconds in which no worker can help."""
        inside = (t.client_s for step in self.steps for t in step.tasks)
        return math.fsum((self.after_s, *(s.before_s for s in self.steps), *inside))

    @property
    def task_s(self) -> float:
        """Core seconds of all tasks."""
        return math.fsum(task.seconds for step in self.steps for task in step.tasks)

    @property
    def megabytes(self) -> float:
        """What all tasks read and write."""
        return math.fsum(task.megabytes for step in self.steps for task in step.tasks)

    @property
    def count(self) -> int:
        """Number of tasks."""
        return sum(len(step.tasks) for step in self.steps)


@dataclass(frozen=True)
class Cluster:
    """Where jobs are done.

    Parameters
    ----------
    workers
        Tasks that run at once.
    dispatch_s
        What the scheduler takes for a task; it does one after the other.
    send_s
        What the client takes to send out a step's function.
    warm_s
        What a worker takes longer for its first task: it loads libraries and weights.
    cores
        Cores that workers and clients share; without end where each has its own.
    storage_mb_s
        Bandwidth that all share.
    link_mb_s
        Bandwidth of one worker.
    """

    workers: int
    dispatch_s: float = 0.0
    send_s: float = 0.0
    warm_s: float = 0.0
    cores: float = math.inf
    storage_mb_s: float = math.inf
    link_mb_s: float = math.inf


@dataclass(frozen=True)
class Outcome:
    """What came of a replay.

    Parameters
    ----------
    seconds
        Until the last job was done.
    step_s
        For each step of the first job: from its beginning to that of the next one.
    use
        Share of the time for which workers, scheduler, client (of the first job) and storage had
        work; the greatest is what more of would help.
    """

    seconds: float
    step_s: tuple[float, ...]
    use: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """What was busiest."""
        return max(self.use, key=lambda name: self.use[name])


class _Shared:
    """A resource whose users all get the same: ``most`` each, or an even part of ``capacity``."""

    def __init__(self, capacity: float, most: float) -> None:
        self.capacity, self.most = capacity, most
        self.then = self.given = self.total = 0.0
        self.users: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def _rate(self) -> float:
        return min(self.most, self.capacity / len(self.users))

    def forward(self, now: float) -> None:
        if self.users:
            self.given += self._rate * (now - self.then)
        self.then = now

    def use(self, amount: float, number: int, done: Callable[[], None]) -> None:
        heapq.heappush(self.users, (self.given + amount, number, done))
        self.total += amount

    def next(self) -> float:
        if not self.users:
            return math.inf
        return self.then + max(self.users[0][0] - self.given, 0.0) / self._rate

    def end(self) -> Callable[[], None]:
        until, _, done = heapq.heappop(self.users)
        self.given = max(self.given, until)  # no rounding is carried on
        return done


@dataclass
class _World:
    cluster: Cluster
    now: float = 0.0
    dispatched: float = 0.0
    idle: deque[bool] = field(default_factory=deque)
    ready: deque[tuple[Any, int, Task]] = field(default_factory=deque)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.number = itertools.count()
        self.cores = _Shared(self.cluster.cores, 1.0)
        self.storage = _Shared(self.cluster.storage_mb_s, self.cluster.link_mb_s)
        self.idle.extend([True] * self.cluster.workers)  # True: did nothing yet

    def run(self) -> None:
        while True:
            times = (
                self.events[0][0] if self.events else math.inf,
                self.cores.next(),
                self.storage.next(),
            )
            soonest = min(times)
            if soonest == math.inf:
                return
            self.now = soonest
            self.cores.forward(soonest)
            self.storage.forward(soonest)
            if times[0] == soonest:
                heapq.heappop(self.events)[2]()
            elif times[1] == soonest:
                self.cores.end()()
            else:
                self.storage.end()()

    def compute(self, seconds: float, then: Callable[[], None]) -> None:
        if seconds > 0:
            self.cores.use(seconds, next(self.number), then)
        else:
            heapq.heappush(self.events, (self.now, next(self.number), then))

    def move(self, megabytes: float, then: Callable[[], None]) -> None:
        limited = math.isfinite(self.storage.capacity) or math.isfinite(self.storage.most)
        if megabytes > 0 and limited:
            self.storage.use(megabytes, next(self.number), then)
        else:
            then()

    def dispatch(self, client: "_Client", at: int, task: Task) -> None:
        self.dispatched = max(self.dispatched, self.now) + self.cluster.dispatch_s

        def arrive() -> None:
            self.ready.append((client, at, task))
            self.assign()

        heapq.heappush(self.events, (self.dispatched, next(self.number), arrive))

    def assign(self) -> None:
        while self.idle and self.ready:
            fresh = self.idle.popleft()
            client, at, task = self.ready.popleft()
            self.work(client, at, task, 0, self.cluster.warm_s if fresh else 0.0)

    def work(self, client: "_Client", at: int, task: Task, part: int, more_s: float = 0.0) -> None:
        if part == len(task.parts):
            self.idle.append(False)
            self.assign()
            client.take(at)
            return
        seconds, megabytes = task.parts[part]
        onward = lambda: self.work(client, at, task, part + 1)  # noqa: E731
        self.compute(seconds + more_s, lambda: self.move(megabytes, onward))


class _Client:
    """Takes a job through its steps."""

    def __init__(self, world: _World, job: Job, ended: Callable[[], None]) -> None:
        self.world, self.job, self.ended = world, job, ended
        self.step, self.begun = -1, [world.now]
        self.done: list[bool] = []
        self.taken = 0
        self.busy = False
        self.go_on()

    def go_on(self) -> None:
        self.step += 1
        if self.step:
            self.begun.append(self.world.now)
        if self.step == len(self.job.steps):
            self.world.compute(self.job.after_s, self.ended)
            return
        step = self.job.steps[self.step]
        self.done, self.taken, self.busy = [False] * len(step.tasks), 0, False
        sent_s = self.world.cluster.send_s if step.tasks else 0.0
        self.world.compute(step.before_s + sent_s, self.hand_over)

    def hand_over(self) -> None:
        tasks = self.job.steps[self.step].tasks
        if not tasks:
            self.go_on()
        for at, task in enumerate(tasks):
            self.world.dispatch(self, at, task)

    def take(self, at: int) -> None:
        self.done[at] = True
        self.look()

    def look(self) -> None:
        if self.busy or not self.done[self.taken]:
            return
        self.busy = True
        self.world.compute(self.job.steps[self.step].tasks[self.taken].client_s, self.took)

    def took(self) -> None:
        self.busy = False
        self.taken += 1
        if self.taken == len(self.done):
            self.go_on()
        else:
            self.look()


def replay(jobs: Sequence[Job], cluster: Cluster) -> Outcome:
    """Do jobs, all at once, on a cluster.

    Parameters
    ----------
    jobs
        Each with a client of its own.
    cluster
        What they share.
    """
    world = _World(cluster)
    ends: list[float] = []
    clients = [_Client(world, job, lambda: ends.append(world.now)) for job in jobs]
    world.run()
    assert len(ends) == len(jobs), "a job never ended"
    seconds = max(ends, default=0.0)
    if not seconds:
        return Outcome(0.0, (), {})
    count = sum(job.count for job in jobs)
    begun = clients[0].begun
    return Outcome(
        seconds=seconds,
        step_s=tuple(b - a for a, b in itertools.pairwise(begun)),
        use={
            "workers": math.fsum(job.task_s for job in jobs) / (cluster.workers * seconds),
            "scheduler": count * cluster.dispatch_s / seconds,
            "client": (jobs[0].client_s + cluster.send_s * len(jobs[0].steps)) / seconds,
            "storage": world.storage.total / (cluster.storage_mb_s * seconds),
        },
    )


def enlarged(job: Job, factor: float, small: Job | None = None, ratio: float = 0.0) -> Job:
    """Return the job of a slide with ``factor`` times the area, from recorded smaller ones.

    Every step has so many times the tasks, whose times are those that were recorded, in turn, and
    take so many times as long together. What the client does alone has a part that does not grow.

    Parameters
    ----------
    job
        Recorded.
    factor
        How much larger the slide is.
    small
        The same of another slide with ``ratio`` times the area of the first: the line through
        both says what the client does. Without it all of that grows.
    """
    before = {step.name: step.before_s for step in small.steps} if small else {}

    def line(large_s: float, small_s: float | None) -> float:
        slope = large_s if small_s is None else (large_s - small_s) / (1 - ratio)
        return large_s + min(max(slope, 0.0), large_s) * (factor - 1)

    def more(step: Step) -> Step:
        count = max(round(len(step.tasks) * factor), 1)
        longer = len(step.tasks) * factor / count
        tasks = tuple(
            Task(tuple((s * longer, mb * longer) for s, mb in task.parts), task.client_s * longer)
            for task in itertools.islice(itertools.cycle(step.tasks), count)
        )
        return Step(step.name, tasks, line(step.before_s, before.get(step.name)))

    after_s = line(job.after_s, small.after_s if small else None)
    return Job(tuple(more(step) for step in job.steps), after_s)
