from __future__ import annotations

import pytest

from vtlab import weights
from vtlab.engines.choice.casting import Casting, choose_voices
from vtlab.errors import EngineError, LanguageError, SettingsError
from vtlab.settings import TtsSettings

LOCAL = ("piper", "kokoro", "espeak")
needs_kokoro = pytest.mark.skipif(len(weights.packaged_names("kokoro/")) < 2, reason="Kokoro's voices are not here")


def cast(language: str, offline: bool = True, **settings: object) -> Casting:
    return choose_voices(TtsSettings.model_validate({"engines": LOCAL, **settings}), language, offline)


def names(casting: Casting) -> list[str]:
    return [engine.name for engine in casting.engines]


@needs_kokoro
def test_the_first_that_speaks_the_language_leads_and_the_others_stand_in() -> None:
    assert names(cast("en")) == ["piper", "kokoro", "espeak"]
    assert names(cast("pt")) == ["kokoro", "espeak"]
    assert cast("pt").warnings == ()


def test_network_voices_are_left_out_offline() -> None:
    assert names(cast("hy", engines=("edge", "espeak"))) == ["espeak"]
    assert names(cast("hy", offline=False, engines=("edge", "espeak"))) == ["edge", "espeak"]


def test_a_robot_that_leads_is_a_warning_with_a_cure() -> None:
    (warning,) = cast("hy").warnings
    assert "espeak speaks Armenian: a robotic last resort" in warning
    assert "tts.options.piper.voices" in warning
    assert cast("hy", engines=("espeak",)).warnings == ()  # asked for


@needs_kokoro
def test_every_speaker_has_a_voice_while_they_last() -> None:
    casting = cast("pt")
    given = [casting.voice(0, speaker, order).name for order, speaker in enumerate(("ana", "rui", "eva", "leo"))]
    assert given == ["pf_dora", "pm_alex", "pm_santa", "pf_dora"]


@needs_kokoro
def test_speakers_by_name_keep_their_voices_to_themselves() -> None:
    casting = cast("pt", speakers={"rui": "pm_alex"})
    assert casting.voice(0, "rui", 3).name == "pm_alex"
    assert [casting.voice(0, speaker, order).name for order, speaker in enumerate(("ana", "eva"))] == [
        "pf_dora",
        "pm_santa",
    ]


@needs_kokoro
def test_a_voice_by_name_in_any_engine() -> None:
    casting = cast("en", engines=("piper",), voice="bm_george")
    assert names(casting) == ["kokoro", "piper"]
    assert {casting.voice(0, speaker, order).name for order, speaker in enumerate((None, "ana", "rui"))} == {
        "bm_george"
    }


def test_a_voice_of_the_service_that_is_not_listed_here() -> None:
    for name in ("pt-BR-ThalitaNeural", "en-US-AndrewMultilingualNeural"):
        casting = cast("pt", offline=False, voice=name)
        assert names(casting)[0] == "edge"
        assert casting.voice(0, None, 0).name == name
    for name in ("es-MX-JorgeNeural", "pt-BR-thalita", "Thalita"):
        with pytest.raises(SettingsError, match=f"No engine here has a voice '{name}'"):
            cast("pt", offline=False, voice=name)


@needs_kokoro
def test_gender_decides_before_the_order_of_engines() -> None:
    assert names(cast("en", voice_gender="male")) == ["piper", "kokoro", "espeak"]
    women = cast("en", voice_gender="female")
    assert names(women) == ["kokoro", "piper", "espeak"]
    assert {women.voice(0, str(order), order).gender for order in range(5)} == {"female"}


def test_a_robot_does_not_lead_for_its_gender() -> None:
    casting = cast("en", engines=("piper", "espeak"), voice_gender="female")
    assert names(casting) == ["piper", "espeak"]
    assert "No female voice speaks English here; en_US-joe-medium of piper speaks instead." in casting.warnings[0]
    assert cast("hy", engines=("espeak",), voice_gender="female").voice(0, None, 0).name == "hy+f2"


def test_what_cannot_be_cast_is_told_with_its_cure() -> None:
    with pytest.raises(LanguageError, match=r"No voice speaks Armenian \(hy\) here\. Tried piper: it speaks en"):
        cast("hy", engines=("piper",))
    with pytest.raises(EngineError, match=r"edge: it needs the network, and initialization\.offline is set"):
        cast("hy", engines=("edge",))
    with pytest.raises(SettingsError, match=r"voice 'en_US-jo-medium' for English\. Did you mean 'en_US-joe-medium'"):
        cast("en", engines=("piper",), voice="en_US-jo-medium")
    with pytest.raises(SettingsError, match="belong to different engines"):
        cast("en", speakers={"a": "en_US-joe-medium", "b": "en-us+f2"})
    with pytest.raises(EngineError, match="nonesuch"):
        cast("en", engines=("nonesuch",))
