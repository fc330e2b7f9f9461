from __future__ import annotations

import io
import json
import threading

import pytest

from vtlab.events import (
    SHARES,
    Event,
    Finding,
    Found,
    JsonLines,
    Log,
    PlainLines,
    ProgressBar,
    SegmentDone,
    Severity,
    StageFinished,
    StageStarted,
    ignore,
)

NOTE = Finding("tts", "voice", Severity.INFO, "piper speaks")
RUSHED = Finding("audio_sync", "rushed", Severity.WARNING, "faster than 1.3", segment=4, value=1.4, limit=1.3)
SILENT = Finding("tts", "failed", Severity.DEGRADED, "no voice could speak it", segment=7)
EVENTS: list[Event] = [
    StageStarted("transcription", 3, 8),
    SegmentDone("transcription", 1, None, False),
    SegmentDone("translation", 2, 4, True),
    StageFinished("transcription", 3, 8, 1.25, False),
    StageFinished("translation", 4, 8, 0.0, True),
    Found(NOTE),
    Found(RUSHED),
    Found(SILENT),
    Log("initialization", "piper speaks English"),
]


def test_plain_lines() -> None:
    stream = io.StringIO()
    listener = PlainLines(stream)
    for event in EVENTS:
        listener(event)
    assert stream.getvalue().splitlines() == [
        "[3/8] transcription: 1.2 s",
        "[4/8] translation: from the store",
        "warning: audio_sync: segment 4: faster than 1.3",
        "degraded: tts: segment 7: no voice could speak it",
        "initialization: piper speaks English",
    ]


def test_json_lines_hold_every_event() -> None:
    stream = io.StringIO()
    listener = JsonLines(stream)
    for event in EVENTS:
        listener(event)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["event"] for row in rows] == [type(event).__name__ for event in EVENTS]
    assert rows[6]["finding"] == {
        "stage": "audio_sync",
        "code": "rushed",
        "severity": "warning",
        "message": "faster than 1.3",
        "segment": 4,
        "value": 1.4,
        "limit": 1.3,
        "start": None,
        "end": None,
    }
    assert rows[1]["total"] is None


@pytest.mark.parametrize("listener", [PlainLines, JsonLines])
def test_lines_of_several_threads_stay_whole(listener: type[PlainLines] | type[JsonLines]) -> None:
    stream = io.StringIO()
    show = listener(stream)
    threads = [threading.Thread(target=lambda: [show(Log("tts", "x" * 50)) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 200
    assert len({len(line) for line in lines}) == 1


def test_the_progress_bar_shows_stage_findings_and_ends_full(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as bar:
        for event in EVENTS:
            bar(event)
        for stage in SHARES:
            bar(StageFinished(stage, 1, 8, 0.1, False))
        assert bar._progress.tasks[0].completed == 100
    said = capsys.readouterr().err
    assert "segment 7: no voice could speak it" in said
    assert "piper speaks English" in said


def test_shares_are_a_whole() -> None:
    assert sum(SHARES.values()) == 100
    ignore(EVENTS[0])
