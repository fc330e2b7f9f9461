"""Inputs that broke other tools, dubbed from end to end; see tests/cases/README.md."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import pysubs2
import pytest
from dubbing import PEOPLE, Dubbing

from vtlab import __main__, media
from vtlab.audio import cut, levels_db
from vtlab.engines import engine_options
from vtlab.engines.pool import EnginePool
from vtlab.engines.transcription.faster_whisper import FasterWhisper
from vtlab.engines.voice_activity.silero import Silero
from vtlab.outputs import Dub
from vtlab.segments import Segment
from vtlab.settings import AudioExtractionSettings, TranscriptionSettings
from vtlab.stages import audio_extraction, transcription

CASES = Path(__file__).parent / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
FRAME_S = 0.1  # the cases have ten frames a second
ODD_NAMES = [Path(name).name for name in EXPECTED["odd-names"]["files"]]


@dataclass
class Field:
    """Dubs of cases, into Portuguese, by the quickest voice."""

    folder: Path
    pool: EnginePool

    def dub(self, file: str | Path, source: str | None = "en", **sections: Any) -> Dub:
        out = self.folder / Path(file).name  # files of one name and several formats have results of one name
        dubbing = Dubbing(self.folder / "store", out, self.pool, CASES / file, (source, "pt"))
        return dubbing.run(tts={"engines": ["espeak"]}, **sections)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory, pool: EnginePool) -> Field:
    return Field(tmp_path_factory.mktemp("field"), pool)


def packets(path: Path) -> int:
    import av

    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def test_sound_that_starts_late(field: Field) -> None:
    case = EXPECTED["delayed-audio"]
    first, tolerance = case["lines"][0]["start"], case["onset_tolerance_s"]
    for file in case["files"]:
        made = field.dub(file)
        line = made.record.segments[0]
        assert line.measured_start is not None
        subtitles = [pysubs2.load(str(made.subtitles[code]))[0].start / 1000 for code in ("en", "pt")]
        assert [line.start, line.measured_start, *subtitles] == pytest.approx([first] * 4, abs=tolerance)
        result = media.probe(made.video)
        assert result.duration_s == pytest.approx(case["seconds"], abs=FRAME_S)
        assert result.audio[0].start_s == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize(("source", "stream"), [("en", 1), (None, 1)])
def test_two_languages_the_wanted_one_is_dubbed(field: Field, source: str | None, stream: int) -> None:
    made = field.dub("two_languages.mkv", source)
    heard = " ".join(line.text.lower() for line in made.record.segments)
    assert all(word in heard for word in EXPECTED["two-languages"]["audio_streams"][1]["must_hear"])
    assert "chocolate" not in heard
    assert made.record.source.audio_stream == stream
    assert made.record.source_language == "en"
    findings = {finding.code for finding in made.record.findings}
    assert {"stream_chosen", "subtitles_left_out"} <= findings


def lines_of(file: str, language: str | None) -> tuple[str, list[Segment]]:
    """The language and the lines of a case that no pair of engines here translates."""
    extraction = audio_extraction.extract(
        media.probe(CASES / file), AudioExtractionSettings(), language, lambda finding: None
    )
    audio = audio_extraction.decode_source_speech(extraction, lambda finding: None)
    settings = TranscriptionSettings()
    whisper = FasterWhisper(engine_options("transcription", "faster_whisper", {}), 2)
    activity = Silero(engine_options("voice_activity", "silero", {}), 1)
    speech = transcription.find_speech(audio, activity, settings.voice_activity)
    if language is None:
        language = transcription.detect_language(audio, speech, whisper, settings, lambda finding: None).language
    return language, list(transcription.transcribe(audio, speech, whisper, settings, language, lambda finding: None))


def test_two_languages_the_other_one_is_heard_when_it_is_named() -> None:
    _, lines = lines_of("two_languages.mkv", "es")
    heard = " ".join(line.text.lower() for line in lines)
    assert all(word in heard for word in EXPECTED["two-languages"]["audio_streams"][0]["must_hear"])


def test_speech_after_much_music() -> None:
    case = EXPECTED["late-speech"]
    language, lines = lines_of("late_speech.mp4", None)
    assert language == case["language"]
    assert lines[0].start == pytest.approx(case["lines"][0]["start"], abs=case["onset_tolerance_s"])
    assert all(line.start > case["music"][1] for line in lines)


def test_channels_that_cancel_each_other(field: Field) -> None:
    case = EXPECTED["out-of-phase"]
    reference = " ".join(line["text"] for line in case["lines"]).lower()
    errors = []
    for file in (*case["files"], case["reference_file"]):
        made = field.dub(file)
        errors.append(jiwer.wer(reference, " ".join(line.text for line in made.record.segments).lower()))
    assert errors[0] <= errors[1] + case["wer_above_reference_at_most"]


def test_a_timecode_track_is_left_out(field: Field) -> None:
    case = EXPECTED["timecode-track"]
    made = field.dub(case["files"][0])
    path = made.video
    result = media.probe(path)
    assert path.suffix == ".mp4"
    assert (len(result.audio), len(result.subtitles)) == (1, 2)
    assert packets(path) == case["video_packets"]


def test_odd_sizes_are_copied_and_burnt_in(field: Field) -> None:
    case = EXPECTED["odd-size"]
    video = media.probe(field.dub(case["files"][0]).media).video
    assert video is not None
    assert (video.codec, video.width, video.height) == (case["video_codec"], case["width"], case["height"])
    made = field.dub(case["files"][0], video_combination={"burn_subtitles": True})
    assert packets(made.video) == case["video_packets"]
    video = media.probe(made.video).video
    assert video is not None
    assert case["burned_in_width"][0] <= video.width <= case["burned_in_width"][1]
    assert case["burned_in_height"][0] <= video.height <= case["burned_in_height"][1]


def test_a_long_pause_stays_a_pause(field: Field) -> None:
    case = EXPECTED["long-pause"]
    made = field.dub(case["files"][0])
    begin, end = case["silent"]
    lines = made.record.segments
    assert len(lines) == 2
    for line, expected in zip(lines, case["lines"], strict=True):
        assert line.start == pytest.approx(expected["start"], abs=case["onset_tolerance_s"])
        assert line.end <= begin + 0.5 or line.start >= end - 0.5
        assert all(word.end <= begin + 0.5 or word.start >= end - 0.5 for word in line.words)
        assert line.measured_end is not None
        assert line.measured_end < begin + 1 or line.planned_start > end - 0.5
    source = audio_extraction.extract(media.probe(CASES / case["files"][0]), AudioExtractionSettings(), "en", print)
    result = audio_extraction.extract(media.probe(made.video), AudioExtractionSettings(), "pt", print)
    quiet = [
        levels_db(cut(audio_extraction.decode_source_speech(file, lambda finding: None), begin + 2, end - 2)).max()
        for file in (source, result)
    ]
    assert quiet[1] < quiet[0] + 10  # the room's own noise, at the dub's loudness


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(
    field: Field, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(CASES / "odd_names_plain.mp4", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VTLAB_STORE", str(field.folder / "store"))
    options = ["--from=en", "--to=pt", "--out=out", "--set=tts.engines=[espeak]"]
    burnt = ["--set=video_combination.burn_subtitles=true"]
    for more in ([], burnt):
        monkeypatch.setattr(sys, "argv", ["vtlab", "dub", *options, *more, "--", name])
        assert __main__._run() == 0, capsys.readouterr().err
        names = sorted(path.name for path in Path("out").iterdir())
        assert [path.name for path in Path().iterdir() if path.name != "out"] == [name]
        assert len(names) == 6
        assert all(len(name.encode()) <= 255 for name in names)
        stem = Path(name).stem
        assert all(stem.startswith(made.split(".pt.")[0].split(".en.")[0]) for made in names)
        record = json.loads(capsys.readouterr().out.splitlines() and next(Path("out").glob("*.json")).read_text())
        assert [output["file"] for output in record["outputs"]] != []
        assert "library" in record["segments"][0]["text"].lower()


def test_an_audio_file_with_a_cover_becomes_an_audio_file(pool: EnginePool, tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    cover = ["-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", "-disposition:v", "attached_pic"]
    command = [media.ffmpeg_binary(), "-v", "error", "-i", str(PEOPLE / "fox_pt.flac"), *cover, str(song)]
    subprocess.run(command, check=True)
    made = Dubbing(tmp_path / "store", tmp_path / "out", pool, song, ("pt", "en")).run()
    assert made.audio.name == "song.en.m4a"
    assert made.record.source.video is None
    assert media.probe(made.audio).duration_s == pytest.approx(made.record.source.seconds, abs=0.05)


def test_half_a_second(pool: EnginePool, tmp_path: Path) -> None:
    clip = tmp_path / "short.mp4"
    cut_out = ["-ss", "14.4", "-t", "0.5", "-i", str(PEOPLE / "sentences_pt.mp4")]
    subprocess.run([media.ffmpeg_binary(), "-v", "error", *cut_out, str(clip)], check=True)
    made = Dubbing(tmp_path / "store", tmp_path / "out", pool, clip, ("pt", "en")).run()
    source, result = media.probe(clip), media.probe(made.video)
    assert result.duration_s == pytest.approx(source.duration_s, abs=0.05)
    assert made.record.segments
