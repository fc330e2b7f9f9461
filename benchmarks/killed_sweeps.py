"""Kills a sweep with -9 at random moments, then lets it finish: it must equal an undisturbed one, metric for metric.

    python benchmarks/killed_sweeps.py [SUITE] [--kills N] [--seed N] [--longest S]

Without SUITE it is a small one that loads no models. Both sweeps begin with an empty store. Ends with 1 where a number
differs, apart from times and memory; the seed repeats it.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

import sweeping  # noqa: E402

from vtlab.evaluation.suite.loader import load_suite  # noqa: E402
from vtlab.evaluation.sweep.results import load_results  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, nargs="?")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--longest", type=float, default=10.0, help="seconds that a run lives at most before it is killed"
    )
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        suite = arguments.suite or sweeping.write_suite(
            home / "small.yaml", sweeping.suite_data(sweeping.write_dataset(home / "data"))
        )
        _started(suite, home / "undisturbed").wait()
        expected = _numbers(suite, home / "undisturbed")
        for number in range(arguments.kills):
            process = _started(suite, home / "killed")
            moment = chance.uniform(0, arguments.longest)
            try:
                process.wait(moment)
                print(f"run {number}: done before {moment:.1f} s", flush=True)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                print(
                    f"run {number}: killed after {moment:.1f} s, {len(_numbers(suite, home / 'killed'))} results",
                    flush=True,
                )
        _started(suite, home / "killed").wait()
        made = _numbers(suite, home / "killed")
    differ = [key for key in expected if made.get(key) != expected[key]]
    print(f"{len(expected)} results, {len(differ)} differ {differ or ''}")
    return int(bool(differ) or not expected)


def _started(suite: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "VTLAB_STORE": str(home / "store"), "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    command = [sys.executable, "-m", "sweeping", str(suite), str(home / "out")]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _numbers(suite: Path, home: Path) -> dict[tuple[str, str], Any]:
    """Status and all that was measured, by configuration and clip."""
    loaded = load_suite(suite)
    return {
        (result.configuration, result.clip): sweeping.measured(result)
        for configuration in loaded.configurations()
        for result in load_results(home / "out", loaded.name, configuration.name)
    }


if __name__ == "__main__":
    sys.exit(main())
