import dataclasses

import pytest
from pydantic import ValidationError

from vtlab import weights
from vtlab.engines.backends.seq2seq import convert
from vtlab.engines.translation import Sentence
from vtlab.engines.translation.opus_mt import OpusMt, OpusMtOptions, repositories, target_prefix
from vtlab.errors import SettingsError, WeightsError

KNOWN = {
    "Good morning, how are you today?": "Bom dia, como vai você hoje?",
    "The house is small and the garden is big.": "A casa é pequena e o jardim é grande.",
    "I would like a cup of coffee, please.": "Eu queria uma xícara de café, por favor.",
    "We are going to the beach tomorrow.": "Nós vamos à praia amanhã.",
}
RUNTIMES = [("transformers", "float32"), ("ctranslate2", "float32"), ("ctranslate2", "int8"), ("auto", "auto")]


def engine(folder, **options):
    return OpusMt(OpusMtOptions(folder=folder, offline=True, device="cpu", **options), "en", "pt", 1)


@pytest.mark.parametrize(("runtime", "compute_type"), RUNTIMES)
def test_translates_what_it_learnt_in_batches_with_n_best(marian_folder, runtime, compute_type):
    translator = engine(marian_folder, runtime=runtime, compute_type=compute_type, batch_size=3)
    answers = translator.translate([Sentence(text) for text in KNOWN], 3)
    assert [answer[0] for answer in answers] == list(KNOWN.values())
    assert all(1 < len(answer) <= 3 and len(set(answer)) == len(answer) for answer in answers)
    assert translator.translate([], 3) == []


@pytest.mark.parametrize("runtime", ["transformers", "ctranslate2"])
def test_a_text_longer_than_the_model_reads_is_cut_and_nothing_is_dropped(marian_folder, runtime):
    text = " ".join(KNOWN)
    translator = engine(marian_folder, runtime=runtime)
    assert translator._model._limit < len(translator._model._tokenizer(text).input_ids)
    assert translator.translate([Sentence(text)], 1) == [(" ".join(KNOWN.values()),)]


def test_pieces_fit_the_model_even_without_punctuation(marian_folder):
    model = engine(marian_folder)._model
    pieces = model._pieces("the house is small and the garden is big " * 12)
    assert " ".join(pieces) == ("the house is small and the garden is big " * 12).strip()
    assert all(len(model._tokenizer(piece).input_ids) <= model._limit for piece in pieces)


def test_is_converted_once_and_not_left_half_done(marian_folder):
    found = weights.hash_weights("some/model", marian_folder, "test")
    folder = convert(found, "int8")
    written = (folder / "model.bin").stat().st_mtime_ns
    assert convert(found, "int8") == folder
    assert (folder / "model.bin").stat().st_mtime_ns == written
    assert not list(folder.parent.glob(".*"))
    assert convert(dataclasses.replace(found, sha256="0" * 64), "int8") != folder


def test_weights_name_every_place_and_the_command():
    options = OpusMtOptions(offline=True)
    assert not OpusMt.speaks(options, "en", "pt")
    with pytest.raises(WeightsError, match=r"Helsinki-NLP/opus-mt-en-pt.*tc-big-en-pt.*hf download") as caught:
        OpusMt.weights(options, "en", "pt")
    assert caught.value.exit_code == 2


def test_a_folder_without_a_model_is_refused(tmp_path):
    options = OpusMtOptions(folder=tmp_path, offline=True)
    assert not OpusMt.speaks(options, "en", "pt")
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        OpusMt.weights(options, "en", "pt")


def test_a_broken_model_is_said_to_be_broken(marian_folder, tmp_path):
    (tmp_path / "config.json").write_bytes((marian_folder / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="not a model that can be loaded"):
        engine(tmp_path)


def test_options_that_do_not_go_together(marian_folder):
    with pytest.raises(SettingsError, match="set runtime to ctranslate2"):
        engine(marian_folder, runtime="transformers", compute_type="int8")
    with pytest.raises(ValidationError):
        OpusMtOptions(beams=3)


@pytest.mark.parametrize(
    ("source", "target", "names"),
    [
        ("de", "en", ["de-en", "tc-big-de-en"]),
        ("en", "pt", ["en-pt", "tc-big-en-pt", "en-ROMANCE"]),
        ("pt", "en", ["pt-en", "tc-big-pt-en", "ROMANCE-en"]),
    ],
)
def test_names_on_the_hub(source, target, names):
    assert repositories(OpusMtOptions(), source, target) == [f"Helsinki-NLP/opus-mt-{name}" for name in names]
    assert repositories(OpusMtOptions(model="my/model"), source, target) == ["my/model"]


class _Tokenizer:
    supported_language_codes = (">>por<<", ">>es<<")


@pytest.mark.parametrize(("target", "prefix"), [("pt", ">>por<<"), ("es", ">>es<<"), ("fr", "")])
def test_models_of_several_targets_are_told_which(target, prefix):
    assert target_prefix(_Tokenizer(), target) == prefix
