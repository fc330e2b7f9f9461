from __future__ import annotations

import pytest

from vtlab import weights
from vtlab.engines.choice.voices import Cast, choose_voices
from vtlab.errors import EngineError, LanguageError, SettingsError
from vtlab.events import Finding
from vtlab.settings import settings_from_dict

LOCAL = ("piper", "kokoro", "espeak")
needs_kokoro = pytest.mark.skipif(len(weights.list_packaged("kokoro/")) < 2, reason="Kokoro's voices are not here")


def choose(language: str, offline: bool = True, **tts: object) -> tuple[tuple[Cast, ...], list[str]]:
    """The casts, and what was told about them."""
    settings = settings_from_dict({"initialization": {"offline": offline}, "tts": {"engines": LOCAL, **tts}})
    findings: list[Finding] = []
    casts = choose_voices(settings, language, findings.append)
    return casts, [finding.message for finding in findings]


def cast(language: str, offline: bool = True, **tts: object) -> tuple[Cast, ...]:
    return choose(language, offline, **tts)[0]


def names(casts: tuple[Cast, ...]) -> list[str]:
    return [one.choice.name for one in casts]


@needs_kokoro
def test_the_first_that_speaks_the_language_leads_and_the_others_stand_in() -> None:
    assert names(cast("en")) == ["piper", "kokoro", "espeak"]
    assert names(cast("pt")) == ["kokoro", "espeak"]
    assert choose("pt")[1] == []


def test_the_voices_come_with_their_weights() -> None:
    assert all(one.choice.weights for one in cast("en")[:2])


def test_network_voices_are_left_out_offline() -> None:
    assert names(cast("hy", engines=("edge", "espeak"))) == ["espeak"]
    assert names(cast("hy", offline=False, engines=("edge", "espeak"))) == ["edge", "espeak"]


def test_a_robot_that_leads_is_a_warning_with_a_cure() -> None:
    (warning,) = choose("hy")[1]
    assert "espeak speaks Armenian: a robotic last resort" in warning
    assert "tts.options.piper.voices" in warning
    assert choose("hy", engines=("espeak",))[1] == []  # asked for


@needs_kokoro
def test_every_speaker_has_a_voice_while_they_last() -> None:
    lead, *_ = cast("pt")
    given = [lead.assign_voice(speaker).name for speaker in ("ana", "rui", None, "ana", "leo")]
    assert given == ["pf_dora", "pm_alex", "pm_santa", "pf_dora", "pf_dora"]
    assert lead.lead.name == "pf_dora"  # whoever speaks first, named or not, has the first voice


@needs_kokoro
def test_speakers_by_name_keep_their_voices_to_themselves() -> None:
    lead, *_ = cast("pt", speakers={"rui": "pm_alex"})
    assert [lead.assign_voice(speaker).name for speaker in ("ana", "eva", "rui")] == ["pf_dora", "pm_santa", "pm_alex"]


@needs_kokoro
def test_a_voice_by_name_in_any_engine() -> None:
    casts = cast("en", engines=("piper",), voice="bm_george")
    assert names(casts) == ["kokoro", "piper"]
    assert {casts[0].assign_voice(speaker).name for speaker in (None, "ana", "rui")} == {"bm_george"}


def test_a_voice_of_the_service_that_is_not_listed_here() -> None:
    for name in ("pt-BR-ThalitaNeural", "en-US-AndrewMultilingualNeural"):
        lead, *_ = cast("pt", offline=False, voice=name)
        assert lead.choice.name == "edge"
        assert lead.assign_voice(None).name == name
    for name in ("es-MX-JorgeNeural", "pt-BR-thalita", "Thalita"):
        with pytest.raises(SettingsError, match=f"No engine here has a voice '{name}'"):
            cast("pt", offline=False, voice=name)


@needs_kokoro
def test_gender_decides_before_the_order_of_engines() -> None:
    assert names(cast("en", voice_gender="male")) == ["piper", "kokoro", "espeak"]
    women = cast("en", voice_gender="female")
    assert names(women) == ["kokoro", "piper", "espeak"]
    assert {women[0].assign_voice(str(order)).gender for order in range(5)} == {"female"}


def test_a_robot_does_not_lead_for_its_gender() -> None:
    casts, (warning,) = choose("en", engines=("piper", "espeak"), voice_gender="female")
    assert names(casts) == ["piper", "espeak"]
    assert "No female voice speaks English here; en_US-joe-medium of piper speaks instead." in warning
    assert cast("hy", engines=("espeak",), voice_gender="female")[0].lead.name == "hy+f2"


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
