import json

import pytest

from vtlab.engines.choice.translators import choose_translators
from vtlab.errors import EngineError, LanguageError, SettingsError
from vtlab.settings import settings_from_dict


@pytest.fixture
def german(tmp_path):
    file = tmp_path / "manifest.jsonl"
    lines = [{"text": "Yes.", "translation": "Ja."}]
    file.write_text(json.dumps({"source_language": "en", "target_language": "de", "segments": lines}))
    return {"reference": {"file": str(file)}}


def choose(source, target, **translation):
    """The way as ``(engine, source, target)`` of each leg."""
    settings = settings_from_dict({"initialization": {"offline": True}, "translation": translation})
    legs = choose_translators(settings, source, target)
    assert all(leg.choice.weights for leg in legs)
    return [(leg.choice.name, leg.source, leg.target) for leg in legs]


def test_the_first_that_speaks_the_pair():
    assert choose("pt", "en") == [("firefox", "pt", "en")]


def test_the_order_of_the_list_decides():
    engines = ("whisper_translate", "firefox")
    assert choose("pt", "en", engines=engines) == [("whisper_translate", "pt", "en")]
    assert choose("en", "pt", engines=engines) == [("firefox", "en", "pt")]


def test_through_the_pivot_where_nobody_speaks_the_pair(german):
    given = {"engines": ("firefox", "reference"), "options": german}
    assert choose("pt", "de", **given) == [("firefox", "pt", "en"), ("reference", "en", "de")]
    with pytest.raises(LanguageError, match=r"Portuguese to German \(pt-de\)\."):
        choose("pt", "de", **given, pivot=None)


def test_nobody_names_the_nearest_pair_all_pairs_and_what_is_not_ready():
    with pytest.raises(LanguageError) as caught:
        choose("pt", "fr")
    message = str(caught.value)
    assert message.startswith("No engine translates Portuguese to French (pt-fr), directly or through English.")
    assert "Did you mean 'pt-en'?" in message
    assert "Pairs here: en-pt, pt-en." in message
    assert "hf download facebook/nllb-200-distilled-600M" in message


def test_wrong_names_and_options_are_told():
    with pytest.raises(EngineError, match="Did you mean 'firefox'"):
        choose("pt", "en", engines=("fire_fox",))
    with pytest.raises(SettingsError, match=r"translation\.options\.firefox\.foldr.*'folder'"):
        choose("pt", "en", options={"firefox": {"foldr": "x"}})


def test_a_pair_without_an_engine_names_those_that_have_one():
    with pytest.raises(LanguageError, match=r"sw-en.*pt-en"):
        choose("sw", "en")
