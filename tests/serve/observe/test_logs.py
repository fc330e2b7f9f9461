from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rpc_server import STARTED

from serve.observe import logs
from serve.state import State, Status
from vtlab.errors import SettingsError
from vtlab.events import Event, Finding, Found, Log, SegmentDone, Severity, StageFinished, StageStarted

SECRET = "what was said in the video"
DEGRADED = Finding("tts", "unspoken", Severity.DEGRADED, f"Nobody could say {SECRET!r}.", 4, 0.5, 1.0)
HAPPENED: list[Event | State] = [
    replace(STARTED, session_id="a", current_step="Starting", message=""),
    StageStarted("tts", 5, 8),
    SegmentDone("tts", 1, 9, False),
    Found(DEGRADED),
    Found(replace(DEGRADED, severity=Severity.WARNING)),
    Found(replace(DEGRADED, severity=Severity.INFO)),
    Log("tts", f"speaking {SECRET}"),
    StageFinished("tts", 5, 8, 1.2345, False),
    replace(STARTED, session_id="a", status=Status.FAILED, message="a.mp4: nobody speaks.", code="E_NO_SPEECH"),
]

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield lambda: [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in ("serve", "vtlab"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def tell_all(tmp_path: Path, level: str) -> None:
    logs.start_logging(level, tmp_path / "log.jsonl")
    for happened in HAPPENED:
        logs.log_session("a", happened)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_line_has_the_same_fields(tmp_path: Path, lines: Lines, level: str) -> None:
    tell_all(tmp_path, level)
    logging.getLogger("serve.server").error("odd name: \udc80")
    logging.getLogger("grpc").error("a library's fault")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("serve.server").exception("a fault")
    told = lines()
    assert {tuple(line) for line in told} == {tuple(logs.FIELDS)}
    assert told[-1]["error"] is not None
    assert [line["message"] for line in told][-3:] == ["odd name: \udc80", "a library's fault", "a fault"]


def test_what_was_said_is_told_at_debug_only(tmp_path: Path, lines: Lines) -> None:
    tell_all(tmp_path, "info")
    assert SECRET not in json.dumps(lines())
    (tmp_path / "log.jsonl").write_text("")
    tell_all(tmp_path, "debug")
    assert SECRET in json.dumps(lines())


def test_a_session_in_the_log(tmp_path: Path, lines: Lines) -> None:
    tell_all(tmp_path, "info")
    told = lines()
    assert {line["session_id"] for line in told} == {"a"}
    keys = ("level", "event", "status", "stage", "code", "segment", "value", "limit", "seconds", "message")
    assert [tuple(line[key] for key in keys) for line in told] == [
        ("info", "session", "processing", "translation", None, None, None, None, 10.25, "Starting"),
        ("warning", "finding", None, "tts", "unspoken", 4, 0.5, 1.0, None, None),
        ("info", "finding", None, "tts", "unspoken", 4, 0.5, 1.0, None, None),
        ("info", "stage", None, "tts", None, None, None, None, 1.234, "done"),
        (
            "warning",
            "session",
            "failed",
            "translation",
            "E_NO_SPEECH",
            None,
            None,
            None,
            10.25,
            "a.mp4: nobody speaks.",
        ),
    ]
    assert all(str(line["time"]).endswith("Z") and len(str(line["time"])) == 27 for line in told)


def test_the_file_may_be_moved_away(tmp_path: Path, lines: Lines) -> None:
    logs.start_logging("info", tmp_path / "log.jsonl")
    logging.getLogger("serve").info("before")
    (tmp_path / "log.jsonl").rename(tmp_path / "log.1")
    logging.getLogger("serve").info("after")
    assert [line["message"] for line in lines()] == ["after"]


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="log file"):
        logs.start_logging("info", tmp_path / "nowhere" / "log.jsonl")


def test_no_secret_is_in_the_log(tmp_path: Path, lines: Lines) -> None:
    logs.start_logging("info", tmp_path / "log.jsonl")
    try:
        raise ConnectionError("http://bob:planted@collector:4317/?token=planted")
    except ConnectionError:
        logging.getLogger("a.library").exception("nobody answers at %s", "http://bob:planted@collector:4317")
    (line,) = lines()
    assert line["message"] == "nobody answers at http://***@collector:4317"
    assert "ConnectionError: http://***@collector:4317/?token=***" in str(line["error"])
    assert "planted" not in json.dumps(line["message"]) + str(line["error"]).splitlines()[-1]
