"""Stage 8: the dub's lines and the background as one sound, and the picture with it.

The background is the original sound where nobody speaks in it; under the original's speech it is silent, so that the
source is never heard under the dub. The mix gets its loudness as a whole (EBU R128); then the picture is copied beside
it, with subtitles in both languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab import media
from vtlab.audio import Audio, LoudnessMeter, resample, true_peak_db
from vtlab.errors import VtlabError
from vtlab.findings import Finding, Severity
from vtlab.segments import Interval, PlacedSegment
from vtlab.settings import AudioSyncSettings, VideoCombinationSettings
from vtlab.stages.audio_extraction import Extraction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Block = NDArray[np.float32]

STAGE = "video_combination"
VERSION = 1

BLOCK_S = 10.0
CONTROL_HZ = 100  # resolution of the background's gain
RAMP_S = 0.08  # the background's way down and up
BEFORE_SPEECH_S, AFTER_SPEECH_S = 0.15, 0.25  # silent this much around the original's speech: breaths, reverberation
BRIDGED_S = 0.6  # the background does not come up for less than this between two stretches of speech
UNDER_DUB_DB = -12.0  # the background where the dub speaks on after the original has stopped
LIMIT_FRAME_S = 0.005
PEAK_SAMPLES = 1024  # looked at on both sides of the highest sample for a peak between samples
LIMITER_ROOM_DB = 1.5  # kept below the true-peak limit: peaks between samples, and what AAC adds
MOST_GAIN_DB = 30.0
AAC_BITS_PER_SAMPLE = 6  # the most that AAC takes: 6144 bits per channel and frame of 1024


@dataclass(frozen=True)
class MixReport:
    """What was measured on the mix before it was encoded; absent for a mix that is silent."""

    loudness_lufs: float | None
    true_peak_dbtp: float | None


def mix(
    extraction: Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    sync: AudioSyncSettings,
    settings: VideoCombinationSettings,
    out: Path,
    work: Path,
    checkpoint: Callable[[], None],
    on_finding: Callable[[Finding], None],
) -> MixReport:
    """Writes the dub's sound to ``out`` (AAC in MP4): the source's rate, mono or stereo as it is, exactly as long.

    ``speech`` is where the original speaks. Memory stays the same however long the file is: the mix lies in a file of
    ``work`` between the pass that measures it and the pass that sets its loudness.
    """
    rate, channels = extraction.stream.rate, min(extraction.stream.channels, 2)
    raw = work / "mix.f32"
    meter, peaks = LoudnessMeter(rate, channels), []
    with raw.open("wb") as file:
        for block in _mixed(extraction, placed, speech, rate, channels, settings.background):
            checkpoint()
            meter.add(block)
            peaks.append(_frame_peaks(block, rate))
            file.write(block.tobytes())

    loudness = meter.lufs()
    gain_db = 0.0 if loudness is None else min(sync.loudness_lufs - loudness, MOST_GAIN_DB)
    if loudness is not None and sync.loudness_lufs - loudness > MOST_GAIN_DB:
        message = f"The mix is too quiet to reach {sync.loudness_lufs:.0f} LUFS."
        on_finding(Finding(STAGE, "too_quiet", Severity.WARNING, message, None, loudness, sync.loudness_lufs))
    gains = _limited(np.concatenate(peaks) if peaks else np.zeros(0), gain_db, sync.peak_dbtp - LIMITER_ROOM_DB)
    kbps = min(settings.audio_bitrate_kbps, AAC_BITS_PER_SAMPLE * rate * channels // 1000)
    measured = _Measured(LoudnessMeter(rate, channels))
    media.write_aac(measured.watch(_from_file(raw, channels, rate, gains, checkpoint), rate), rate, channels, kbps, out)
    raw.unlink()
    return MixReport(measured.meter.lufs(), measured.true_peak_dbtp)


def speech_track(placed: Sequence[PlacedSegment], rate: int, duration_s: float) -> Iterator[Block]:
    """The dubbed lines alone, mono, in blocks of 10 s, ``round(duration_s × rate)`` samples in all."""
    total, size = round(duration_s * rate), round(BLOCK_S * rate)
    waiting = [line for line in placed if len(line.audio.samples)]
    sounding: list[tuple[int, Block]] = []
    for first in range(0, total, size):
        last = min(first + size, total)
        while waiting and round(waiting[0].start * rate) < last:
            line = waiting.pop(0)
            sounding.append((round(line.start * rate), resample(line.audio, rate).samples))
        block = np.zeros(last - first, np.float32)
        for at, samples in sounding:
            low, high = max(at, first), min(at + len(samples), last)
            if low < high:
                block[low - first : high - first] += samples[low - at : high - at]
        sounding = [(at, samples) for at, samples in sounding if at + len(samples) > last]
        yield block


def output_suffix(info: media.MediaInfo, settings: VideoCombinationSettings) -> str:
    """``.mp4``; ``.mkv`` for a picture that MP4 does not hold; ``.m4a`` where there is no picture."""
    if info.video is None:
        return ".m4a"
    copied = not (settings.burn_subtitles or _unsafe(info, settings))
    return ".mkv" if copied and info.video.codec not in media.MP4_VIDEO else ".mp4"


def combine(
    extraction: Extraction,
    dub: Path,
    language: str,
    subtitles: Sequence[media.SubtitleTrack],
    settings: VideoCombinationSettings,
    out: Path,
    work: Path,
    checkpoint: Callable[[], None],
    on_finding: Callable[[Finding], None],
) -> None:
    """Puts picture, dub and subtitles (SRT) into ``out``, and checks what came out.

    Raises ``VtlabError`` (``E_OUTPUT``) where frames were lost or the sound is missing.
    """
    info = extraction.info
    burned = [track for track in subtitles if track.language == language] if settings.burn_subtitles else []
    media.mux(
        info,
        dub,
        out,
        language=language,
        subtitles=subtitles if settings.soft_subtitles and info.video else (),
        original=extraction.stream if settings.keep_original_audio else None,
        burn=burned[0].path if burned and info.video else None,
        encode=_unsafe(info, settings),
        crf=settings.crf,
        folder=work,
        checkpoint=checkpoint,
    )
    _verify(info, out, on_finding)


def _unsafe(info: media.MediaInfo, settings: VideoCombinationSettings) -> bool:
    """Whether the picture must be encoded again for browsers."""
    video = info.video
    return settings.browser_safe and video is not None and (video.codec, video.pixel_format) != ("h264", "yuv420p")


def _verify(info: media.MediaInfo, out: Path, on_finding: Callable[[Finding], None]) -> None:
    made = media.probe(out)
    frame_s = float(1 / info.video.fps) if info.video else 0.05
    if info.video is not None:
        before, after = media.count_frames(info.path), media.count_frames(out)
        if before != after:
            raise VtlabError(f"The dub has {after} frames, its source {before}.", code="E_OUTPUT")
    error = made.duration_s - info.duration_s
    if abs(error) > frame_s + 0.001:
        message = f"The dub is {abs(error):.3f} s {'longer' if error > 0 else 'shorter'} than its source."
        on_finding(Finding(STAGE, "duration_off", Severity.WARNING, message, None, error, frame_s))


# ---------------------------------------------------------------- the mix


def _mixed(
    extraction: Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    rate: int,
    channels: int,
    background: str,
) -> Iterator[Block]:
    """Lines over the background, blocks of shape ``(n, channels)``."""
    duration = extraction.duration_s
    lines = speech_track(placed, rate, duration)
    if background == "none":
        for line in lines:
            yield np.repeat(line[:, None], channels, axis=1)
        return
    control = _background_gain(placed, speech, duration)
    at = 0
    original = media.decode_blocks(extraction.info.path, extraction.stream, rate, channels, duration, BLOCK_S)
    for sound, line in zip(original, lines, strict=True):
        when = (at + np.arange(len(sound))) * (CONTROL_HZ / rate)
        gain = np.interp(when, np.arange(len(control)), control).astype(np.float32)
        yield sound * gain[:, None] + line[:, None]
        at += len(sound)


def _background_gain(
    placed: Sequence[PlacedSegment], speech: Sequence[Interval], duration: float
) -> NDArray[np.float64]:
    """The background's gain every 10 ms: 0 around the original's speech, low under the dub, 1 elsewhere."""
    gain = np.ones(int(duration * CONTROL_HZ) + 2)
    for line in placed:
        if len(line.audio.samples):
            gain[_frames(line.start - RAMP_S, line.end + RAMP_S)] = 10 ** (UNDER_DUB_DB / 20)
    spoken = sorted([*speech, *(line.spoken.source.source.interval for line in placed)], key=lambda part: part.start)
    end = -np.inf
    for part in spoken:
        start = part.start - BEFORE_SPEECH_S
        if start - end < BRIDGED_S:
            start = min(start, end)
        gain[_frames(start, part.end + AFTER_SPEECH_S)] = 0.0
        end = max(end, part.end + AFTER_SPEECH_S)
    width = round(RAMP_S * CONTROL_HZ)
    ramp = np.hanning(width + 2)[1:-1]
    padded = np.pad(gain, width, mode="edge")
    return np.convolve(padded, ramp / ramp.sum(), mode="same")[width:-width]


def _frames(start: float, end: float) -> slice:
    return slice(max(0, int(start * CONTROL_HZ)), max(0, int(end * CONTROL_HZ) + 1))


def _frame_peaks(block: Block, rate: int) -> NDArray[np.float64]:
    """The highest sample of every 5 ms."""
    size = round(LIMIT_FRAME_S * rate)
    highest = np.abs(block).max(axis=1)
    padded = np.pad(highest, (0, -len(highest) % size))
    return np.asarray(padded.reshape(-1, size).max(axis=1), np.float64)


def _limited(peaks: NDArray[np.float64], gain_db: float, limit_db: float) -> NDArray[np.float64]:
    """The gain every 5 ms: ``gain_db``, less where a peak would pass the limit, with 20 ms to get there."""
    gain, limit = 10 ** (gain_db / 20), 10 ** (limit_db / 20)
    if len(peaks) == 0 or gain * peaks.max() <= limit:
        return np.full(max(len(peaks), 1), gain)
    from scipy.ndimage import minimum_filter1d

    allowed = np.minimum(gain, limit / np.maximum(peaks, 1e-9))
    ramp = np.hanning(11)[1:-1]
    held = np.pad(minimum_filter1d(allowed, len(ramp) + 2), len(ramp), mode="edge")
    return np.convolve(held, ramp / ramp.sum(), mode="same")[len(ramp) : -len(ramp)]


def _from_file(
    raw: Path, channels: int, rate: int, gains: NDArray[np.float64], checkpoint: Callable[[], None]
) -> Iterator[Block]:
    """The mix from its file, block by block, under its gain."""
    size = round(BLOCK_S * rate)
    frame = round(LIMIT_FRAME_S * rate)
    frames_per_block = -(-size // frame)
    with raw.open("rb") as file:
        index = 0
        while data := file.read(4 * channels * size):
            checkpoint()
            block = np.frombuffer(data, np.float32).reshape(-1, channels)
            first = index * frames_per_block
            part = gains[first : first + frames_per_block + 1]
            if part.min() == part.max():
                yield block * np.float32(part[0])
            else:
                when = np.arange(len(block)) / frame - 0.5
                gain = np.interp(when, np.arange(len(part)), part)
                yield (block * gain[:, None]).astype(np.float32)
            index += 1


class _Measured:
    """Measures blocks on their way: loudness, and the true peak around the highest samples."""

    def __init__(self, meter: LoudnessMeter) -> None:
        self.meter = meter
        self.true_peak_dbtp: float | None = None
        self._highest = 0.0

    def watch(self, blocks: Iterator[Block], rate: int) -> Iterator[Block]:
        for block in blocks:
            self.meter.add(block)
            highest = float(np.abs(block).max(initial=0.0))
            if highest > 0.7 * self._highest:  # a peak between samples is seldom 3 dB above them
                self._highest = max(self._highest, highest)
                at = int(np.abs(block).max(axis=1).argmax())
                peak = true_peak_db(Audio(block[max(0, at - PEAK_SAMPLES) : at + PEAK_SAMPLES], rate))
                if peak is not None:
                    self.true_peak_dbtp = peak if self.true_peak_dbtp is None else max(self.true_peak_dbtp, peak)
            yield block
