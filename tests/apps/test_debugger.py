from __future__ import annotations

from pathlib import Path

import pytest
from dubbing import Dubbing

from vtlab.apps import debugger
from vtlab.engines.pool import EnginePool
from vtlab.errors import InputError
from vtlab.events import STAGES, Event
from vtlab.metrics.registry import METRICS
from vtlab.outputs import Dub
from vtlab.record import FindingRecord
from vtlab.settings import Settings, load_settings, settings_from_dict

BASE = Settings(source_language="pt", target_language="en")


@pytest.mark.parametrize(
    ("changed", "stage", "at_once"),
    [
        ({}, None, True),
        ({"video_combination": {"crf": 30}}, "video_combination", True),
        ({"subtitle_generation": {"max_cps": 20}, "video_combination": {"crf": 30}}, "subtitle_generation", True),
        ({"audio_sync": {"gap_s": 0.1}}, "audio_sync", True),
        ({"tts": {"voice": "x"}, "audio_sync": {"gap_s": 0.1}}, "tts", False),
        ({"transcription": {"snap_s": 0.1}}, "transcription", False),
        ({"target_language": "es"}, "initialization", False),
    ],
)
def test_the_first_changed_stage_decides_whether_it_runs_unasked(
    changed: dict[str, object], stage: str | None, at_once: bool
) -> None:
    after = settings_from_dict({"source_language": "pt", "target_language": "en", **changed})
    assert debugger.first_changed_stage(BASE, after) == stage
    assert debugger.runs_at_once(BASE, after) is at_once
    assert not debugger.runs_at_once(None, after)


def test_a_turned_knob_runs_its_stage_and_those_after_it(
    sentences: tuple[Dubbing, Dub], pool: EnginePool, tmp_path: Path
) -> None:
    dubbing, _ = sentences
    shown: list[tuple[str, float]] = []
    listen = debugger.track_progress(lambda phrase, share: shown.append((phrase, share)))
    for settings in (dubbing.settings(), dubbing.settings(audio_sync={"gap_s": 0.2})):
        dub = debugger.dub_clip(dubbing.video, settings, tmp_path, pool, listen)
    stages = debugger.summarize_stages(dub.record)
    assert list(stages) == list(STAGES)
    assert [stages[stage].from_store for stage in STAGES[1:5]] == [True] * 4
    assert stages["audio_sync"].computed == len(dub.record.segments)
    assert "from the store" in stages["tts"].sentence
    assert "computed" in stages["audio_sync"].sentence
    assert dub.speech_track.is_file()
    assert shown[-1] == ("video combination", 1.0)
    rows = debugger.sync_rows(dub.record)
    assert [row["segment"] for row in rows] == [line.id for line in dub.record.segments]
    assert debugger.text_rows(dub.record)[0]["translation"] == dub.record.segments[0].translation


def test_a_failed_dub_fails_where_it_was_asked_for(tmp_path: Path, pool: EnginePool) -> None:
    with pytest.raises(InputError):
        debugger.dub_clip(tmp_path / "absent.mp4", BASE, tmp_path, pool, lambda event: None)


def test_who_is_interrupted_stops_the_dub(sentences: tuple[Dubbing, Dub], pool: EnginePool, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        debugger.dub_clip(sentences[0].video, sentences[0].settings(), tmp_path, pool, interrupt)
    assert not list(tmp_path.iterdir())


def test_saved_settings_load_again(tmp_path: Path) -> None:
    settings = settings_from_dict({"target_language": "en", "tts": {"voice": "pf_dora"}, "store": {"folder": "x"}})
    saved = debugger.save_settings(settings, tmp_path / "new" / "mine.yaml")
    loaded = load_settings(saved)
    assert loaded.tts.voice == "pf_dora"
    assert loaded.target_language is None
    assert loaded.store.folder is None
    with pytest.raises(InputError, match="Choose another place"):
        debugger.save_settings(settings, saved / "below a file.yaml")
    debugger.save_settings(settings, saved)
    (tmp_path / "notes.yaml").write_text("bread: 2\n")
    with pytest.raises(InputError, match=r"notes\.yaml is there already and is not a settings file"):
        debugger.save_settings(settings, tmp_path / "notes.yaml")
    assert (tmp_path / "notes.yaml").read_text() == "bread: 2\n"


def test_uploads_keep_their_name_and_never_leave_their_folder(tmp_path: Path) -> None:
    first = debugger.keep_upload("../../clip.mp4", b"one", tmp_path)
    assert first.name == "clip.mp4"
    assert first.is_relative_to(tmp_path)
    assert first.read_bytes() == b"one"
    assert debugger.keep_upload("clip.mp4", b"two", tmp_path) != first
    assert debugger.keep_upload("clip.mp4", b"one", tmp_path) == first


def test_videos_of_one_name_have_folders_of_their_own() -> None:
    home = Path("page")
    assert debugger.results_folder(home, Path("/a/x.mp4"), "base") != debugger.results_folder(
        home, Path("/b/x.mp4"), "base"
    )


def test_pages_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = debugger.make_page_folder(), debugger.make_page_folder()
    assert one.name != other.name
    one.cleanup()
    assert [folder.name for folder in debugger.OUT.iterdir()] == [Path(other.name).name]
    other.cleanup()


def test_the_command_dubs_what_is_shown() -> None:
    settings = settings_from_dict({"source_language": "pt", "target_language": "en"})
    said = debugger.format_command(Path("my clip.mp4"), settings, Path("out/s.yaml"))
    assert said == "vtlab dub 'my clip.mp4' --to en --settings out/s.yaml --from pt"
    settings = settings_from_dict({"target_language": "en"})
    assert (
        debugger.format_command(Path("a.mp4"), settings, Path("s.yaml")) == "vtlab dub a.mp4 --to en --settings s.yaml"
    )


def test_what_differs_from_the_base_is_listed() -> None:
    other = settings_from_dict({"tts": {"voice": "pf_dora"}, "audio_sync": {"gap_s": 0.2}})
    assert debugger.list_changes(Settings(), other) == [
        {"setting": "tts.voice", "base": "None", "now": "pf_dora"},
        {"setting": "audio_sync.gap_s", "base": "0.03", "now": "0.2"},
    ]
    assert debugger.list_changes(other, other) == []


@pytest.mark.parametrize(
    ("metric", "before", "after", "verdict"),
    [
        ("wer", 0.1, 0.05, "better"),
        ("chrf", 60.0, 50.0, "worse"),
        ("loudness_lufs", -23.0, -20.0, "different"),
        ("wer", 0.1, 0.1, ""),
        ("wer", None, 0.1, ""),
    ],
)
def test_a_difference_has_a_direction(metric: str, before: float | None, after: float | None, verdict: str) -> None:
    assert debugger._verdict(METRICS[metric], before, after) == verdict


def test_findings_are_rows() -> None:
    finding = FindingRecord(
        stage="tts", code="rushed", severity="warning", message="too fast", segment=3, value=1.4, limit=1.3
    )
    assert debugger.finding_rows([finding]) == [
        {"severity": "warning", "code": "rushed", "segment": 3, "message": "too fast", "value": 1.4, "limit": 1.3}
    ]


def test_clips_of_all_data_sets_are_known() -> None:
    clips = debugger.list_clips(Path(__file__).parents[2] / "datasets")
    assert clips["people/sentences_pt"].source_language == "pt"
    assert "spoken/pt_bakery" in clips
