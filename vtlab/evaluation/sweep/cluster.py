"""The tasks of a sweep on a Ray cluster, where a clip with all its configurations is one task.

Results and the store (``VTLAB_STORE``) are in folders that all machines share under one path, and so is the data set.
A task whose node dies is done again on another one, where it finds the results that were finished.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab.errors import EngineError, ResourceError
from vtlab.evaluation.sweep.clip import Bench, Job, evaluate_clip, failed_result, result_key
from vtlab.evaluation.sweep.plan import Task
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, read_result, write_result
from vtlab.evaluation.sweep.workers import WORKER_DIED

if TYPE_CHECKING:
    from types import ModuleType

LOCAL = "ray"  # the address of a cluster on this machine alone
RETRIES = 3  # of a clip whose node died
PASSED_ON = ("VTLAB_STORE", "VTLAB_WEIGHTS", "VTLAB_FFMPEG")  # to tasks, as they are where the sweep is started

_bench: Bench | None = None  # of a worker process of the cluster, from task to task


def run_on_ray(
    address: str,
    job: Job,
    tasks: Sequence[Task],
    take: Callable[[ClipResult], None],
    report: Callable[[str], None],
) -> None:
    """Do the tasks on a cluster.

    Args:
        address: `ray` starts a cluster on this machine; `ray://host:port` or `host:port` joins a running one.
        job: What the tasks share.
        tasks: The clips, each with its configurations.
        take: Takes each result as it is finished.
        report: Takes a sentence where a task failed.

    Raises:
        EngineError: Ray is not installed.
        ResourceError: The cluster cannot be reached, or its machines do not share the folder of results.
    """
    ray = _ray()
    started = _connect(ray, address)
    report(f"Ray: {len(ray.nodes())} nodes, {ray.cluster_resources().get('CPU', 0):.0f} cores")
    folder = job.folder.resolve()
    job = Job(job.suite, job.dataset, folder)
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_do)
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    under_way = {remote.remote(job, task, str(Path.cwd()), variables): task for task in tasks}
    try:
        while under_way:
            ready, _ = ray.wait(list(under_way), num_returns=1)
            for one in ready:
                task = under_way.pop(one)
                try:
                    ray.get(one)
                except ray.exceptions.RayError as error:
                    sentence = f"Its task failed on the cluster, retries included: {_first_line(error)}"
                    report(f"{task.clip.id}: {sentence}")
                    _record_failures(job, task, sentence)
                for configuration in task.configurations:
                    result = read_result(clip_folder(folder, job.suite.name, configuration.name, task.clip.id))
                    if result is None:
                        raise ResourceError(
                            f"The result of {task.clip.id} is not in {folder}: the nodes do not share that folder."
                        )
                    take(result)
    finally:
        for one in under_way:
            with suppress(ray.exceptions.RayError):
                ray.cancel(one, force=True)
        if started:
            ray.shutdown()


def _do(job: Job, task: Task, folder: str, variables: dict[str, str]) -> None:
    """Do a task in a worker of the cluster, with `folder` as its working folder."""
    global _bench
    from vtlab.engines.pool import EnginePool
    from vtlab.resources import cores, memory_limit_mb

    os.environ.update(variables)
    with suppress(OSError):
        os.chdir(folder)
    if _bench is None:
        # as many workers as cores may share the machine
        _bench = Bench(EnginePool(memory_limit_mb() / cores()), 1)
    for configuration in task.configurations:
        evaluate_clip(job.suite, configuration, task.clip, job.folder, dataset=job.dataset, bench=_bench)


def _record_failures(job: Job, task: Task, sentence: str) -> None:
    for configuration in task.configurations:
        home = clip_folder(job.folder, job.suite.name, configuration.name, task.clip.id)
        key = result_key(job, configuration, task.clip)
        known = read_result(home)
        if known is None or known.key != key:
            write_result(failed_result(job, configuration, task.clip, key, sentence, WORKER_DIED), home)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise EngineError("A sweep on a cluster needs Ray: pip install 'vtlab[ray]'.") from error
    module: ModuleType = ray
    return module


def _connect(ray: Any, address: str) -> bool:
    """Join or start the cluster; return whether this call did, or it was joined before."""
    if ray.is_initialized():
        return False
    options = {"include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        ray.init(**options, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ResourceError(f"There is no Ray cluster at {address}: {error}") from error
    return True
