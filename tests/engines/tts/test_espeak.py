from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import trim
from vtlab.engines.tts import Voice
from vtlab.engines.tts.espeak import Espeak, EspeakOptions
from vtlab.engines.tts.piper import Piper, PiperOptions
from vtlab.errors import EngineError, LineError

PROGRAM = shutil.which("espeak-ng")
BACKENDS = [
    pytest.param(EspeakOptions(), id="library"),
    pytest.param(
        EspeakOptions(program=Path(PROGRAM or "espeak-ng")),
        id="program",
        marks=pytest.mark.skipif(PROGRAM is None, reason="no espeak-ng program here"),
    ),
]


@pytest.mark.parametrize("options", BACKENDS)
def test_languages(options: EspeakOptions) -> None:
    languages = Espeak.status(options).languages
    assert {"en", "pt", "hy", "zh", "nb", "ru", "cy", "vi"} <= set(languages)
    assert len(languages) > 60
    assert Espeak.voices(options, "pt")[:2] == (
        Voice("pt-br+m3", "pt", "male", "pt-br"),
        Voice("pt-br+f2", "pt", "female", "pt-br"),
    )
    assert Espeak.voices(options, "tl") == ()


@pytest.mark.parametrize("options", BACKENDS)
def test_speech_at_its_rates(options: EspeakOptions) -> None:
    engine = Espeak(options, 1)
    woman = Espeak.voices(options, "hy")[1]
    text = "Բարև ձեզ, ինչպես եք այսօր"
    natural = trim(engine.speak(text, woman, 1.0))
    assert natural.rate == 22050
    assert engine.units(text, woman) == natural.duration > 1.0
    assert trim(engine.speak(text, woman, 1.3)).duration * 1.3 == pytest.approx(natural.duration, rel=0.12)


def test_men_and_women_differ() -> None:
    engine = Espeak(EspeakOptions(), 1)
    man, woman = (engine.speak("Boa noite", voice, 1.0) for voice in Espeak.voices(EspeakOptions(), "pt")[:2])
    assert len(man.samples) != len(woman.samples) or not np.array_equal(man.samples, woman.samples)


def test_a_slower_speaker_by_option() -> None:
    voice = Espeak.voices(EspeakOptions(), "en")[0]
    text = "The rain was so strong that nobody could cross the bridge."
    slow, fast = (Espeak(EspeakOptions(wpm=wpm), 1).units(text, voice) for wpm in (120, 200))
    assert slow > 1.4 * fast


def test_beside_the_phonemes_of_others() -> None:
    """Piper's phonemes come from a copy of the same library in this process; neither may disturb the other."""
    espeak, piper = Espeak(EspeakOptions(), 1), Piper(PiperOptions(), 1)
    (joe,) = Piper.voices(PiperOptions(), "en")
    man = Espeak.voices(EspeakOptions(), "pt")[0]
    phonemes, sound = piper.units("Good evening", joe), espeak.speak("Boa noite", man, 1.0)
    fresh = Piper(PiperOptions(), 1)
    with ThreadPoolExecutor(3) as threads:
        sounds = [threads.submit(espeak.speak, "Boa noite", man, 1.0) for _ in range(6)]
        counts = [threads.submit(fresh.units, "Good evening", joe) for _ in range(6)]
    assert all(np.array_equal(future.result().samples, sound.samples) for future in sounds)
    assert {future.result() for future in counts} == {phonemes}


@pytest.mark.parametrize("options", BACKENDS)
def test_an_unknown_voice_is_a_lines_failure(options: EspeakOptions) -> None:
    with pytest.raises(LineError, match="cannot speak 'Hello' with xx-nothing"):
        Espeak(options, 1).speak("Hello", Voice("xx-nothing", "xx", "neutral"), 1.0)


def test_no_program() -> None:
    options = EspeakOptions(program=Path("/nowhere/espeak-ng"))
    status = Espeak.status(options)
    assert not status.ready
    assert status.fix is not None and "espeakng-loader" in status.fix
    with pytest.raises(EngineError, match="espeak-ng is missing"):
        Espeak(options, 1)
