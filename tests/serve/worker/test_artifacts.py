"""Artifacts are on the disk before they have their names, and whole when they are served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serve.state import Artifact, FileIdentity
from serve.worker.artifacts import are_whole, artifact, have_their_sizes, publish, unfinished
from vtlab.files import sha256_of


def test_content_and_name_are_synced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, to = tmp_path / "work" / "made.mp4", tmp_path / "artifacts" / "a.mp4"
    made.parent.mkdir()
    made.write_bytes(b"a dub")
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, to.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    publish(made, to)
    assert synced == [(unfinished(to).name, False), ("artifacts", True)]
    assert to.read_bytes() == b"a dub"
    assert [path.name for path in to.parent.iterdir()] == ["a.mp4"]
    assert not made.exists()


@pytest.mark.parametrize(
    ("damage", "right_size", "whole"),
    [
        (lambda file: None, True, True),
        (lambda file: os.utime(file, (1, 1)), True, True),  # copied back from a backup, say
        (lambda file: file.write_bytes(b"A DUB"), True, False),
        (lambda file: file.write_bytes(b"a du"), False, False),
        (lambda file: file.write_bytes(b""), False, False),
        (lambda file: file.unlink(), False, False),
    ],
)
def test_an_artifact_is_served_as_it_was_published(
    tmp_path: Path, damage: object, right_size: bool, whole: bool
) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"a dub")
    known = [artifact(file, sha256_of(file))]
    os.utime(file, (2, 2)) if damage is None else damage(file)  # type: ignore[operator]
    assert have_their_sizes(known) is right_size
    assert are_whole(known) is whole


def test_an_artifact_without_a_hash_is_known_by_its_size(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"a dub")
    assert are_whole([Artifact(str(file), None, FileIdentity(0, 5, 0))])
    assert not are_whole([Artifact(str(file), None, FileIdentity(0, 6, 0))])
