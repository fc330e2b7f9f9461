"""Processes that do the tasks of a sweep: each does clips one after another and keeps its engines loaded.

A process that is killed or crashes loses the result it was working on: another one does the rest of its clip and tries
that result once more; the second time it is recorded as failed. When this program ends, however it does, they end too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import TYPE_CHECKING

from vtlab import resources
from vtlab.errors import Cancelled, VtlabError, redact_output
from vtlab.evaluation.sweep.clip import Bench, Job, evaluate_clip, failed_result, result_key
from vtlab.evaluation.sweep.plan import Task
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, read_result, write_result

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Event

TRIES = 2  # of a result whose process died
EARLY_DEATHS = 3  # processes in a row that die before they begin anything: then it is not the clips' fault
STOP_S = 60.0  # to reach the next checkpoint when all is to stop
WORKER_DIED = "E_WORKER"


def run_in_processes(
    jobs: int, job: Job, tasks: Sequence[Task], take: Callable[[ClipResult], None], report: Callable[[str], None]
) -> None:
    """Do the tasks in `jobs` processes.

    Interrupted, it stops the processes at their next checkpoint and waits for them.

    Args:
        jobs: The number of processes; no more are started than there are tasks.
        job: What the tasks share.
        tasks: The clips, each with its configurations.
        take: Takes each result as it is finished.
        report: Takes a sentence where a process died.

    Raises:
        VtlabError: `E_WORKER`; processes end before they begin any work.
    """
    context = multiprocessing.get_context("spawn")
    jobs = min(jobs, len(tasks))
    # longest first, so that none is left alone with the longest at the end
    left = deque(sorted(tasks, key=lambda task: -task.clip.seconds) if jobs > 1 else tasks)
    workers = _WorkerGroup(context, job, jobs)
    deaths: Counter[tuple[str, str]] = Counter()
    early_deaths = 0
    try:
        while left or workers.busy():
            workers.hand_out(left)
            for worker in workers.ready():
                name = worker.receive()
                if name is not None:
                    if worker.current is None:
                        early_deaths = 0
                        assert worker.task is not None
                        take(_result(job, worker.task.clip.id, name))
                    continue
                workers.remove(worker)
                early_deaths = early_deaths + 1 if worker.current is None else 0
                if early_deaths >= EARLY_DEATHS:
                    raise VtlabError(f"Worker processes end before they begin ({worker.cause()}).", code=WORKER_DIED)
                rest = worker.rest
                if worker.current is not None and rest is not None:
                    rest = _after_a_death(job, worker, rest, deaths, take, report)
                if rest is not None and rest.configurations:
                    left.appendleft(rest)
    except BaseException:
        workers.stop()
        raise
    workers.finish()


def _result(job: Job, clip: str, configuration: str) -> ClipResult:
    """Read what a worker wrote; it is not sent, since a worker that stops must not wait for a reader."""
    result = read_result(clip_folder(job.folder, job.suite.name, configuration, clip))
    assert result is not None
    return result


def _after_a_death(
    job: Job,
    worker: _Worker,
    rest: Task,
    deaths: Counter[tuple[str, str]],
    take: Callable[[ClipResult], None],
    report: Callable[[str], None],
) -> Task:
    """Return what is left of a dead process's task, without the result it was working on if that was its second try."""
    configuration = rest.configurations[0]
    what = f"{rest.clip.id}, {configuration.name}"
    deaths[rest.clip.id, configuration.name] += 1
    if deaths[rest.clip.id, configuration.name] < TRIES:
        report(f"{what}: its process died ({worker.cause()}); once more")
        return rest
    sentence = (
        f"Its process died {TRIES} times ({worker.cause()}); if that was memory, give fewer --jobs or a smaller model."
    )
    result = failed_result(
        job, configuration, rest.clip, result_key(job, configuration, rest.clip), sentence, WORKER_DIED
    )
    write_result(result, clip_folder(job.folder, job.suite.name, configuration.name, rest.clip.id))
    take(result)
    return replace(rest, configurations=rest.configurations[1:])


class _Worker:
    """One process, the configuration it is working on, and what is left of its task."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process, self.connection = process, connection
        self.task: Task | None = None
        self.rest: Task | None = None
        self.current: str | None = None  # the configuration it has begun

    def give(self, task: Task) -> None:
        self.task, self.rest, self.current = task, task, None
        with suppress(OSError):  # it died meanwhile, which receiving from it will tell
            self.connection.send(task)

    def receive(self) -> str | None:
        """Return the configuration that it begins, or, named again, has finished; `None` where it is dead."""
        try:
            name: str = self.connection.recv()
        except (EOFError, OSError):
            return None
        if self.current is None:
            self.current = name
        else:
            assert self.rest is not None
            self.current = None
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


class _WorkerGroup:
    """The processes of a sweep."""

    def __init__(self, context: SpawnContext, job: Job, jobs: int) -> None:
        self._context, self._job, self._jobs = context, job, jobs
        self._stop = context.Event()
        self._workers: list[_Worker] = []

    def busy(self) -> bool:
        return any(worker.rest is not None for worker in self._workers)

    def hand_out(self, tasks: deque[Task]) -> None:
        """Give tasks to idle processes, and start more where there are more tasks than processes."""
        while tasks:
            idle = next((worker for worker in self._workers if worker.rest is None), None)
            if idle is None and len(self._workers) < self._jobs:
                idle = self._start()
            if idle is None:
                return
            idle.give(tasks.popleft())

    def ready(self) -> list[_Worker]:
        """Wait for processes that have sent something or died, and return them."""
        by_connection = {worker.connection: worker for worker in self._workers}
        return [by_connection[one] for one in wait(list(by_connection)) if isinstance(one, Connection)]

    def remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()

    def finish(self) -> None:
        """End the processes, which have nothing left to do."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
        for worker in list(self._workers):
            self.remove(worker)

    def stop(self) -> None:
        """Stop each process at its next checkpoint; kill it after `STOP_S`."""
        self._stop.set()
        for worker in self._workers:
            worker.process.join(STOP_S)
            if worker.process.is_alive():
                worker.process.kill()
        for worker in list(self._workers):
            self.remove(worker)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._stop, self._job, self._jobs), name="vtlab-worker"
        )
        with _main_hidden():
            process.start()
        theirs.close()  # else the end of the process would not close the connection
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Hide the caller's main module from a new process, which would run it again.

    So a script that calls `vtlab.evaluate` needs no `if __name__ == "__main__"`.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(connection: Connection, stop: Event, job: Job, jobs: int) -> None:
    """Run in a worker: do a task, its results one by one, then the next task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
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
                evaluate_clip(
                    job.suite, configuration, task.clip, job.folder,
                    dataset=job.dataset, bench=bench, checkpoint=checkpoint,
                )  # fmt: skip
            except Cancelled:
                return
            connection.send(configuration.name)


def bench_for(jobs: int) -> Bench:
    """Return a bench with its share of memory and cores, where `jobs` processes share the machine."""
    from vtlab.engines.pool import EnginePool
    from vtlab.resources import cores, memory_limit_mb

    threads = None if jobs == 1 else max(1, cores() // jobs)
    return Bench(EnginePool(memory_limit_mb() / jobs), threads)


def _end_with_parent() -> None:
    """End this process and its children when its parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    resources.kill_children()
    os._exit(1)
