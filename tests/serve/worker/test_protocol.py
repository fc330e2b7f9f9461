"""Every message arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.state import Artifact, FileIdentity, Quality
from serve.worker.protocol import (
    KINDS,
    Cancel,
    Detect,
    Detected,
    Done,
    Dub,
    Failed,
    Happened,
    Opened,
    Order,
    Pause,
    PreviewReady,
    Report,
    Resume,
    SegmentReached,
    Stopped,
    Warm,
    decode,
    encode,
)
from vtlab.events import Finding, Found, Log, SegmentDone, Severity, StageFinished, StageStarted

IDENTITY = FileIdentity(3, 4, 5)
DONE = Done(
    job=1,
    paths={"output": "/a/o.mp4"},
    artifacts=(Artifact("/a/o.mp4", "ab12", IDENTITY),),
    source_language="pt",
    duration_s=9.5,
    output_bytes=10,
    original_bytes=20,
    quality=Quality(97.5, 60, 99.0, True, -23.0, 1.0, 0),
    absent={},
    pieces=("seg_001",),
    more={"no-preview": "none"},
)
MESSAGES: list[Order | Report] = [
    Dub(1, "a", Path("/up/\udcffä.mp4"), IDENTITY, {"tts": {"engines": ["espeak"]}}, Path("/work/a"), Path("/art")),
    Dub(1, "a", Path("/up/a.mp4"), None, {}, Path("/work/a"), Path("/art")),
    Detect(2, Path("/up/a.mp4"), Path("/work"), {}),
    Warm({}),
    Pause(),
    Resume(),
    Cancel(),
    Opened(1, 9.5),
    *(
        Happened(1, event)
        for event in (
            StageStarted("tts", 5, 8),
            SegmentDone("tts", 1, None, False),
            StageFinished("tts", 5, 8, 1.5, 0.25),
            Log("tts", "loading"),
            Found(Finding("tts", "rushed", Severity.WARNING, "fast", 4, 1.5, 1.3)),
        )
    ),
    SegmentReached(1, "tts", 3.25),
    PreviewReady(1, "/a/p.mp4"),
    DONE,
    Failed(1, "E_NO_SPEECH", "Nobody speaks."),
    Stopped(1),
    Detected(2, "pt", 0.9),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_a_line_and_comes_back(message: Order | Report) -> None:
    line = encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line) == message


def test_every_kind_is_tried() -> None:
    assert {type(message).__name__ for message in MESSAGES} == set(KINDS)
