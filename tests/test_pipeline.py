from __future__ import annotations

import doctest
import hashlib
import json
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from dubbing import PEOPLE, Dubbing

from vtlab import media
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, EngineError, LineError, ResourceError, SettingsError
from vtlab.events import STAGES, SegmentDone, StageFinished, StageStarted
from vtlab.outputs import Dub
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment

# what differs between two runs that make the same dub
OF_THE_RUN = {"created", "stages", "wall_s", "first_line_s", "peak_rss_mb"}
OF_THE_STORE = {*OF_THE_RUN, "settings"}  # which name the store's folder


def hashes(made: Dub) -> dict[str, str]:
    return {output.kind: output.sha256 for output in made.record.outputs}


def computed(made: Dub) -> set[str]:
    return {stage.stage for stage in made.record.stages if stage.computed}


# ---------------------------------------------------------------- the store


def test_the_record_names_the_ffmpeg_that_wrote_the_files(sentences: tuple[Dubbing, Dub]) -> None:
    assert sentences[1].record.ffmpeg == media.ffmpeg_version()


def test_a_second_run_loads_nothing_and_makes_the_same(sentences: tuple[Dubbing, Dub]) -> None:
    dubbing, first = sentences
    pool = EnginePool()
    again = dubbing.run(pool=pool)
    assert pool.loaded() == []
    assert not [message for message in dubbing.messages() if message.startswith("loading")]
    assert computed(again) == set()
    assert all(stage.reused for stage in again.record.stages if stage.stage in STAGES[1:6])
    assert hashes(again) == hashes(first)
    assert again.record.model_dump(exclude=OF_THE_RUN) == first.record.model_dump(exclude=OF_THE_RUN)
    assert again.record.wall_s < 0.2 * first.record.wall_s
    assert sorted(path.name for path in dubbing.out.iterdir()) == sorted(path.name for path in again.files.values())


@pytest.mark.parametrize(
    ("sections", "stages"),
    [
        ({"subtitle_generation": {"max_line_chars": 30}}, set()),
        ({"video_combination": {"crf": 30, "soft_subtitles": False}}, set()),
        ({"video_combination": {"background": "none"}}, {"audio_sync", "video_combination"}),
        ({"audio_sync": {"loudness_lufs": -20}}, {"audio_sync", "video_combination"}),
        ({"tts": {"options": {"piper": {"noise_scale": 0.1}}}}, {"tts", "audio_sync", "video_combination"}),
        ({"translation": {"candidates": 3}}, {"translation"}),
        ({"transcription": {"min_confidence": 0.25}}, set()),
    ],
)
def test_a_knob_computes_its_stage_and_what_it_changes_after_it(
    sentences: tuple[Dubbing, Dub], sections: dict[str, Any], stages: set[str]
) -> None:
    dubbing, first = sentences
    made = dub(
        dubbing.video, settings=dubbing.settings(**sections), out=dubbing.out.parent / "knobs", pool=dubbing.pool
    )
    assert computed(made) == stages
    assert made.record.fingerprint != first.record.fingerprint


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


HARM: tuple[Callable[[Path], None], ...] = (damage, cut_off, Path.unlink)


