"""Time how soon a cancelled session is quiet, cancelled at each of the eight stages and while its quality is measured.

    python benchmarks/server_cancel.py [CLIP --pair en pt]

Prints seconds until the cancel is answered, and until the server's processes rest: less than a tenth of a core in use.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from serve.release import ActiveRelease
from serve.sessions.options import Folders, Limits
from serve.sessions.sessions import STORE, Sessions
from serve.state import Result, State, Status
from vtlab.events import STAGES, Event, StageFinished, StageStarted

CLIP = Path(__file__).parents[1] / "datasets" / "people" / "clips" / "story_city_en.mp4"
LOOK_S, QUIET_SHARE = 0.2, 0.1
AFTER = "measuring"


def cpu_s() -> float:
    """Processor time of this process's children, and theirs, that still run."""
    seconds = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            seconds += sum(child.cpu_times()[:2])
    return seconds


async def cancelled(stage: str, clip: Path, pair: tuple[str, str], root: Path) -> None:
    reached = asyncio.Event()

    def heard(session_id: str, happened: Event | State | Result) -> None:
        match happened:
            case StageStarted() if happened.stage == stage:
                reached.set()
            case StageFinished() if stage == AFTER and happened.stage == STAGES[-1]:
                reached.set()

    folders = Folders(root / "artifacts", root / "temp_work", root / "state")
    served = ActiveRelease(root / "releases", unmeasured=True)
    async with Sessions(folders, served, Limits(), heard) as sessions:
        await sessions.start(stage, clip, *pair)
        await reached.wait()
        await asyncio.sleep(0.3)  # into the stage
        began = time.perf_counter()
        answer = await sessions.cancel(stage)
        answered = time.perf_counter() - began
        quiet, before = 0.0, cpu_s()
        while not quiet:
            looked = time.perf_counter()
            await asyncio.sleep(LOOK_S)
            now = cpu_s()
            if now - before < QUIET_SHARE * LOOK_S:
                quiet = looked - began
            before = now
        state = sessions.state(stage)
        assert state is not None
        ended = "cancelled" if state.status is Status.CANCELLED else f"{state.status}: {answer.message}"
        print(f"{stage}: answered after {answered:.2f} s, quiet after {quiet:.2f} s; {ended}", flush=True)
    shutil.rmtree(root / "state" / STORE, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?", default=CLIP)
    parser.add_argument("--pair", nargs=2, default=("en", "pt"))
    arguments = parser.parse_args()
    for stage in (*STAGES, AFTER):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(cancelled(stage, arguments.clip.resolve(), tuple(arguments.pair), Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
