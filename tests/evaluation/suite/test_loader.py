from pathlib import Path
from typing import Any

import pytest
import yaml
from sweeping import suite_data, write_dataset, write_suite

from vtlab.errors import InputError, UserError
from vtlab.evaluation.dataset import load_dataset
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.suite.loss_definitions import LOSS_VALUES
from vtlab.evaluation.suite.model import name_part, nested
from vtlab.metrics.registry import GROUPS, METRICS, expand_word

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("suites") / "data")


def load(tmp_path: Path, text: str, data: Path) -> Any:
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("DATA", str(data)), encoding="utf-8")
    return load_suite(file)


MATRIX = """\
dataset: DATA
settings: {tts.engines: [espeak]}
matrix:
  transcription.options.faster_whisper.beam_size: [1, 5]
  tts.voice:
    woman: en-us+f2
    any: null
  recognisers:
    base: {transcription: {cut_pause_s: 0.4}}
    gold: {transcription.engine: reference}
"""


def test_a_matrix_is_every_combination(tmp_path: Path, data: Path) -> None:
    suite = load(tmp_path, MATRIX, data)
    assert suite.name == "mine"
    configurations = suite.configurations()
    assert [configuration.name for configuration in configurations] == [
        "beam_size=1,woman,base", "beam_size=1,woman,gold", "beam_size=1,any,base", "beam_size=1,any,gold",
        "beam_size=5,woman,base", "beam_size=5,woman,gold", "beam_size=5,any,base", "beam_size=5,any,gold",
    ]  # fmt: skip
    first = configurations[0]
    assert first.settings.transcription.options == {"faster_whisper": {"beam_size": 1}}
    assert first.settings.transcription.cut_pause_s == 0.4
    assert first.settings.tts.voice == "en-us+f2" and first.settings.tts.engines == ("espeak",)
    assert first.overrides == {
        "transcription": {"options": {"faster_whisper": {"beam_size": 1}}, "cut_pause_s": 0.4},
        "tts": {"voice": "en-us+f2"},
    }
    assert len({configuration.fingerprint for configuration in configurations}) == 8
    clip = suite.load_dataset().clip("one")
    assert first.for_clip(clip).source_language == "en" and first.for_clip(clip).target_language == "pt"


def test_configurations_written_out_and_a_settings_file(tmp_path: Path, data: Path) -> None:
    (tmp_path / "base.yaml").write_text("tts: {engines: [espeak]}\n", encoding="utf-8")
    listed = "configurations:\n- name: a\n- name: b\n  settings: {tts.max_rate: 1.2}\n"
    suite = load(tmp_path, f"dataset: DATA\nsettings: base.yaml\n{listed}", data)
    a, b = suite.configurations()
    assert a.settings.tts.engines == b.settings.tts.engines == ("espeak",)
    assert (a.settings.tts.max_rate, b.settings.tts.max_rate) == (1.25, 1.2)


def test_without_both_there_is_one(tmp_path: Path, data: Path) -> None:
    (only,) = load(tmp_path, "dataset: DATA\n", data).configurations()
    assert only.name == "base" and only.overrides == {}


def test_the_environment_changes_nothing(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base.yaml").write_text("tts: {min_rate: 0.9}\n", encoding="utf-8")
    monkeypatch.setenv("VTLAB_TTS__MAX_RATE", "1.1")
    (only,) = load(tmp_path, "dataset: DATA\nsettings: base.yaml\n", data).configurations()
    assert (only.settings.tts.min_rate, only.settings.tts.max_rate) == (0.9, 1.25)


def test_beside_the_suite_or_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "suites" / "beside")
    write_dataset(tmp_path / "datasets" / "named")
    monkeypatch.chdir(tmp_path)
    for name in ("beside", "named"):
        suite = load_suite(write_suite(tmp_path / "suites" / f"{name}.yaml", {"dataset": name}))
        assert suite.load_dataset().name == name


