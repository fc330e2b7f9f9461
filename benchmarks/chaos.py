"""Dubs a clip while everything goes wrong.

Processes are killed at any moment, run beside each other, and find a store that lost a part of itself. What comes out
in the end must be what an undisturbed run makes.

    python benchmarks/chaos.py [--rounds N] [--seed N]

A round starts one or two dubs of the same clip, kills most of them with -9 after a random time, sometimes damages or
deletes entries of the store, and then lets one finish. Ends with 1 at the first round whose result differs, that leaves
files behind, or in which the last run fails; the round's number and the seed repeat it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

CLIP = Path(__file__).parents[1] / "tests" / "cases" / "delayed_audio.mp4"
LONGEST_S = 8.0  # about what an undisturbed run takes: kills fall anywhere in it
DAMAGED_SHARE = 0.3  # of the entries, in a round that damages the store
LIMIT_S = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _finished(Path(folder) / "store", Path(folder) / "out")
        for number in range(arguments.rounds):
            problem = _round(random.Random(f"{arguments.seed}-{number}"), Path(folder) / str(number), undisturbed)
            print(f"round {number}: {problem or 'the same as undisturbed'}", flush=True)
            if problem is not None:
                return 1
    return 0


def _round(chance: random.Random, folder: Path, undisturbed: dict[str, str]) -> str | None:
    """What is wrong after a round, if anything."""
    store, out = folder / "store", folder / "out"
    for _ in range(chance.randint(1, 4)):
        processes = [_started(store, out) for _ in range(chance.randint(1, 2))]
        for process in processes:
            try:
                process.wait(chance.uniform(0.5, LONGEST_S))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if chance.random() < 0.5:
            _damage(chance, store)
    made = _finished(store, out)
    if made != undisturbed:
        return f"the results differ: {sorted(name for name in made if made[name] != undisturbed.get(name))}"
    left = [path.name for path in out.glob(".*")]
    return f"left behind: {', '.join(left)}" if left else None


def _started(store: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vtlab", "dub", str(CLIP), "--from=en", "--to=pt", "--out", str(out)]
    return subprocess.Popen(
        [*command, "--set=tts.engines=[espeak]"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "VTLAB_STORE": str(store)},
    )  # fmt: skip


def _finished(store: Path, out: Path) -> dict[str, str]:
    """The hashes of what a run made that nobody disturbs; the program ends where it fails."""
    process = _started(store, out)
    _, said = process.communicate(timeout=LIMIT_S)
    if process.returncode != 0:
        sys.exit(f"An undisturbed run ended with {process.returncode}:\n{said}")
    record = json.loads(next(out.glob("*.dub.json")).read_text(encoding="utf-8"))
    return {output["file"]: output["sha256"] for output in record["outputs"]}


def _damage(chance: random.Random, store: Path) -> None:
    entries = sorted(path for path in store.rglob("*") if path.is_file())
    for path in chance.sample(entries, round(DAMAGED_SHARE * len(entries))):
        if chance.random() < 0.3:
            path.unlink()
        else:
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content) or 1) :] = b"" if chance.random() < 0.5 else b"\0" * 3
            path.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
