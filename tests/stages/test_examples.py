"""The example of each stage, which runs it alone with an engine of its own."""

from __future__ import annotations

import doctest
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vtlab.stages import (
    audio_extraction,
    audio_sync,
    subtitle_generation,
    translation,
    tts,
    video_combination,
)

CLIP = Path(__file__).parents[2] / "datasets" / "people" / "clips" / "sentences_pt.mp4"


@pytest.mark.parametrize(
    "stage",
    [
        audio_extraction.extract,
        translation.translate,
        tts.speak,
        audio_sync.synchronise,
        subtitle_generation.generate,
        video_combination.combine,
    ],
)
def test_a_stage_runs_alone(
    stage: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(CLIP, "talk.mp4")
    (example,) = [case for case in doctest.DocTestFinder(recurse=False).find(stage, stage.__name__) if case.examples]
    assert doctest.DocTestRunner().run(example).failed == 0, capsys.readouterr().out
