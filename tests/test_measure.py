from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio
from vtlab.evaluation.dataset import load_dataset
from vtlab.measure import DubbedLine, measure_speech
from vtlab.segments import Interval

RATE = 16_000
SPOKEN = Path(__file__).parents[1] / "datasets" / "spoken"


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
