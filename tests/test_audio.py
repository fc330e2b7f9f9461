import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from vtlab.audio import (
    Audio,
    LoudnessMeter,
    cut,
    fade,
    gain,
    levels_db,
    loudness_lufs,
    mono,
    peak_db,
    resample,
    silence,
    stretch,
    trim,
)
from vtlab.media import ffmpeg_binary


def audio(*samples: float, rate: int = 10) -> Audio:
    return Audio(np.array(samples, np.float32), rate)


def sine(hz: float, seconds: float, rate: int, amplitude: float = 0.5) -> Audio:
    return Audio(
        (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate
    )


def pitch(sound: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(sound.samples * np.hanning(len(sound.samples))))
    return float(np.argmax(spectrum)) * sound.rate / len(sound.samples)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.1, 0.3, [1, 2]),
        (-1.0, 0.2, [0, 1]),
        (0.3, 9.0, [3, 4]),
        (0.3, 0.1, []),
        (7.0, 9.0, []),
        (0.14, 0.26, [1, 2]),
    ],
)
def test_cut(start: float, end: float, expected: list[float]) -> None:
    assert cut(audio(0, 1, 2, 3, 4), start, end).samples.tolist() == expected


def test_silence_mono_gain_and_peak() -> None:
    assert silence(0.25, 8000).samples.tolist() == [0.0] * 2000
    assert mono(Audio(np.array([[0.2, 0.4], [1, -1]], np.float32), 8000)).samples == pytest.approx([0.3, 0])
    assert gain(audio(0.1, -0.2), 20).samples == pytest.approx([1.0, -2.0])
    assert peak_db(audio(0.1, -0.5)) == pytest.approx(-6.0206, abs=1e-3)
    assert peak_db(audio(0, 0)) is None
    assert peak_db(audio()) is None


def test_fade() -> None:
    faded = fade(Audio(np.ones(8, np.float32), 10), 0.2).samples
    edge = [0.5 - 0.5 * np.cos(np.pi / 4), 0.5 - 0.5 * np.cos(3 * np.pi / 4)]
    assert faded == pytest.approx([*edge, 1, 1, 1, 1, *edge[::-1]])
    assert fade(Audio(np.ones((3, 2), np.float32), 10), 1.0).samples[1].tolist() == [1, 1]  # half of it at most
    assert fade(audio(0.5), 1.0).samples.tolist() == [0.5]


def test_levels() -> None:
    sound = Audio(np.concatenate([np.zeros(100), np.full(100, 0.1), np.full(50, 1.0)]).astype(np.float32), 10_000)
    assert levels_db(sound) == pytest.approx([-120, -20, 0], abs=1e-3)
    assert len(levels_db(audio())) == 0


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("lead_s", [0.0, 0.3, 12.0])
def test_trim_keeps_all_that_sounds(rate: int, lead_s: float) -> None:
    spoken = sine(300, 0.5, rate)
    around = np.zeros(round(lead_s * rate), np.float32)
    trimmed = trim(Audio(np.concatenate([around, spoken.samples, around]), rate))
    assert 0.5 - 1 / rate <= trimmed.duration < 0.5 + 0.045
    energy = float(np.sum(np.square(spoken.samples, dtype=np.float64)))
    assert float(np.sum(np.square(trimmed.samples, dtype=np.float64))) == pytest.approx(energy, rel=1e-6)


def test_trim_of_silence_is_nothing() -> None:
    assert len(trim(silence(1, 16000)).samples) == 0
    assert len(trim(audio()).samples) == 0


