from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from rpc_server import INSIGHT, MADE, STARTED

from serve.rpc import messages
from serve.rpc import translation_pb2 as pb
from serve.state import Answer, Detection, Level, LogEntry, State, Status

WHOLE = {
    "session_id": "a",
    "progress": 42.5,
    "current_step": "Translating",
    "status": "processing",
    "message": "Translating line 4 of 9",
    "early_preview_available": True,
    "early_preview_path": "/artifacts/a_early_preview.mp4",
    "eta_seconds": 30,
    "hardware_info": {"cpu": "a processor", "gpu": "", "vram_gb": 0, "ram_gb": 8},
    "available_segment_ids": ["seg_001", "seg_002"],
    "chunks_per_minute": 12.5,
    "current_chunk": 3,
    "total_chunks": 9,
    "log_entries": [
        {
            "timestamp": "2026-01-02T03:04:05.678901Z",
            "level": "info",
            "stage": "tts",
            "message": "spoken",
            "chunk_id": "2",
            "session_id": "a",
            "extra_data": '{"value": 0.5}',
        },
        {
            "timestamp": "2026-01-02T03:04:05.678902Z",
            "level": "warning",
            "stage": "tts",
            "message": "fast",
            "chunk_id": "",
            "session_id": "a",
            "extra_data": "",
        },
    ],
    "stage": "translation",
    "stage_number": 4,
    "total_stages": 8,
    "segments_processed": 2,
    "current_time": 61.9,
    "current_time_formatted": "01:01",
    "total_duration": 3725.2,
    "total_duration_formatted": "01:02:05",
    "progress_percent": 33.5,
    "elapsed_time": 10.25,
}


def as_dict(message: object) -> dict[str, object]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def test_a_message_carries_the_whole_state() -> None:
    assert as_dict(messages.progress(replace(STARTED, session_id="a"))) == WHOLE
    assert set(WHOLE) == set(pb.TranslationProgress.DESCRIPTOR.fields_by_name)


def test_a_new_session_has_a_message_too() -> None:
    told = messages.progress(State("a", Status.PROCESSING, current_step="Starting"))
    assert (told.stage, told.stage_number, told.total_stages) == ("initialization", 1, 8)
    assert (told.current_time_formatted, told.total_duration_formatted) == ("00:00", "00:00")
    assert not told.HasField("hardware_info")
    assert not told.early_preview_available
    assert told.eta_seconds == 0


def test_a_result() -> None:
    assert as_dict(messages.result(replace(MADE, session_id="a"))) == {
        "session_id": "a",
        "output_path": "/artifacts/a_translated.mp4",
        "status": "completed",
        "duration": 9.5,
        "original_srt": "/artifacts/a_subtitles.srt",
        "translated_srt": "/artifacts/a_translated_subtitles.srt",
        "quality_metrics": {
            "lip_sync_accuracy": 97.5,
            "voice_quality": 80.25,
            "translation_quality": 71.5,
            "duration_match": True,
            "avg_lufs": -23.1,
            "avg_atempo": 1.04,
            "segments_condensed": 2,
        },
        "output_size": "5000000000",
        "original_size": "6000000000",
        "processing_time_seconds": 12.5,
    }


def test_unmeasured_quality_is_left_out() -> None:
    assert not messages.result(replace(MADE, quality=None)).HasField("quality_metrics")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "00:00"),
        (59.999, "00:59"),
        (60, "01:00"),
        (3599.9, "59:59"),
        (3600, "01:00:00"),
        (54_000, "15:00:00"),
        (363_599, "100:59:59"),
        (-1, "00:00"),
    ],
)
def test_clock(seconds: float, shown: str) -> None:
    assert messages.clock(seconds) == shown


def test_detection() -> None:
    found = messages.detection(Detection("pt", 0.93, "Portuguese"))
    assert (found.detected_language, found.confidence, found.success) == ("pt", 0.93, True)
    none = messages.detection(Detection(None, None, "Nobody speaks."))
    assert (none.detected_language, none.confidence, none.success) == ("", 0.0, False)
    assert none.message == "Nobody speaks."


def test_answers() -> None:
    assert as_dict(messages.cancelled(Answer(True, False, "Done."))) == {"success": True, "message": "Done."}
    assert as_dict(messages.controlled(Answer(True, True, "Done."))) == {
        "success": True,
        "is_paused": True,
        "message": "Done.",
    }


def test_insights() -> None:
    told = messages.insights("a", [INSIGHT, INSIGHT])
    assert (told.session_id, told.total_insights, told.success, told.message) == ("a", 2, True, "")
    assert as_dict(told.insights[0]) == {
        "id": "a-1",
        "type": "warning",
        "title": "Fast",
        "description": "One line is fast.",
        "impact": "low",
        "timestamp": "2026-01-02T03:04:05.678901Z",
        "data": '{"limit": 1.3}',
    }
    unknown = messages.no_insights("a", "There is no such session.")
    assert (unknown.total_insights, unknown.success, unknown.message) == (0, False, "There is no such session.")


@pytest.mark.parametrize(
    ("value", "sent"),
    [(math.nan, None), (math.inf, None), (0.5, 0.5), ("é", "é"), ("\udc80", "?"), ((1, 2), [1, 2])],
)
def test_more_about_a_log_line_is_json(value: object, sent: object) -> None:
    line = LogEntry("2026-01-02T03:04:05.678901Z", Level.INFO, "tts", "m", data={"value": value})
    told = messages.progress(replace(STARTED, log=(line,)))
    assert json.loads(told.log_entries[0].extra_data) == {"value": sent}


@given(st.text(st.characters()), st.floats(0, 1e300), st.floats(0, 1e300))
def test_any_text_and_any_time_make_a_message(text: str, eta_s: float, elapsed_s: float) -> None:
    state = replace(STARTED, current_step=text, message=text, eta_s=eta_s, elapsed_s=elapsed_s)
    assert pb.TranslationProgress.FromString(messages.progress(state).SerializeToString()).total_stages == 8
