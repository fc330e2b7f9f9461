"""Make protobuf messages of states, results and insights. No other module makes them.

A message cannot leave a number out: what nobody measured is left out whole (`quality_metrics`), or sent as the empty
value that `translation.proto` gives a meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from serve.rpc import translation_pb2 as pb
from serve.state import Answer, Detection, Hardware, Insight, LogEntry, Quality, Result, State
from vtlab.languages import language_name

INT32_MAX = 2**31 - 1


def progress(state: State) -> pb.TranslationProgress:
    """Return the state as a message, whole."""
    return pb.TranslationProgress(
        session_id=state.session_id,
        progress=state.progress,
        current_step=_text(state.current_step),
        status=state.status.value,
        message=_text(state.message),
        early_preview_available=state.early_preview is not None,
        early_preview_path=_text(state.early_preview or ""),
        eta_seconds=0 if state.eta_s is None else _to_int32(state.eta_s),
        hardware_info=None if state.hardware is None else _hardware(state.hardware),
        available_segment_ids=state.available_segments,
        chunks_per_minute=state.chunks_per_minute,
        current_chunk=_to_int32(state.current_chunk),
        total_chunks=_to_int32(state.total_chunks),
        log_entries=[_log_entry(state.session_id, line) for line in state.log],
        stage=state.stage,
        stage_number=state.stage_number,
        total_stages=state.total_stages,
        segments_processed=_to_int32(state.segments_processed),
        current_time=state.current_time_s,
        current_time_formatted=clock(state.current_time_s),
        total_duration=state.total_duration_s,
        total_duration_formatted=clock(state.total_duration_s),
        progress_percent=state.stage_progress,
        elapsed_time=state.elapsed_s,
    )


def result(made: Result) -> pb.TranslationResult:
    """Return the result as a message, without `quality_metrics` where there is no quality."""
    return pb.TranslationResult(
        session_id=made.session_id,
        output_path=_text(made.output_path),
        status=made.status.value,
        duration=made.duration_s,
        original_srt=_text(made.original_srt),
        translated_srt=_text(made.translated_srt),
        quality_metrics=None if made.quality is None else _quality(made.quality),
        output_size=made.output_bytes,
        original_size=made.original_bytes,
        processing_time_seconds=made.processing_s,
    )


def cancelled(answer: Answer) -> pb.CancelResponse:
    """Return the answer to a request to cancel."""
    return pb.CancelResponse(success=answer.success, message=_text(answer.message))


def controlled(answer: Answer) -> pb.ControlTranslationResponse:
    """Return the answer to a request to pause, resume or cancel."""
    return pb.ControlTranslationResponse(success=answer.success, is_paused=answer.paused, message=_text(answer.message))


def detection(found: Detection) -> pb.LanguageDetectionResult:
    """Return the detected language as a message."""
    return pb.LanguageDetectionResult(
        detected_language=found.language or "",
        confidence=found.confidence or 0.0,
        success=found.language is not None,
        message=_text(found.message or language_name(found.language or "")),
    )


def insights(session_id: str, known: Iterable[Insight]) -> pb.AIInsightsResponse:
    """Return the insights of a known session."""
    made = [_insight(insight) for insight in known]
    return pb.AIInsightsResponse(session_id=session_id, insights=made, total_insights=len(made), success=True)


def no_insights(session_id: str, why: str) -> pb.AIInsightsResponse:
    """Return the answer for an unknown session."""
    return pb.AIInsightsResponse(session_id=session_id, success=False, message=_text(why))


def clock(seconds: float) -> str:
    """Return `MM:SS`, or `HH:MM:SS` from an hour on; parts of a second are dropped."""
    hours, rest = divmod(_to_int32(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}:{left:02d}" if hours else f"{minutes:02d}:{left:02d}"


def _log_entry(session_id: str, line: LogEntry) -> pb.LogEntry:
    return pb.LogEntry(
        timestamp=line.timestamp,
        level=line.level.value,
        stage=line.stage,
        message=_text(line.message),
        chunk_id=line.chunk_id,
        session_id=session_id,
        extra_data=_json(line.data),
    )


def _hardware(machine: Hardware) -> pb.HardwareInfo:
    return pb.HardwareInfo(
        cpu=_text(machine.cpu), gpu=_text(machine.gpu), vram_gb=machine.vram_gb, ram_gb=machine.ram_gb
    )


def _quality(quality: Quality) -> pb.QualityMetrics:
    return pb.QualityMetrics(
        lip_sync_accuracy=quality.lip_sync_accuracy,
        voice_quality=quality.voice_quality,
        translation_quality=quality.translation_quality,
        duration_match=quality.duration_match,
        avg_lufs=quality.avg_lufs or 0.0,
        avg_atempo=quality.avg_atempo or 0.0,
        segments_condensed=quality.segments_condensed or 0,
    )


def _insight(insight: Insight) -> pb.AIInsight:
    return pb.AIInsight(
        id=insight.id,
        type=insight.type,
        title=_text(insight.title),
        description=_text(insight.description),
        impact=insight.impact,
        timestamp=insight.timestamp,
        data=_json(insight.data),
    )


def _text(text: str) -> str:
    """Return the text without bytes that are none, which names of files may hold and protobuf refuses."""
    return text.encode("utf-8", "replace").decode()


def _to_int32(number: float) -> int:
    return min(max(0, math.floor(number)), INT32_MAX)


def _json(data: Mapping[str, object]) -> str:
    """Return a JSON object, empty text for an empty one; infinity, which JSON does not know, becomes null."""
    if not data:
        return ""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in data.items()
    }
    return _text(json.dumps(finite, ensure_ascii=False, default=str))
