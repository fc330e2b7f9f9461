"""Uploads that are swapped, removed or linked between the check and the use."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from serve.worker.upload import identify, open_upload
from vtlab.errors import InputError


def test_what_was_opened_is_read_whatever_becomes_of_its_name(tmp_path: Path) -> None:
    file, secret = tmp_path / "a b'ü.mp4", tmp_path / "secret"
    file.write_bytes(b"the video")
    secret.write_bytes(b"a secret")
    with open_upload(file, tmp_path / "work" / file.name, identify(file)) as link:
        file.unlink()
        file.symlink_to(secret)
        assert link.name == file.name
        assert link.read_bytes() == b"the video"
        by_child = subprocess.run(["cat", str(link)], capture_output=True, check=True)
        assert by_child.stdout == b"the video"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_link_anywhere_on_the_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").write_bytes(b"a secret")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    for file in (tmp_path / "folder" / "a.mp4", tmp_path / "b.mp4"):
        with pytest.raises(InputError, match="was replaced") as refused, open_upload(file, tmp_path / "work" / "a.mp4"):
            pass
        assert refused.value.code == "E_NO_FILE"


def test_another_file_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    file, other = tmp_path / "a.mp4", tmp_path / "other"
    file.write_bytes(b"the video")
    asked = identify(file)
    other.write_bytes(b"THE VIDEO")
    other.replace(file)
    with pytest.raises(InputError, match="was replaced"), open_upload(file, tmp_path / "work" / "a.mp4", asked):
        pass


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    gone = tmp_path / "gone.mp4"
    with (
        pytest.raises(InputError, match="not there any more") as refused,
        open_upload(gone, tmp_path / "work" / "gone.mp4"),
    ):
        pass
    assert refused.value.code == "E_NO_FILE"


def test_a_file_that_cannot_be_read_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.mp4"
    file.touch()
    real = os.open

    def denied(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == file.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", denied)
    with (
        pytest.raises(InputError, match="Permission denied") as refused,
        open_upload(file, tmp_path / "work" / "a.mp4"),
    ):
        pass
    assert refused.value.code == "E_UNREADABLE"
