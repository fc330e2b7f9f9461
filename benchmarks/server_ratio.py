"""A session of the server against ``vtlab dub`` of the same clip, both with warm models: what does serving cost?

    python benchmarks/server_ratio.py [CLIP --pair en pt] [--rounds 3]

Both run what is served by default, each with an empty store, in turn in one run. Prints seconds of wall clock and of
processor time (ffmpeg's included), and the ratios of their medians.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from serve.release import ActiveRelease
from serve.sessions.options import Folders, Limits
from serve.sessions.sessions import STORE, Sessions
from serve.state import Status
from vtlab import pipeline
from vtlab.engines.pool import EnginePool
from vtlab.run import memory_budget_mb
from vtlab.settings import Settings, StoreSettings

CLIP = Path(__file__).parents[1] / "datasets" / "people" / "clips" / "story_city_en.mp4"

Cost = tuple[float, float]  # seconds of wall clock, of processor time


def dubbed(clip: Path, settings: Settings, pool: EnginePool, root: Path) -> Cost:
    store = root / "dub-store"
    shutil.rmtree(store, ignore_errors=True)
    settings = settings.model_copy(update={"store": StoreSettings(folder=store)})
    began, before = time.perf_counter(), _own_cpu_s()
    pipeline.dub(clip, settings=settings, out=root / "dub", pool=pool)
    return time.perf_counter() - began, _own_cpu_s() - before


async def served(name: str, clip: Path, pair: tuple[str, str], sessions: Sessions, root: Path) -> Cost:
    shutil.rmtree(root / "state" / STORE, ignore_errors=True)
    began, before = time.perf_counter(), _own_cpu_s() + _cpu_s(sessions.worker_pids)
    await sessions.start(name, clip, *pair)
    async for state in sessions.follow(name):
        status = state.status
    if status is not Status.COMPLETED:
        raise RuntimeError(f"{name} ended {status}: {state.message}")
    return time.perf_counter() - began, _own_cpu_s() + _cpu_s(sessions.worker_pids) - before


def _own_cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _cpu_s(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:4]) for pid in pids)


async def compare(clip: Path, pair: tuple[str, str], rounds: int, root: Path) -> None:
    active = ActiveRelease(root / "releases", unmeasured=True)
    languages = {"source_language": pair[0], "target_language": pair[1]}
    settings = active.configuration.settings.model_copy(update=languages)
    folders = Folders(root / "artifacts", root / "temp_work", root / "state")
    pool = EnginePool(memory_budget_mb(settings))
    dubs, served_runs = [], []
    async with Sessions(folders, active, Limits(workers=1)) as sessions:
        for number in range(rounds + 1):
            dub = await asyncio.to_thread(dubbed, clip, settings, pool, root)
            session = await served(f"round-{number}", clip, pair, sessions, root)
            if number:  # the first one loads the models
                dubs.append(dub)
                served_runs.append(session)
                print(
                    f"round {number}: dub {dub[0]:.2f} s, {dub[1]:.2f} s of processor time; "
                    f"session {session[0]:.2f} s, {session[1]:.2f} s",
                    flush=True,
                )
    for what, at in (("wall clock", 0), ("processor time", 1)):
        dub_s, session_s = (statistics.median(run[at] for run in runs) for runs in (dubs, served_runs))
        print(f"{what}: dub {dub_s:.2f} s, session {session_s:.2f} s, ratio {session_s / dub_s:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?", default=CLIP)
    parser.add_argument("--pair", nargs=2, default=("en", "pt"))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(arguments.clip.resolve(), tuple(arguments.pair), arguments.rounds, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
