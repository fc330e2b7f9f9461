"""Kills workers and the server with -9 at each of the eight stages, and compares what comes out in the end.

    python benchmarks/server_chaos.py [--clip FILE --pair en pt]

Ends with 1 where a result differs from an undisturbed session's, or where a process is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from serve.sessions.options import Configuration, Folders, Limits
from serve.sessions.sessions import Sessions
from serve.state import Result, State, Status
from vtlab.events import STAGES, Event, StageStarted
from vtlab.settings import load_settings

CLIP = Path(__file__).parents[1] / "tests" / "cases" / "delayed_audio.mp4"
SETTINGS = ("tts.engines=[espeak]", "video_combination.burn_subtitles=true")
LEFT_S = 30.0  # how long processes of a dead server may take to end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--pair", nargs=2, default=("en", "pt"))
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--die-at", help=argparse.SUPPRESS)  # the server that is to die, in a process of its own
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    clip, pair = arguments.clip, tuple(arguments.pair)
    if arguments.die_at:
        asyncio.run(_session(arguments.root, clip, pair, _at(arguments.die_at, _kill_self)))
        return 1  # it was to die before
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "calm"
        asyncio.run(_session(calm, clip, pair))
        wanted = _hash(calm)
        for stage in arguments.stages:
            for victim in ("worker", "server"):
                root = Path(folder) / f"{victim}-{stage}"
                began = time.monotonic()
                problem = _killed(victim, stage, root, clip, pair)
                if problem is None and _hash(root) != wanted:
                    problem = "another result"
                print(
                    f"{victim} killed in {stage}: {problem or 'same result'}, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
                wrong += problem is not None
                shutil.rmtree(root, ignore_errors=True)
    return 1 if wrong else 0


def _killed(victim: str, stage: str, root: Path, clip: Path, pair: tuple[str, str]) -> str | None:
    if victim == "server":
        command = [
            sys.executable,
            __file__,
            "--clip",
            str(clip),
            "--pair",
            *pair,
            "--die-at",
            stage,
            "--root",
            str(root),
        ]
        status = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
        if status != -signal.SIGKILL:
            return f"the server ended with {status}, not killed"
        if left := _left_behind(root):
            return f"left behind: {left}"
        last = asyncio.run(_session(root, clip, pair))
    else:
        last = asyncio.run(_session(root, clip, pair, _at(stage, _kill_workers)))
    return None if last.status is Status.COMPLETED else f"{last.status}: {last.current_step}"


async def _session(
    root: Path, clip: Path, pair: tuple[str, str], do: Callable[[Event | State | Result], None] = lambda happened: None
) -> State:
    served = Configuration(load_settings(None, SETTINGS, {}), "chaos")
    folders = Folders(root / "artifacts", root / "temp_work", root / "state")
    async with Sessions(folders, lambda: served, Limits(warm=False), lambda _, happened: do(happened)) as sessions:
        await sessions.start("chaos", clip, *pair)
        async for state in sessions.follow("chaos"):
            last = state
    return last


def _at(stage: str, do: Callable[[], None]) -> Callable[[Event | State | Result], None]:
    left = [do]

    def look(happened: Event | State | Result) -> None:
        if left and isinstance(happened, StageStarted) and happened.stage == stage:
            left.pop()()

    return look


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_workers() -> None:
    for child in psutil.Process().children():
        if "serve.worker" in child.cmdline():
            child.kill()


def _left_behind(root: Path) -> list[int]:
    """Processes of a server that is dead, once they had time to notice: those whose output goes to its folder."""
    until = time.monotonic() + LEFT_S
    while True:
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process.pid}/fd/1").readlink().is_relative_to(root):
                    left.append(process.pid)
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.1)


def _hash(root: Path) -> str:
    return hashlib.sha256((root / "artifacts" / "chaos_translated.mp4").read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
