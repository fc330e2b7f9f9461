from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio, gain
from vtlab.measurement.inspection import measure_speech
from vtlab.measurement.matching import PlannedSegment
from vtlab.media import decode_speech, probe
from vtlab.metrics.leak import source_leak_db
from vtlab.metrics.sound import true_peak_dbtp
from vtlab.metrics.voice_mos import VoiceMos
from vtlab.segments import Interval

RATE = 48_000
SPOKEN = Path(__file__).parents[2] / "datasets/spoken/clips"


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


def test_loudness_spread_of_two_segments_six_decibels_apart() -> None:
    line = tone(1000, 1.0)
    track = Audio(np.concatenate([gain(line, -20).samples, gain(line, -26).samples, 0 * line.samples]), RATE)
    planned = [PlannedSegment(span, span, 1.0, "a") for span in (Interval(0, 1), Interval(1, 2), Interval(2, 3))]
    values = measure_speech(track, planned, track).values
    assert values["loudness_spread_db"] == pytest.approx(3.0, abs=0.01)  # the silent third has no loudness
    assert "loudness_spread_db" not in measure_speech(track, planned[:1], track).values


def speech(clip: str, start: float, seconds: float) -> Audio:
    """A piece of a clip at −26 dBFS."""
    info = probe(SPOKEN / f"{clip}.mp4")
    samples = decode_speech(info.path, info.audio[0], info.duration_s).samples
    piece = samples[round(start * 16_000) : round((start + seconds) * 16_000)]
    return Audio((piece * (0.05 / np.sqrt(np.mean(piece**2)))).astype(np.float32), 16_000)


def test_a_leak_is_found_at_the_level_it_was_mixed_in() -> None:
    dub, source = speech("en_garden", 1.5, 8.0), speech("pt_bakery", 1.7, 8.0)
    both = [Interval(0.0, 4.0), Interval(4.0, 8.0)]
    clean = source_leak_db(dub, source, both)
    assert clean is not None and clean < -35
    assert (source_leak_db(dub, source, both, dub) or 0) < -70
    for level, blind, tracked in ((-10, 1.0, 0.5), (-20, 1.5, 0.5), (-30, 3.0, 0.5), (-50, None, 0.5)):
        mixed = Audio(dub.samples + np.float32(10 ** (level / 20)) * source.samples, 16_000)
        if blind is not None:
            assert source_leak_db(mixed, source, both) == pytest.approx(level, abs=blind)
        assert source_leak_db(mixed, source, both, dub) == pytest.approx(level, abs=tracked)


def test_a_line_left_in_the_source_language_is_a_leak_even_in_the_speech_track() -> None:
    dub, source = speech("en_garden", 1.5, 8.0), speech("pt_bakery", 1.7, 8.0)
    both = [Interval(0.0, 4.0), Interval(4.0, 8.0)]
    half = Audio(np.concatenate([dub.samples[:64_000], source.samples[64_000:]]), 16_000)
    leak = source_leak_db(half, source, both, half)
    assert leak is not None and leak > -6


def test_a_leak_needs_both_to_speak() -> None:
    dub = speech("en_garden", 1.5, 1.0)
    assert source_leak_db(dub, dub, []) is None
    assert source_leak_db(dub, Audio(np.zeros(16_000, np.float32), 16_000), [Interval(0, 1)]) is None
    assert (source_leak_db(dub, dub, [Interval(0, 1)]) or 0) > 25  # nothing but the source
    with pytest.raises(ValueError, match="one rate"):
        source_leak_db(dub, tone(100, 1.0), [Interval(0, 1)])


def test_the_voice_is_judged_as_speechmos_does() -> None:
    from speechmos import dnsmos

    judge = VoiceMos()
    one = speech("en_garden", 1.5, 9.01)
    theirs = dnsmos.run(one.samples[: int(9.01 * 16_000)], sr=16_000)["ovrl_mos"]
    assert judge(Audio(one.samples[: int(9.01 * 16_000)], 16_000)) == pytest.approx(theirs, abs=1e-4)
    noise = np.random.default_rng(0).standard_normal(len(one.samples)).astype(np.float32)
    noisy = judge(Audio(one.samples + 0.03 * noise, 16_000))
    assert noisy is not None and noisy < theirs - 1
    assert judge(Audio(np.zeros(16_000, np.float32), 16_000)) is None
    with pytest.raises(ValueError, match="16 kHz mono"):
        judge(tone(100, 1.0))
