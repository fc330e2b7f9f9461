from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vtlab import weights
from vtlab.audio import trim
from vtlab.engines.tts import Voice
from vtlab.engines.tts.piper import Piper, PiperOptions
from vtlab.errors import EngineError, LineError, WeightsError

JOE = Voice("en_US-joe-medium", "en", "male", "en-US")
SENTENCE = "The rain was so strong last night that nobody could cross the old bridge."


@pytest.fixture(scope="module")
def piper() -> Piper:
    return Piper(PiperOptions(), 1)


@pytest.fixture(scope="module")
def joe() -> Path:
    folder = weights.find_packaged("piper/en_US-joe-medium")
    assert folder is not None
    return folder / "en_US-joe-medium.onnx"


def test_the_packaged_voice_is_found() -> None:
    assert Piper.voices(PiperOptions(), "en") == (JOE,)
    assert Piper.voices(PiperOptions(), "pt") == ()
    assert Piper.status(PiperOptions()).languages == ("en",)
    onnx, config = Piper.weights(PiperOptions(), JOE)
    assert onnx.sha256 == "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
    assert (onnx.place, config.path.name) == ("package", "en_US-joe-medium.onnx.json")


def test_the_same_text_is_the_same_sound_in_any_thread(piper: Piper) -> None:
    once = piper.speak(SENTENCE, JOE, 1.0)
    with ThreadPoolExecutor(2) as threads:
        others = list(threads.map(lambda text: piper.speak(text, JOE, 1.0), [SENTENCE, "Who?", SENTENCE, "Why not?"]))
    assert once.rate == 22050
    assert np.array_equal(once.samples, others[0].samples)
    assert np.array_equal(once.samples, others[2].samples)
    assert np.abs(once.samples).max() > 0.1


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.1, 1.25])
def test_the_rate_asked_for_is_the_rate_heard(piper: Piper, rate: float) -> None:
    natural = trim(piper.speak(SENTENCE, JOE, 1.0)).duration
    assert trim(piper.speak(SENTENCE, JOE, rate)).duration * rate == pytest.approx(natural, rel=0.02)


@pytest.mark.parametrize(
    "text", [SENTENCE, "Good evening, and welcome to the museum.", "She painted it in four days, on a borrowed table."]
)
def test_units_foretell_the_duration(piper: Piper, text: str) -> None:
    foretold = piper.units(text, JOE) * Piper.seconds_per_unit
    assert trim(piper.speak(text, JOE, 1.0)).duration == pytest.approx(foretold, rel=0.06)


def test_brackets_are_not_phonemes(piper: Piper) -> None:
    assert piper.units("a [[bug]] here", JOE) == piper.units("a  bug  here", JOE)


def test_a_text_without_sounds_is_told(piper: Piper) -> None:
    with pytest.raises(LineError, match="knows no sounds for"):
        piper.speak("\u200b", JOE, 1.0)


def voice_file(folder: Path, joe: Path, name: str, **changes: object) -> Path:
    """The packaged model under another name, with a description changed at places."""
    onnx = folder / f"{name}.onnx"
    shutil.copy(joe, onnx)
    described = json.loads(joe.with_name(f"{joe.name}.json").read_text(encoding="utf-8"))
    onnx.with_name(f"{onnx.name}.json").write_text(json.dumps({**described, **changes}), encoding="utf-8")
    return onnx


def test_folders_and_files_of_voices(tmp_path: Path, joe: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    faber = voice_file(tmp_path / "a" / "deep", joe, "pt_BR-faber-medium", language={"code": "pt_BR"})
    amy = voice_file(tmp_path, joe, "en_GB-amy-low", language={"code": "en_GB"})
    options = PiperOptions(voices=(str(tmp_path / "a"), str(amy)))
    assert Piper.voices(options, "pt") == (Voice("pt_BR-faber-medium", "pt", "male", "pt-BR"),)
    assert Piper.voices(options, "en") == (Voice("en_GB-amy-low", "en", "female", "en-GB"), JOE)
    assert Piper.status(options).languages == ("en", "pt")
    (onnx, _) = Piper.weights(options, Piper.voices(options, "pt")[0])
    assert onnx.path == faber


def test_each_speaker_of_a_model_is_a_voice(tmp_path: Path, joe: Path) -> None:
    file = voice_file(
        tmp_path,
        joe,
        "es_ES-sharvard-medium",
        num_speakers=2,
        speaker_id_map={"M": 0, "F": 1},
        language={"code": "es_ES"},
    )
    assert [(voice.name, voice.gender) for voice in Piper.voices(PiperOptions(voices=(str(file),)), "es")] == [
        ("es_ES-sharvard-medium#M", "male"),
        ("es_ES-sharvard-medium#F", "female"),
    ]


def test_what_is_wrong_with_a_voice_is_said(tmp_path: Path, joe: Path) -> None:
    alone = tmp_path / "alone.onnx"
    shutil.copy(joe, alone)
    for given, message in (
        (str(alone), r"lacks alone\.onnx\.json"),
        (str(tmp_path / "nowhere.onnx"), "neither a file or folder nor a name"),
    ):
        with pytest.raises(WeightsError, match=message):
            Piper.voices(PiperOptions(voices=(given,)), "en")
    with pytest.raises(WeightsError, match="hf download rhasspy/piper-voices"):
        Piper.voices(PiperOptions(voices=("pt_BR-nobody-medium",), offline=True), "pt")
    with pytest.raises(EngineError, match="Did you mean 'en_US-joe-medium'"):
        Piper.weights(PiperOptions(), Voice("en_US-jo-medium", "en", "male"))


def test_a_damaged_voice_is_told_when_it_is_loaded(tmp_path: Path, joe: Path) -> None:
    file = voice_file(tmp_path, joe, "en_US-broken-medium")
    file.write_bytes(b"not a model")
    engine = Piper(PiperOptions(voices=(str(file),)), 1)
    with pytest.raises(WeightsError, match="does not load"):
        engine.speak("Hello.", Voice("en_US-broken-medium", "en", "neutral"), 1.0)


def test_voices_of_the_hub_by_name(tmp_path: Path, joe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pt" / "pt_BR" / "faber" / "medium"
    folder.mkdir(parents=True)
    faber = voice_file(folder, joe, "pt_BR-faber-medium", language={"code": "pt_BR"})
    monkeypatch.setattr(weights, "find_in_hub_cache", lambda repository: tmp_path)
    options = PiperOptions(voices=("pt_BR-faber-medium",), offline=True)
    (voice,) = Piper.voices(options, "pt")
    onnx, _ = Piper.weights(options, voice)
    assert (onnx.path, onnx.place) == (faber, "hub cache")
    assert Piper.voices(PiperOptions(), "pt") == (voice,)  # what the cache holds is found without its name, too
