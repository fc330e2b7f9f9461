"""Processes that do the tasks of a sweep: each takes clips one after another and keeps its engines loaded.

A process that is killed or crashes costs the result it was at: another one takes the rest of its clip and tries that
result once more; the second time it is recorded as failed. When this program ends, however it does, they end too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from vtlab import resources
from vtlab.errors import Cancelled, VtlabError, redact_output
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, read_result, write_result
from vtlab.evaluation.sweep.run import Bench, Job, Task, evaluate, failed, result_key

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Event

TRIES = 2  # of a result whose process died
STILLBORN = 3  # processes in a row that die before they begin anything: then it is not the clips' fault
PATIENCE_S = 60.0  # that a process has to come to its next checkpoint when all is to stop
GONE = "E_WORKER"


def in_processes(
    jobs: int, job: Job, tasks: Sequence[Task], take: Callable[[ClipResult], None], say: Callable[[str], None]
) -> None:
    """Does the tasks in ``jobs`` processes; ``take`` gets each result as it is there, ``say`` what went wrong.

    Where this is interrupted, the processes stop at their next checkpoint and are waited for.
    """
    context = multiprocessing.get_context("spawn")
    jobs = min(jobs, len(tasks))
    # longest first, so that none is left alone with the longest at the end
    left = deque(sorted(tasks, key=lambda task: -task.clip.seconds) if jobs > 1 else tasks)
    crew = _Crew(context, job, jobs)
    deaths: Counter[tuple[str, str]] = Counter()
    stillborn = 0
    try:
        while left or crew.busy():
            crew.hand_out(left)
            for worker in crew.ready():
                name = worker.receive()
                if name is not None:
                    if worker.at is None:
                        stillborn = 0
                        assert worker.task is not None
                        take(_result(job, worker.task.clip.id, name))
                    continue
                crew.bury(worker)
                stillborn = stillborn + 1 if worker.at is None else 0
                if stillborn >= STILLBORN:
                    raise VtlabError(f"Worker processes end before they begin ({worker.cause()}).", code=GONE)
                rest = worker.rest
                if worker.at is not None and rest is not None:
                    rest = _after_a_death(job, worker, rest, deaths, take, say)
                if rest is not None and rest.configurations:
                    left.appendleft(rest)
    except BaseException:
        crew.stop()
        raise
    crew.dismiss()


def _result(job: Job, clip: str, configuration: str) -> ClipResult:
    """What a worker has kept; not sent, since one that stops must not wait for a reader."""
    result = read_result(clip_folder(job.folder, job.suite.name, configuration, clip))
    assert result is not None
    return result


def _after_a_death(
    job: Job,
    worker: _Worker,
    rest: Task,
    deaths: Counter[tuple[str, str]],
    take: Callable[[ClipResult], None],
    say: Callable[[str], None],
) -> Task:
    """What is left of the task of a process that died; without the result it was at where that was its second death."""
    configuration = rest.configurations[0]
    what = f"{rest.clip.id}, {configuration.name}"
    deaths[rest.clip.id, configuration.name] += 1
    if deaths[rest.clip.id, configuration.name] < TRIES:
        say(f"{what}: its process died ({worker.cause()}); once more")
        return rest
    sentence = (
        f"Its process died {TRIES} times ({worker.cause()}); if that was memory, give fewer --jobs or a smaller model."
    )
    result = failed(job, configuration, rest.clip, result_key(job, configuration, rest.clip), sentence, GONE)
    write_result(result, clip_folder(job.folder, job.suite.name, configuration.name, rest.clip.id))
    take(result)
    return replace(rest, configurations=rest.configurations[1:])


class _Worker:
    """One process, what it is at, and what is left of its task."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process, self.connection = process, connection
        self.task: Task | None = None
        self.rest: Task | None = None
        self.at: str | None = None  # the configuration it has begun

    def give(self, task: Task) -> None:
        self.task, self.rest, self.at = task, task, None
        with suppress(OSError):  # it died meanwhile, which is seen when it is listened to
            self.connection.send(task)

    def receive(self) -> str | None:
        """The configuration that it begins, or, said again, has finished; ``None``: it is dead."""
        try:
            name: str = self.connection.recv()
        except (EOFError, OSError):
            return None
        if self.at is None:
            self.at = name
        else:
            assert self.rest is not None
            self.at = None
            self.rest = replace(self.rest, configurations=self.rest.configurations[1:])
            if not self.rest.configurations:
                self.rest = None
        return name

    def cause(self) -> str:
        code = self.process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"


class _Crew:
    """The processes of a sweep."""

    def __init__(self, context: SpawnContext, job: Job, jobs: int) -> None:
        self._context, self._job, self._jobs = context, job, jobs
        self._stop = context.Event()
        self._workers: list[_Worker] = []

    def busy(self) -> bool:
        return any(worker.rest is not None for worker in self._workers)

    def hand_out(self, tasks: deque[Task]) -> None:
        """Gives a task to whoever has none, and hires where there are more tasks than people."""
        while tasks:
            idle = next((worker for worker in self._workers if worker.rest is None), None)
            if idle is None and len(self._workers) < self._jobs:
                idle = self._hire()
            if idle is None:
                return
            idle.give(tasks.popleft())

    def ready(self) -> list[_Worker]:
        """Those that have something to say, or have died; waits until there is one."""
        by_connection = {worker.connection: worker for worker in self._workers}
        return [by_connection[one] for one in wait(list(by_connection)) if isinstance(one, Connection)]

    def bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()

    def dismiss(self) -> None:
        """Nothing is left to do."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
        for worker in list(self._workers):
            self.bury(worker)

    def stop(self) -> None:
        """Everybody stops at the next checkpoint; who does not come to one is killed."""
        self._stop.set()
        for worker in self._workers:
            worker.process.join(PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
        for worker in list(self._workers):
            self.bury(worker)

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._stop, self._job, self._jobs), name="vtlab-worker"
        )
        process.start()
        theirs.close()  # so that its end is heard here
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]


def _work(connection: Connection, stop: Event, job: Job, jobs: int) -> None:
    """The life of a worker: a task, its results one by one, the next task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who began all says when to stop
    redact_output()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bench = bench_for(jobs)

    def checkpoint() -> None:
        if stop.is_set():
            raise Cancelled("Stopped.")

    while (task := connection.recv()) is not None:
        for configuration in task.configurations:
            connection.send(configuration.name)
            try:
                checkpoint()
                evaluate(
                    job.suite, configuration, task.clip, job.folder,
                    dataset=job.dataset, bench=bench, checkpoint=checkpoint,
                )  # fmt: skip
            except Cancelled:
                return
            connection.send(configuration.name)


def bench_for(jobs: int) -> Bench:
    """What a process has when ``jobs`` of them share this machine: its part of the memory and of the cores."""
    from vtlab.engines.pool import EnginePool
    from vtlab.resources import cores, memory_limit_mb

    threads = None if jobs == 1 else max(1, cores() // jobs)
    return Bench(EnginePool(memory_limit_mb() / jobs), threads)


def _end_with_parent() -> None:
    """Ends this process and its children when the one that began it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    resources.kill_children()
    os._exit(1)
