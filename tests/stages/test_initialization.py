from __future__ import annotations

from pathlib import Path

import pytest

from vtlab.errors import EngineError, LanguageError, ResourceError, SettingsError, WeightsError
from vtlab.settings import settings_from_dict
from vtlab.stages.initialization import (
    check_pair,
    check_room,
    choose_listeners,
    choose_translators,
    choose_voices,
    target_language,
)


def test_listeners_come_with_their_weights_and_nothing_loaded() -> None:
    activity, recogniser = choose_listeners(settings_from_dict({}))
    assert (activity.name, recogniser.name) == ("silero", "faster_whisper")
    for choice in (activity, recogniser):
        assert all(len(weights.sha256) == 64 and weights.path.exists() for weights in choice.weights)


@pytest.mark.parametrize(
    ("section", "error", "said"),
    [
        ({"engine": "fasterwhisper"}, EngineError, "Did you mean 'faster_whisper'"),
        ({"engine": "nobody.here:Engine"}, EngineError, "no module 'nobody.here'"),
        ({"options": {"faster_whisper": {"beam": 5}}}, SettingsError, "Did you mean 'beam_size'"),
        ({"options": {"faster_whisper": {"model": "large-v3"}}}, WeightsError, "large-v3"),
    ],
)
def test_what_is_not_here_is_told(section: dict[str, object], error: type[Exception], said: str) -> None:
    settings = settings_from_dict({"initialization": {"offline": True}, "transcription": section})
    with pytest.raises(error, match=said):
        choose_listeners(settings)


def test_a_pair_without_an_engine_names_those_that_have_one() -> None:
    settings = settings_from_dict({"initialization": {"offline": True}})
    assert [(leg.source, leg.target) for leg in choose_translators(settings, "pt", "en")] == [("pt", "en")]
    with pytest.raises(LanguageError, match=r"sw-en.*pt-en"):
        choose_translators(settings, "sw", "en")


def test_every_speaker_has_a_voice_of_their_own_while_they_last() -> None:
    settings = settings_from_dict({"tts": {"engines": ["kokoro"]}})
    (cast,) = choose_voices(settings, "pt", lambda finding: None)
    names = [cast.voice_of(speaker).name for speaker in ("ana", "bruno", None, "ana", "clara")]
    assert len({*names[:3]}) == 3  # there are three
    assert names[0] == names[3] == names[4]
    assert names[0] == cast.lead.name  # whoever speaks first, named or not, has the first voice


def test_stand_ins_follow_the_voice() -> None:
    settings = settings_from_dict({"tts": {"engines": ["piper", "kokoro", "espeak"]}})
    casts = choose_voices(settings, "en", lambda finding: None)
    assert [cast.choice.name for cast in casts] == ["piper", "kokoro", "espeak"]
    assert all(cast.choice.weights for cast in casts[:2])


def test_target_language() -> None:
    assert target_language(settings_from_dict({"source_language": "pt", "target_language": "en"})) == "en"
    with pytest.raises(SettingsError, match="--to"):
        target_language(settings_from_dict({}))
    with pytest.raises(LanguageError, match=r"in English already \(en\)"):
        target_language(settings_from_dict({"source_language": "en", "target_language": "en"}))
    check_pair(None, "en")


def test_room_for_the_result_and_the_store(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"0" * 1000)
    check_room(video, 60, tmp_path / "not yet" / "there", tmp_path)
    with pytest.raises(ResourceError, match="MB are needed"):
        check_room(video, 1e9, tmp_path, tmp_path)
    with pytest.raises(ResourceError, match=r"a\.mp4 is a file"):
        check_room(video, 60, video / "out", tmp_path)
