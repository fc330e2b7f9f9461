"""A sweep of three recognisers, two translators and two voices against twelve runs of the same work.

    python benchmarks/sweep.py [--dataset spoken] [--clips a,b] [--jobs N] [--out FILE]

The sweep is one process with an empty store; then each of its twelve configurations is a suite of its own in a process
of its own with an empty store, one after the other on the same machine. Prints the ratio of their times (aim: 0.35 or
less) and what was computed: each distinct result once, which is three recognitions and, where the three hear different
words, six translations a clip. Ends with 1 where the sweep computed anything twice.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from provenance import provenance

from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.results import add_counts
from vtlab.evaluation.sweep.run import run_sweep
from vtlab.evaluation.sweep.workers import run_in_processes

ROOT = Path(__file__).parents[1]
AIM = 0.35
EARS, TRANSLATORS, VOICES = (1, 3, 5), ("firefox", "whisper_translate"), (("piper", None), ("kokoro", "af_heart"))
MATRIX = {
    "transcription.options.faster_whisper.beam_size": list(EARS),
    "translation.engines": {name: [name] for name in TRANSLATORS},
    "voice": {engine: {"tts.engines": [engine], "tts.voice": voice} for engine, voice in VOICES},
}
METRICS = ["wer", "chrf", "sync", "completeness", "loudness_lufs"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="spoken")
    parser.add_argument("--clips", default="pt_bakery,pt_two_friends")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--run", nargs=2, type=Path, metavar=("SUITE", "FOLDER"), help="one run, as the others start it"
    )
    arguments = parser.parse_args()
    if arguments.run:
        return _run(*arguments.run, arguments.jobs)
    clips = arguments.clips.split(",")
    base = {"dataset": str(ROOT / "datasets" / arguments.dataset), "clips": clips, "metrics": METRICS}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        together = _timed(home / "together", {**base, "matrix": MATRIX}, arguments.jobs)
        print(f"sweep: {together['seconds']:.1f} s", flush=True)
        configurations = load_suite(home / "together" / "sweep.yaml").configurations()
        alone = []
        for number, one in enumerate(configurations):
            listed = [{"name": one.name, "settings": one.overrides}]
            alone.append(_timed(home / str(number), {**base, "configurations": listed}, 1))
            print(f"{one.name} alone: {alone[-1]['seconds']:.1f} s", flush=True)
    found = {"of": provenance(), **_compared(together, alone, len(clips))}
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    return int(bool(found["computed_twice"]))


def _timed(home: Path, suite: dict[str, Any], jobs: int) -> dict[str, Any]:
    home.mkdir()
    file = home / "sweep.yaml"
    file.write_text(yaml.safe_dump(suite, sort_keys=False), encoding="utf-8")
    command = [sys.executable, __file__, "--jobs", str(jobs), "--run", str(file), str(home / "out")]
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "VTLAB_STORE": str(home / "store")}, stdout=subprocess.PIPE, text=True, check=True
    )
    return {"seconds": time.perf_counter() - began, **json.loads(done.stdout)}


def _run(suite: Path, folder: Path, jobs: int) -> int:
    """Does a suite and prints what its stages did, and the texts they had before them."""
    done = run_sweep(load_suite(suite), folder, partial(run_in_processes, jobs))
    stages = add_counts(outcome.stages for outcome in done.outcomes)
    texts = {}
    for outcome in done.outcomes:
        for result in outcome.results:
            assert result.measurement is not None, result.error
            texts[f"{result.clip}, {result.configuration}"] = [line.recognised for line in result.measurement.segments]
    print(json.dumps({"stages": {name: count.model_dump() for name, count in stages.items()}, "texts": texts}))
    return 0


def _compared(together: dict[str, Any], alone: list[dict[str, Any]], clips: int) -> dict[str, Any]:
    separate = sum(one["seconds"] for one in alone)
    dubs = {stage: count["dubs_computed"] for stage, count in together["stages"].items()}
    most = {"audio_extraction": clips, "transcription": 3 * clips, "translation": 6 * clips, "tts": 12 * clips}
    return {
        "ratio": round(together["seconds"] / separate, 3),
        "aim": AIM,
        "sweep_s": round(together["seconds"], 1),
        "separate_s": round(separate, 1),
        "dubs_for_which_a_stage_computed_anything": dubs,
        "answers_computed": {stage: count["computed"] for stage, count in together["stages"].items()},
        "answers_computed_separately": {
            stage: sum(one["stages"][stage]["computed"] for one in alone) for stage in together["stages"]
        },
        "computed_twice": [stage for stage, number in most.items() if dubs[stage] > number],
    }


if __name__ == "__main__":
    sys.exit(main())
