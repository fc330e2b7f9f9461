from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from dubbing import PEOPLE

from vtlab import media
from vtlab.segments import PlacedSegment
from vtlab.settings import Settings
from vtlab.stages import audio_extraction, audio_sync, transcription, translation, tts, video_combination
from vtlab.stages.video_combination import Mix
from vtlab.store.results import Store
from vtlab.store.stages import (
    StoredMix,
    spoken_segments,
    transcribed_segments,
    transcript_depends,
    translated_segments,
)

NOTHING_PLACED: list[PlacedSegment] = []


def keys_of_segments(store: Store) -> tuple[str, str, str]:
    """Return the keys of a transcript, its translation and its speech."""
    settings = Settings(target_language="en")
    transcript = transcribed_segments(store, transcript_depends(settings, "sound", []))
    translated = translated_segments(store, transcript, settings, {}, [])
    return transcript.key, translated.key, spoken_segments(store, translated, settings, []).key


@pytest.mark.parametrize(("stage", "same"), [(transcription, 0), (translation, 1), (tts, 2)])
def test_segments_of_another_version_have_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: ModuleType, same: int
) -> None:
    before = keys_of_segments(Store(tmp_path))
    monkeypatch.setattr(stage, "VERSION", stage.VERSION + 1)
    after = keys_of_segments(Store(tmp_path))
    assert after[:same] == before[:same]  # what came before the stage stays
    assert not set(after[same:]) & set(before[same:])


@pytest.mark.parametrize("stage", [audio_sync, video_combination])
def test_a_mix_of_another_version_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: ModuleType
) -> None:
    def stored() -> StoredMix:
        return StoredMix(Store(tmp_path), [], [], "sound", Settings())

    (tmp_path / "mix.m4a").write_bytes(b"sound")
    stored().put(NOTHING_PLACED, Mix(tmp_path / "mix.m4a", None, -23.0, -1.0), [])
    assert stored().get() is not None
    monkeypatch.setattr(stage, "VERSION", stage.VERSION + 1)
    assert stored().get() is None


def test_a_sound_of_another_version_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    info = media.probe(PEOPLE / "fox_pt.flac")
    extraction = media.Extraction(info, info.audio[0])
    before = audio_extraction.SourceSound(extraction).name
    monkeypatch.setattr(audio_extraction, "VERSION", audio_extraction.VERSION + 1)
    assert audio_extraction.SourceSound(extraction).name != before
