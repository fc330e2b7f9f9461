import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.metrics.quality import (
    duration_match,
    length_ok,
    lip_sync_accuracy,
    segments_condensed,
    translation_quality,
    voice_quality,
)

SOURCE = "Ela conhecia cada um pelo nome."


@pytest.mark.parametrize(
    ("translation", "score"),
    [
        ("She knew each one by name.", 100),
        ("", 0),
        ("She.", 0),  # too short
        (SOURCE, 0),  # left as it was
        ("She knew, she knew, she knew, she knew.", 0),  # goes round in circles
    ],
)
def test_a_line_passes_or_not(translation: str, score: float) -> None:
    quality = translation_quality([SOURCE], [translation], "pt", "en")
    assert quality is not None and quality.score == score and quality.round_trip is None


def test_lines_count_by_their_length_and_by_their_round_trip() -> None:
    quality = translation_quality(["abcdef ghi jkl", "mno pqr stu vwx yz abcde fgh"], ["a bit of text", ""], "pt", "en")
    assert quality is not None and quality.score == pytest.approx(100 * 14 / (14 + 28))
    assert quality.completeness == 0.5
    back = translation_quality([SOURCE], ["She knew each one by name."], "pt", "en", [SOURCE])
    assert back is not None and back.score == pytest.approx(100) and "round trip:chrF2" in back.signature
    far = translation_quality([SOURCE], ["She knew each one by name."], "pt", "en", ["Ela sabia o nome deles."])
    assert far is not None and 0 < far.score < 60


def test_nothing_to_translate_has_no_quality() -> None:
    assert translation_quality([], [], "pt", "en") is None
    assert translation_quality(["♪", "..."], ["♪", "..."], "pt", "en") is None
    with pytest.raises(ValueError, match="2 sources, 1 translations"):
        translation_quality(["a", "b"], ["a"], "pt", "en")


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=5))
def test_the_score_is_a_percentage(pairs: list[tuple[str, str]]) -> None:
    quality = translation_quality([source for source, _ in pairs], [text for _, text in pairs], "pt", "en")
    assert quality is None or 0 <= quality.score <= 100


def test_lengths_compare_only_within_a_kind_of_script() -> None:
    assert length_ok("秋天总是富有诗意 的 天", "Autumn is always full of poetry.", "zh", "en")
    assert not length_ok("one two three four", "um", "en", "pt")
    assert length_ok("one two", "um", "en", "pt")


def test_numbers_of_the_server() -> None:
    assert lip_sync_accuracy(0.5) == 50 and lip_sync_accuracy(None) is None
    assert voice_quality(1) == 0 and voice_quality(5) == 100 and voice_quality(None) is None
    assert duration_match(1.0) is True and duration_match(1.5) is False and duration_match(None) is None
    assert segments_condensed([("a long one", "a long one"), ("a long one", "long")]) == 1
