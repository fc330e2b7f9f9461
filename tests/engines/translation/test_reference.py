import json

import pytest

from vtlab.engines.translation import Sentence
from vtlab.engines.translation.reference import Reference, ReferenceOptions
from vtlab.errors import LineError, SettingsError, WeightsError

CLIP = {
    "id": "a", "file": "a.mp4", "source_language": "pt", "target_language": "en", "seconds": 9.0,
    "segments": [
        {"start": 0.0, "end": 1.0, "text": "Boa noite. Tudo bem?", "translation": "Good evening. All right?"},
        {"start": None, "end": None, "text": "Sim.", "translation": "Yes.", "speaker": None},
        {"start": None, "end": None, "text": "Sim.", "translation": "I do.", "speaker": None},
        {"start": None, "end": None, "text": "Nada.", "translation": None, "speaker": None},
    ],
    "licence": "CC0", "origin": "made here",
}  # fmt: skip


@pytest.fixture
def manifest(tmp_path):
    file = tmp_path / "manifest.jsonl"
    other = {
        **CLIP,
        "source_language": "en",
        "target_language": "pt",
        "segments": [{"text": "Yes.", "translation": "Sim."}],
    }
    file.write_text(f"{json.dumps(CLIP)}\n\n{json.dumps(other)}\n", encoding="utf-8")
    return file


def test_replays_whole_lines_case_and_spacing_aside(manifest):
    engine = Reference(ReferenceOptions(file=manifest), "pt", "en", 1)
    assert engine.translate([Sentence(" boa NOITE.  Tudo bem?"), Sentence("Sim.")], 4) == [
        ("Good evening. All right?",),
        ("Yes.", "I do."),
    ]
    assert engine.translate([Sentence("Sim.")], 1) == [("Yes.",)]


@pytest.mark.parametrize("text", ["Boa noite.", "Nada.", "Boa noite! Tudo bem?"])
def test_guesses_nothing(manifest, text):
    with pytest.raises(LineError, match="has no translation of"):
        Reference(ReferenceOptions(file=manifest), "pt", "en", 1).translate([Sentence(text)], 1)


def test_pairs_and_weights(manifest):
    options = ReferenceOptions(file=manifest)
    assert Reference.status(options).languages == ("en-pt", "pt-en")
    assert Reference.speaks(options, "en", "pt") and not Reference.speaks(options, "pt", "fr")
    assert Reference.weights(options, "pt", "en")[0].path == manifest
    with pytest.raises(SettingsError, match="no translation from pt to fr"):
        Reference(options, "pt", "fr", 1)


def test_a_list_of_lines_does_too(tmp_path):
    file = tmp_path / "lines.json"
    file.write_text('[{"text": "Olá.", "translation": "Hello."}]', encoding="utf-8")
    options = ReferenceOptions(file=file)
    assert Reference.speaks(options, "pt", "en")
    assert Reference(options, "pt", "en", 1).translate([Sentence("olá.")], 1) == [("Hello.",)]


@pytest.mark.parametrize("content", ["[3]", "{}", "no JSON", '[{"text": "a"'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(WeightsError, match=r"wrong\.json is neither a manifest"):
        Reference(ReferenceOptions(file=file), "pt", "en", 1)


def test_without_a_file_it_says_what_to_set(tmp_path):
    assert "manifest" in str(Reference.status(ReferenceOptions()).fix)
    assert not Reference.speaks(ReferenceOptions(file=tmp_path / "none"), "pt", "en")
    with pytest.raises(WeightsError, match=r"translation\.options\.reference\.file \(not set\)"):
        Reference.weights(ReferenceOptions(), "pt", "en")
