"""Dubs short clips again and again in one process, as a server would, and looks for what grows.

    python benchmarks/soak.py [--dubs N] [--grow-mb MB]

Each dub has an empty store of its own, so that everything is computed; engines stay loaded between dubs. After
the first ones memory, threads and open files should stay where they are. Ends with 1 where they do not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from itertools import cycle, islice
from pathlib import Path

import psutil

from vtlab.engines.pool import EnginePool
from vtlab.pipeline import dub
from vtlab.resources import rss_mb
from vtlab.run import memory_budget_mb
from vtlab.settings import settings_from_dict

CLIPS = Path(__file__).parents[1] / "datasets" / "people" / "clips"
JOBS = ((CLIPS / "fox_pt.flac", "pt", "en"), (CLIPS / "hello_video_en.mp4", "en", "pt"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dubs", type=int, default=40)
    parser.add_argument("--grow-mb", type=float, default=100.0, help="growth after the warm-up that is still no leak")
    arguments = parser.parse_args()

    pool: EnginePool | None = None
    steady: tuple[float, int, int] | None = None
    warm_up = 2 * len(JOBS)  # engines are loaded and allocators have grown to their size
    for number, (clip, source, target) in enumerate(islice(cycle(JOBS), arguments.dubs)):
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_from_dict(
                {"source_language": source, "target_language": target, "store": {"folder": f"{folder}/store"}}
            )
            pool = pool or EnginePool(memory_budget_mb(settings))
            made = dub(clip, settings=settings, out=folder, pool=pool)
        now = rss_mb(), threading.active_count(), psutil.Process().num_fds()
        memory, threads, files = now
        took = f"{made.record.wall_s:6.1f} s {memory:7.0f} MB {threads:>3} threads {files:>4} files"
        print(f"{number + 1:>4} {clip.name:<22} {took}", flush=True)
        if number + 1 == warm_up:
            steady = now
    if steady is None:
        print(f"Too few dubs to tell; {warm_up} are the warm-up.", file=sys.stderr)
        return 1
    grown = [
        f"{name} grew from {before:.0f} to {after:.0f}"
        for name, before, after, allowed in zip(
            ("memory (MB)", "threads", "open files"), steady, now, (arguments.grow_mb, 2, 5), strict=True
        )
        if after - before > allowed
    ]
    print("; ".join(grown) or "Nothing grew.")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
