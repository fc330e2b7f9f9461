"""The ffmpeg program."""

from pathlib import Path

import pytest

from vtlab import media
from vtlab.errors import Cancelled, EngineError, VtlabError


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
