from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio
from vtlab.engines.voice_activity.silero import Silero
from vtlab.evaluation.dataset import load_dataset
from vtlab.media import choose_audio, decode_speech, probe

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def silero() -> Silero:
    return Silero(Silero.Options(), 1)


def test_edges_are_within_80_ms_of_the_truth(silero: Silero) -> None:
    clip = load_dataset(ROOT / "datasets" / "spoken").clip("pt_bakery")
    info = probe(clip.path)
    audio = decode_speech(clip.path, choose_audio(info, None, None), info.duration_s)
    found = silero.speech(audio, 0.5, 0.1, 0.1)
    for segment in clip.segments:
        assert segment.start is not None
        assert segment.end is not None
        assert min(abs(interval.start - segment.start) for interval in found) < 0.08
        assert min(abs(interval.end - segment.end) for interval in found) < 0.08


def test_long_sound_is_read_in_parts_without_a_seam(silero: Silero) -> None:
    clip = load_dataset(ROOT / "datasets" / "people").clip("fox_pt")
    info = probe(clip.path)
    audio = decode_speech(clip.path, choose_audio(info, None, None), info.duration_s)
    repeats = 140  # ten and a half minutes: past the first part
    long = Audio(np.tile(audio.samples, repeats), 16000)
    found = silero.speech(long, 0.5, 0.25, 0.5)
    assert len(found) == repeats


@pytest.mark.parametrize(
    ("samples", "rate"), [(np.zeros(100, np.float32), 8000), (np.zeros((100, 2), np.float32), 16000)]
)
def test_other_sound_is_refused(silero: Silero, samples: np.ndarray, rate: int) -> None:
    with pytest.raises(ValueError, match="16 kHz mono"):
        silero.speech(Audio(samples, rate), 0.5, 0.1, 0.1)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513])
def test_no_sound_has_no_speech(silero: Silero, length: int) -> None:
    assert silero.speech(Audio(np.zeros(length, np.float32), 16000), 0.5, 0.1, 0.1) == []
