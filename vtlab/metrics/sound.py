"""Metrics of sound: loudness, peaks, how good the voice is, and what is left of the source's speech and background."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from vtlab.audio import FRAME_S, Audio, LoudnessMeter, cut, levels_db, loudness_lufs
from vtlab.media import decode_blocks
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.leak import source_leak_db
from vtlab.metrics.material import Material
from vtlab.metrics.metric import Numbers, Row, SumMetric, ratio
from vtlab.metrics.needs import TIMES
from vtlab.metrics.timing import intersect
from vtlab.metrics.units import Unit
from vtlab.metrics.voice_mos import VoiceMos, mos_signature
from vtlab.segments import Interval, merge_intervals

OVERSAMPLING = 4  # ITU-R BS.1770-4, annex 2
BLOCK_S = 10.0  # oversampled at once: keeps an hour of stereo out of memory
MARGIN_S = 0.01  # of the neighbouring blocks, so that the filter does not see edges that are not there
EDGE_S = 0.25  # around speech: breaths, reverberation, and the ramps of a background that makes room for it
LEAST_S = 0.2  # of silence in all, to say anything
HEARD_DB = -45.0  # from the loudness of the source: a softer background nobody would miss


def true_peak_dbtp(audio: Audio) -> float | None:
    """Return the highest level, between samples too, by fourfold oversampling (BS.1770-4); ``None`` for silence."""
    from scipy.signal import resample_poly

    highest = 0.0
    for start in np.arange(0.0, audio.duration, BLOCK_S):
        block = cut(audio, start - MARGIN_S, start + BLOCK_S + MARGIN_S).samples
        highest = max(highest, float(np.abs(resample_poly(block, OVERSAMPLING, 1, axis=0)).max(initial=0.0)))
    return 20 * float(np.log10(highest)) if highest > 0 else None


def background_loss_db(dubbed: Audio, source: Audio, spoken: Sequence[Interval]) -> float | None:
    """Return how much softer the background is in the dub than in the source, each against its own loudness, in dB.

    The median over frames of 10 ms in which nobody speaks: ``spoken`` is where the source does or the dub. ``None``
    where that is nowhere, or the source has no background there that anybody would miss.
    """
    loudness, loudness_before = loudness_lufs(dubbed), loudness_lufs(source)
    if loudness is None or loudness_before is None:
        return None
    now, before = levels_db(dubbed), levels_db(source)
    quiet = np.ones(min(len(now), len(before)), bool)
    for span in merge_intervals(spoken):
        quiet[max(0, round((span.start - EDGE_S) / FRAME_S)) : max(0, round((span.end + EDGE_S) / FRAME_S))] = False
    if quiet.sum() * FRAME_S < LEAST_S:
        return None
    before, now = before[: len(quiet)][quiet] - loudness_before, now[: len(quiet)][quiet] - loudness
    if np.median(before) < HEARD_DB:
        return None
    return float(np.median(before - now))


# ---------------------------------------------------------------- the metrics


def _squared_deviations(unit: Unit) -> Row | None:
    """Return squared deviations of the segments' loudness from the mean of their own clip."""
    if not unit.timed:
        return None
    clip = [segment.loudness_lufs for segment in unit.clip_rows.dub_segments if segment.loudness_lufs is not None]
    own = [segment.loudness_lufs for segment in unit.dub_segments if segment.loudness_lufs is not None]
    if len(clip) < 2:
        return 0.0, 0.0
    middle = sum(clip) / len(clip)
    return sum((level - middle) ** 2 for level in own), float(len(own))


def _root_mean(sums: Numbers) -> Numbers:
    return np.sqrt(ratio(sums))


def _loudness(material: Material) -> tuple[float | None, str | None]:
    stream = material.dubbed_stream
    channels = min(stream.channels, 2)
    meter = LoudnessMeter(stream.rate, channels)
    for block in decode_blocks(material.dubbed, stream, stream.rate, channels, material.dubbed_info.duration_s):
        meter.add(block)
    return meter.lufs(), "EBU R128, integrated"


def _true_peak(material: Material) -> tuple[float | None, str | None]:
    stream, seconds = material.dubbed_stream, material.dubbed_info.duration_s
    blocks = decode_blocks(material.dubbed, stream, stream.rate, min(stream.channels, 2), seconds)
    peaks = [true_peak_dbtp(Audio(block, stream.rate)) for block in blocks]
    return max((peak for peak in peaks if peak is not None), default=None), "BS.1770-4, fourfold"


def _voice_mos(material: Material) -> tuple[float | None, str | None]:
    return VoiceMos()(material.speech, material.dubbed_speech), mos_signature()


def _leak(material: Material) -> tuple[float | None, str | None]:
    track = None if material.speech_track is None else material.speech
    both = intersect(material.source_speech, material.dubbed_speech)
    return source_leak_db(material.mix, material.source_sound, both, track), None


def _background(material: Material) -> tuple[float | None, str | None]:
    spoken = [*material.source_speech, *material.dubbed_speech]
    return background_loss_db(material.mix, material.source_sound, spoken), None


_file_metric = partial(FileMetric, group="sound", over_clips="worst")

METRICS = (
    _file_metric(
        "loudness_lufs", "LUFS", "target", "integrated loudness of the final mix, EBU R128",
        target=(-25.0, -21.0), measure=_loudness,
    ),
    _file_metric(
        "true_peak_dbtp", "dBTP", "lower", "true peak of the final mix", target=(None, -1.0), measure=_true_peak
    ),
    SumMetric(
        "loudness_spread_db", "dB", "lower", "standard deviation of the loudness of segments",
        target=(None, 2.0), group="sound", needs=(TIMES,), counts=_squared_deviations, score=_root_mean,
    ),
    FileMetric(
        "voice_mos", "1-5", "higher", "DNSMOS of the dubbed speech, overall",
        group="sound", headline=100, measure=_voice_mos, over_clips="mean",
    ),
    _file_metric(
        "source_leak_db", "dB", "lower", "source speech left under the dub, relative to it",
        target=(None, -30.0), measure=_leak,
    ),
    _file_metric(
        "background_loss_db", "dB", "lower", "how much softer the background is than the source's",
        target=(None, 6.0), measure=_background, nothing="the source has no background to lose where nobody speaks",
    ),
)  # fmt: skip
