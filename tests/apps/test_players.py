from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from dubbing import PEOPLE, Dubbing

from vtlab import media
from vtlab.apps import players
from vtlab.apps.timeline import Timeline, timeline_lines
from vtlab.audio import Audio, mono
from vtlab.errors import InputError
from vtlab.metrics.subtitles import read_subtitles
from vtlab.pipeline import Dub

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
        players.snippet(Path(__file__), 0, 1)


def test_wav_holds_the_samples() -> None:
    samples = np.array([0.0, 0.5, -0.5, 2.0], np.float32)
    with wave.open(io.BytesIO(players.wav(Audio(samples, 8000)))) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert np.frombuffer(file.readframes(4), "<i2").tolist() == [0, 16383, -16383, 32767]


def test_a_click_brings_the_sound_of_that_line_from_both_tracks(sentences: tuple[Dubbing, Dub]) -> None:
    record = sentences[1].record
    asked: list[int] = []

    def sounds(line: int) -> tuple[str, str]:
        asked.append(line)
        return f"source {line}", f"dub {line}"

    timeline = Timeline(record, sounds)
    assert timeline.lines == timeline_lines(record)
    assert timeline.seconds == record.source.seconds
    timeline.asked = {"line": 2, "count": 1}
    assert asked == [2]
    assert timeline.answer == {"line": 2, "count": 1, "source": "source 2", "dub": "dub 2"}
    first = timeline.lines[0]
    line = record.segments[0]
    worst = max(abs(line.planned_start - line.start), abs(line.planned_end - line.end))
    assert first["drift"] == round(1000 * worst)
    assert first["dub"] == [line.planned_start, line.planned_end]


def test_a_line_has_a_breath_around_it() -> None:
    with wave.open(io.BytesIO(players.line_sound(PEOPLE / "sentences_pt.mp4", 2.0, 3.0))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(1.0 + 2 * players.AROUND_S, abs=0.01)


def test_a_long_dub_is_shown_in_parts(
    sentences: tuple[Dubbing, Dub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dub = sentences[1]
    video, subtitles = dub.outputs["video"], dub.outputs["subtitles_en_vtt"]
    assert players.parts(video) == 1
    monkeypatch.setattr(players, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(players, "PART_S", 10.0)
    assert players.parts(video) == 3
    shown, cues = players._part(video, subtitles, 1, tmp_path)
    assert media.probe(shown).duration_s == pytest.approx(10.0, abs=0.3)
    assert cues is not None
    whole = [cue for cue in read_subtitles(subtitles) if cue.end > 10.0 and cue.start < 20.0]
    assert [cue.text for cue in read_subtitles(cues)] == [cue.text for cue in whole]
    assert read_subtitles(cues)[-1].start == pytest.approx(whole[-1].start - 10.0, abs=0.01)
    assert '<track kind="subtitles"' in players.player(video, subtitles, "en", 2).text
    other = tmp_path / "dub.mkv"
    other.write_bytes(bytes(2000))
    assert players.parts(other) == 1
    assert "open it in a video player" in players.player(other, None, "en").text
