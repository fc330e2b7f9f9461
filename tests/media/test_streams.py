"""What a file holds, and how long it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from media_files import CASES, FORMATS, PICTURE, TONE, ffmpeg, heard, refused

from vtlab import media
from vtlab.errors import InputError


def test_no_sound_is_refused(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, "-c:v", "mpeg4", tmp_path / "mute.mp4")
    assert refused(tmp_path / "mute.mp4").code == "E_NO_AUDIO"


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats(made: Callable[[str], Path], name: str) -> None:
    path = made(name)
    info = media.probe(path)
    assert info.duration_s == pytest.approx(4.0, abs=0.06)
    assert info.audio[0].start_s == pytest.approx(0.0, abs=0.05)
    assert (info.video is None) == (path.suffix in (".wav", ".flac", ".mp3"))
    if info.video is not None:
        assert (info.video.width, info.video.height) == (64, 48)
        assert float(info.video.fps) == pytest.approx(25, abs=0.2)
        assert media.count_frames(path) == 100
    first, last = heard(path)
    assert first < 0.06
    assert last > 3.9


def test_subtitles_longer_than_the_film_do_not_make_it_cut_off(tmp_path: Path) -> None:
    late = tmp_path / "late.srt"
    late.write_text("1\n00:00:01,000 --> 00:00:02,000\nsoon\n\n2\n00:00:29,000 --> 00:00:30,000\nlate\n\n")
    for name, codec, seconds in (("a.mkv", "srt", 30), ("a.mp4", "mov_text", 4)):
        film = tmp_path / name
        ffmpeg(*PICTURE, *TONE, "-i", late, "-c:s", codec, film)
        assert media.probe(film).duration_s == pytest.approx(seconds, abs=0.1)


def test_length_of_streams_without_a_header_is_counted(tmp_path: Path) -> None:
    """Their bit rate says nothing: the first half here is silence, which takes few bytes."""
    path = tmp_path / "sound.aac"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=if(lt(t\\,6)\\,0\\,random(0)-0.5):s=44100:d=12", "-c:a", "aac", path)
    assert media.probe(path).duration_s == pytest.approx(12, abs=0.05)


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac"])
def test_a_cover_picture_is_no_video(tmp_path: Path, suffix: str) -> None:
    ffmpeg(*PICTURE, "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg(*TONE, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v",
           "attached_pic", tmp_path / f"song.{suffix}")  # fmt: skip
    info = media.probe(tmp_path / f"song.{suffix}")
    assert info.video is None
    assert media.count_frames(info.path) == 0
    assert info.duration_s == pytest.approx(4.0, abs=0.06)


def test_the_stream_is_chosen_by_number_language_and_flag() -> None:
    """Case two-languages."""
    info = media.probe(CASES / "two_languages.mkv")
    assert [(audio.language, audio.default) for audio in info.audio] == [("es", False), ("en", True)]
    assert info.subtitles
    assert media.choose_audio(info, None, None).index == 1
    assert media.choose_audio(info, None, "es").index == 0
    assert media.choose_audio(info, None, "fr").index == 1
    assert media.choose_audio(info, 0, "en").index == 0
    with pytest.raises(InputError, match="no audio stream number 2"):
        media.choose_audio(info, 2, None)


def test_frames_that_an_edit_list_hides_are_not_counted(made: Callable[[str], Path], tmp_path: Path) -> None:
    ffmpeg("-ss", "1.3", "-i", made("plain.mp4"), "-c", "copy", tmp_path / "trimmed.mp4")
    assert media.count_frames(tmp_path / "trimmed.mp4") == 67
