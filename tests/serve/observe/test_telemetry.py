from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rpc_server import STARTED

from serve.observe.telemetry import Telemetry
from serve.state import Status
from vtlab.events import Finding, Found, Severity, StageFinished, StageStarted


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """A collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: dict[str, list[Span]] = {}
        self.services: set[str] = set()

    def Export(  # noqa: N802
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for sent in request.resource_spans:
            self.services |= {
                item.value.string_value for item in sent.resource.attributes if item.key == "service.name"
            }
            for scope in sent.scope_spans:
                for span in scope.spans:
                    self.spans.setdefault(span.name, []).append(span)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://localhost:{port}")
    yield collector
    server.stop(None)


def attributes(span: Span) -> dict[str, object]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def test_a_session_is_a_span_with_one_per_stage_in_it(collector: Collector) -> None:
    telemetry = Telemetry()
    secret = "what was said"
    telemetry.record("a", replace(STARTED, session_id="a", message=secret))
    telemetry.record("a", StageStarted("translation", 4, 8))
    telemetry.record("a", StageStarted("tts", 5, 8))  # stages overlap
    telemetry.record("a", Found(Finding("tts", "rushed", Severity.WARNING, secret, 4, 1.5, 1.3)))
    telemetry.record("a", StageFinished("translation", 4, 8, 0.1, True))
    telemetry.record("a", StageFinished("tts", 5, 8, 0.2, False))
    telemetry.record("b", StageStarted("tts", 5, 8))
    telemetry.record("b", replace(STARTED, session_id="b", status=Status.FAILED, code="E_WORKER"))
    telemetry.record("a", replace(STARTED, session_id="a", status=Status.COMPLETED))
    telemetry.close()
    sessions = {str(attributes(span)["vtlab.session_id"]): span for span in collector.spans["session"]}
    assert set(sessions) == {"a", "b"}
    assert attributes(sessions["a"])["vtlab.status"] == "completed"
    assert (sessions["b"].status.code, sessions["b"].status.message) == (2, "E_WORKER")
    (translation,) = collector.spans["translation"]
    tts = next(span for span in collector.spans["tts"] if attributes(span)["vtlab.session_id"] == "a")
    for span in (translation, tts):
        assert span.parent_span_id == sessions["a"].span_id
        assert span.trace_id == sessions["a"].trace_id
    assert attributes(translation)["vtlab.reused"] is True
    (finding,) = tts.events
    assert {item.key for item in finding.attributes} == {
        "vtlab.code", "vtlab.severity", "vtlab.segment", "vtlab.value", "vtlab.limit",
    }  # fmt: skip
    assert secret not in str(collector.spans)
    assert collector.services == {"vtlab"}


def test_what_is_open_at_the_end_is_sent_too(collector: Collector) -> None:
    telemetry = Telemetry()
    telemetry.record("a", StageStarted("tts", 5, 8))
    telemetry.close()
    assert set(collector.spans) == {"session", "tts"}


def test_it_is_imported_only_where_somebody_collects() -> None:
    code = "import sys, serve.server; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
