"""OpenTelemetry spans, one per session and within it one per stage; imported only where they are collected.

The exporter reads the standard variables: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS` and so on.
Spans carry no words of the video: codes of findings, numbers, names of stages.
"""

from __future__ import annotations

import os
import time

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, StatusCode

from serve.state import Result, State, Status
from vtlab import __version__
from vtlab.events import Event, Found, StageFinished, StageStarted


class Telemetry:
    """Keep the spans of sessions under way, and export them."""

    def __init__(self) -> None:
        """Connect to the collector that the variables of OpenTelemetry name."""
        name = os.environ.get("OTEL_SERVICE_NAME") or "vtlab"
        resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("vtlab.serve", __version__)
        self._sessions: dict[str, Span] = {}
        self._stages: dict[tuple[str, str], Span] = {}

    def record(self, session_id: str, happened: Event | State | Result) -> None:
        """Begin, mark or end spans by what happened in a session; a listener of sessions."""
        match happened:
            case State():
                span = self._session(session_id)
                span.set_attribute("vtlab.status", happened.status.value)
                if happened.status.final:
                    self._end(session_id, happened)
            case StageStarted(stage, number=number):
                parent = trace.set_span_in_context(self._session(session_id))
                self._end_stage(session_id, stage)  # begun before by a worker that is gone
                self._stages[session_id, stage] = self._tracer.start_span(
                    stage,
                    parent,
                    attributes={"vtlab.session_id": session_id, "vtlab.stage": stage, "vtlab.stage_number": number},
                )
            case StageFinished(stage, reused=reused):
                self._end_stage(session_id, stage, {"vtlab.reused": reused})
            case Found(finding):
                attributes = {"vtlab.code": finding.code, "vtlab.severity": finding.severity.value}
                numbers = {"segment": finding.segment, "value": finding.value, "limit": finding.limit}
                known = {f"vtlab.{name}": number for name, number in numbers.items() if number is not None}
                span = self._stages.get((session_id, finding.stage)) or self._session(session_id)
                span.add_event("finding", {**attributes, **known})

    def close(self) -> None:
        """End open spans and send what was not sent yet."""
        for span in (*self._stages.values(), *self._sessions.values()):
            span.end()
        self._provider.shutdown()

    def _session(self, session_id: str) -> Span:
        if session_id not in self._sessions:
            self._sessions[session_id] = self._tracer.start_span("session", attributes={"vtlab.session_id": session_id})
        return self._sessions[session_id]

    def _end_stage(self, session_id: str, stage: str, attributes: dict[str, bool] | None = None) -> None:
        span = self._stages.pop((session_id, stage), None)
        if span is not None:
            span.set_attributes(attributes or {})
            span.end()

    def _end(self, session_id: str, state: State) -> None:
        now = time.time_ns()
        for key in [key for key in self._stages if key[0] == session_id]:
            self._stages.pop(key).end(now)
        span = self._sessions.pop(session_id)
        if state.status is Status.FAILED:
            span.set_status(StatusCode.ERROR, state.code or "E_INTERNAL")
        span.end(now)