@pytest.mark.parametrize(
    ("clips", "chosen"),
    [
        ("{}", ["one", "two"]),
        ("[two]", ["two"]),
        ("{ids: [two, one]}", ["one", "two"]),
        ("{tags: [one]}", ["one"]),
        ("{without: [one]}", ["two"]),
        ("{pair: en-pt, without: [two]}", ["one"]),
    ],
)
def test_clips(tmp_path: Path, data: Path, clips: str, chosen: list[str]) -> None:
    suite = load(tmp_path, f"dataset: DATA\nclips: {clips}\n", data)
    assert [clip.id for clip in suite.select_clips(load_dataset(data))] == chosen


def test_every_metric_is_in_one_group() -> None:
    grouped = [name for group in GROUPS for name in expand_word(group)]
    assert sorted(grouped) == sorted(set(METRICS) - set(LOSS_VALUES))


@pytest.mark.parametrize(
    ("lines", "inside", "outside"),
    [
        ("metrics: [wer]", {"wer"}, {"asr_bleu", "rtf"}),
        ("metrics: [speech]", {"asr_bleu", "asr_chrf", "tts_wer"}, {"wer", "rtf"}),
        ("", {"wer", "asr_bleu", "voice_mos"}, {"rtf", "wall_s"}),
        ("metrics: [wer]\ngates: {rtf: {max: 1}}", {"wer", "rtf"}, {"asr_bleu"}),
        ("metrics: [wer]\nlosses: true", {"wer", "bleu", "asr_bleu"}, {"rtf", "bleu_gold_transcript"}),
    ],
)
def test_what_is_measured(tmp_path: Path, data: Path, lines: str, inside: set[str], outside: set[str]) -> None:
    measured = load(tmp_path, f"dataset: DATA\n{lines}\n", data).wanted_metrics()
    assert inside <= measured
    assert not outside & measured


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datset: DATA", r"line 1: unknown key 'datset'\. Did you mean 'dataset'\?"),
        ("about: nothing", "names no data set"),
        ("dataset: nowhere", r"line 1: There is no manifest"),
        ("dataset: DATA\nsettings:\n  tts.voise: x", r"line 3: Unknown setting 'tts\.voise'\. Did you mean 'voice'\?"),
        ("dataset: DATA\nsettings: none.yaml", r"line 2: Settings file .*none\.yaml cannot be read"),
        ("dataset: DATA\nsettings: {source_language: pt}", "line 2: source_language is that of each clip"),
        (
            "dataset: DATA\nmatrix:\n  tts.voice: [a]\n  transcription.options.faster_whisper.beam: [1]",
            r"line 4, configuration 'voice=a,beam=1': Unknown setting .*\.beam'\. Did you mean 'beam_size'\?",
        ),
        ("dataset: DATA\nmatrix: {}", "line 2: the matrix is empty"),
        ("dataset: DATA\nmatrix:\n  tts.voice: []", r"line 3: axis 'tts\.voice' has no values"),
        ("dataset: DATA\nmatrix:\n  tts.voice: x", r"line 3: axis 'tts\.voice' takes a list of values"),
        ("dataset: DATA\nmatrix:\n  voise:\n    a: 3", "line 3: 'voise' is no setting"),
        ("dataset: DATA\nmatrix:\n  tts.voice: [a, a]", "line 3: a second configuration is called 'voice=a'"),
        ("dataset: DATA\nmatrix:\n  tts.voice: {../a: b}", r"line 3: '\.\./a' names a folder"),
        ("dataset: DATA\nmatrix: {tts.voice: [a]}\nconfigurations: [{name: a}]", "either matrix or configurations"),
        ("dataset: DATA\nconfigurations: []", "line 2: there are no configurations"),
        ("dataset: DATA\nconfigurations:\n- name: a\n- name: a", "line 4: a second configuration is called 'a'"),
        (
            "dataset: DATA\nconfigurations:\n- name: a\n  settings:\n    tts:\n      engines: [pipr]",
            r"configuration 'a': Unknown tts engine 'pipr'\. Did you mean 'piper'\?",
        ),
        ("dataset: DATA\nmetrics: [txt]", r"line 2: there is no metric 'txt'\. Did you mean 'text'\?"),
        ("dataset: DATA\nmetrics: []", "line 2: nothing is to be measured"),
        ("dataset: DATA\ngates:\n  wr: {max: 1}", r"line 3: there is no metric 'wr'\. Did you mean 'wer'\?"),
        ("dataset: DATA\ngates:\n  wer: {mx: 1}", r"line 3: unknown key 'gates\.wer\.mx'\. Did you mean 'max'\?"),
        ("dataset: DATA\ngates:\n  wer: {}", r"line 3: gates\.wer: give min, max or both"),
        ("dataset: DATA\ngates: {loss_tts_bleu: {max: 9}}", "line 2: loss_tts_bleu takes gold runs"),
        ("dataset: DATA\nclips: [won]", r"line 2: Data set .* has no clip 'won'"),
        ("dataset: DATA\nclips:\n  tags: [onne]", r"line 3: no clip of 'data' bears the tag 'onne'\. Did you mean"),
        ("dataset: DATA\nclips: {pair: pt}", "a pair is two languages, such as pt-en, not 'pt'"),
        ("dataset: DATA\nclips: {pair: de-ja}", "line 2: no clip of 'data' is all of this"),
        ("dataset: DATA\nlosses: maybe", "line 2: losses: write true or false"),
        ("dataset: DATA\nmetrics: text", "line 2: metrics: write a list"),
        ("dataset: DATA\ngates: {wer: 0.1}", r"line 2: gates\.wer: write a mapping"),
        ("dataset: DATA\ngates: {wer: {max: .nan}}", r"line 2: gates\.wer\.max: Input should be a finite number"),
        ("dataset: DATA\nclips: {pair: portugese-en}", "line 2: Unknown language 'portugese'"),
        ("dataset: DATA\nclips: {pair: pt-en}", "line 2: no clip of 'data' is all of this; .* Its pairs: en-pt"),
        ("dataset: DATA\ndataset: DATA", r"line 2: 'dataset' is given a second time \(first in line 1\)"),
        ("dataset: [", "line 1 is not YAML"),
        ("dataset: DATA\nmatrix: &a {x: *a}", "line 2: this part holds itself"),
        ("dataset: DATA\nabout: 2020-99-99", "holds a value that cannot be read: month must be"),
        ("dataset: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("- dataset", "holds no mapping"),
        ("dataset: DATA\nname: a/b", "line 2: a suite's name names a folder"),
    ],
)
def test_errors_name_the_line_and_the_cure(tmp_path: Path, data: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load(tmp_path, text, data)
    assert str(tmp_path / "mine.yaml") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    write_suite(tmp_path / "mine.yaml", {})
    with pytest.raises(UserError, match=r"Did you mean '.*mine\.yaml'\?"):
        load_suite(tmp_path / "mime.yaml")


@pytest.mark.parametrize(
    ("value", "name"),
    [(1, "1"), (0.5, "0.5"), (None, "none"), (True, "true"), (["a", "b"], "a+b"), ("x/y z", "x-y-z"), ("", "empty")],
)
def test_values_in_names(value: object, name: str) -> None:
    assert name_part(value) == name


def test_dotted_and_nested_keys_are_the_same() -> None:
    assert nested({"tts.voice": "x", "tts": {"engines": ["a"]}, "a.b.c": {"d.e": 1}}) == {
        "tts": {"voice": "x", "engines": ["a"]},
        "a": {"b": {"c": {"d": {"e": 1}}}},
    }


@pytest.mark.parametrize("file", sorted((ROOT / "evals").glob("*.yaml")), ids=lambda file: file.stem)
def test_suites_that_are_shipped_load(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    suite = load_suite(file)
    assert suite.configurations()
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["about"]


def test_a_data_set_that_is_broken_is_named(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "broken")
    (folder / "manifest.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml, line 1: .*manifest\.jsonl, line 1: field 'id' is missing"):
        load_suite(write_suite(tmp_path / "mine.yaml", {"dataset": str(folder)}))


def test_suites_of_tests_are_suites(tmp_path: Path, data: Path) -> None:
    assert load_suite(write_suite(tmp_path / "mine.yaml", suite_data(data))).losses is False
