"""Scores measured early the dub are those that ``vtlab.measurement.inspection`` finds in its files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from live_sessions import CLIP, settings

from serve.worker.quality import SPEECH_METRICS, QualityMeter, measure_segments
from vtlab.errors import Cancelled
from vtlab.measurement.inspection import measure
from vtlab.outputs import Dub
from vtlab.pipeline import dub
from vtlab.segments import PlacedSegment
from vtlab.settings import Settings


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(
        source_language="en",
        target_language="pt",
        store={"folder": tmp_path_factory.mktemp("store")},
        audio_sync={"keep_speech_track": True},
    )


@pytest.fixture(scope="module")
def made(chosen: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dub, list[PlacedSegment]]:
    placed: list[PlacedSegment] = []
    dubbed = dub(
        CLIP,
        settings=chosen,
        out=tmp_path_factory.mktemp("out"),
        on_segment=lambda line: placed.append(line) if isinstance(line, PlacedSegment) else None,
    )
    return dubbed, placed


def test_speech_in_memory_scores_as_its_file_does(made: tuple[Dub, list[PlacedSegment]], chosen: Settings) -> None:
    dubbed, placed = made
    assert len(placed) == len(dubbed.record.segments)
    here = measure_segments(placed, CLIP, chosen, lambda: None)
    there = measure(
        dubbed.media, CLIP, "en", "pt",
        record=dubbed.record, speech_track=dubbed.speech_track, metrics=SPEECH_METRICS,
    ).values  # fmt: skip
    assert set(here) == set(there) == set(SPEECH_METRICS)
    assert here["sync_within_150ms"] == there["sync_within_150ms"]
    assert here["voice_mos"] == pytest.approx(there["voice_mos"], abs=0.05)  # resampled another way


def test_quality_beside_the_dub_or_after_it(made: tuple[Dub, list[PlacedSegment]], chosen: Settings) -> None:
    dubbed, placed = made
    early, late = (QualityMeter(CLIP, chosen, lambda: None) for _ in range(2))
    with early.join_at_exit(), late.join_at_exit():
        for line in placed:
            early.add(line)
        early.start()
        late.start()  # no line came: their mix was in the store
    scores = [meter.scores(dubbed) for meter in (early, late)]
    assert [absent for _, absent in scores] == [{}, {}]
    one, other = (quality for quality, _ in scores)
    assert one is not None and other is not None
    assert one.voice_quality == pytest.approx(other.voice_quality, abs=1.25)
    assert (one.lip_sync_accuracy, one.translation_quality) == (other.lip_sync_accuracy, other.translation_quality)
    assert one.duration_match and other.duration_match


def test_what_cannot_be_measured_is_named(
    made: tuple[Dub, list[PlacedSegment]], chosen: Settings, tmp_path: Path
) -> None:
    dubbed, placed = made
    meter = QualityMeter(tmp_path / "gone.mp4", chosen, lambda: None)
    with meter.join_at_exit():
        meter.add(placed[0])
        meter.start()
    quality, absent = meter.scores(dubbed)
    assert quality is None
    assert "gone.mp4" in absent["voice_quality"]


def test_no_thread_outlives_a_dub_that_fails(made: tuple[Dub, list[PlacedSegment]], chosen: Settings) -> None:
    def stop() -> None:
        raise Cancelled("Cancelled.")

    _, placed = made
    meter = QualityMeter(CLIP, chosen, lambda: None)
    with pytest.raises(RuntimeError, match="the dub failed"), meter.join_at_exit():
        for line in placed:
            meter.add(line)
        meter.start()
        raise RuntimeError("the dub failed")
    assert meter._listening.started
    assert "quality" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(Cancelled):
        measure_segments(placed, CLIP, chosen, stop)
