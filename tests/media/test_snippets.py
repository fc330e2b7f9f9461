from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from dubbing import PEOPLE

from vtlab import media
from vtlab.audio import Audio, mono
from vtlab.errors import InputError
from vtlab.media import snippets

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize("file", [PEOPLE / "sentences_pt.mp4", PEOPLE / "lamp_ja.mp3", CASES / "delayed_audio.mp4"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (3.1, 5.3), (4.0, 30.0)])
def test_a_piece_is_what_decoding_everything_gives(file: Path, start: float, end: float) -> None:
    info = media.probe(file)
    stream = info.audio[0]
    blocks = media.decode_blocks(file, stream, stream.rate, min(2, stream.channels), info.duration_s)
    whole = mono(Audio(np.concatenate(list(blocks)), stream.rate)).samples
    end = min(end, info.duration_s)
    piece = mono(media.decode_span(file, start, end)).samples
    expected = whole[round(start * stream.rate) :][: len(piece)]
    settled = slice(stream.rate // 10, len(expected))  # a decoder set down in the middle needs some frames
    off = piece[: len(expected)][settled] - expected[settled]
    assert np.sqrt(np.mean(off**2)) < 1e-4 + 0.25 * np.sqrt(np.mean(expected[settled] ** 2))


def test_what_is_no_sound_is_said() -> None:
    with pytest.raises(InputError, match="no audio stream 3"):
        media.decode_span(PEOPLE / "sentences_pt.mp4", 0, 1, 3)
    with pytest.raises(InputError):
        snippets.snippet(Path(__file__), 0, 1)


def test_wav_holds_the_samples() -> None:
    samples = np.array([0.0, 0.5, -0.5, 2.0], np.float32)
    with wave.open(io.BytesIO(snippets.wav(Audio(samples, 8000)))) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert np.frombuffer(file.readframes(4), "<i2").tolist() == [0, 16383, -16383, 32767]


def test_a_line_has_a_breath_around_it() -> None:
    with wave.open(io.BytesIO(snippets.segment_sound(PEOPLE / "sentences_pt.mp4", 2.0, 3.0))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(1.0 + 2 * snippets.AROUND_S, abs=0.01)
