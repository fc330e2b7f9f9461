"""The load of the machine while it dubs, as MLflow measures it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SAMPLE_EVERY_S = 5.0

Sample = tuple[int, dict[str, float]]
"""Milliseconds since 1970, and values by the name of the metric."""


@contextmanager
def sample_load() -> Iterator[list[Sample]]:
    """Yield a list that fills with samples of processor, memory, disk and network while the body runs."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    samples: list[Sample] = []
    over = threading.Event()

    def sample() -> None:
        values: dict[str, float] = {}
        for monitor in monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        samples.append((round(time.time() * 1000), values))

    def run() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            sample()

    thread = threading.Thread(target=run, name="machine's load", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
        sample()
