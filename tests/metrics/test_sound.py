import numpy as np
import pytest

from vtlab.audio import Audio, gain
from vtlab.metrics.sound import loudness_spread_db, true_peak_dbtp
from vtlab.segments import Interval

RATE = 48_000


def tone(hz: float, seconds: float, phase: float = 0.0) -> Audio:
    time = np.arange(round(seconds * RATE)) / RATE
    return Audio(np.sin(2 * np.pi * hz * time + phase).astype(np.float32), RATE)


def test_the_peak_between_samples_is_found() -> None:
    # at a quarter of the rate and 45 degrees every sample is at ±0.707, the wave itself reaches 1
    quarter = tone(RATE / 4, 25.0, np.pi / 4)
    assert np.abs(quarter.samples).max() == pytest.approx(0.7071, abs=1e-3)
    assert true_peak_dbtp(gain(quarter, -6.0)) == pytest.approx(-6.0, abs=0.3)
    stereo = Audio(np.stack([0.1 * quarter.samples, quarter.samples], axis=1), RATE)
    assert true_peak_dbtp(stereo) == pytest.approx(0.0, abs=0.3)


def test_silence_has_no_peak() -> None:
    assert true_peak_dbtp(Audio(np.zeros(RATE, np.float32), RATE)) is None
    assert true_peak_dbtp(Audio(np.zeros(0, np.float32), RATE)) is None


def test_loudness_spread_of_two_lines_six_decibels_apart() -> None:
    line = tone(1000, 1.0)
    speech = Audio(np.concatenate([gain(line, -20).samples, gain(line, -26).samples, 0 * line.samples]), RATE)
    spans = [Interval(0, 1), Interval(1, 2), Interval(2, 3)]
    assert loudness_spread_db(speech, spans) == pytest.approx(3.0, abs=0.01)  # the silent third has no loudness
    assert loudness_spread_db(speech, spans[:1]) is None
