from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.errors import LanguageError, SettingsError
from vtlab.settings import (
    Section,
    Settings,
    dump_yaml,
    fingerprint,
    list_settings,
    load_settings,
    resolve_settings,
    settings_from_dict,
)


def load(file: Path | None = None, *overrides: str, **environment: str) -> Settings:
    return load_settings(file, overrides, environment)


def test_each_source_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("tts: {voice: file, pace_s: 1}\n")
    assert load().tts.voice is None
    assert load(file).tts.voice == "file"
    assert load(file, VTLAB_TTS__VOICE="environment").tts.voice == "environment"
    both = load(file, "tts.voice=override", VTLAB_TTS__VOICE="environment")
    assert both.tts.voice == "override"
    assert both.tts.pace_s == 1  # what nobody overrides stays


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("tts.pace_s=0.25", "tts", "pace_s", 0.25),
        ("tts.engines=[kokoro, espeak]", "tts", "engines", ("kokoro", "espeak")),
        ("tts.voice=", "tts", "voice", None),
        ("tts.voice=a=b", "tts", "voice", "a=b"),
        ("video_combination.burn_subtitles=true", "video_combination", "burn_subtitles", True),
        ("translation.options.firefox.download=false", "translation", "options", {"firefox": {"download": False}}),
        ("tts.speakers.Ana=pf_dora", "tts", "speakers", {"Ana": "pf_dora"}),
    ],
)
def test_overrides_are_read_as_yaml(override: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load(None, override), section), key) == value


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["tts.voce=x"], "Unknown setting 'tts.voce' (--set tts.voce=x). Did you mean 'voice'?"),
        (["transcripton.engine=x"], "Did you mean 'transcription'?"),
        (["transcription.voice_activity.treshold=0.4"], "Did you mean 'threshold'?"),
        (["tts.pace_s=-1"], "Setting 'tts.pace_s'"),
        (["tts.voice_gender=other"], "(got 'other')"),
        (["tts.engines=[]"], "Setting 'tts.engines'"),
        (["tts.voice"], "has no value"),
        (["tts.voice=x", "tts.voice.name=y"], "is no section"),
        (["audio_sync.max_speed=.inf"], "finite number"),
        (["audio_sync.gap_s=.nan"], "Setting 'audio_sync.gap_s'"),
    ],
)
def test_mistakes_are_told(overrides: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(None, *overrides)
    assert said in str(raised.value)


def test_a_mistake_says_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tts: {voice: x, pace_s: -1}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"'tts\.pace_s' \(.*mine\.yaml\)"):
        load_settings(file, environment={})
    with pytest.raises(SettingsError, match=r"'tts_voice' \(the variable VTLAB_TTS_VOICE, where __"):
        load_settings(environment={"VTLAB_TTS_VOICE": "x"})
    with pytest.raises(SettingsError, match=r"'tts\.pace_s' \(--set tts\.pace_s=-2\)"):  # the stronger one counts
        load_settings(file, ["tts.pace_s=-2"], {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tts: [", "is not YAML"),
        ("- a\n- b", "holds no mapping"),
        ("1: x", "setting names are words"),
        ("tts: {voce: x}", "Did you mean 'voice'?"),
        ("\xff", "is not YAML"),
        (
            "tts: {pace_s: 1}\ntranslation: {}\ntts: {voice: x}\n",
            "line 3: 'tts' is given a second time (first in line 1)",
        ),
        ("tts:\n  pace_s: 1\n  pace_s: 2\n", "line 3: 'pace_s' is given a second time (first in line 2)"),
        ("tts: {voice: a}\n'tts': {voice: b}\n", "line 2: 'tts' is given a second time"),
        ("a: &a\n  b: *a\n", "holds itself"),
        ("tts: &x {speakers: *x}\n", "holds itself"),
        ("tts: {voice: 2024-13-45}", "cannot be read"),
        ("tts: {voice: !!timestamp x}", "cannot be read"),
        ("tts: {voice: !!bool x}", "cannot be read"),
        ("tts: {voice: !!python/object:os.system x}", "is not YAML"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("tts: {pace_s: .nan}", "Setting 'tts.pace_s'"),
        ("tts: {pace_s: .inf}", "finite number"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert said in str(raised.value)


def test_a_file_with_a_byte_order_mark_is_read_as_the_plain_one(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_text("\ufefftts: {voice: x}\r\n", encoding="utf-8")
    assert load(file).tts.voice == "x"


@pytest.mark.parametrize("level", ["[*a{0}, *a{0}, *a{0}]", "{{x: *a{0}, y: *a{0}, z: *a{0}}}"])
def test_aliases_that_multiply_are_refused(tmp_path: Path, level: str) -> None:
    file = tmp_path / "laughs.yaml"
    file.write_text("\n".join(["a0: &a0 x"] + [f"a{n}: &a{n} {level.format(n - 1)}" for n in range(1, 40)]))
    with pytest.raises(SettingsError, match=r"line \d+: this part holds more than 100000 values"):
        load(file)


def test_one_setting_by_two_variables_is_told() -> None:
    with pytest.raises(SettingsError, match=r"'tts\.voice' is given by two variables"):
        load_settings(environment={"VTLAB_TTS__VOICE": "a", "VTLAB_tts__voice": "b"})


def test_a_missing_file_is_told_and_an_empty_one_is_fine(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "nothing.yaml")
    (tmp_path / "empty.yaml").touch()
    assert load(tmp_path / "empty.yaml") == Settings()


def test_a_misspelt_variable_is_told_and_folders_are_no_settings() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'voice'"):
        load(VTLAB_TTS__VOCE="x")
    assert load(VTLAB_STORE="/a", VTLAB_WEIGHTS="/b", VTLAB_FFMPEG="/c", OTHER="d") == Settings()


@pytest.mark.parametrize(("text", "code"), [("por", "pt"), ("no", "nb"), ("pt-BR", "pt"), ("", None)])
def test_languages_are_reduced_to_codes(text: str, code: str | None) -> None:
    assert load(None, f"target_language={text}").target_language == code


def test_an_unknown_language_is_told() -> None:
    with pytest.raises(LanguageError, match="portuguese"):
        load(None, "source_language=portugese")


@given(
    voice=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20),
    pace=st.floats(0, 100),
    engines=st.lists(st.sampled_from(["piper", "a.b:C"]), min_size=1, max_size=3),
    language=st.sampled_from([None, "pt", "nb", "en"]),
)
def test_a_dump_loads_to_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory,
    voice: str | None,
    pace: float,
    engines: list[str],
    language: str | None,
) -> None:
    settings = settings_from_dict(
        {"target_language": language, "tts": {"voice": voice, "pace_s": pace, "engines": engines}}
    )
    file = tmp_path_factory.getbasetemp() / "dumped.yaml"
    file.write_text(dump_yaml(settings), encoding="utf-8")
    assert load(file) == settings
    assert fingerprint(load(file)) == fingerprint(settings)


def test_the_fingerprint_names_what_changes_the_dub() -> None:
    assert fingerprint(load(None, "tts.voice=a")) != fingerprint(load(None, "tts.voice=b"))
    assert fingerprint(load(None, "store.folder=/a")) == fingerprint(Settings())
    assert len(fingerprint(Settings())) == 12


def test_every_setting_is_explained() -> None:
    settings = list(list_settings(load(None, "tts.pace_s=1")))
    by_key = {setting.key: setting for setting in settings}
    assert len(by_key) == len(settings)
    assert {"target_language", "tts.voice", "transcription.voice_activity.threshold"} <= set(by_key)
    assert [setting.key for setting in settings if not setting.description] == []
    pace = by_key["tts.pace_s"]
    assert (pace.value, pace.default, pace.type) == (1.0, 0.5, "number, >= 0")
    assert by_key["tts.voice_gender"].type == "neutral | male | female"
    assert by_key["tts.engines"].type == "list of text"
    assert by_key["initialization.threads"].type == "whole number or empty, >= 1"


def test_sections_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().tts.voice = "x"  # type: ignore[misc]
    assert issubclass(Settings, Section)


def test_changes_in_python_go_before_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("tts: {voice: one}\n")
    monkeypatch.setenv("VTLAB_TTS__VOICE", "two")
    assert resolve_settings(tmp_path / "mine.yaml", {}).tts.voice == "two"
    assert resolve_settings(str(tmp_path / "mine.yaml"), {"tts": {"voice": "three"}}).tts.voice == "three"
    given = resolve_settings(None, {"tts.voice": "four", "tts": {"options": {"piper": {"noise_scale": 0.1}}}})
    changed = resolve_settings(given, {"tts.options.piper.speaker": 1})
    assert changed.tts.options == {"piper": {"noise_scale": 0.1, "speaker": 1}}
    assert changed.tts.voice == "four"
    assert given.tts.options == {"piper": {"noise_scale": 0.1}}
    assert resolve_settings(given, {}) == given


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tts": {"voise": "x"}}, r"Unknown setting 'tts\.voise'\. Did you mean 'voice'"),
        ({"tts.voise": "x"}, r"Unknown setting 'tts\.voise'\. Did you mean 'voice'"),
        ({"tss": {"voice": "x"}}, r"Unknown setting 'tss'\. Did you mean 'tts'"),
        ({"tts": 1}, "Setting 'tts'"),
    ],
)
def test_wrong_changes_name_the_nearest(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        resolve_settings(None, changes)


def test_a_setting_holds_no_password() -> None:
    with pytest.raises(SettingsError, match=r"'tts\.options\.edge\.proxy' holds a password .* HTTPS_PROXY") as raised:
        load_settings(None, ["tts.options={edge: {proxy: 'http://bob:planted@proxy:3128'}}"], {})
    assert "planted" not in str(raised.value)
    assert load_settings(None, ["tts.options={edge: {proxy: 'http://proxy:3128'}}"], {})


@pytest.mark.parametrize("value", ["2020-99-99", "&a [*a]", "[" * 5000])
def test_a_value_that_is_no_yaml_is_text(value: str) -> None:
    assert load_settings(None, [f"tts.voice={value}"], {"VTLAB_TTS__VOICE": value}).tts.voice == value


def test_python_changes_sections_or_dotted_keys(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("tts: {pace_s: 2}")
    changed = load_settings(str(tmp_path / "s.yaml"), ["tts.attempts=2"], {}, tts={"voice": "a"}, **{"tts.breaker": 3})
    tts = changed.tts
    assert (tts.pace_s, tts.attempts, tts.voice, tts.breaker) == (2, 2, "a", 3)
    with pytest.raises(SettingsError, match="voice"):
        load_settings(environment={}, tts={"voise": "a"})
