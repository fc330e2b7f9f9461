import numpy as np
import pytest

from vtlab.audio import Audio, levels_db
from vtlab.measurement.matching import NOTHING_DB, find_audible_spans, match_segments, within
from vtlab.segments import Interval

RATE = 16_000


def noise(total_s: float, *spans: tuple[float, float]) -> Audio:
    samples = np.zeros(round(total_s * RATE), np.float32)
    random = np.random.default_rng(0)
    for start, end in spans:
        piece = slice(round(start * RATE), round(end * RATE))
        samples[piece] = 0.1 * random.standard_normal(piece.stop - piece.start).astype(np.float32)
    return Audio(samples, RATE)


def spans(*pairs: tuple[float, float]) -> list[Interval]:
    return [Interval(start, end) for start, end in pairs]


def rounded(intervals: list[Interval | None]) -> list[tuple[float, float] | None]:
    return [None if i is None else (round(i.start, 2), round(i.end, 2)) for i in intervals]


def test_lines_are_heard_where_they_sound_not_where_they_were_planned() -> None:
    track = noise(10, (1.1, 2.0), (3.0, 4.2), (4.23, 5.0))
    planned = spans((1.0, 2.2), (3.0, 4.2), (4.23, 5.0), (7.0, 8.0))
    assert rounded(find_audible_spans(levels_db(track), planned)) == [(1.1, 2.0), (3.0, 4.2), (4.23, 5.0), None]
    assert find_audible_spans(levels_db(track), []) == []


@pytest.mark.parametrize(
    ("reference", "sources", "heard", "expected"),
    [
        # one for one
        (spans((1, 2), (3, 4)), spans((1, 2), (3, 4)), spans((1.1, 2), (3, 4.2)), [(1.1, 2), (3, 4.2)]),
        # the tool cut one line in two
        (spans((1, 4)), spans((1, 2), (2.2, 4)), spans((1, 2), (3, 4)), [(1, 4)]),
        # the tool joined two lines: parted at the pause that the sound has at 2 … 3
        (spans((1, 2), (2.4, 4)), spans((1, 4)), spans((1, 4)), [(1, 2), (3, 4)]),
        # three joined, but only one pause: nobody can hear where the others begin
        (spans((1, 2), (2.1, 3), (3.1, 4)), spans((1, 4)), spans((1, 4)), [(1, 4), None, None]),
        # the tool missed a line
        (spans((1, 2), (3, 4)), spans((3, 4)), spans((3, 4)), [None, (3, 4)]),
    ],
)
def test_lines_are_matched(
    reference: list[Interval],
    sources: list[Interval],
    heard: list[Interval],
    expected: list[tuple[float, float] | None],
) -> None:
    levels = levels_db(noise(6, (1, 2), (3, 4.2)))
    assert rounded(match_segments(reference, sources, [*heard], levels)) == expected


def test_levels_within_speech_are_kept() -> None:
    levels = np.full(300, -30.0)
    kept = within(levels, spans((1, 2)))
    assert (kept[100:200] == -30).all() and (kept[:100] == NOTHING_DB).all() and (kept[200:] == NOTHING_DB).all()
