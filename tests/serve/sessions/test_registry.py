"""Sessions on disk: the same after a crash."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.sessions.registry import Phase, Registry, Row
from serve.state import Artifact, FileIdentity, Hardware, Insight, Level, LogEntry, Quality, Result, State, Status
from vtlab.errors import ResourceError

STATE = State("a", Status.PROCESSING, 42.5, "Speaking the lines: 3 of 9", early_preview="/a/p.mp4", eta_s=3.5,
              available_segments=("seg_001",), hardware=Hardware("x", "none", 0, 8))  # fmt: skip
IDENTITY = FileIdentity(3, 4, 5)
RESULT = Result("a", "/a/o.mp4", "/a/s.srt", "/a/t.srt", 9.7, 10, 20, 4.0, Quality(97.5, 60, 99.0, True, -23.0, 1.0, 0),
                artifacts=(Artifact("/a/o.mp4", "ab12", IDENTITY),))  # fmt: skip
ROW = Row("a", Phase.RUNNING, Path("/up/\udcffä.mp4"), None, "pt", "neutral", STATE, 1.5, IDENTITY, "release 3",
          (("pt", "en"),), {"a": [1]})  # fmt: skip
LINE = LogEntry("2026-01-01T00:00:00.000001Z", Level.WARNING, "tts", "rushed", "3", {"value": 1.4})


def test_rows_log_and_insights_come_back_as_they_were(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state" / "sessions.sqlite")
    registry.put(ROW)
    ended = replace(ROW, id="b", phase=Phase.COMPLETED, result=RESULT, ended=9.0)
    registry.put(ended)
    registry.log("a", LINE)
    registry.log("a", LINE)
    insight = Insight("a:x", "warning", "t", "d", "low", LINE.timestamp, {"value": 1.0})
    registry.put(ROW, [insight, replace(insight, id="a:y")])
    registry.put(ROW, [insight])
    registry.close()
    again = Registry(tmp_path / "state" / "sessions.sqlite")
    assert again.get("a") == ROW
    assert again.get("b") == ended
    assert again.get("c") is None
    assert again.load_log("a") == (LINE,)
    assert again.load_insights("a") == (insight,)
    assert again.in_phase(Phase.RUNNING, Phase.WAITING) == [ROW]
    assert again.counts() == {"running": 1, "completed": 1}
    assert again.mean_seconds() == 4.0
    again.close()


def test_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from serve.sessions.registry import *
from pathlib import Path
registry = Registry(Path(sys.argv[1]))
state = State("x", Status.PROCESSING)
for number in range(50):
    registry.put(Row(f"s{number}", Phase.RUNNING, Path("/f"), "en", "pt", "neutral", state, float(number)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    file = tmp_path / "sessions.sqlite"
    root = str(Path(__file__).parents[3])
    ended = subprocess.run([sys.executable, "-c", code, str(file), root], timeout=60)
    assert ended.returncode == -9
    registry = Registry(file)
    assert [row.id for row in registry.in_phase(Phase.RUNNING)] == [f"s{number}" for number in range(50)]
    registry.close()


def test_second_server_on_the_same_folder_is_told(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "sessions.sqlite")
    registry.put(ROW)
    with pytest.raises(ResourceError, match="another server"):
        Registry(tmp_path / "sessions.sqlite")
    registry.close()


def test_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "sessions.sqlite").write_bytes(b"not a database, however long it is" * 100)
    with pytest.raises(ResourceError, match="damaged"):
        Registry(tmp_path / "sessions.sqlite")


def test_swept_sessions_are_not_swept_again(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "sessions.sqlite")
    registry.put(replace(ROW, phase=Phase.FAILED, ended=100.0))
    registry.put(replace(ROW, id="b"))
    registry.log("a", LINE)
    assert registry.to_sweep(before=99.0) == []
    assert registry.to_sweep(before=101.0) == ["a"]
    registry.mark_swept("a")
    assert registry.to_sweep(before=101.0) == []
    assert registry.load_log("a") == ()
    registry.close()


def test_what_failed_long_ago_is_forgotten(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "sessions.sqlite")
    for phase in Phase:
        for ended in (100.0, 300.0):
            name = f"{phase}-{ended:.0f}"
            insight = Insight(f"{name}-decision", "decision", "How", "So.", "low", "2026-01-01T00:00:00Z")
            registry.put(replace(ROW, id=name, phase=phase, ended=ended), [insight])
    registry.put(replace(ROW, id="unswept", phase=Phase.FAILED, ended=100.0))
    for session_id in registry.to_sweep(before=1000.0):
        if session_id != "unswept":
            registry.mark_swept(session_id)
    registry.forget(before=200.0)
    assert registry.get("failed-100") is None
    assert registry.get("cancelled-100") is None
    assert registry.load_insights("failed-100") == ()
    left = {f"{phase}-{ended}" for phase in Phase for ended in (100, 300)} - {"failed-100", "cancelled-100"}
    assert {row.id for row in registry.in_phase(*Phase)} == left | {"unswept"}
    registry.close()


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=10))
def test_speeds_stay_within_what_was_measured(measured: list[float]) -> None:
    registry = Registry(Path(":memory:"))
    for value in measured:
        registry.note_speed("tts", value)
    assert min(measured) * 0.999 <= registry.speeds()["tts"] <= max(measured) * 1.001
    registry.close()


def test_a_registry_of_the_version_before_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sessions.sqlite"
    result = {name: value for name, value in asdict(RESULT).items() if name != "artifacts"}
    database = sqlite3.connect(file)
    database.executescript(
        "CREATE TABLE sessions (id TEXT PRIMARY KEY, phase TEXT NOT NULL, file TEXT NOT NULL, source_lang TEXT, "
        "target_lang TEXT NOT NULL, voice_gender TEXT NOT NULL, served TEXT, settings TEXT, state TEXT NOT NULL, "
        "result TEXT, created REAL NOT NULL, ended REAL, swept INTEGER NOT NULL DEFAULT 0); PRAGMA user_version = 1;"
    )
    values = ("a", "completed", '"/up/a.mp4"', None, "pt", "neutral", "release 3", None, json.dumps(asdict(STATE)))
    database.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, json.dumps(result), 1.5, 9.0, 0),
    )
    database.commit()
    database.close()
    for _ in range(2):  # brought up to date once
        registry = Registry(file)
        row = registry.get("a")
        assert row is not None and row.result is not None
        assert (row.identity, row.configuration, row.measured_pairs) == (None, "release 3", ())
        assert row.result.artifacts == (Artifact("/a/o.mp4", None, FileIdentity(0, 10, 0)),)
        registry.close()


def test_a_registry_of_a_later_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "sessions.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ResourceError, match="later version"):
        Registry(tmp_path / "sessions.sqlite")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"phase": Phase.COMPLETED, "created": 99.0}, True),
        ({"identity": None}, True),  # the file is gone: nothing contradicts
        ({"identity": replace(IDENTITY, inode=4)}, False),
        ({"identity": replace(IDENTITY, bytes=5)}, False),
        ({"identity": replace(IDENTITY, modified_ns=6)}, False),
        ({"file": Path("/up/b.mp4")}, False),
        ({"source_lang": "en"}, False),
        ({"target_lang": "fr"}, False),
        ({"voice_gender": "female"}, False),
    ],
)
def test_the_same_work_is_the_same_file_languages_and_voice(changes: dict[str, object], same: bool) -> None:
    assert ROW.same_work(replace(ROW, **changes)) is same  # type: ignore[arg-type]
