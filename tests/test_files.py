from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vtlab.errors import InputError
from vtlab.files import (
    atomic_folder,
    atomic_write,
    atomic_writer,
    check_kind,
    hash_json,
    hash_text,
    locked,
    sha256_of,
)


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    file = atomic_write(tmp_path / "abc", "abc")
    assert sha256_of(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_text("abc") == sha256_of(file) and hash_text("abc", 12) == sha256_of(file)[:12]


def test_the_hash_of_data_does_not_depend_on_the_order_of_its_keys() -> None:
    assert hash_json({"b": 1, "a": ["ã", None]}) == hash_json({"a": ("ã", None), "b": 1})
    assert hash_json({"a": 1}) == hash_text('{"a": 1}') != hash_json({"a": "1"})


@pytest.mark.parametrize("durable", [True, False])
def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, durable: bool) -> None:
    file = atomic_write(tmp_path / "new" / "file", b"before", durable=durable)
    with pytest.raises(KeyboardInterrupt), atomic_writer(file, durable=durable) as out:
        out.write(b"half")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"before"
    assert list(file.parent.iterdir()) == [file]
    atomic_write(file, b"after", durable=durable)
    assert file.read_bytes() == b"after"


def test_a_durable_write_is_synced_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named_at_sync = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: named_at_sync.append((tmp_path / "file").exists()))
    atomic_write(tmp_path / "file", b"content")
    assert named_at_sync == [False, True]  # the content, then the name
    named_at_sync.clear()
    atomic_write(tmp_path / "file", b"content", durable=False)
    assert named_at_sync == []


def test_of_two_folders_the_first_stays(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not empty"), atomic_folder(tmp_path / "model") as second:
        (second / "weights").write_text("second")
        with atomic_folder(tmp_path / "model") as first:
            (first / "weights").write_text("first")
    assert (tmp_path / "model" / "weights").read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_one_holder_at_a_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "lock"
    order = []

    def other() -> None:
        with locked(path):
            order.append("other")

    with locked(path):
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.05)
        order.append("first")
    waiting.join()
    assert order == ["first", "other"]


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\xef\xbb\xbf\n<html>"])
def test_a_file_of_the_kind_may_be_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "page").write_bytes(content)
    check_kind(tmp_path / "page", "an HTML page", [b"<!doctype html", b"<html"])


def test_a_file_of_another_kind_may_not(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"\0\0\0 ftypisom")
    (tmp_path / "link").symlink_to("talk.mp4")
    for name in ("talk.mp4", "link"):
        with pytest.raises(InputError, match=rf"{name} is there already and is not an HTML page") as refused:
            check_kind(tmp_path / name, "an HTML page", [b"<!doctype html", b"<html"])
        assert refused.value.exit_code == 2
    check_kind(tmp_path / "absent", "an HTML page", [b"<html"])
    check_kind(Path("/dev/null"), "an HTML page", [b"<html"])
