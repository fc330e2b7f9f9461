import json

import pytest

from vtlab.engines.choice.route import Leg, choose
from vtlab.errors import EngineError, LanguageError, SettingsError
from vtlab.settings import TranslationSettings


@pytest.fixture
def german(tmp_path):
    file = tmp_path / "manifest.jsonl"
    lines = [{"text": "Yes.", "translation": "Ja."}]
    file.write_text(json.dumps({"source_language": "en", "target_language": "de", "segments": lines}))
    return {"reference": {"file": str(file)}}


def test_the_first_that_speaks_the_pair():
    assert choose(TranslationSettings(), "pt", "en", offline=True) == (Leg("firefox", "pt", "en"),)


def test_the_order_of_the_list_decides():
    settings = TranslationSettings(engines=("whisper_translate", "firefox"))
    assert choose(settings, "pt", "en", offline=True) == (Leg("whisper_translate", "pt", "en"),)
    assert choose(settings, "en", "pt", offline=True) == (Leg("firefox", "en", "pt"),)


def test_through_the_pivot_where_nobody_speaks_the_pair(german):
    settings = TranslationSettings(engines=("firefox", "reference"), options=german)
    route = choose(settings, "pt", "de", offline=True)
    assert route == (Leg("firefox", "pt", "en"), Leg("reference", "en", "de"))
    with pytest.raises(LanguageError, match=r"Portuguese to German \(pt-de\)\."):
        choose(settings.model_copy(update={"pivot": None}), "pt", "de", offline=True)


def test_nobody_names_the_nearest_pair_all_pairs_and_what_is_not_ready():
    with pytest.raises(LanguageError) as caught:
        choose(TranslationSettings(), "pt", "fr", offline=True)
    message = str(caught.value)
    assert message.startswith("No engine translates Portuguese to French (pt-fr), directly or through English.")
    assert "Did you mean 'pt-en'?" in message
    assert "Pairs here: en-pt, pt-en." in message
    assert "hf download facebook/nllb-200-distilled-600M" in message


def test_wrong_names_and_options_are_told():
    with pytest.raises(EngineError, match="Did you mean 'firefox'"):
        choose(TranslationSettings(engines=("fire_fox",)), "pt", "en", offline=True)
    with pytest.raises(SettingsError, match=r"translation\.options\.firefox\.foldr.*'folder'"):
        choose(TranslationSettings(options={"firefox": {"foldr": "x"}}), "pt", "en", offline=True)
