"""Sessions as tests run them: real workers, a small recogniser, a voice that needs no weights."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil

from serve.sessions.options import Configuration, Folders, Limits
from serve.sessions.session import Listener
from serve.sessions.sessions import Sessions
from serve.state import Result, State
from vtlab.events import Event
from vtlab.settings import Settings, settings_from_dict

CASES = Path(__file__).parent / "cases"
CLIP = CASES / "delayed_audio.mp4"
HANG_S = 240.0  # a test that takes longer hangs

Value = TypeVar("Value")


def settings(**sections: Any) -> Settings:
    """What dubs a clip in English within seconds."""
    return settings_from_dict(
        {
            "transcription": {"options": {"faster_whisper": {"model": "tiny.en"}}},
            "tts": {"engines": ["espeak"]},
            **sections,
        }
    )


@dataclass
class Heard:
    """A listener: what happened, and what is to be done at the first event of a kind."""

    happened: list[tuple[str, Event | State | Result]] = field(default_factory=list)
    at: Listener = lambda session_id, happened: None

    def __call__(self, session_id: str, happened: Event | State | Result) -> None:
        self.happened.append((session_id, happened))
        self.at(session_id, happened)


@dataclass
class Serving:
    """A folder that outlives its sessions, and what they run."""

    root: Path
    served: Configuration = field(default_factory=lambda: Configuration(settings(), "the tests' settings"))
    heard: Heard = field(default_factory=Heard)

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def temp_work(self) -> Path:
        return self.root / "temp_work"

    @property
    def folders(self) -> Folders:
        return Folders(self.artifacts, self.temp_work, self.root / "state")

    @asynccontextmanager
    async def sessions(self, **limits: Any) -> AsyncIterator[Sessions]:
        chosen = replace(Limits(workers=1, warm=False, disk_free_mb=1), **limits)
        async with Sessions(self.folders, lambda: self.served, chosen, self.heard) as sessions:
            yield sessions

    def files(self, session_id: str) -> list[str]:
        """Artifacts of the session, hidden ones too."""
        names = (path.name for path in self.artifacts.iterdir())
        return sorted(name.replace(session_id, "ID") for name in names if session_id in name)


def run(work: Coroutine[Any, Any, Value]) -> Value:
    return asyncio.run(asyncio.wait_for(work, HANG_S))


async def all_states(sessions: Sessions, session_id: str) -> list[State]:
    return [state async for state in sessions.follow(session_id)]


async def dubbed(sessions: Sessions, session_id: str, file: Path = CLIP, pair: tuple[str, str] = ("en", "pt")) -> State:
    await sessions.start(session_id, file, *pair)
    return (await all_states(sessions, session_id))[-1]


def once(do: Callable[[], None], wanted: Callable[[Event | State | Result], bool]) -> Listener:
    """A listener that does it at the first thing that is wanted."""
    left = [do]

    def look(_: str, happened: Event | State | Result) -> None:
        if left and wanted(happened):
            left.pop()()

    return look


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def processor_s(pid: int) -> float:
    """Processor time of a process and its children, so far."""
    process = psutil.Process(pid)
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


async def quiet(pid: int) -> None:
    """Returns once the process does nothing for a while."""
    before, still = processor_s(pid), 0
    while still < 5:
        await asyncio.sleep(0.1)
        now = processor_s(pid)
        still = still + 1 if now - before < 0.02 else 0
        before = now


def box_order(file: Path) -> list[str]:
    """The top boxes of an MP4."""
    content, at, found = file.read_bytes(), 0, []
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        found.append(content[at + 4 : at + 8].decode())
        if length < 8:
            break
        at += length
    return found


def frames_hash(file: Path) -> str:
    """A file's hash, by a tool that is not ours."""
    return subprocess.run(["sha256sum", str(file)], capture_output=True, text=True, check=True).stdout.split()[0]
