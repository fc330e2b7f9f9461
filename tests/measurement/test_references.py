from __future__ import annotations

from pathlib import Path

import pytest

from vtlab.errors import InputError
from vtlab.measurement.references import read_reference


@pytest.mark.parametrize(
    ("name", "content"),
    [("r.txt", ""), ("r.txt", " \n"), ("r.json", "\ufeff"), ("r.srt", "1\n00:00:00,000 --> 00:00:01,000\n \n")],
)
def test_an_empty_reference_is_said(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"The reference .*{name} is empty"):
        read_reference(tmp_path / name, tmp_path / "source.mp4")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("\ufeffBom dia.\n", encoding="utf-8")
    segments, _ = read_reference(tmp_path / "r.txt", tmp_path / "source.mp4")
    assert [segment.translation for segment in segments] == ["Bom dia."]


def test_a_manifest_line_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    line = '\ufeff{"file": "source.mp4", "segments": [{"text": "Bom dia.", "translation": "Good morning."}]}'
    (tmp_path / "r.json").write_text(line, encoding="utf-8")
    segments, _ = read_reference(tmp_path / "r.json", tmp_path / "source.mp4")
    assert [segment.text for segment in segments] == ["Bom dia."]
