"""What Prometheus can ask of the server: sessions, stages, failures, quality, memory.

Counters follow what happens (``Metrics.tell`` is a listener of sessions); gauges are read from the sessions when
somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serve.config import ActiveRelease
from serve.sessions.sessions import Sessions
from serve.state import Result, State, Status
from vtlab.errors import SettingsError
from vtlab.events import Event, Found, Severity, StageFinished
from vtlab.resources import MB

BUCKETS_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
SCORE_BUCKETS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
PATIENCE_S = 10.0
SCORES = ("lip_sync_accuracy", "voice_quality", "translation_quality")

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nobody needs


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, means: str, *labels: str) -> Counter:
            return Counter(f"vtlab_{name}", means, labels, registry=self.registry)

        def histogram(name: str, means: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"vtlab_{name}", means, labels, buckets=buckets, registry=self.registry)

        self._ended = counter("sessions_ended", "Sessions that ended, by how", "status")
        self._failures = counter("failures", "Sessions that failed, by the code of the reason", "code")
        self._degraded = counter("segments_degraded", "Lines of speech missing from dubs, or not as they should be")
        self._findings = counter("findings", "What checks found", "stage", "code", "severity")
        self._stages = histogram("stage_seconds", "Time from start to end of a stage", BUCKETS_S, "stage", "reused")
        self._sessions = histogram("session_seconds", "Time from request to end, waiting included", BUCKETS_S)
        self._quality = histogram("quality_score", "Measured quality of completed dubs, 0–100", SCORE_BUCKETS, "score")
        self._unmeasured = counter("quality_unmeasured", "Completed dubs with a score that could not be measured")
        self._lengths = counter("duration_mismatches", "Completed dubs that are not as long as their source")
        for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
            self._ended.labels(status.value)  # there from the start, with 0
        self._sessions_of: Sessions | None = None

    def watch(self, sessions: Sessions, in_force: ActiveRelease) -> None:
        """Adds the gauges, and the quality of what completes. Called in the event loop of ``sessions``."""
        self._sessions_of = sessions
        self.registry.register(_Gauges(sessions, in_force, asyncio.get_running_loop()))

    def tell(self, session_id: str, happened: Event | State) -> None:
        match happened:
            case StageFinished(stage, seconds=seconds, reused=reused):
                self._stages.labels(stage, str(reused).lower()).observe(seconds)
            case Found(finding):
                self._findings.labels(finding.stage, finding.code, finding.severity.value).inc()
                if finding.severity is Severity.DEGRADED and finding.segment is not None:
                    self._degraded.inc()
            case State() if happened.status.final:
                self._end(session_id, happened)

    def _end(self, session_id: str, state: State) -> None:
        self._ended.labels(state.status.value).inc()
        self._sessions.observe(state.elapsed_s)
        if state.status is Status.FAILED:
            self._failures.labels(state.code or "E_INTERNAL").inc()
        if state.status is Status.COMPLETED and self._sessions_of is not None:
            # a moment later: listeners are told before the result can be asked for
            asyncio.get_running_loop().call_soon(self._measure, self._sessions_of, session_id)

    def _measure(self, sessions: Sessions, session_id: str) -> None:
        made = sessions.result(session_id)
        if not isinstance(made, Result):
            return  # started again already
        quality = made.quality
        if quality is None:
            self._unmeasured.inc()
            return
        for score in SCORES:
            self._quality.labels(score).observe(getattr(quality, score))
        if not quality.duration_match:
            self._lengths.inc()


class _Gauges(Collector):
    """How things stand, read when asked; in the event loop, where the sessions live."""

    def __init__(self, sessions: Sessions, in_force: ActiveRelease, loop: asyncio.AbstractEventLoop) -> None:
        self._sessions, self._in_force, self._loop = sessions, in_force, loop

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry would collect to find the names, before the loop can answer

    def collect(self) -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(self._read(), self._loop).result(PATIENCE_S)

    async def _read(self) -> list[Metric]:
        counts = self._sessions.counts()
        by_status = GaugeMetricFamily("vtlab_sessions", "Sessions that are known, by status", labels=["status"])
        for status in Status:
            by_status.add_metric([status.value], counts.get(status.value, 0))
        served = GaugeMetricFamily("vtlab_release_info", "What new sessions run", labels=["name", "fingerprint"])
        release = self._in_force.release
        served.add_metric([self._in_force.served.name, "" if release is None else release.fingerprint], 1)
        memory = self._sessions.memory_mb * MB
        return [
            by_status,
            GaugeMetricFamily("vtlab_queue_length", "Sessions waiting for a worker", self._sessions.waiting),
            GaugeMetricFamily("vtlab_sessions_running", "Sessions that have a worker", self._sessions.running),
            GaugeMetricFamily("vtlab_memory_bytes", "Resident memory of the server and its workers", memory),
            served,
        ]


def serve_metrics(metrics: Metrics, host: str, port: int) -> WSGIServer:
    """Answers ``GET /metrics`` from a thread of its own, until ``shutdown``; ``server_port`` is where.

    Raises ``SettingsError`` where the port is taken.
    """
    try:
        server, _ = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise SettingsError(
            f"Metrics cannot be served on {host}, port {port}: {error.strerror}. Choose another METRICS_PORT."
        ) from error
    return server
