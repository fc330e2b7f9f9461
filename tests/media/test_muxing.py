"""Videos that ffmpeg writes."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from media_files import CASES, PICTURE, TONE, ffmpeg

from vtlab import media


def muxed(path: Path, out: Path, folder: Path) -> media.MediaInfo:
    """The file with silence as its dub and one subtitle."""
    info = media.probe(path)
    silent = np.zeros((round(info.duration_s * 44100), 1), np.float32)
    sound = media.write_aac([silent], 44100, 1, 64, folder / "dub.m4a")
    (folder / "en.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,500\nGood evening, <everyone>\n\n",
        encoding="utf-8",
    )
    tracks = [media.SubtitleTrack("en", folder / "en.srt")]
    media.mux(info, sound, out, language="pt", subtitles=tracks, folder=folder)
    return media.probe(out)


@pytest.mark.parametrize(
    ("name", "codec", "out"),
    [
        ("a.avi", "mpeg4", "out.mp4"),
        ("b.avi", "libx264", "out.mp4"),
        ("a.ts", "libx264", "out.mp4"),
        ("a.flv", "libx264", "out.mp4"),
        ("a.mpg", "mpeg2video", "out.mp4"),
        ("a.webm", "libvpx", "out.mkv"),
        ("a.wmv", "wmv2", "out.mkv"),
    ],
)
def test_pictures_of_all_containers_are_copied(tmp_path: Path, name: str, codec: str, out: str) -> None:
    """AVI and program streams leave out times that the muxers want."""
    path = tmp_path / name
    rate = "44100" if path.suffix == ".flv" else "48000"
    ffmpeg(*PICTURE, *TONE, "-ar", rate, "-c:v", codec, "-g", "12", path)
    info = media.probe(path)
    made = muxed(path, tmp_path / out, tmp_path)
    assert info.video is not None
    assert made.video is not None
    assert made.video.codec == info.video.codec
    assert media.count_frames(tmp_path / out) == media.count_frames(path) == 100
    assert made.duration_s == pytest.approx(info.duration_s, abs=0.06)
    assert (len(made.audio), len(made.subtitles)) == (1, 1)


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    shutil.copy(CASES / "odd_names_plain.mp4", path)
    muxed(path, path.with_suffix(".pt.mp4"), tmp_path)
    assert media.count_frames(path) == media.count_frames(path.with_suffix(".pt.mp4")) == 36
