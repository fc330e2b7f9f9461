"""Three sessions at once and a hundred waiting: does each end in the right state, and what does it take?

    python benchmarks/server_load.py [--workers 3] [--sessions 103] [--clip FILE --pair en pt]

Every fourth session is cancelled while it waits. Prints how long the loop took to answer (as a health check waits for
it), the longest pause between two messages, how long cancelling took, and the most memory. Ends with 1 where a session
ends in another state than it should.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from serve.sessions.options import Configuration, Folders, Limits
from serve.sessions.sessions import Sessions
from serve.state import Status
from vtlab.resources import rss_mb
from vtlab.settings import load_settings

CLIP = Path(__file__).parents[1] / "tests" / "cases" / "delayed_audio.mp4"
SETTINGS = ("tts.engines=[espeak]", "video_combination.burn_subtitles=true", "initialization.threads=1")
CANCELLED_EVERY = 4


async def load(workers: int, count: int, clip: Path, pair: tuple[str, str], root: Path) -> int:
    served = Configuration(load_settings(None, SETTINGS, {}), "load")
    folders = Folders(root / "artifacts", root / "temp_work", root / "state")
    waits: list[float] = []
    gaps: list[float] = []
    firsts: list[float] = []
    cancels: list[float] = []
    peak = 0.0
    wrong = 0

    async def beat() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.01)
            waits.append(time.perf_counter() - asked - 0.01)

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, await asyncio.to_thread(rss_mb))
            await asyncio.sleep(1)

    async with Sessions(folders, lambda: served, Limits(workers=workers, queue=count, warm=False)) as sessions:

        async def one(number: int) -> Status:
            name = f"load-{number}"
            upload = root / f"{number}.mp4"
            shutil.copyfile(clip, upload)
            asked = last = time.perf_counter()
            await sessions.start(name, upload, *pair)
            first = True
            status = Status.PROCESSING
            async for state in sessions.follow(name):
                now = time.perf_counter()
                (firsts if first else gaps).append(now - (asked if first else last))
                first, last, status = False, now, state.status
            return status

        async def cancel(number: int) -> None:
            await asyncio.sleep(2)
            began = time.perf_counter()
            await sessions.cancel(f"load-{number}")
            cancels.append(time.perf_counter() - began)

        beside = [asyncio.ensure_future(beat()), asyncio.ensure_future(watch())]
        began = time.perf_counter()
        jobs = [asyncio.ensure_future(one(number)) for number in range(count)]
        stops = [number for number in range(count) if number % CANCELLED_EVERY == CANCELLED_EVERY - 1]
        await asyncio.gather(*(cancel(number) for number in stops))
        for number, job in enumerate(jobs):
            ended = await job
            wanted = Status.CANCELLED if number in stops else Status.COMPLETED
            if ended is not wanted:
                print(f"session {number} ended {ended}, not {wanted}")
                wrong += 1
        seconds = time.perf_counter() - began
        for task in beside:
            task.cancel()
    waits.sort()
    print(f"{count} sessions, {workers} at once, {len(stops)} cancelled: {seconds:.0f} s; {wrong} in a wrong state")
    print(
        f"the loop answers within {1000 * waits[int(0.95 * len(waits))]:.1f} ms (p95), {1000 * waits[-1]:.0f} ms (most)"
    )
    print(f"first message after {1000 * max(firsts):.0f} ms at most; longest pause between messages {max(gaps):.2f} s")
    print(f"cancelled within {max(cancels):.2f} s; most memory {peak:.0f} MB")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=103)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--pair", nargs=2, default=("en", "pt"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(
            load(arguments.workers, arguments.sessions, arguments.clip, tuple(arguments.pair), Path(folder))
        )


if __name__ == "__main__":
    sys.exit(main())
