"""Whose files a dub may replace, and how its own come to their names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dubbing import Dubbing

from vtlab.engines.pool import EnginePool
from vtlab.errors import InputError
from vtlab.events import StageFinished, StageStarted
from vtlab.files import sha256_of
from vtlab.outputs import Destination, Dub, work_folder
from vtlab.pipeline import dub
from vtlab.record import Record

VIDEO = "sentences_pt.mp4"
RECORD = "sentences_pt.en.dub.json"


@pytest.fixture
def own(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> Dubbing:
    """The video of ``sentences`` in a folder of its own, where it is dubbed too."""
    original = sentences[0]
    video = Path(shutil.copy(original.video, tmp_path / VIDEO))
    return replace(original, video=video, out=tmp_path, events=[], pool=EnginePool())


def content(folder: Path) -> dict[str, str]:
    """The hash of every file in the folder, and where links lead."""
    return {
        path.name: f"-> {path.readlink()}" if path.is_symlink() else sha256_of(path)
        for path in folder.iterdir()
        if path.is_symlink() or path.is_file()
    }


def refused(own: Dubbing, match: str, *, overwrite: bool = False) -> None:
    """Check that the dub is refused in stage 1, before any engine is loaded, and that no file is changed."""
    before = content(own.out)
    own.events.clear()
    with pytest.raises(InputError, match=match) as error:
        dub(
            own.video,
            settings=own.settings(),
            out=own.out,
            on_event=own.events.append,
            pool=own.pool,
            overwrite=overwrite,
        )
    assert (error.value.code, error.value.exit_code) == ("E_EXISTS", 2)
    assert content(own.out) == before
    assert [event.stage for event in own.events if isinstance(event, StageStarted)] == ["initialization"]
    assert own.pool.loaded() == []
    assert not list(own.out.glob(".*"))


RESULTS = [
    "sentences_pt.en.mp4",
    "sentences_pt.pt.srt",
    "sentences_pt.pt.vtt",
    "sentences_pt.en.srt",
    "sentences_pt.en.vtt",
    RECORD,
]


@pytest.mark.parametrize("name", RESULTS)
def test_a_file_of_the_user_is_refused_before_any_work(own: Dubbing, name: str) -> None:
    (own.out / name).write_text("an evening's work")
    refused(own, f"{name} was not made by a dub of this video, .*--out.*--overwrite")
    made = dub(own.video, settings=own.settings(), out=own.out, pool=own.pool, overwrite=True)
    assert sorted(content(own.out)) == sorted([VIDEO, *RESULTS])
    assert Record.model_validate_json(made.record_file.read_bytes()) == made.record


def test_every_file_in_the_way_is_named(own: Dubbing) -> None:
    (own.out / "sentences_pt.pt.srt").write_text("one")
    (own.out / "sentences_pt.en.srt").write_text("two")
    refused(own, r"\.pt\.srt was not made by .* \(nor sentences_pt\.en\.srt\)")


def test_subtitles_count_while_the_language_is_unknown(own: Dubbing) -> None:
    (own.out / "sentences_pt.fr.srt").write_text("un")
    refused(replace(own, pair=(None, "en")), "--from, where it is not French")
    own.run()  # with the language given, it stands in nobody's way
    assert (own.out / "sentences_pt.fr.srt").read_text() == "un"


def test_a_later_dub_replaces_what_an_earlier_one_made(own: Dubbing) -> None:
    first = own.run(audio_sync={"keep_speech_track": True})
    second = own.run(subtitle_generation={"max_line_chars": 30})
    track = first.speech_track
    assert [output.file for output in second.record.earlier_outputs] == [track.name]
    assert track.is_file()
    third = own.run(audio_sync={"keep_speech_track": True, "gap_s": 0.15})
    assert third.speech_track == track
    assert third.record.earlier_outputs == []
    own.run()


def test_records_of_before_are_read(own: Dubbing) -> None:
    made = own.run()
    data = json.loads(made.record_file.read_bytes())
    del data["earlier_outputs"]
    made.record_file.write_text(json.dumps({**data, "a field of tomorrow": 1}))
    own.run()


def test_a_result_that_the_user_changed_is_refused(own: Dubbing) -> None:
    made = own.run()
    with made.subtitles["en"].open("a") as file:
        file.write("\n")
    refused(own, r"sentences_pt\.en\.srt was changed after a dub had made it")


def test_a_copy_of_the_video_is_the_same_video(own: Dubbing, tmp_path: Path) -> None:
    own.run()
    (tmp_path / "elsewhere").mkdir()
    replace(own, video=Path(shutil.copy(own.video, tmp_path / "elsewhere"))).run()


def test_another_video_of_the_same_name_is_refused(own: Dubbing, tmp_path: Path) -> None:
    own.run()
    (tmp_path / "elsewhere").mkdir()
    other = Path(shutil.copy(own.video, tmp_path / "elsewhere" / VIDEO))
    with other.open("ab") as file:
        file.write(b"\0\0\0\x08free")  # an empty box of MP4
    refused(replace(own, video=other), r"was made from another video .*sentences_pt\.mp4")
    (own.out / "sentences_pt.en.mp4").unlink()
    for path in own.out.glob("sentences_pt.*.*t"):
        path.unlink()
    refused(replace(own, video=other), f"{RECORD} is the record of another video")


# ---------------------------------------------------------------- a dub's files and tables


def test_a_dub_has_its_files_by_name(own: Dubbing) -> None:
    made = own.run(audio_sync={"keep_speech_track": True})
    assert (made.source, made.video, made.media, made.audio) == (own.video, own.out / RESULTS[0], made.video, None)
    assert made.subtitles == {"pt": own.out / "sentences_pt.pt.srt", "en": own.out / "sentences_pt.en.srt"}
    assert made.webvtt == {"pt": own.out / "sentences_pt.pt.vtt", "en": own.out / "sentences_pt.en.vtt"}
    assert made.speech_track == own.out / "sentences_pt.en.speech.flac"
    assert made.record_file == own.out / RECORD
    listed = {output.kind: made.record_file.parent / output.file for output in made.record.outputs}
    assert made.files == {**listed, "record": made.record_file}
    assert all(path.is_file() for path in made.files.values())


def test_a_dub_has_tables_of_segments_and_findings(sentences: tuple[Dubbing, Dub]) -> None:
    made = sentences[1]
    lines = made.lines()
    assert list(lines.index) == [segment.id for segment in made.record.segments]
    assert list(lines["translation"]) == [segment.translation for segment in made.record.segments]
    late = lines["measured_start"] - lines["start"]
    assert (lines["onset_drift_s"] - late).abs().max() < 1e-9
    assert list(made.findings()["code"]) == [finding.code for finding in made.record.findings]
    nothing = replace(made, record=made.record.model_copy(update={"findings": [], "segments": []}))
    assert len(nothing.lines()) == 0
    assert list(nothing.findings().columns) == list(made.findings().columns)


# ---------------------------------------------------------------- the video itself


def symlink(video: Path, path: Path) -> None:
    path.symlink_to(video.name)


def hard_link(video: Path, path: Path) -> None:
    path.hardlink_to(video)


@pytest.mark.parametrize("link", [symlink, hard_link])
@pytest.mark.parametrize("name", RESULTS)
def test_a_link_to_the_video_is_never_replaced(own: Dubbing, link: Callable[[Path, Path], None], name: str) -> None:
    link(own.video, own.out / name)
    refused(own, "is the video itself")
    refused(own, "is the video itself", overwrite=True)


def test_the_video_is_never_replaced_whatever_its_name(own: Dubbing, monkeypatch: pytest.MonkeyPatch) -> None:
    video = own.video.rename(own.out / f"{'a' * 243}.en.mp4")  # its stem is cut: the dub would have the same name
    refused(replace(own, video=video), "is the video itself")
    refused(replace(own, video=video), "is the video itself", overwrite=True)
    (own.out / "below").mkdir()
    refused(replace(own, video=video, out=own.out / "below" / ".."), "is the video itself", overwrite=True)
    monkeypatch.chdir(own.out)
    refused(replace(own, video=Path(video.name), out=Path()), "is the video itself", overwrite=True)


def test_a_video_read_through_a_link_is_not_replaced(own: Dubbing) -> None:
    video = own.video.rename(own.out / "film.en.mp4")
    (own.out / "film.mp4").symlink_to(video.name)
    refused(replace(own, video=own.out / "film.mp4"), "is the video itself", overwrite=True)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(own: Dubbing, make: Callable[[Path], None]) -> None:
    make(own.out / "sentences_pt.en.srt")
    refused(own, "is not a file", overwrite=True)


def test_a_link_of_the_user_is_refused(own: Dubbing) -> None:
    (own.out / "notes.txt").write_text("mine")
    (own.out / "sentences_pt.en.srt").symlink_to("notes.txt")
    (own.out / "sentences_pt.en.vtt").symlink_to("nowhere")
    refused(own, r"en\.srt is a link to another file, .*\(nor sentences_pt\.en\.vtt\)")
    own.events.clear()
    dub(own.video, settings=own.settings(), out=own.out, pool=own.pool, overwrite=True)
    assert (own.out / "notes.txt").read_text() == "mine"


# ---------------------------------------------------------------- while it runs, and when it is killed


def test_a_file_that_appears_meanwhile_is_left_alone(own: Dubbing) -> None:
    def write_one(event: object) -> None:
        if isinstance(event, StageFinished) and event.stage == "video_combination":
            (own.out / "sentences_pt.en.srt").write_text("mine")

    with pytest.raises(InputError, match="was not made by a dub of this video"):
        dub(own.video, settings=own.settings(), out=own.out, on_event=write_one, pool=own.pool)
    assert {path.name for path in own.out.iterdir()} == {VIDEO, "sentences_pt.en.srt"}
    assert (own.out / "sentences_pt.en.srt").read_text() == "mine"


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("moved", range(len(RESULTS) + 1))
def test_killed_while_it_publishes_the_next_dub_completes_it(
    own: Dubbing, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    first = own.run()
    count = 0
    rename = Path.replace

    def replace_until_killed(self: Path, target: Path) -> Path:
        nonlocal count
        if self.parent.name == "ready":
            if count == moved:
                raise Killed
            count += 1
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "replace", replace_until_killed)
        patched.setattr(shutil, "rmtree", lambda *arguments, **options: None)  # nobody is left to clean up
        own.run(subtitle_generation={"max_line_chars": 20})
        raise Killed
    Destination(own.video, own.out).check("pt", "en", ".mp4", False)
    record = Record.model_validate_json((own.out / RECORD).read_bytes())
    assert record.fingerprint != first.record.fingerprint
    assert {output.file: output.sha256 for output in record.outputs}.items() <= content(own.out).items()
    assert not list(own.out.glob(".*"))
    own.run()


def test_what_a_killed_dub_finished_replaces_no_file_of_the_user(own: Dubbing) -> None:
    made = own.run()
    with work_folder(own.out) as work:
        ready = own.out / f"{work.name[:-8]}abcdefgh" / "ready"
        ready.mkdir(parents=True)
        for path in made.files.values():
            path.rename(ready / path.name)
    (own.out / "sentences_pt.en.srt").write_text("mine")
    with pytest.raises(InputError, match="was not made by a dub of this video"):
        Destination(own.video, own.out).check("pt", "en", ".mp4", False)
    assert {path.name for path in own.out.iterdir()} == {VIDEO, "sentences_pt.en.srt"}


def test_only_work_folders_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".vtlab-notes").mkdir()
    (tmp_path / ".vtlab-1-notes").symlink_to(".vtlab-notes")
    (tmp_path / ".vtlab-notes" / "mine.txt").write_text("mine")
    with work_folder(tmp_path):
        pass
    assert (tmp_path / ".vtlab-notes" / "mine.txt").read_text() == "mine"
