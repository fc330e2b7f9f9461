from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from vtlab.record import SCHEMA, Output, Record, SegmentRecord, StageRecord

LINE: dict[str, Any] = {
    "id": 0, "start": 0.1, "end": 1.3, "text": "Olá.", "words": [], "speaker": None, "confidence": 0.9,
    "translation": "Hello.", "candidates": ["Hello."], "spoken_text": "Hello.", "voice": None, "engine": None,
    "attempts": 5, "failed": "no voice", "rate": 1.0, "speed": 1.0, "planned_start": 0.1, "planned_end": 0.1,
    "measured_start": None, "measured_end": None,
}  # fmt: skip


def test_the_schema_is_printed() -> None:
    printed = subprocess.run([sys.executable, "-m", "vtlab.record"], capture_output=True, text=True, check=True).stdout
    schema = json.loads(printed)
    assert schema == Record.model_json_schema()
    assert schema["properties"]["schema_version"]["default"] == SCHEMA


def test_what_was_not_measured_is_null_and_stays_so() -> None:
    line = SegmentRecord.model_validate(LINE)
    assert json.loads(line.model_dump_json())["measured_start"] is None
    assert SegmentRecord.model_validate_json(line.model_dump_json()) == line


@pytest.mark.parametrize(
    ("model", "data", "wrong"),
    [
        (SegmentRecord, {**LINE, "emotion": "glad"}, "emotion"),
        (SegmentRecord, {key: value for key, value in LINE.items() if key != "voice"}, "voice"),
        (Output, {"kind": "video", "file": "a.mp4", "sha256": "0", "bytes": "many"}, "bytes"),
        (StageRecord, {"stage": "tts"}, "seconds"),
    ],
)
def test_other_fields_than_those_of_the_schema_are_refused(model: Any, data: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        model.model_validate(data)
