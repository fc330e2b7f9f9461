"""Stage 8: the dub's segments and the background as one sound, and the picture with it.

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
from vtlab.audio import LoudnessMeter, resample
from vtlab.errors import InputError, VtlabError
from vtlab.events import Finding, Severity
from vtlab.segments import Interval, PlacedSegment
from vtlab.settings import AudioSyncSettings, VideoCombinationSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Block = NDArray[np.float32]

STAGE = "video_combination"
VERSION = 2

BLOCK_S = 10.0
CONTROL_HZ = 100  # resolution of the background's gain
RAMP_S = 0.08  # the background's way down and up
BEFORE_SPEECH_S, AFTER_SPEECH_S = 0.15, 0.25  # silent this much around the original's speech: breaths, reverberation
BRIDGED_S = 0.6  # the background does not come up for less than this between two stretches of speech
UNDER_DUB_DB = -12.0  # the background where the dub speaks on after the original has stopped
LIMIT_FRAME_S = 0.005
OVERSAMPLED = 4  # BS.1770-4, annex 2
PEAK_EDGE = 32  # samples on both sides that an oversampled stretch needs
BETWEEN_SAMPLES = 0.5  # a peak between samples is seldom more than twice (6 dB) the samples around it
LIMITER_ROOM_DB = 1.0  # kept below the true-peak limit for what AAC adds
MOST_GAIN_DB = 30.0
LOUDNESS_OFF_LU = 0.3  # so near is near enough; beyond it, and above the peak, the mix is made again …
TRIES = 3  # … so often at most
AAC_BITS_PER_SAMPLE = 6  # the most that AAC takes: 6144 bits per channel and frame of 1024


@dataclass(frozen=True)
class MixReport:
    """What was measured on the mix as it is heard, decoded from AAC; absent for a mix that is silent."""

    loudness_lufs: float | None
    true_peak_dbtp: float | None


@dataclass(frozen=True)
class Mix:
    """The sound of the dub as a file, the speech alone where it is asked for, and what was measured on the mix."""

    file: Path
    speech_track: Path | None
    loudness_lufs: float | None
    true_peak_dbtp: float | None


def write_mix(
    extraction: media.Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    sync: AudioSyncSettings,
    settings: VideoCombinationSettings,
    work: Path,
    checkpoint: Callable[[], None] = lambda: None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> Mix:
    """Write the mix into the folder ``work``, and the speech alone where ``sync`` asks for it; see ``mix``."""
    file, track = work / "mix.m4a", None
    report = mix(extraction, placed, speech, sync, settings, file, work, checkpoint, on_finding)
    if sync.keep_speech_track:
        rate = extraction.stream.rate
        track = media.write_flac(speech_track(placed, rate, extraction.duration_s), rate, work / "speech.flac")
    return Mix(file, track, report.loudness_lufs, report.true_peak_dbtp)


def mix(
    extraction: media.Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    sync: AudioSyncSettings,
    settings: VideoCombinationSettings,
    out: Path,
    work: Path,
    checkpoint: Callable[[], None] = lambda: None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> MixReport:
    """Write the dub's sound to ``out`` (AAC in MP4), mono or stereo as the source is, exactly as long as it.

    The rate is the source's, or the next one that AAC has. Memory stays the same however long the file is. What comes
    out is decoded and measured; where the limiter cost loudness, or AAC added to a peak, it is made again.

    Args:
        extraction: The source and the stream that is dubbed.
        placed: The segments at their places.
        speech: Where the source speaks: the background is silent there.
        sync: Loudness and true peak wanted.
        settings: Which background, and the bit rate.
        out: The file to write (``.m4a``).
        work: A folder for the mix between the pass that measures it and the one that sets its loudness.
        checkpoint: Called for each block of 10 s; may block or raise ``Cancelled``.
        on_finding: Gets ``too_quiet``.
    """
    rate, channels = media.aac_rate(extraction.stream.rate), min(extraction.stream.channels, 2)
    raw = _RawMix(work / "mix.f32", rate, channels)
    meter, found = LoudnessMeter(rate, channels), []
    with media.discard_on_failure(raw.path), raw.path.open("wb") as file:
        for block in _mix_blocks(extraction, placed, speech, rate, channels, settings.background):
            checkpoint()
            meter.add(block)
            found.append(_frame_peaks(block, rate))
            file.write(block.tobytes())
    peaks = np.concatenate(found) if found else np.zeros(0)

    loudness = meter.lufs()
    gain_db = 0.0 if loudness is None else min(sync.loudness_lufs - loudness, MOST_GAIN_DB)
    ceiling_db = sync.peak_dbtp - LIMITER_ROOM_DB
    kbps = min(settings.audio_bitrate_kbps, AAC_BITS_PER_SAMPLE * rate * channels // 1000)
    for left in reversed(range(TRIES)):
        peaks = raw.true_peaks(peaks, BETWEEN_SAMPLES * 10 ** ((ceiling_db - gain_db) / 20))
        gains = _limit_gain(peaks, gain_db, ceiling_db)
        media.write_aac(raw.blocks(gains, checkpoint), rate, channels, kbps, out)
        report = _measure(out, extraction.duration_s, checkpoint)
        if left == 0 or report.loudness_lufs is None or report.true_peak_dbtp is None:
            break
        louder = min(sync.loudness_lufs - report.loudness_lufs, MOST_GAIN_DB - gain_db)
        above = report.true_peak_dbtp - sync.peak_dbtp
        if abs(louder) <= LOUDNESS_OFF_LU and above <= 0:
            break
        gain_db += louder
        ceiling_db -= max(0.0, above + 0.1)
    raw.path.unlink()
    if report.loudness_lufs is not None and sync.loudness_lufs - report.loudness_lufs > 2 * LOUDNESS_OFF_LU:
        message = f"The mix reaches {report.loudness_lufs:.1f} LUFS, not {sync.loudness_lufs:.1f}."
        on_finding(
            Finding(STAGE, "too_quiet", Severity.WARNING, message, None, report.loudness_lufs, sync.loudness_lufs)
        )
    return report


def speech_track(placed: Sequence[PlacedSegment], rate: int, duration_s: float) -> Iterator[Block]:
    """Yield the dubbed segments alone, mono, in blocks of 10 s, ``round(duration_s × rate)`` samples in all."""
    total, size = round(duration_s * rate), round(BLOCK_S * rate)
    waiting = sorted((segment for segment in placed if len(segment.audio.samples)), key=lambda segment: segment.start)
    sounding: list[tuple[int, Block]] = []
    for first in range(0, total, size):
        last = min(first + size, total)
        while waiting and round(waiting[0].start * rate) < last:
            segment = waiting.pop(0)
            sounding.append((round(segment.start * rate), resample(segment.audio, rate).samples))
        block = np.zeros(last - first, np.float32)
        for at, samples in sounding:
            low, high = max(at, first), min(at + len(samples), last)
            if low < high:
                block[low - first : high - first] += samples[low - at : high - at]
        sounding = [(at, samples) for at, samples in sounding if at + len(samples) > last]
        yield block


def output_suffix(info: media.MediaInfo, settings: VideoCombinationSettings) -> str:
    """Return ``.mp4``; ``.mkv`` for a picture that MP4 does not hold; ``.m4a`` where there is no picture."""
    if info.video is None:
        return ".m4a"
    return ".mp4" if _must_encode(info, settings) or info.video.codec in media.MP4_VIDEO else ".mkv"


def encodes(info: media.MediaInfo, settings: VideoCombinationSettings) -> bool:
    """Return whether a picture or a sound of the source is encoded again, which no store keeps."""
    picture = info.video is not None and _must_encode(info, settings)
    return picture or settings.keep_original_audio


def combine(
    extraction: media.Extraction,
    dub: Path,
    language: str,
    subtitles: Sequence[media.SubtitleTrack],
    settings: VideoCombinationSettings,
    out: Path,
    work: Path,
    checkpoint: Callable[[], None] = lambda: None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> None:
    """Put picture, dub and subtitles into ``out``, and check what came out.

    Args:
        extraction: The source and the stream that is dubbed.
        dub: The mix.
        language: Language of the dub.
        subtitles: SRT files; an empty one is left out.
        settings: Soft or burned subtitles, the original as a second track, and how the picture is encoded.
        out: The file to write, its suffix that of ``output_suffix``.
        work: A folder for unfinished files.
        checkpoint: Called again and again; may block or raise ``Cancelled``.
        on_finding: Gets ``frames_off`` and ``duration_off``.

    Raises:
        VtlabError: ``E_OUTPUT``: frames were lost or a stream is missing.

    Examples:
        >>> from pathlib import Path
        >>> from vtlab import media
        >>> from vtlab.settings import AudioSyncSettings, VideoCombinationSettings
        >>> from vtlab.stages import video_combination
        >>> info, settings, here = media.probe(Path("talk.mp4")), VideoCombinationSettings(), Path()
        >>> extraction, sound = media.Extraction(info, info.audio[0]), here / "mix.m4a"
        >>> report = video_combination.mix(extraction, [], [], AudioSyncSettings(), settings, sound, here)
        >>> round(report.loudness_lufs)
        -23
        >>> video_combination.combine(extraction, sound, "en", [], settings, here / "talk.en.mp4", here)
        >>> media.probe(here / "talk.en.mp4").audio[0].language
        'en'
    """
    info = extraction.info
    tracks = [track for track in subtitles if track.path.stat().st_size]  # ffmpeg opens no empty file
    soft = tracks if settings.soft_subtitles and info.video else []
    burned = [track.path for track in tracks if track.language == language]
    media.mux(
        info,
        dub,
        out,
        language=language,
        subtitles=soft,
        original=extraction.stream if settings.keep_original_audio else None,
        burn=burned[0] if settings.burn_subtitles and burned and info.video else None,
        encode=_must_encode(info, settings),
        crf=settings.crf,
        folder=work,
        checkpoint=checkpoint,
    )
    try:
        wanted = (1 + settings.keep_original_audio, len(soft))
        _verify(info, out, wanted, _must_encode(info, settings), on_finding)
    except VtlabError:
        out.unlink(missing_ok=True)
        raise


def _must_encode(info: media.MediaInfo, settings: VideoCombinationSettings) -> bool:
    """Return whether the picture is encoded again."""
    return settings.burn_subtitles or _unsafe(info, settings)


def _unsafe(info: media.MediaInfo, settings: VideoCombinationSettings) -> bool:
    """Return whether the picture must be encoded again for browsers."""
    video = info.video
    return settings.browser_safe and video is not None and (video.codec, video.pixel_format) != ("h264", "yuv420p")


def _verify(
    info: media.MediaInfo, out: Path, wanted: tuple[int, int], encoded: bool, on_finding: Callable[[Finding], None]
) -> None:
    try:
        made = media.probe(out)
    except InputError as error:
        raise VtlabError(f"The result is no good: {error}", code="E_OUTPUT") from error
    streams = (len(made.audio), len(made.subtitles))
    if streams != wanted or (made.video is None) != (info.video is None):
        message = "The dub has {} sounds and {} subtitles, not {} and {}.".format(*streams, *wanted)
        raise VtlabError(message, code="E_OUTPUT")
    frame_s = float(1 / info.video.fps) if info.video else 0.05
    if info.video is not None:
        before, after = media.count_frames(info.path), media.count_frames(out)
        message = f"The dub has {after} frames, its source {before}."
        if before != after and encoded and after:  # what cannot be decoded cannot be encoded again
            on_finding(Finding(STAGE, "frames_off", Severity.WARNING, message, None, after, before))
        elif before != after:
            raise VtlabError(message, code="E_OUTPUT")
    error_s = made.duration_s - info.duration_s
    if abs(error_s) > frame_s + 0.001:
        message = f"The dub is {abs(error_s):.3f} s {'longer' if error_s > 0 else 'shorter'} than its source."
        on_finding(Finding(STAGE, "duration_off", Severity.WARNING, message, None, error_s, frame_s))


# ---------------------------------------------------------------- the mix


def _mix_blocks(
    extraction: media.Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    rate: int,
    channels: int,
    background: str,
) -> Iterator[Block]:
    """Yield segments over the background, blocks of shape ``(n, channels)``."""
    duration = extraction.duration_s
    speech_blocks = speech_track(placed, rate, duration)
    if background == "none":
        for block in speech_blocks:
            yield np.repeat(block[:, None], channels, axis=1)
        return
    control = _background_gain(placed, speech, duration)
    at = 0
    original = media.decode_blocks(extraction.info.path, extraction.stream, rate, channels, duration, BLOCK_S)
    for sound, block in zip(original, speech_blocks, strict=True):
        when = (at + np.arange(len(sound))) * (CONTROL_HZ / rate)
        gain = np.interp(when, np.arange(len(control)), control).astype(np.float32)
        yield sound * gain[:, None] + block[:, None]
        at += len(sound)


def _background_gain(
    placed: Sequence[PlacedSegment], speech: Sequence[Interval], duration: float
) -> NDArray[np.float64]:
    """Return the background's gain every 10 ms: 0 around the original's speech, low under the dub, 1 elsewhere."""
    gain = np.ones(int(duration * CONTROL_HZ) + 2)
    for segment in placed:
        if len(segment.audio.samples):
            gain[_frames(segment.start - RAMP_S, segment.end + RAMP_S)] = 10 ** (UNDER_DUB_DB / 20)
    spoken = sorted(
        [*speech, *(segment.spoken.source.source.interval for segment in placed)], key=lambda part: part.start
    )
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
    """Return the highest sample of every 5 ms, of any channel."""
    size = round(LIMIT_FRAME_S * rate) * block.shape[1]
    samples = np.abs(block).ravel()
    samples = np.pad(samples, (0, -len(samples) % size))
    return np.asarray(samples.reshape(-1, size).max(axis=1), np.float64)


def _true_peaks(block: Block, rate: int, peaks: NDArray[np.float64], above: float) -> NDArray[np.float64]:
    """Return the peaks between the samples too, where the highest sample is above ``above``."""
    from scipy.signal import resample_poly

    size = round(LIMIT_FRAME_S * rate)
    true = peaks.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], peaks > above, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        begin = max(0, first * size - PEAK_EDGE)
        dense = np.abs(resample_poly(block[begin : last * size + PEAK_EDGE], OVERSAMPLED, 1, axis=0)).max(axis=1)
        for frame in range(first, last):
            at = (frame * size - begin) * OVERSAMPLED
            true[frame] = max(true[frame], dense[at : at + size * OVERSAMPLED].max(initial=0.0))
    return true


def _limit_gain(peaks: NDArray[np.float64], gain_db: float, limit_db: float) -> NDArray[np.float64]:
    """Return the gain every 5 ms: ``gain_db``, less where a peak would pass the limit, with 20 ms to get there."""
    gain, limit = 10 ** (gain_db / 20), 10 ** (limit_db / 20)
    if len(peaks) == 0 or gain * peaks.max() <= limit:
        return np.full(max(len(peaks), 1), gain)
    from scipy.ndimage import minimum_filter1d

    allowed = np.minimum(gain, limit / np.maximum(peaks, 1e-9))
    ramp = np.hanning(11)[1:-1]
    held = np.pad(minimum_filter1d(allowed, len(ramp) + 2), len(ramp), mode="edge")
    return np.convolve(held, ramp / ramp.sum(), mode="same")[len(ramp) : -len(ramp)]


class _RawMix:
    """The mix in a file of float32: written once, read block by block."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self._rate = rate
        self._channels = channels
        self._size = round(BLOCK_S * rate)
        self._frame = round(LIMIT_FRAME_S * rate)
        self._frames = -(-self._size // self._frame)  # in one block

    def true_peaks(self, peaks: NDArray[np.float64], above: float) -> NDArray[np.float64]:
        """Return ``peaks`` raised to what lies between the samples, in the frames that reach ``above``."""
        if len(peaks) == 0 or peaks.max() <= above:
            return peaks
        parts = []
        for index, block in enumerate(self._read()):
            of_block = peaks[index * self._frames : (index + 1) * self._frames]
            parts.append(_true_peaks(block, self._rate, of_block, above))
        return np.concatenate(parts)

    def blocks(self, gains: NDArray[np.float64], checkpoint: Callable[[], None]) -> Iterator[Block]:
        """Yield the mix with ``gains`` applied, one gain every 5 ms."""
        for index, block in enumerate(self._read()):
            checkpoint()
            first = index * self._frames
            known = np.arange(max(0, first - 1), min(len(gains), first + self._frames + 1))
            part = gains[known]
            if part.min() == part.max():
                yield block * np.float32(part[0])
            else:
                when = first + np.arange(len(block)) / self._frame - 0.5
                yield (block * np.interp(when, known, part)[:, None]).astype(np.float32)

    def _read(self) -> Iterator[Block]:
        with self.path.open("rb") as file:
            while data := file.read(4 * self._channels * self._size):
                yield np.frombuffer(data, np.float32).reshape(-1, self._channels)


def _measure(sound: Path, duration_s: float, checkpoint: Callable[[], None]) -> MixReport:
    """Return loudness and true peak of a sound file."""
    stream = media.probe(sound).audio[0]
    meter = LoudnessMeter(stream.rate, stream.channels)
    highest = 0.0
    for block in media.decode_blocks(sound, stream, stream.rate, stream.channels, duration_s, BLOCK_S):
        checkpoint()
        meter.add(block)
        peaks = _frame_peaks(block, stream.rate)
        if peaks.max(initial=0.0) > BETWEEN_SAMPLES * highest:
            above = max(BETWEEN_SAMPLES * peaks.max(), highest * BETWEEN_SAMPLES)
            highest = max(highest, float(_true_peaks(block, stream.rate, peaks, above).max()))
    return MixReport(meter.lufs(), 20 * float(np.log10(highest)) if highest > 0 else None)
