import json
from pathlib import Path

import pytest

from vtlab.audio import silence
from vtlab.engines.transcription.reference import Reference, ReferenceOptions
from vtlab.errors import SettingsError, WeightsError
from vtlab.segments import Interval

LINES = [
    {"start": 1.0, "end": 2.0, "text": "Bom dia.", "speaker": "ana"},
    {"start": 8.0, "end": 9.5, "text": "Até logo a todos.", "speaker": "rui"},
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "manifest.jsonl"
    clips = [{"id": name, "source_language": "pt", "segments": LINES} for name in ("one", "two")]
    file.write_text("\n".join(map(json.dumps, clips)), encoding="utf-8")
    return file


def test_lines_come_with_their_times_and_speakers(manifest: Path) -> None:
    engine = Reference(ReferenceOptions(file=manifest, clip="two"), 1)
    spans = [Interval(0.5, 3.0), Interval(7.5, 10.0)]
    first, second = engine.transcribe(silence(11, 16000), spans, "pt")
    assert [(u.words[0].start, u.words[-1].end, u.speaker, u.exact) for u in (*first, *second)] == [
        (1.0, 2.0, "ana", True),
        (8.0, 9.5, "rui", True),
    ]
    assert [word.text for word in second[0].words] == ["Até", "logo", "a", "todos."]
    assert engine.detect_language(silence(1, 16000)) == {"pt": 1.0}


def test_a_line_outside_every_span_is_not_lost(manifest: Path) -> None:
    engine = Reference(ReferenceOptions(file=manifest, clip="one"), 1)
    (heard,) = engine.transcribe(silence(11, 16000), [Interval(0.5, 3.0)], "pt")
    assert len(heard) == 2


def test_a_list_of_lines_needs_no_clip(tmp_path: Path) -> None:
    file = tmp_path / "lines.json"
    file.write_text(json.dumps(LINES), encoding="utf-8")
    engine = Reference(ReferenceOptions(file=file), 1)
    with pytest.raises(SettingsError, match="names no language"):
        engine.detect_language(silence(1, 16000))


def test_what_cannot_be_replayed_is_told(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no clip 'tow'\. Did you mean 'two'"):
        Reference(ReferenceOptions(file=manifest, clip="tow"), 1)
    with pytest.raises(SettingsError, match="nothing to replay"):
        Reference(ReferenceOptions(), 1)
    with pytest.raises(WeightsError, match=r"transcription\.options\.reference"):
        Reference.weights(ReferenceOptions(file=tmp_path / "absent.jsonl"))
    untimed = tmp_path / "untimed.json"
    untimed.write_text('[{"text": "Bom dia."}]', encoding="utf-8")
    with pytest.raises(SettingsError, match="without times"):
        Reference(ReferenceOptions(file=untimed), 1)
    broken = tmp_path / "broken.json"
    broken.write_text('[{"start": 1}]', encoding="utf-8")
    with pytest.raises(WeightsError, match="no list of lines"):
        Reference(ReferenceOptions(file=broken), 1)
