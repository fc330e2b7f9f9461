from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio, levels_db
from vtlab.evaluation.dataset import load_dataset
from vtlab.measure import DubbedLine, heard_lines, match_lines, measure_speech
from vtlab.segments import Interval

RATE = 16_000
SPOKEN = Path(__file__).parents[1] / "datasets" / "spoken"


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
    assert rounded(heard_lines(track, planned)) == [(1.1, 2.0), (3.0, 4.2), (4.23, 5.0), None]
    assert heard_lines(track, []) == []


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
    assert rounded(match_lines(reference, sources, [*heard], levels)) == expected


def test_a_clip_as_its_own_dub_is_in_sync() -> None:
    import av

    clip = load_dataset(SPOKEN).clip("pt_station_dialogue")
    with av.open(str(clip.path)) as media:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [part.to_ndarray()[0] for frame in media.decode(audio=0) for part in resampler.resample(frame)]
    sound = Audio(np.concatenate(frames), RATE)
    reference = [Interval(s.start, s.end) for s in clip.segments if s.start is not None and s.end is not None]
    lines = [DubbedLine(span, span, 1.0, segment.text) for span, segment in zip(reference, clip.segments, strict=True)]
    scores = measure_speech(sound, lines, sound, reference)
    assert scores.sync.sync_within_150ms == 1.0
    assert scores.sync.sync_drift_max_ms is not None and scores.sync.sync_drift_max_ms <= 30
    assert scores.coverage.speech_overlap is not None and scores.coverage.speech_overlap > 0.97
    assert scores.completeness == 1.0 and scores.overruns == 0

    gone = sound.samples.copy()
    gone[round(reference[2].start * RATE) - 800 : round(reference[2].end * RATE) + 800] = 0
    without = measure_speech(Audio(gone, RATE), lines, sound, reference)
    assert without.heard[2] is None and without.sync.unmatched == 1
    assert without.completeness == pytest.approx(8 / 9)
    assert without.coverage.uncovered_s > 1.0

    late = Audio(np.concatenate([np.zeros(round(0.3 * RATE), np.float32), sound.samples]), RATE)
    moved = [replace(line, planned=Interval(line.planned.start + 0.3, line.planned.end + 0.3)) for line in lines]
    shifted = measure_speech(late, moved, sound, reference)
    assert shifted.sync.sync_within_150ms == 0.0
    assert shifted.sync.sync_onset_mean_abs_ms == pytest.approx(300, abs=20)
