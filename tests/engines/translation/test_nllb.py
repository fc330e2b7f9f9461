import re

import pytest

from vtlab.engines.translation import Sentence
from vtlab.engines.translation.nllb import FLORES_200, Nllb, NllbOptions, flores_code
from vtlab.errors import LanguageError, WeightsError
from vtlab.languages import LANGUAGES

SOURCES = ["The house is small and the garden is big.", "We are going to the beach tomorrow."]
TARGETS = ["A casa é pequena e o jardim é grande.", "Nós vamos à praia amanhã."]


@pytest.mark.parametrize(
    ("runtime", "compute_type"), [("transformers", "float32"), ("ctranslate2", "float32"), ("ctranslate2", "int8")]
)
def test_translates_between_named_languages_with_n_best(nllb_folder, runtime, compute_type):
    options = NllbOptions(folder=nllb_folder, runtime=runtime, compute_type=compute_type, device="cpu", batch_size=2)
    assert Nllb.speaks(options, "en", "hy")
    answers = Nllb(options, "en", "hy", 1).translate([Sentence(text) for text in [*SOURCES, SOURCES[0]]], 3)
    assert [answer[0] for answer in answers] == [*TARGETS, TARGETS[0]]
    assert all(len(set(answer)) == len(answer) > 1 for answer in answers)


def test_every_language_of_ours_has_a_flores_code():
    assert set(FLORES_200) == set(LANGUAGES)
    assert len(set(FLORES_200.values())) == len(FLORES_200)
    assert all(re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", code) for code in FLORES_200.values())
    assert flores_code("hy") == "hye_Armn"
    with pytest.raises(LanguageError, match="xx"):
        flores_code("xx")


def test_flores_codes_are_those_of_the_tokenizer():
    codes = pytest.importorskip("transformers.models.nllb.tokenization_nllb").FAIRSEQ_LANGUAGE_CODES
    assert set(FLORES_200.values()) <= set(codes)


def test_without_weights_it_names_the_model_and_the_command():
    options = NllbOptions(offline=True)
    assert not Nllb.speaks(options, "en", "hy")
    with pytest.raises(WeightsError, match=r"hub cache.*hf download facebook/nllb-200-distilled-600M"):
        Nllb.weights(options, "en", "hy")
    assert "facebook/nllb" in str(Nllb.status(options).problem)
