"""Prometheus metrics: sessions, stages, failures, quality, memory.

Counters follow what happens in sessions; gauges are read when somebody asks for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serve.state import Quality, Result, State, Status
from vtlab.errors import SettingsError
from vtlab.events import Event, Found, Severity, StageFinished
from vtlab.resources import MB

BUCKETS_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
SCORE_BUCKETS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
TIMEOUT_S = 10.0

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nobody needs


@dataclass(frozen=True)
class Gauges:
    """How things stand at one moment.

    Attributes:
        sessions: Their number by status, of those that the registry knows.
        release: Name of what new sessions run.
        fingerprint: Of the release's settings; empty where there is no release.
    """

    sessions: Mapping[str, int]
    waiting: int
    running: int
    memory_mb: float
    release: str
    fingerprint: str


class Metrics:
    """Keep the counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Make the counters, all at 0."""
        self.registry = CollectorRegistry()

        def counter(name: str, means: str, *labels: str) -> Counter:
            return Counter(f"vtlab_{name}", means, labels, registry=self.registry)

        def histogram(name: str, means: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"vtlab_{name}", means, labels, buckets=buckets, registry=self.registry)

        self._ended = counter("sessions_ended", "Sessions that ended, by how", "status")
        self._failures = counter("failures", "Sessions that failed, by the code of the reason", "code")
        self._degraded = counter("segments_degraded", "Segments missing from dubs, or not as they should be")
        self._findings = counter("findings", "What checks found", "stage", "code", "severity")
        self._stages = histogram("stage_seconds", "Time from start to end of a stage", BUCKETS_S, "stage", "reused")
        self._sessions = histogram("session_seconds", "Time from request to end, waiting included", BUCKETS_S)
        self._quality = histogram("quality_score", "Measured quality of completed dubs, 0–100", SCORE_BUCKETS, "score")
        self._unmeasured = counter("quality_unmeasured", "Completed dubs with a score that could not be measured")
        self._lengths = counter("duration_mismatches", "Completed dubs that are not as long as their source")
        for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
            self._ended.labels(status.value)  # there from the start, with 0

    def watch(self, read: Callable[[], Gauges]) -> None:
        """Add gauges that `read` returns; it is called in the event loop that calls this."""
        self.registry.register(_GaugeCollector(read, asyncio.get_running_loop()))

    def count(self, session_id: str, happened: Event | State | Result) -> None:
        """Count what happened in a session; a listener of sessions."""
        match happened:
            case StageFinished(stage, seconds=seconds, reused=reused):
                self._stages.labels(stage, str(reused).lower()).observe(seconds)
            case Found(finding):
                self._findings.labels(finding.stage, finding.code, finding.severity.value).inc()
                if finding.severity is Severity.DEGRADED and finding.segment is not None:
                    self._degraded.inc()
            case State() if happened.status.final:
                self._ended.labels(happened.status.value).inc()
                self._sessions.observe(happened.elapsed_s)
                if happened.status is Status.FAILED:
                    self._failures.labels(happened.code or "E_INTERNAL").inc()
            case Result():
                self._count_quality(happened.quality)

    def _count_quality(self, quality: Quality | None) -> None:
        if quality is None:
            self._unmeasured.inc()
            return
        self._quality.labels("lip_sync_accuracy").observe(quality.lip_sync_accuracy)
        self._quality.labels("voice_quality").observe(quality.voice_quality)
        self._quality.labels("translation_quality").observe(quality.translation_quality)
        if not quality.duration_match:
            self._lengths.inc()


class _GaugeCollector(Collector):
    """Reads gauges when asked, in the event loop, where the sessions live."""

    def __init__(self, read: Callable[[], Gauges], loop: asyncio.AbstractEventLoop) -> None:
        self._read_gauges, self._loop = read, loop

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry would collect to find the names, before the loop can answer

    def collect(self) -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(self._read(), self._loop).result(TIMEOUT_S)

    async def _read(self) -> list[Metric]:
        gauges = self._read_gauges()
        by_status = GaugeMetricFamily("vtlab_sessions", "Sessions that are known, by status", labels=["status"])
        for status in Status:
            by_status.add_metric([status.value], gauges.sessions.get(status.value, 0))
        release = GaugeMetricFamily("vtlab_release_info", "What new sessions run", labels=["name", "fingerprint"])
        release.add_metric([gauges.release, gauges.fingerprint], 1)
        memory = gauges.memory_mb * MB
        return [
            by_status,
            GaugeMetricFamily("vtlab_queue_length", "Sessions waiting for a worker", gauges.waiting),
            GaugeMetricFamily("vtlab_sessions_running", "Sessions that have a worker", gauges.running),
            GaugeMetricFamily("vtlab_memory_bytes", "Resident memory of the server and its workers", memory),
            release,
        ]


def serve_metrics(metrics: Metrics, host: str, port: int) -> WSGIServer:
    """Answer `GET /metrics` from a thread until the server that is returned is shut down; it knows its port.

    Raises:
        SettingsError: The port is taken.
    """
    try:
        server, _ = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise SettingsError(
            f"Metrics cannot be served on {host}, port {port}: {error.strerror}. Choose another METRICS_PORT."
        ) from error
    return server
