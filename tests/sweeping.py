"""A small sweep for tests: two clips, voices of espeak, and the reference's own text, so that no model loads.

    python -m sweeping SUITE FOLDER [JOBS]

runs a suite without reports, as a process that may be killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from vtlab.audio import Audio, levels_db
from vtlab.engines.transcription import Utterance, reference
from vtlab.errors import EngineError
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.results import ClipResult
from vtlab.evaluation.sweep.run import Sweep, run_sweep
from vtlab.evaluation.sweep.workers import run_in_processes
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Material
from vtlab.metrics.registry import expand_word
from vtlab.segments import Interval

MEDIA = Path(__file__).parent / "cases" / "odd_names_plain.mp4"
LINE = {
    "start": 0.4,
    "end": 2.772,
    "text": "The library opens on Monday morning.",
    "translation": "A biblioteca abre na segunda-feira de manhã.",
}
COSTS = frozenset(expand_word("cost"))


class Fragile(reference.Reference):
    """The reference recogniser, in a process that is killed as often as the file ``deaths`` says; or it refuses."""

    class Options(reference.ReferenceOptions):
        deaths: Path | None = Field(None, description="a file that holds a number")
        refuses: bool = False

    def __init__(self, options: Options, threads: int) -> None:
        super().__init__(options, threads)
        self._given = options

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        if self._given.refuses:
            raise EngineError("This engine refuses.")
        deaths = self._given.deaths
        if deaths is not None and (left := int(deaths.read_text())) > 0:
            deaths.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().transcribe(audio, spans, language)


class Loudest(FileMetric):
    """A metric from outside the package."""

    def __init__(self) -> None:
        super().__init__(
            "loudest", "dBFS", "lower", "loudest frame of the speech", measure=self.find, over_clips="worst"
        )

    @staticmethod
    def find(material: Material) -> tuple[float | None, str | None]:
        return float(levels_db(material.speech).max()), None


class Lines:
    """What a sweep says."""

    def __init__(self) -> None:
        self.results: list[ClipResult] = []
        self.left_s: list[float] = []
        self.sentences: list[str] = []

    def finished(self, result: ClipResult, done: int, total: int, left_s: float) -> None:
        self.results.append(result)
        self.left_s.append(left_s)
        print(f"{done}/{total}", file=sys.stderr, flush=True)

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)
        print(sentence, file=sys.stderr, flush=True)


def write_dataset(folder: Path, clips: Sequence[str] = ("one", "two")) -> Path:
    """A data set of the same clip under several names, and ``lines.json`` for the reference engines."""
    folder.mkdir(parents=True)
    (folder / "clip.mp4").write_bytes(MEDIA.read_bytes())
    about = {
        "file": "clip.mp4", "source_language": "en", "target_language": "pt", "seconds": 3.572, "segments": [LINE],
        "licence": "CC0-1.0", "origin": "tests/cases",
    }  # fmt: skip
    lines = [json.dumps({"id": clip, **about, "tags": [clip]}) for clip in clips]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "lines.json").write_text(json.dumps([LINE]), encoding="utf-8")
    return folder


def suite_data(dataset: Path, **more: Any) -> dict[str, Any]:
    """Two voices of espeak under the reference's text; ``more`` goes over it."""
    lines = {"file": str(dataset / "lines.json")}
    return {
        "name": "small",
        "dataset": str(dataset),
        "settings": {
            "transcription": {"engine": "reference", "options": {"reference": lines}},
            "translation": {"engines": ["reference"], "options": {"reference": lines}},
            "tts.engines": ["espeak"],
        },
        "matrix": {"tts.options.espeak.wpm": [150, 180]},
        "metrics": ["wer", "chrf", "completeness", "duration_error_frames", "overruns", "speed_max"],
        **more,
    }


def write_suite(file: Path, data: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return file


def run(suite: Path, folder: Path, jobs: int = 1, **options: Any) -> tuple[Sweep, Lines]:
    """The sweep, and what it said on the way."""
    lines = Lines()
    workers = partial(run_in_processes, jobs)
    done = run_sweep(load_suite(suite), folder, workers, on_result=lines.finished, report=lines.said, **options)
    return done, lines


def numbers(done: Sweep) -> dict[tuple[str, str], Any]:
    """All that was measured, by configuration and clip."""
    return {
        (result.configuration, result.clip): measured(result) for outcome in done.outcomes for result in outcome.results
    }


def measured(result: ClipResult) -> tuple[str, Any]:
    """Status and numbers; without times and memory, which differ from run to run."""
    if result.measurement is None:
        return result.status, None
    found = result.measurement.model_dump()
    found["values"] = {name: value for name, value in found["values"].items() if name not in COSTS}
    return result.status, found


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
