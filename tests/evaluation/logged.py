"""A suite and results of it for tests of what is logged: the numbers are made up, the files real."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.made_up import measurement

from vtlab.evaluation.dataset import Dataset
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.results import ClipResult, StageCount, clip_folder
from vtlab.evaluation.tracking import runs
from vtlab.evaluation.tracking.connection import connect, find_experiment, lock_store, tracking_uri, translate_errors

ROOT = Path(__file__).parents[2]
CLIPS = ("hello_video_en", "sentences_pt")


def a_suite(folder: Path, name: str) -> Suite:
    file = folder / f"{name}.yaml"
    file.write_text(
        f"dataset: {ROOT / 'datasets' / 'people'}\nclips: [{', '.join(CLIPS)}]\n"
        "matrix:\n  tts.voice: {one: null, other: en_US-joe-medium}\ngates:\n  speed_p95: {max: 9}\n  wer: {max: 0}\n",
        encoding="utf-8",
    )
    return load_suite(file)


def a_result(
    suite: Suite, configuration: Configuration, dataset: Dataset, clip: str, folder: Path, tool: int = 0
) -> ClipResult:
    """A clip with made-up numbers; its own source stands for its dub."""
    home = clip_folder(folder, suite.name, configuration.name, clip)
    home.mkdir(parents=True)
    source = dataset.clip(clip).path
    shutil.copy(source, home / source.name)
    (home / "lines.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nBom dia.\n", encoding="utf-8")
    return ClipResult(
        suite=suite.name,
        configuration=configuration.name,
        fingerprint=configuration.fingerprint,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        clip=clip,
        key=f"key of {clip}",
        status="finished",
        measurement=measurement(CLIPS.index(clip), segments=4, tool=tool),
        stages={"tts": StageCount(computed=3, reused=1, dubs_computed=1, dubs_reused=0, seconds=2.0)},
        outputs={"video": Path(source.name), "subtitles_pt_srt": Path("lines.srt")},
    )


def log_plain_run(
    experiment: str,
    name: str,
    parameters: Mapping[str, Any],
    values: Mapping[str, float | None],
    tags: Mapping[str, str],
    *,
    uri: str | None = None,
) -> str:
    """A finished run with these parameters, metrics and tags; returns its id."""
    address = tracking_uri(uri)
    client = connect(address)
    with lock_store(address), translate_errors(address):
        run = client.create_run(find_experiment(client, address, experiment), run_name=name)
        runs._log(client, run.info.run_id, parameters, values, tags)
        client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
