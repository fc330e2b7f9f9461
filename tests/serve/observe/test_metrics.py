from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import replace

import pytest
from rpc_server import MADE, STARTED

from serve.observe.metrics import Gauges, Metrics, serve_metrics
from serve.state import Quality, Result, Status
from vtlab.errors import SettingsError
from vtlab.events import Finding, Found, Severity, StageFinished

FINDING = Finding("tts", "unspoken", Severity.DEGRADED, "", segment=4)


def result(quality: Quality | None) -> Result:
    return replace(MADE, quality=quality)


async def asked() -> dict[str, float]:
    """The answer to Prometheus after a few sessions, as it goes over the wire."""
    sessions, metrics = {"processing": 1, "paused": 1}, Metrics()
    metrics.watch(lambda: Gauges(sessions, waiting=3, running=1, memory_mb=100.0, release="none yet", fingerprint=""))
    server = serve_metrics(metrics, "localhost", 0)
    try:
        metrics.count("a", STARTED)
        metrics.count("a", StageFinished("tts", 5, 8, 2.0, False))
        metrics.count("a", StageFinished("tts", 5, 8, 0.01, True))
        metrics.count("a", Found(FINDING))
        metrics.count("a", Found(replace(FINDING, segment=5)))
        metrics.count("a", Found(replace(FINDING, segment=6, severity=Severity.WARNING)))
        assert MADE.quality is not None
        for quality in (MADE.quality, replace(MADE.quality, duration_match=False), None):
            metrics.count("a", replace(STARTED, status=Status.COMPLETED, elapsed_s=12))
            metrics.count("a", result(quality))
        metrics.count("b", replace(STARTED, status=Status.FAILED, code="E_NO_SPEECH"))
        metrics.count("c", replace(STARTED, status=Status.FAILED))
        url = f"http://localhost:{server.server_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read().decode())
    finally:
        server.shutdown()
        server.server_close()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_metrics_over_the_wire() -> None:
    told = asyncio.run(asked())
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
        'vtlab_release_info{fingerprint="",name="none yet"}': 1,
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
