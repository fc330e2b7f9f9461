"""Files that are refused by their bytes."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_files import CASES, FORMATS, TONE, ffmpeg, refused

from vtlab import media


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.mp4").code == "E_NO_FILE"
    assert refused(tmp_path).code == "E_NO_FILE"
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4").code == "E_EMPTY"
    (tmp_path / "text.mp4").write_text("Minutes of the meeting.\n" * 100)
    assert "text file" in str(refused(tmp_path / "text.mp4"))
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(50_000))
    assert refused(tmp_path / "noise.mp4").code == "E_UNREADABLE"
    (tmp_path / "zeros.mkv").write_bytes(bytes(50_000))
    assert refused(tmp_path / "zeros.mkv").code == "E_UNREADABLE"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(tmp_path / "pipe.mp4").code == "E_NO_FILE"  # and does not wait for a writer


@pytest.mark.parametrize("share", [0.4, 0.9, 0.98])
@pytest.mark.parametrize(
    "name",
    [name for name in FORMATS if name not in ("plain.ts", "later.mkv", "fragments.mp4")],
)
def test_a_file_that_is_cut_off_is_refused(
    made: Callable[[str], Path], tmp_path: Path, name: str, share: float
) -> None:
    if share == 0.98 and name in ("plain.flv", "plain.flac", "plain.mp3"):
        pytest.skip("these lose 0.1 s then, and have no sizes that would tell")
    data = made(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    assert refused(path).code == "E_UNREADABLE"


def test_sound_of_aiff_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    ffmpeg(*TONE, tmp_path / "whole.aiff")
    content = (tmp_path / "whole.aiff").read_bytes()
    (tmp_path / "cut.aiff").write_bytes(content[: len(content) // 2])
    assert refused(tmp_path / "cut.aiff").code == "E_UNREADABLE"


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.m3u8", "playlist_http.m3u8", "concat.mp4"])
def test_playlists_are_refused_and_nobody_is_called(name: str) -> None:
    """Case disguised-playlist."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 8123))
        server.listen()
        server.setblocking(False)
        assert refused(CASES / "disguised_playlist" / name).code == "E_PLAYLIST"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_a_playlist_points_at_opens_itself() -> None:
    assert media.probe(CASES / "disguised_playlist" / "neighbour.ts").duration_s > 4
