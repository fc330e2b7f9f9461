"""The ffmpeg program."""

import os
import subprocess
from pathlib import Path

import pytest
from dubbing import PEOPLE

from vtlab import media
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, EngineError, VtlabError
from vtlab.pipeline import dub


class Endless:
    """An ffmpeg call that never ends, in the form that ``run_ffmpeg`` takes."""

    def get_args(self) -> list[str]:
        return ["-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"]


class Broken:
    def get_args(self) -> list[str]:
        return ["-f", "lavfi", "-i", "no_such_source", "-f", "null", "-"]


def children() -> list[str]:
    import psutil

    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.name() for child in running if "ffmpeg" in child.name()]


def test_ffmpeg_dies_with_the_run(tmp_path: Path) -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            assert children()
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        media.run_ffmpeg(Endless(), 60, checkpoint, tmp_path)
    assert children() == []


def test_ffmpeg_dies_at_its_time_limit(tmp_path: Path) -> None:
    with pytest.raises(VtlabError, match="longer than 0 s"):
        media.run_ffmpeg(Endless(), 0.3, lambda: None, tmp_path)
    assert children() == []


def test_the_last_words_of_ffmpeg_are_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(VtlabError, match="no_such_source") as raised:
        media.run_ffmpeg(Broken(), 60, lambda: None, tmp_path)
    assert raised.value.code == "E_FFMPEG"


def test_no_ffmpeg_where_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTLAB_FFMPEG", str(tmp_path / "ffmpeg"))
    with pytest.raises(EngineError, match="VTLAB_FFMPEG"):
        media.run_ffmpeg(Broken(), 60, lambda: None, tmp_path)


def program(folder: Path, *lines: str) -> Path:
    """Return a program of that name that prints these lines, whatever it is asked."""
    file = folder / "ffmpeg"
    file.write_text("\n".join(("#!/bin/sh", *(f"echo '{line}'" for line in lines))))
    file.chmod(0o755)
    return file


def test_the_systems_ffmpeg_is_not_used_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "ffmpeg version 5.1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("VTLAB_FFMPEG", raising=False)
    assert "imageio_ffmpeg" in media.ffmpeg_binary()
    shipped = subprocess.run([media.ffmpeg_binary(), "-version"], capture_output=True, text=True, check=True).stdout
    assert media.ffmpeg_version() in shipped.split()[2]


def test_an_ffmpeg_of_ones_own_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("ffmpeg version 4.2-x Copyright", " A..... aac  AAC", " S..... mov_text  text", " S..... srt  SubRip")
    monkeypatch.setenv("VTLAB_FFMPEG", str(program(tmp_path, *lines)))
    media.check_ffmpeg(burn=False)
    assert media.ffmpeg_version() == "4.2-x"
    with pytest.raises(EngineError, match=r"ffmpeg 4\.2-x .* lacks libx264, subtitles, pad\. Unset VTLAB_FFMPEG"):
        media.check_ffmpeg(burn=True)


def test_an_ffmpeg_that_lacks_what_is_needed_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("VTLAB_FFMPEG", str(program(tmp_path / "bin", "ffmpeg version 4.2")))
    pool = EnginePool()
    clip = PEOPLE / "fox_pt.flac"
    with pytest.raises(EngineError, match="lacks aac, mov_text, srt"):
        dub(clip, to="en", source="pt", out=tmp_path / "out", on_event=lambda event: None, pool=pool)
    assert pool.loaded() == [] and not (tmp_path / "out").exists()
