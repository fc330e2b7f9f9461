"""A sweep on a Ray cluster of two nodes on this machine, each with one core and little memory."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sweeping import Lines, numbers, run, suite_data, write_dataset, write_suite

from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.run import run_sweep

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'vtlab[ray]'")


def node() -> dict[str, Any]:
    """What a node is given. Ports, too: without them Ray waits for its agents to choose, and not for long."""
    ports = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
    return {"num_cpus": 1, "object_store_memory": 80 << 20, **dict(zip(ports, free_ports(len(ports)), strict=True))}


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # as in an installation without Ray's dashboard, whose agents take longer to load than nodes wait for them
    monkeypatch.setattr("ray._private.utils.get_dashboard_dependency_error", lambda: "not wanted here")
    made = Cluster()
    try:
        made.add_node(**node(), include_dashboard=False)
    except Exception as error:
        made.shutdown()
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("Ray's own 30 s did not suffice to start a node on this machine")
    yield made
    ray.shutdown()
    made.shutdown()


def test_with_a_node_killed_in_the_middle_it_equals_a_local_one(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_suite(tmp_path / "small.yaml", suite_data(write_dataset(tmp_path / "data")))
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "local-store"))
    local, _ = run(suite, tmp_path / "local")
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "store"))
    from vtlab.evaluation.sweep.cluster import run_on_ray

    doomed = cluster.add_node(**node())
    cluster.wait_for_nodes()
    over = threading.Event()

    def kill_when_something_is_done() -> None:
        while not over.is_set():
            if list((tmp_path / "out").glob("*/*/*/result.json")):
                cluster.remove_node(doomed, allow_graceful=False)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_when_something_is_done)
    killer.start()
    lines = Lines()
    try:
        workers = partial(run_on_ray, cluster.address)
        done = run_sweep(load_suite(suite), tmp_path / "out", workers, on_result=lines.finished, report=lines.said)
    finally:
        over.set()
        killer.join()
    assert "Ray: 2 nodes, 2 cores" in lines.sentences
    assert len(lines.results) == 4
    assert numbers(done) == numbers(local)
    assert any((tmp_path / "store").rglob("*.json"))