@pytest.mark.parametrize(("rate", "made_at"), [(24000, 48000), (22050, 44100), (16000, 44100), (48000, 16000)])
def test_resample(rate: int, made_at: int) -> None:
    made = resample(sine(440, 1.0, rate), made_at)
    assert (made.rate, len(made.samples), made.samples.dtype) == (made_at, made_at, np.float32)
    middle = slice(made_at // 10, -made_at // 10)
    assert made.samples[middle] == pytest.approx(sine(440, 1.0, made_at).samples[middle], abs=2e-3)
    assert resample(audio(rate=rate), made_at).rate == made_at


@pytest.mark.parametrize("speed", [0.85, 0.97, 1.1, 1.3, 2.0])
@pytest.mark.parametrize("rate", [16000, 24000])
def test_stretch_keeps_pitch_and_level(speed: float, rate: int) -> None:
    sound = sine(440, 1.0, rate)
    made = stretch(sound, speed)
    assert len(made.samples) == round(rate / speed)
    assert pitch(made) == pytest.approx(440, abs=1.5)
    assert made.samples.std() == pytest.approx(sound.samples.std(), rel=0.03)


def test_stretch_moves_nothing_from_its_place() -> None:
    rate, speed = 24000, 1.25
    samples = np.zeros(rate, np.float32)
    bursts = (0.02, 0.5, 0.93)
    for at in bursts:
        samples[round(at * rate) :][:480] = np.random.default_rng(0).standard_normal(480) * 0.3
    made = stretch(Audio(samples, rate), speed).samples
    energy = np.convolve(np.square(made), np.ones(480), "same")
    for at in bursts:
        window = slice(max(0, round((at / speed - 0.05) * rate)), round((at / speed + 0.08) * rate))
        centre = (window.start + int(energy[window].argmax())) / rate
        assert centre == pytest.approx((at + 0.01) / speed, abs=0.015)


@given(st.integers(1, 5000), st.floats(0.5, 2.0), st.one_of(st.none(), st.integers(1, 8000)))
@examples(max_examples=30, deadline=None)
def test_stretch_is_exactly_as_long_as_asked(count: int, speed: float, length: int | None) -> None:
    made = stretch(Audio(np.full(count, 0.1, np.float32), 16000), speed, length)
    assert len(made.samples) == (round(count / speed) if length is None else length)
    assert made.samples.dtype == np.float32
    assert np.isfinite(made.samples).all()


def programme(rate: int, channels: int, seconds: float = 8.0) -> Audio:
    """Noise in bursts of different loudness with pauses, as speech has."""
    count = round(seconds * rate)
    at = np.arange(count) / rate
    envelope = np.where(at % 2 < 1.2, 0.02 + 0.05 * (at // 2), 1e-4)
    noise = np.random.default_rng(7).standard_normal((count, channels))
    noise[1:] = 0.6 * noise[:-1] + 0.4 * noise[1:]
    return Audio((envelope[:, None] * noise).astype(np.float32), rate)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 2), (96000, 1)])
def test_loudness_agrees_with_pyloudnorm_and_ffmpeg(tmp_path: Path, rate: int, channels: int) -> None:
    sound = programme(rate, channels)
    meter = LoudnessMeter(rate, channels)
    for first in range(0, len(sound.samples), 12_345):
        meter.add(sound.samples[first : first + 12_345])
    measured = meter.lufs()
    assert measured is not None
    assert measured == pytest.approx(loudness_lufs(sound), abs=0.1)
    (tmp_path / "a.f32").write_bytes(sound.samples.tobytes())
    layout = "mono" if channels == 1 else "stereo"
    told = subprocess.run(
        [ffmpeg_binary(), "-nostdin", "-hide_banner", "-f", "f32le", "-ar", str(rate), "-ch_layout", layout, "-i",
         str(tmp_path / "a.f32"), "-af", "ebur128", "-f", "null", "-"],
        check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    heard = re.findall(r"I:\s+(-?[\d.]+) LUFS", told)[-1]
    assert measured == pytest.approx(float(heard), abs=0.2 if rate > 8000 else 0.3)  # ffmpeg measures at 48 kHz


def test_loudness_of_the_reference_tone() -> None:
    """A sine of 997 Hz at full scale on one channel is −3.01 LUFS (BS.1770-4, annex 1)."""
    assert loudness_lufs(sine(997, 5, 48000, 1.0)) == pytest.approx(-3.01, abs=0.1)
    assert loudness_lufs(sine(997, 0.1, 48000, 1.0)) == pytest.approx(-3.01, abs=0.3)  # less than a block


def test_short_term_loudness_of_a_steady_tone_is_its_loudness() -> None:
    tone = sine(997, 5, 48000, 0.1)
    meter = LoudnessMeter(48000, 1)
    for first in range(0, len(tone.samples), 10_000):
        meter.add(tone.samples[first : first + 10_000, None])
    values = meter.short_term()
    assert len(values) == 21  # 3 s windows every 0.1 s in 5 s
    assert values[5:] == pytest.approx(loudness_lufs(tone), abs=0.1)
    assert meter.seconds == pytest.approx(5.0)
    assert len(LoudnessMeter(48000, 1).short_term()) == 0


def test_no_loudness_where_there_is_nothing() -> None:
    assert loudness_lufs(audio()) is None
    assert loudness_lufs(silence(1, 16000)) is None
    meter = LoudnessMeter(16000, 1)
    assert meter.lufs() is None
    meter.add(np.full((3000, 1), 0.5, np.float32))
    assert meter.lufs() is None  # under 400 ms
    meter = LoudnessMeter(16000, 1)
    meter.add(np.zeros((16000, 1), np.float32))
    assert meter.lufs() is None
