from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from rpc_server import MADE, STARTED, Remembered

from serve.config import ActiveRelease
from serve.observe.metrics import Metrics, serve_metrics
from serve.state import Result, Status
from vtlab.errors import SettingsError
from vtlab.events import Finding, Found, Severity, StageFinished

FINDING = Finding("tts", "unspoken", Severity.DEGRADED, "", segment=4)


class Measured(Remembered):
    """One of its dubs has a score that could not be measured, one is too long."""

    def result(self, session_id: str) -> Result:
        quality = MADE.quality
        assert quality is not None
        if session_id == "unmeasured":
            return replace(MADE, quality=None)
        return replace(MADE, quality=replace(quality, duration_match=session_id != "long"))


async def asked(tmp_path: Path) -> dict[str, float]:
    """The answer to Prometheus after a few sessions, as it goes over the wire."""
    sessions, metrics = Measured(), Metrics()
    metrics.watch(sessions, ActiveRelease(tmp_path, environment={}))
    server = serve_metrics(metrics, "localhost", 0)
    try:
        metrics.tell("a", STARTED)
        metrics.tell("a", StageFinished("tts", 5, 8, 2.0, False))
        metrics.tell("a", StageFinished("tts", 5, 8, 0.01, True))
        metrics.tell("a", Found(FINDING))
        metrics.tell("a", Found(replace(FINDING, segment=5)))
        metrics.tell("a", Found(replace(FINDING, segment=6, severity=Severity.WARNING)))
        for session in ("a", "long", "unmeasured"):
            metrics.tell(session, replace(STARTED, status=Status.COMPLETED, elapsed_s=12))
        metrics.tell("b", replace(STARTED, status=Status.FAILED, code="E_NO_SPEECH"))
        metrics.tell("c", replace(STARTED, status=Status.FAILED))
        await sessions.tell(replace(STARTED, session_id="d"))
        await sessions.tell(replace(STARTED, session_id="e", status=Status.PAUSED))
        url = f"http://localhost:{server.server_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read().decode())
    finally:
        server.shutdown()
        server.server_close()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_metrics_over_the_wire(tmp_path: Path) -> None:
    told = asyncio.run(asked(tmp_path))
    expected = {
        'vtlab_sessions{status="processing"}': 1,
        'vtlab_sessions{status="paused"}': 1,
        'vtlab_sessions{status="completed"}': 0,
        "vtlab_queue_length": 3,
        "vtlab_sessions_running": 1,
        "vtlab_memory_bytes": 100 * 2**20,
        'vtlab_sessions_ended_total{status="completed"}': 3,
        'vtlab_sessions_ended_total{status="failed"}': 2,
        'vtlab_sessions_ended_total{status="cancelled"}': 0,
        'vtlab_failures_total{code="E_NO_SPEECH"}': 1,
        'vtlab_failures_total{code="E_INTERNAL"}': 1,
        "vtlab_segments_degraded_total": 2,
        'vtlab_findings_total{code="unspoken",severity="degraded",stage="tts"}': 2,
        'vtlab_findings_total{code="unspoken",severity="warning",stage="tts"}': 1,
        'vtlab_stage_seconds_count{reused="false",stage="tts"}': 1,
        'vtlab_stage_seconds_sum{reused="false",stage="tts"}': 2.0,
        'vtlab_stage_seconds_count{reused="true",stage="tts"}': 1,
        "vtlab_session_seconds_count": 5,
        'vtlab_quality_score_count{score="voice_quality"}': 2,
        'vtlab_quality_score_sum{score="voice_quality"}': 160.5,
        "vtlab_quality_unmeasured_total": 1,
        "vtlab_duration_mismatches_total": 1,
        'vtlab_release_info{fingerprint="",name="packaged default (there is no release)"}': 1,
    }
    assert {name: told.get(name) for name in expected} == expected


def test_a_taken_port_is_told() -> None:
    server = serve_metrics(Metrics(), "localhost", 0)
    try:
        with pytest.raises(SettingsError, match="METRICS_PORT"):
            serve_metrics(Metrics(), "localhost", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
