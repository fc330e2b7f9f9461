from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.audio import Audio
from vtlab.segments import (
    Interval,
    PlacedSegment,
    Segment,
    SpokenSegment,
    TranslatedSegment,
    Word,
    merge_intervals,
    segment_from_json,
    segment_to_json,
    translated_from_json,
    translated_to_json,
)

SECONDS = st.floats(0, 1e5)
WORDS = st.builds(Word, st.text(), SECONDS, SECONDS, st.floats(0, 1))
SEGMENTS = st.builds(
    Segment,
    st.integers(0),
    SECONDS,
    SECONDS,
    st.text(),
    st.lists(WORDS, max_size=3).map(tuple),
    st.none() | st.text(),
    st.none() | st.just("pt"),
    st.none() | st.floats(0, 1),
)
TRANSLATED = st.builds(
    TranslatedSegment, SEGMENTS, st.text(), st.just("en"), st.text(), st.lists(st.text(), max_size=3).map(tuple)
)


@given(segment=SEGMENTS)
def test_segments_survive_json(segment: Segment) -> None:
    assert segment_from_json(json.loads(json.dumps(segment_to_json(segment)))) == segment


@given(segment=TRANSLATED)
def test_translated_segments_survive_json(segment: TranslatedSegment) -> None:
    assert translated_from_json(json.loads(json.dumps(translated_to_json(segment)))) == segment


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 2), (1, 3), 1.0), ((0, 1), (1, 2), 0.0), ((0, 1), (2, 3), 0.0), ((0, 5), (1, 2), 1.0), ((1, 1), (0, 2), 0.0)],
)
def test_overlap(one: tuple[float, float], other: tuple[float, float], shared: float) -> None:
    assert Interval(*one).overlap(Interval(*other)) == Interval(*other).overlap(Interval(*one)) == shared


def test_derived_values() -> None:
    source = Segment(1, 2.0, 3.5, "Olá.")
    assert (source.duration, source.interval) == (1.5, Interval(2.0, 3.5))
    translated = TranslatedSegment(source, "Hello.", "en", "firefox")
    spoken = SpokenSegment(translated, "Hello.", Audio(np.ones(10, np.float32), 10), rate=1.2)
    assert not spoken.silent
    assert SpokenSegment(translated, "", Audio(np.zeros(0, np.float32), 10)).silent
    assert PlacedSegment(spoken, 2.0, 3.0, spoken.audio, stretch=1.1).speed == pytest.approx(1.32)


@pytest.mark.parametrize(
    ("gap_s", "expected"),
    [(0.0, [(0, 2), (2.2, 3), (4, 5)]), (0.5, [(0, 3), (4, 5)]), (1.5, [(0, 5)])],
)
def test_intervals_are_joined_that_meet_or_are_near(gap_s: float, expected: list[tuple[float, float]]) -> None:
    intervals = [Interval(4, 5), Interval(0, 1), Interval(0.5, 0.7), Interval(1, 2), Interval(2.2, 3)]
    assert merge_intervals(intervals, gap_s) == [Interval(*span) for span in expected]
