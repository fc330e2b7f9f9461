from vtlab.engines.choice.pivot import Pivot
from vtlab.engines.translation import Sentence, Translator
from vtlab.engines.translation.firefox import Firefox, FirefoxOptions
from vtlab.engines.translation.reference import Reference, ReferenceOptions


def test_there_and_back_through_real_models():
    options = FirefoxOptions(offline=True)
    pivot: Translator = Pivot(Firefox(options, "pt", "en", 1), Firefox(options, "en", "pt", 1))
    answers = pivot.translate([Sentence("Eu tenho 2 cães."), Sentence(""), Sentence("Sim!")], 3)
    assert answers == [("Eu tenho 2 cães.",), ("",), ("Sim!",)]
    assert not pivot.listens


def test_listens_where_its_first_half_does_and_keeps_the_candidates_of_the_second(tmp_path):
    (tmp_path / "first.json").write_text('[{"text": "a", "translation": "b"}, {"text": "a", "translation": "x"}]')
    (tmp_path / "second.json").write_text('[{"text": "b", "translation": "c"}, {"text": "b", "translation": "d"}]')
    first, second = (
        Reference(ReferenceOptions(file=tmp_path / f"{name}.json"), "pt", "en", 1) for name in ("first", "second")
    )
    assert Pivot(first, second).listens
    assert Pivot(first, second).translate([Sentence("a")], 2) == [("c", "d")]
