"""What Prometheus can ask of the server: sessions, stages, failures, quality, memory.

Counters follow what happens (``Metrics.tell`` is a listener of sessions); gauges are read from the sessions when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serve.config import InForce
from serve.progress import Quality, Result, State, Status
from serve.sessions import Sessions
from vtlab.errors import SettingsError
from vtlab.events import Event, Found, StageFinished
from vtlab.findings import Severity
from vtlab.resources import MB

BUCKETS_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
SCORE_BUCKETS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
SCORES = ("lip_sync_accuracy", "voice_quality", "translation_quality")


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
        self._in_session: Sessions | None = None

    def watch(self, sessions: Sessions, in_force: InForce) -> None:
        """Adds the gauges."""
        self._in_session = sessions
        self.registry.register(_Gauges(sessions, in_force))

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
        if state.status is Status.COMPLETED and self._in_session is not None:
            made = self._in_session.result(session_id)
            if isinstance(made, Result):
                self._measured(made.quality)

    def _measured(self, quality: Quality | None) -> None:
        if quality is None:
            self._unmeasured.inc()
            return
        for score in SCORES:
            self._quality.labels(score).observe(getattr(quality, score))
        if not quality.duration_match:
            self._lengths.inc()


class _Gauges(Collector):
    """How things stand, read when asked."""

    def __init__(self, sessions: Sessions, in_force: InForce) -> None:
        self._sessions, self._in_force = sessions, in_force

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily("vtlab_sessions", "Sessions that are known, by status", labels=["status"])
        counts = self._sessions.counts()
        for status in Status:
            by_status.add_metric([status.value], counts.get(status.value, 0))
        yield by_status
        yield GaugeMetricFamily("vtlab_queue_length", "Sessions waiting for a worker", self._sessions.waiting)
        yield GaugeMetricFamily("vtlab_sessions_running", "Sessions that have a worker", self._sessions.running)
        memory = self._sessions.memory_mb * MB
        yield GaugeMetricFamily("vtlab_memory_bytes", "Resident memory of the server and its workers", memory)
        served = GaugeMetricFamily(
            "vtlab_release_info", "What new sessions run", labels=["name", "fingerprint", "release"]
        )
        release = self._in_force.release
        name = self._in_force.served.name
        served.add_metric(
            [name, "" if release is None else release.fingerprint, "" if release is None else str(release.number)], 1
        )
        yield served


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