def test_what_the_store_lost_is_made_again(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    original, first = sentences
    dubbing = replace(original, store=tmp_path / "store", out=tmp_path / "out")
    shutil.copytree(original.store, dubbing.store)
    kinds = sorted(folder.name for folder in dubbing.store.iterdir())
    assert {"transcription_lines", "translation_lines", "tts_lines", "tts_line", "audio_sync_mix"} <= set(kinds)
    for kind in kinds:
        for harm, path in zip(cycle(HARM), sorted((dubbing.store / kind).glob("*/*")), strict=False):
            harm(path)
        made = dubbing.run()
        assert hashes(made) == hashes(first), kind
        assert made.record.model_dump(exclude=OF_THE_STORE) == first.record.model_dump(exclude=OF_THE_STORE), kind


def test_a_voice_that_comes_back_is_heard_in_the_next_run(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sentences[0]
    own_engines(tmp_path, monkeypatch)
    dubbing = replace(original, out=tmp_path / "out")
    absent = dubbing.run(tts={"engines": ["own_engines:Absent", "piper"]})
    assert {line.engine for line in absent.record.segments} == {"piper", "own_engines:Absent"}
    monkeypatch.setattr(sys.modules["own_engines"].Absent, "here", True)
    back = dubbing.run(tts={"engines": ["own_engines:Absent", "piper"]})
    assert {line.engine for line in back.record.segments} == {"own_engines:Absent"}
    assert "audio_sync" in computed(back)
    assert hashes(back)["video"] != hashes(absent)["video"]
    assert not [finding for finding in back.record.findings if finding.code == "fallback_voice"]


def test_lines_are_told_as_they_leave_their_stage(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    original, first = sentences
    lines = len(first.record.segments)
    dubbing = replace(original, store=tmp_path / "store", out=tmp_path / "out")
    shutil.copytree(original.store, dubbing.store)
    told: Counter[type] = Counter()

    def hear(line: Any) -> None:
        told[type(line)] += 1

    spoken = {Segment: lines, TranslatedSegment: lines, SpokenSegment: lines}
    dub(dubbing.video, settings=dubbing.settings(), out=dubbing.out, on_segment=hear, pool=dubbing.pool)
    assert told == spoken  # the mix is in the store, so no line is rendered
    told.clear()
    dub(
        dubbing.video,
        settings=dubbing.settings(audio_sync={"gap_s": 0.2}),
        out=dubbing.out,
        on_segment=hear,
        pool=dubbing.pool,
    )
    assert told == {**spoken, PlacedSegment: lines}


# ---------------------------------------------------------------- called from Python


def test_the_example_runs(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VTLAB_STORE", str(sentences[0].store))
    monkeypatch.chdir(tmp_path)
    shutil.copy(sentences[0].video, "talk.mp4")
    (example,) = [case for case in doctest.DocTestFinder(recurse=False).find(dub, "dub") if case.examples]
    assert doctest.DocTestRunner().run(example).failed == 0, capsys.readouterr().out
    assert capsys.readouterr().err == ""  # no bar where nobody looks
    assert len(list((tmp_path / "dubbed").iterdir())) == 6


def test_a_bar_is_shown_in_a_terminal(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    dub(sentences[0].video, settings=sentences[0].settings(), out=tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert "━" in err


def test_settings_come_from_a_file_and_are_changed_by_arguments(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTLAB_STORE", str(sentences[0].store))
    (tmp_path / "mine.yaml").write_text("target_language: fr\ntts: {engines: [piper], voice_gender: female}\n")
    made = dub(
        str(sentences[0].video), "en", "Portuguese", str(tmp_path / "out"), str(tmp_path / "mine.yaml"),
        tts={"voice_gender": "male"}, **{"subtitle_generation.max_line_chars": 30},
    )  # fmt: skip
    settings = made.record.settings
    assert (settings["source_language"], settings["target_language"]) == ("pt", "en")
    assert (settings["tts"]["engines"], settings["tts"]["voice_gender"]) == (["piper"], "male")
    assert settings["subtitle_generation"]["max_line_chars"] == 30
    with pytest.raises(SettingsError, match=r"Unknown setting 'tts\.voise'.*'voice'"):
        dub(sentences[0].video, "en", out=tmp_path / "none", tts={"voise": "pf_dora"})
    assert not (tmp_path / "none").exists()


# ---------------------------------------------------------------- the result and its record


def test_the_result_is_the_source_with_another_sound(sentences: tuple[Dubbing, Dub]) -> None:
    dubbing, made = sentences
    source, result = media.probe(dubbing.video), media.probe(made.video)
    assert result.video is not None
    assert source.video is not None
    assert (result.video.codec, result.video.frames) == (source.video.codec, source.video.frames)
    assert abs(result.duration_s - source.duration_s) <= 1 / source.video.fps
    assert [stream.language for stream in result.audio] == ["en"]
    assert len(result.subtitles) == 2
    assert {kind: path.name for kind, path in made.files.items()} == {
        "video": "sentences_pt.en.mp4",
        "subtitles_pt_srt": "sentences_pt.pt.srt",
        "subtitles_pt_vtt": "sentences_pt.pt.vtt",
        "subtitles_en_srt": "sentences_pt.en.srt",
        "subtitles_en_vtt": "sentences_pt.en.vtt",
        "record": "sentences_pt.en.dub.json",
    }


def test_the_record_tells_what_was_done(sentences: tuple[Dubbing, Dub]) -> None:
    made = sentences[1]
    record = Record.model_validate_json(made.record_file.read_text(encoding="utf-8"))
    for output in record.outputs:
        content = (made.record_file.parent / output.file).read_bytes()
        assert (output.sha256, output.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (record.source_language, record.target_language) == ("pt", "en")
    assert [(run.stage, run.engine) for run in record.engines] == [
        ("transcription", "silero"),
        ("transcription", "faster_whisper"),
        ("translation", "firefox"),
        ("tts", "piper"),
    ]
    assert all(weights["sha256"] for run in record.engines for weights in run.weights)
    assert [stage.stage for stage in record.stages] == list(STAGES)
    assert not record.degraded
    assert record.completeness == 1
    assert record.loudness_lufs == pytest.approx(-23, abs=1)
    assert len(record.segments) >= 4
    for line in record.segments:
        assert line.text
        assert line.translation in line.candidates
        assert (line.engine, line.voice) == ("piper", "en_US-joe-medium")
        assert line.measured_start is not None
        assert abs(line.measured_start - line.start) < 0.5
        assert line.planned_end <= record.source.seconds + 0.001


def test_later_stages_say_how_many_lines_there_will_be(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    original, first = sentences
    dubbing = replace(original, out=tmp_path, events=[])
    dubbing.run(tts={"options": {"piper": {"noise_scale": 0.2}}})
    totals = {event.total for event in dubbing.events if isinstance(event, SegmentDone) and event.stage == "tts"}
    assert totals == {len(first.record.segments)}


def test_the_language_is_detected_where_none_is_given(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    original, first = sentences
    dubbing = replace(original, out=tmp_path, pair=(None, "en"))
    made = dubbing.run()
    assert made.record.source_language == "pt"
    assert made.record.source.language_confidence is not None
    assert made.record.source.language_confidence > 0.8
    # all else was there already
    assert computed(made) == set()
    assert hashes(made) == hashes(first)


# ---------------------------------------------------------------- voices

OWN_ENGINES = '''
from vtlab.engines.translation.firefox import Firefox
from vtlab.engines.transcription.faster_whisper import FasterWhisper
from vtlab.engines.tts.piper import Piper
from vtlab.errors import EngineError, LineError


class Hoarse(Piper):
    """Cannot speak one of the lines."""

    def speak(self, text, voice, rate):
        if "chicken" in text:
            raise LineError("no voice for poultry")
        return super().speak(text, voice, rate)


class Absent(Hoarse):
    here = False

    def speak(self, text, voice, rate):
        return Piper.speak(self, text, voice, 1.1 * rate) if self.here else super().speak(text, voice, rate)


class Broken(Piper):
    def speak(self, text, voice, rate):
        raise EngineError("the voice broke")


class BrokenTranslator(Firefox):
    def translate(self, sentences, candidates):
        raise EngineError("the translator broke")


class BrokenRecogniser(FasterWhisper):
    def transcribe(self, audio, spans, language):
        raise EngineError("the recogniser broke")
'''


def own_engines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of one's own, by dotted path, as a user would write them."""
    (folder / "own_engines.py").write_text(OWN_ENGINES)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "own_engines", raising=False)


def test_a_line_that_a_voice_cannot_speak_goes_to_the_next(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_engines(tmp_path, monkeypatch)
    made = replace(sentences[0], out=tmp_path / "out").run(tts={"engines": ["own_engines:Hoarse", "piper"]})
    assert not made.degraded
    assert made.record.completeness == 1
    (finding,) = [finding for finding in made.record.findings if finding.code == "fallback_voice"]
    assert "no voice for poultry" in finding.message
    spoken = {line.id: line.engine for line in made.record.segments}
    assert spoken.pop(finding.segment) == "piper"
    assert set(spoken.values()) == {"own_engines:Hoarse"}
    assert {run.engine for run in made.record.engines if run.stage == "tts"} == {"own_engines:Hoarse", "piper"}


def test_a_line_that_nobody_can_speak_makes_the_dub_degraded(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_engines(tmp_path, monkeypatch)
    made = replace(sentences[0], out=tmp_path / "out").run(tts={"engines": ["own_engines:Hoarse"]})
    assert made.degraded
    lines = made.record.segments
    assert made.record.completeness == pytest.approx(1 - 1 / len(lines))
    (failed,) = [line for line in lines if line.failed]
    assert "no voice for poultry" in str(failed.failed)
    assert failed.measured_start is None
    (finding,) = [finding for finding in made.record.findings if finding.code == "not_spoken"]
    assert (finding.segment, finding.severity) == (failed.id, "degraded")
    assert "chicken" in made.subtitles["en"].read_text(encoding="utf-8")


def test_two_speakers_have_two_voices(pool: EnginePool, tmp_path: Path) -> None:
    lines = [
        {"start": 1.5, "end": 5.25, "text": "A arte de amar foi publicada em Roma.", "speaker": "ana"},
        {"start": 8.35, "end": 11.42, "text": "A duração é de cinquenta minutos.", "speaker": "bruno"},
        {"start": 13.82, "end": 15.52, "text": "Eu quero uma coxinha.", "speaker": "ana"},
    ]
    (tmp_path / "lines.json").write_text(json.dumps(lines))
    dubbing = Dubbing(tmp_path / "store", tmp_path, pool, PEOPLE / "sentences_pt.mp4", ("pt", "en"))
    reference = {"engine": "reference", "options": {"reference": {"file": str(tmp_path / "lines.json")}}}
    made = dubbing.run(transcription=reference, tts={"engines": ["espeak"]})
    assert [line.speaker for line in made.record.segments] == ["ana", "bruno", "ana"]
    ana, bruno, ana_again = [line.voice for line in made.record.segments]
    assert ana == ana_again != bruno


# ---------------------------------------------------------------- stopping


def test_cancelled_in_any_stage_it_goes_on_from_there(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, no_thread_left: None
) -> None:
    original, first = sentences
    dubbing = replace(original, store=tmp_path / "store", out=tmp_path / "out", events=[])
    reached: set[str] = set()

    def on_event(event: object) -> None:
        if isinstance(event, StageStarted):
            reached.add(event.stage)

    for stage in STAGES:
        reached.clear()

        def checkpoint(stage: str = stage) -> None:
            if stage in reached:
                raise Cancelled("enough")

        with pytest.raises(Cancelled, match="enough"):
            dub(
                dubbing.video, settings=dubbing.settings(), out=dubbing.out,
                on_event=on_event, checkpoint=checkpoint, pool=dubbing.pool,
            )  # fmt: skip
        assert not dubbing.out.exists() or list(dubbing.out.iterdir()) == []
    made = dubbing.run()
    assert hashes(made) == hashes(first)
    assert sum(stage.reused for stage in made.record.stages) > 0


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"tts": {"engines": ["own_engines:Broken"]}}, "the voice broke"),
        ({"translation": {"engines": ["own_engines:BrokenTranslator"]}}, "the translator broke"),
        ({"transcription": {"engine": "own_engines:BrokenRecogniser"}}, "the recogniser broke"),
    ],
)
def test_errors_of_threads_are_told_as_they_are_and_leave_no_thread(
    sentences: tuple[Dubbing, Dub],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_thread_left: None,
    sections: dict[str, Any],
    said: str,
) -> None:
    own_engines(tmp_path, monkeypatch)
    with pytest.raises(EngineError, match=said):
        replace(sentences[0], out=tmp_path / "out").run(**sections)
    assert not (tmp_path / "out").exists()


def test_a_listener_that_fails_ends_the_run(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, no_thread_left: None
) -> None:
    dubbing = sentences[0]

    def on_event(event: object) -> None:
        if isinstance(event, StageFinished) and event.stage == "translation":
            raise LineError("the listener broke")

    with pytest.raises(LineError, match="the listener broke"):
        dub(dubbing.video, settings=dubbing.settings(), out=tmp_path / "out", on_event=on_event, pool=dubbing.pool)


# ---------------------------------------------------------------- memory, folders, names


def test_idle_engines_are_unloaded_where_memory_is_short(tmp_path: Path) -> None:
    pool = EnginePool(budget_mb=1)  # everything is above that
    dubbing = Dubbing(tmp_path / "store", tmp_path / "out", pool, PEOPLE / "fox_pt.flac", ("pt", "en"))
    made = dubbing.run()
    assert made.record.completeness == 1
    pool.unload()
    assert pool.loaded() == []  # all were given back


@pytest.mark.parametrize("out", ["a file", "a file/below"])
def test_a_folder_that_cannot_be_is_refused_at_once(sentences: tuple[Dubbing, Dub], tmp_path: Path, out: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(ResourceError, match="a file is a file"):
        replace(sentences[0], out=tmp_path / out).run()


def test_what_killed_runs_left_is_swept_and_what_others_make_is_not(
    sentences: tuple[Dubbing, Dub], tmp_path: Path
) -> None:
    from vtlab.outputs import work_folder

    left = tmp_path / ".vtlab-1-abandoned"  # process 1 lives, but is not vtlab
    left.mkdir()
    (left / "dub.mp4").write_bytes(b"half")
    with work_folder(tmp_path) as work:
        assert not left.exists()
        (work / "dub.mp4").write_bytes(b"half")
        replace(sentences[0], out=tmp_path).run()
        assert (work / "dub.mp4").read_bytes() == b"half"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", [b"no text \xff\xe9.flac", "é😀日".encode() * 22 + b"abcdefghij.flac"])
def test_results_are_named_after_the_video_whatever_its_name(pool: EnginePool, tmp_path: Path, name: bytes) -> None:
    video = tmp_path / os.fsdecode(name)
    shutil.copy(PEOPLE / "fox_pt.flac", video)
    dubbing = Dubbing(tmp_path.parent / "fox store", tmp_path / "out", pool, video, ("pt", "en"))
    made = dubbing.run()
    names = [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()]
    assert len(names) == 6
    assert all(len(name) <= 255 for name in names)
    stem = os.fsencode(video.stem)
    assert all(stem.startswith(name.split(b".")[0]) for name in names)
    assert Record.model_validate_json(made.record_file.read_text()).source.seconds > 4


def test_threads_of_this_module_are_gone() -> None:
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("tts", "whisper", "memory watch"))]
