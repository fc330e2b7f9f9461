"""What a dub is worth, measured from what came out: any tool's file, its source, and a reference where there is one.

``measure`` looks at the files, cuts what it finds to the lines of the reference, and keeps these rows beside the
numbers; ``vtlab.metrics.pooling`` makes corpus numbers of many clips from their rows. The metrics themselves are pure
functions in ``vtlab.metrics``; what they mean stands in the table there. A costly look (recognising the dub again,
judging its voice) is taken only where a wanted metric needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab.audio import Audio, LoudnessMeter, cut, levels_db, loudness_lufs, mono, resample
from vtlab.errors import EngineError, WeightsError
from vtlab.measurement.recognizer import SPEECH_RATE_HZ, Recognizer
from vtlab.measurement.results import Measurement
from vtlab.media import AudioStream, MediaInfo, choose_audio, count_frames, decode_blocks, decode_speech, probe
from vtlab.metrics import pooling, subtitles
from vtlab.metrics.background import background_loss_db
from vtlab.metrics.cost import costs
from vtlab.metrics.invented import invented_lines
from vtlab.metrics.lines import DubbedLine, heard_lines, match_lines, within
from vtlab.metrics.quality import translation_quality
from vtlab.metrics.registry import METRICS, chosen
from vtlab.metrics.rows import CueMeasure, DubSegment, ReferenceSegment, SegmentMeasure
from vtlab.metrics.sound import VoiceMos, loudness_spread_db, mos_signature, source_leak_db, true_peak_dbtp
from vtlab.metrics.sync import CoverageScores, SpeedScores, SyncScores, common, coverage, drift, overruns, speeds
from vtlab.metrics.text import resegment
from vtlab.segments import Cue, Interval, Word

if TYPE_CHECKING:
    from vtlab.engines.voice_activity.silero import Silero
    from vtlab.record import Record, SegmentRecord

__all__ = [
    "DubbedLine",
    "SpeechScores",
    "heard_lines",
    "match_lines",
    "measure",
    "measure_speech",
    "voice_activity",
]

# voice activity for coverage: on clips with known times, 0.2 s agrees best with them (0.974 of the time)
THRESHOLD, MIN_SPEECH_S, MIN_SILENCE_S = 0.5, 0.1, 0.2
LINE_PAUSE_S = 0.5  # of the source, where nobody knows its lines: what parts them
ASSUMED_FPS = 25.0  # for lengths in frames of files without a picture
SPEED_CHANGED = 0.05  # a line heard so much shorter or longer than its record was changed after it was made

Translate = Callable[[Sequence[str]], Sequence[str]]


def measure(
    dubbed: Path,
    source: Path,
    source_language: str,
    target_language: str,
    *,
    reference: Sequence[ReferenceSegment] | None = None,
    reference_subtitles: Sequence[Cue] | None = None,
    record: Record | None = None,
    speech_track: Path | None = None,
    subtitles: Path | None = None,
    metrics: Sequence[str] | None = None,
    recognizer: Recognizer | None = None,
    translate_back: Translate | None = None,
) -> Measurement:
    """All that can be measured on a dub, whoever made it.

    ``dubbed`` and ``source`` are videos or sounds. ``reference``: the lines of the source, with their times and
    translations where known; ``reference_subtitles``: those of the translation, if not made of these lines. ``record``
    says which lines the tool made of what. ``speech_track``: the dubbed speech alone, in the result's time; without it,
    speech is what voice activity finds in the result. ``subtitles``: SRT or WebVTT in the target language.
    ``metrics``: names of the table, all by default; ``recognizer`` hears the dub (one for many calls loads once);
    ``translate_back`` translates target texts into the source language, for the round trip of ``translation_quality``.

    What could not be measured is in ``absent`` with the reason. Raises ``InputError`` for files that cannot be read,
    ``SettingsError`` for an unknown metric.
    """
    wanted = chosen(metrics)
    given = _Given(
        dubbed,
        source,
        source_language,
        target_language,
        reference,
        reference_subtitles,
        record,
        speech_track,
        subtitles,
    )
    look = _Look(given, recognizer)
    values: dict[str, float] = {}
    signatures: dict[str, str] = {}
    absent: dict[str, str] = {}
    rows = _rows(look, wanted, absent)
    scores = pooling.from_rows([rows], wanted)
    for name in wanted:
        if METRICS[name].pool == "rows" and name not in scores.values:
            absent.setdefault(name, scores.problems.get(name) or _reason(name, given))
    values.update(scores.values)
    signatures.update(scores.signatures)
    for name in HEARD:
        if name in values:
            signatures[name] = f"{signatures[name]}|{look.recognizer.signature}"
    if record is not None:
        values.update({name: value for name, value in costs(record).items() if name in wanted})
    for name, direct in _DIRECT.items():
        if name not in wanted:
            continue
        try:
            value, signature = direct(look, translate_back)
        except (EngineError, WeightsError) as error:
            absent[name] = str(error)
            continue
        if value is None:
            absent[name] = _reason(name, given)
        else:
            values[name] = value
            if signature is not None:
                signatures[name] = signature
    for name in wanted:
        if name not in values and name not in absent:
            absent[name] = _reason(name, given)
    ordered = {name: values[name] for name in wanted if name in values}
    return rows.model_copy(update={"values": ordered, "signatures": signatures, "absent": absent})


# ---------------------------------------------------------------- listening


class Activity:
    """Where somebody speaks in a sound, by Silero, no padding; the network looks at it once, on first use."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def speech(self, min_silence_s: float = MIN_SILENCE_S) -> list[Interval]:
        """The stretches of speech; shorter silences part none."""
        sound, probabilities = self._looked
        return self._silero.stretches(sound, probabilities, THRESHOLD, MIN_SPEECH_S, min_silence_s)

    @cached_property
    def _silero(self) -> Silero:
        from vtlab.engines.voice_activity.silero import Silero

        return Silero(Silero.Options(), 1)

    @cached_property
    def _looked(self) -> tuple[Audio, Any]:
        sound = resample(mono(self._audio), SPEECH_RATE_HZ)
        return sound, self._silero.probabilities(sound)


def voice_activity(audio: Audio) -> list[Interval]:
    """Where somebody speaks, by Silero, no padding."""
    return Activity(audio).speech()


# ---------------------------------------------------------------- speech against speech


@dataclass(frozen=True)
class SpeechScores:
    """Scores of a dubbed speech track.

    ``heard`` is parallel to the dubbed lines (``None``: silent), ``lines`` and ``matched`` to the source's lines;
    ``speech`` is where the track speaks.
    """

    heard: tuple[Interval | None, ...]
    lines: tuple[Interval, ...]
    matched: tuple[Interval | None, ...]
    speech: tuple[Interval, ...]
    sync: SyncScores
    coverage: CoverageScores
    speed: SpeedScores
    overruns: int
    completeness: float | None
    loudness_spread_db: float | None


def measure_speech(
    track: Audio, lines: Sequence[DubbedLine], source: Audio, reference: Sequence[Interval] | None = None
) -> SpeechScores:
    """Scores of a dubbed speech track against the sound of its source, for tools whose lines are known.

    ``track`` and ``source`` start with the picture, at any rate; ``reference`` are the exact times of the source's
    lines. Without them the lines are what voice activity finds in the source between pauses of ``LINE_PAUSE_S``.
    Source speech for coverage is the voice activity within the reference's lines: a line may be a page with pauses.
    Speeds and overruns are those of the plan, which no sound can tell.
    """
    lines = sorted(lines, key=lambda line: line.planned.start)
    levels = levels_db(track)
    heard = heard_lines(levels, [line.planned for line in lines])
    said_lines, said = _source_lines(Activity(source), reference)
    speech = voice_activity(track)
    matched = match_lines(said_lines, [line.source for line in lines], heard, levels)
    spoken = [line for line in lines if pooling.has_words(line.text)]
    sounding = [span for span in heard if span is not None]
    silent = sum(span is None for line, span in zip(lines, heard, strict=True) if line in spoken)
    return SpeechScores(
        heard=tuple(heard),
        lines=tuple(said_lines),
        matched=tuple(matched),
        speech=tuple(speech),
        sync=drift(said_lines, matched),
        coverage=coverage(said, speech, source.duration),
        speed=speeds([line.speed for line in spoken if line.speed is not None]),
        overruns=overruns([line.planned for line in lines]),
        completeness=1 - silent / len(spoken) if spoken else None,
        loudness_spread_db=loudness_spread_db(mono(track), sounding),
    )


def _source_lines(source: Activity, reference: Sequence[Interval] | None) -> tuple[Sequence[Interval], list[Interval]]:
    """The lines of the source, and where it speaks."""
    if reference is None:
        return source.speech(LINE_PAUSE_S), source.speech()
    return reference, common(source.speech(), reference)


# ---------------------------------------------------------------- looking at one dub


@dataclass(frozen=True)
class _Given:
    """What there is to measure."""

    dubbed: Path
    source: Path
    source_language: str
    target_language: str
    reference: Sequence[ReferenceSegment] | None
    reference_subtitles: Sequence[Cue] | None
    record: Record | None
    speech_track: Path | None
    subtitles: Path | None


class _Look:
    """The files as they are needed: each is decoded, and each model asked, at most once."""

    def __init__(self, given: _Given, recognizer: Recognizer | None) -> None:
        self.given = given
        self._recognizer = recognizer

    @cached_property
    def source_info(self) -> MediaInfo:
        return probe(self.given.source)

    @cached_property
    def dubbed_info(self) -> MediaInfo:
        return probe(self.given.dubbed)

    @cached_property
    def dubbed_stream(self) -> AudioStream:
        return choose_audio(self.dubbed_info, None, self.given.target_language)

    @cached_property
    def source(self) -> Audio:
        """What was dubbed, 16 kHz mono."""
        record = self.given.record
        number = None if record is None else record.source.audio_stream
        stream = choose_audio(self.source_info, number, self.given.source_language)
        return decode_speech(self.given.source, stream, self.source_info.duration_s)

    @cached_property
    def mix(self) -> Audio:
        """The sound of the result, 16 kHz mono."""
        return decode_speech(self.given.dubbed, self.dubbed_stream, self.dubbed_info.duration_s)

    @cached_property
    def speech(self) -> Audio:
        """The dubbed speech, 16 kHz mono: the speech track, or else the whole result."""
        file = self.given.speech_track
        if file is None:
            return self.mix
        info = probe(file)
        return decode_speech(file, info.audio[0], info.duration_s)

    @cached_property
    def source_activity(self) -> Activity:
        return Activity(self.source)

    @cached_property
    def dubbed_activity(self) -> Activity:
        return Activity(self.speech)

    @cached_property
    def dubbed_speech(self) -> list[Interval]:
        return self.dubbed_activity.speech()

    @cached_property
    def levels(self) -> Any:
        levels = levels_db(self.speech)
        return levels if self.given.speech_track is not None else within(levels, self.dubbed_speech)

    @cached_property
    def reference_times(self) -> list[Interval] | None:
        """When the reference says its lines, where it knows that of all of them."""
        reference = self.given.reference
        times = [Interval(s.start, s.end) for s in reference or () if s.start is not None and s.end is not None]
        return times if reference and len(times) == len(reference) else None

    @cached_property
    def source_lines(self) -> tuple[Sequence[Interval], list[Interval]]:
        return _source_lines(self.source_activity, self.reference_times)

    @cached_property
    def heard_words(self) -> tuple[Word, ...]:
        return self.recognizer.recognize(self.speech, self.given.target_language)

    @property
    def recognizer(self) -> Recognizer:
        if self._recognizer is None:
            self._recognizer = Recognizer()
        return self._recognizer

    @cached_property
    def cues(self) -> list[Cue]:
        return [] if self.given.subtitles is None else subtitles.read_subtitles(self.given.subtitles)

    @cached_property
    def reference_cues(self) -> list[Cue]:
        if self.given.reference_subtitles is not None:
            return list(self.given.reference_subtitles)
        if self.reference_times is None or self.given.reference is None:
            return []
        pairs = zip(self.reference_times, self.given.reference, strict=True)
        return [Cue(span.start, span.end, line.translation) for span, line in pairs if line.translation]


HEARD = ("asr_bleu", "asr_chrf", "tts_wer", "truncated_words")  # these need the dub recognised again
TIMED = frozenset(
    {
        *(name for name in METRICS if name.startswith(("sync_", "speech_", "speed_"))),
        "uncovered_s",
        "duration_compliance_20",
        "overruns",
        "completeness",
        "loudness_spread_db",
        "truncated_words",
        "tail_cut_max_s",
    }
)  # these need to know when the dub speaks
RECORDED = ("wer", "cer", "wer_sub", "wer_ins", "wer_del", "bleu_gold_transcript", "tts_wer", "truncated_words",
            "length_compliance_10", "speed_mean", "speed_p95", "speed_min", "speed_max", "speed_step_max",
            "overruns", "tail_cut_max_s")  # fmt: skip


def _rows(look: _Look, wanted: Sequence[str], absent: dict[str, str]) -> Measurement:
    """The tables that the wanted metrics are computed from, without values."""
    given = look.given
    timed = any(name in wanted for name in TIMED)
    heard: str | None = None
    words: tuple[Word, ...] = ()
    if any(name in wanted and _can_be_heard(name, given) for name in HEARD):
        try:
            words = look.heard_words
            heard = " ".join(word.text for word in words)
        except (EngineError, WeightsError) as error:
            absent.update({name: str(error) for name in HEARD if name in wanted})
    lines, spans = _lines(look, timed, heard)
    segments = _segments(look, timed, spans, heard)
    return Measurement(
        source_language=given.source_language,
        target_language=given.target_language,
        seconds=look.source_info.duration_s,
        values={},
        signatures={},
        segments=tuple(segments),
        dub_segments=tuple(lines),
        cues=tuple(CueMeasure(start=cue.start, end=cue.end, text=cue.text) for cue in look.cues),
        reference_cues=tuple(CueMeasure(start=cue.start, end=cue.end, text=cue.text) for cue in look.reference_cues),
        source_speech=tuple((span.start, span.end) for span in look.source_lines[1]) if timed else None,
        dubbed_speech=tuple((span.start, span.end) for span in look.dubbed_speech) if timed else None,
    )


def _can_be_heard(name: str, given: _Given) -> bool:
    if METRICS[name].needs_reference:
        return any(line.translation for line in given.reference or ())
    return given.record is not None


@dataclass(frozen=True)
class _Spoken:
    """Where a line of the tool stands in the source, and where it is heard in the dub."""

    source: Interval
    heard: Interval | None


def _lines(look: _Look, timed: bool, heard: str | None) -> tuple[list[DubSegment], list[_Spoken]]:
    record = look.given.record
    if record is None:
        return _lines_by_ear(look) if timed else ([], [])
    segments = sorted(record.segments, key=lambda segment: segment.planned_start)
    spans: list[Interval | None] = [None] * len(segments)
    if timed:
        spans = heard_lines(look.levels, [Interval(s.planned_start, s.planned_end) for s in segments])
    texts: list[str | None] = [None] * len(segments)
    if heard is not None:
        texts = [*resegment([s.spoken_text for s in segments], heard, look.given.target_language)]
    lines = [
        DubSegment(
            id=segment.id,
            source_start=segment.start,
            source_end=segment.end,
            source_text=segment.text,
            start=segment.planned_start,
            end=segment.planned_end,
            heard_start=None if span is None else span.start,
            heard_end=None if span is None else span.end,
            text=segment.spoken_text,
            heard=text,
            speed=_speed(segment, span) if timed else segment.speed,
            cut_s=_cut(segment, span),
            loudness_lufs=None if span is None else loudness_lufs(cut(look.speech, span.start, span.end)),
        )
        for segment, span, text in zip(segments, spans, texts, strict=True)
    ]
    places = [_Spoken(Interval(s.start, s.end), span) for s, span in zip(segments, spans, strict=True)]
    return lines, places


def _lines_by_ear(look: _Look) -> tuple[list[DubSegment], list[_Spoken]]:
    """Without a record: a line is a stretch of speech between pauses, and says what the source says meanwhile."""
    spans = look.dubbed_activity.speech(LINE_PAUSE_S)
    lines = [
        DubSegment(
            id=number,
            source_start=span.start,
            source_end=span.end,
            start=span.start,
            end=span.end,
            heard_start=span.start,
            heard_end=span.end,
            text="",
            loudness_lufs=loudness_lufs(cut(look.speech, span.start, span.end)),
        )
        for number, span in enumerate(spans)
    ]
    return lines, [_Spoken(span, span) for span in spans]


def _speed(segment: SegmentRecord, heard: Interval | None) -> float:
    """The record's speed; what the sound says where it is clearly another than the recorded one."""
    if segment.measured_start is None or segment.measured_end is None or heard is None:
        return segment.speed
    change = (segment.measured_end - segment.measured_start) / heard.duration
    return segment.speed * change if abs(change - 1) > SPEED_CHANGED else segment.speed


def _cut(segment: SegmentRecord, heard: Interval | None) -> float | None:
    if segment.measured_start is None or segment.measured_end is None or heard is None:
        return None
    moved = heard.start - segment.measured_start
    return max(0.0, segment.measured_end + moved - heard.end)


def _segments(look: _Look, timed: bool, spoken: Sequence[_Spoken], heard: str | None) -> list[SegmentMeasure]:
    given = look.given
    places: Sequence[Interval] = ()
    matched: Sequence[Interval | None] = ()
    if timed:
        places = look.source_lines[0]
        sources, spans = [line.source for line in spoken], [line.heard for line in spoken]
        matched = match_lines(places, sources, spans, look.levels)
    times = [_times(place, match) for place, match in zip(places, matched, strict=True)]
    reference = given.reference
    if reference is None:
        return [SegmentMeasure(index=index, **time) for index, time in enumerate(times)]
    recognised, translated = _tools_texts(given, look.cues)
    cuts = [
        _cut_to([line.text for line in reference], recognised, given.source_language),
        _cut_to([_translation(line) for line in reference], translated, given.target_language),
        _cut_to([_translation(line) for line in reference], heard, given.target_language),
    ]
    exact = look.reference_times is not None
    engines = {} if given.record is None else {run.stage: run.engine for run in given.record.engines}
    gold = engines.get("transcription") == "reference" and engines.get("translation") != "reference"
    rows = [
        SegmentMeasure(
            index=index,
            speaker=line.speaker,
            text=line.text or None,
            translation=line.translation,
            recognised=cuts[0][index],
            translated=cuts[1][index],
            gold_transcript=gold,
            heard=cuts[2][index],
            **(times[index] if exact and timed else {}),
        )
        for index, line in enumerate(reference)
    ]
    extra = [] if exact else [SegmentMeasure(index=index, **time) for index, time in enumerate(times, len(rows))]
    return rows + extra


def _times(place: Interval, match: Interval | None) -> dict[str, Any]:
    times: dict[str, Any] = {"start": place.start, "end": place.end}
    if match is not None:
        times |= {
            "dubbed_start": match.start,
            "dubbed_end": match.end,
            "onset_ms": 1000 * (match.start - place.start),
            "offset_ms": 1000 * (match.end - place.end),
        }
    return times


def _translation(line: ReferenceSegment) -> str:
    return " ".join((line.translation or "").split())


def _tools_texts(given: _Given, cues: Sequence[Cue]) -> tuple[str | None, str | None]:
    """The tool's transcript and translation, whole; its subtitles tell the translation where no record does."""
    if given.record is not None:
        segments = given.record.segments
        return " ".join(s.text for s in segments), " ".join(s.translation for s in segments)
    return None, " ".join(" ".join(cue.text.split()) for cue in cues) if cues else None


def _cut_to(lines: Sequence[str], whole: str | None, language: str) -> list[str | None]:
    if whole is None:
        return [None] * len(lines)
    return [*resegment(lines, whole, language)]


# ---------------------------------------------------------------- metrics that no row holds

Direct = Callable[[_Look, Translate | None], tuple[float | None, str | None]]


def _duration_error(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    """By the pictures' frames where both have one, else by the files' lengths."""
    before, after = look.source_info, look.dubbed_info
    if before.video is not None and after.video is not None:
        frames = abs(count_frames(look.given.dubbed) - count_frames(look.given.source))
        return float(max(frames, abs(after.duration_s - before.duration_s) * float(before.video.fps))), None
    return abs(after.duration_s - before.duration_s) * ASSUMED_FPS, f"frames of 1/{ASSUMED_FPS:g} s: no picture"


def _loudness(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    stream = look.dubbed_stream
    channels = min(stream.channels, 2)
    meter = LoudnessMeter(stream.rate, channels)
    for block in decode_blocks(look.given.dubbed, stream, stream.rate, channels, look.dubbed_info.duration_s):
        meter.add(block)
    return meter.lufs(), "EBU R128, integrated"


def _true_peak(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    stream = look.dubbed_stream
    blocks = decode_blocks(look.given.dubbed, stream, stream.rate, min(stream.channels, 2), look.dubbed_info.duration_s)
    peaks = [true_peak_dbtp(Audio(block, stream.rate)) for block in blocks]
    return max((peak for peak in peaks if peak is not None), default=None), "BS.1770-4, fourfold"


def _voice_mos(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    return VoiceMos()(look.speech, look.dubbed_speech), mos_signature()


def _leak(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    track = None if look.given.speech_track is None else look.speech
    both = common(look.source_lines[1], look.dubbed_speech)
    return source_leak_db(look.mix, look.source, both, track), None


def _background(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    return background_loss_db(look.mix, look.source, [*look.source_lines[1], *look.dubbed_speech]), None


def _invented(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    return float(invented_lines(look.source_activity.speech(), look.dubbed_speech)), None


def _translation_quality(look: _Look, back: Translate | None) -> tuple[float | None, str | None]:
    record = look.given.record
    if record is None:
        return None, None
    sources, translations = [s.text for s in record.segments], [s.translation for s in record.segments]
    quality = translation_quality(
        sources,
        translations,
        look.given.source_language,
        look.given.target_language,
        None if back is None else back(translations),
    )
    return (None, None) if quality is None else (quality.score, quality.signature)


def _srt_valid(look: _Look, _: Translate | None) -> tuple[float | None, str | None]:
    file = look.given.subtitles
    return (None, None) if file is None else (subtitles.srt_valid(file), None)


_DIRECT: dict[str, Direct] = {
    "translation_quality": _translation_quality,
    "duration_error_frames": _duration_error,
    "loudness_lufs": _loudness,
    "true_peak_dbtp": _true_peak,
    "voice_mos": _voice_mos,
    "source_leak_db": _leak,
    "background_loss_db": _background,
    "invented_lines": _invented,
    "srt_valid": _srt_valid,
}


def _reason(name: str, given: _Given) -> str:
    """Why a metric was not measured."""
    needs_record = "needs the tool's record (--record), which says what it recognised, spoke and took"
    if name.startswith("subtitle_") or name in ("srt_valid", "suber"):
        if given.subtitles is None:
            return "needs subtitles in the target language (--subtitles)"
        return "the subtitles are empty" if name != "suber" else "needs a reference with times and translations"
    if METRICS[name].needs_reference and not given.reference:
        return "needs a reference (--reference)"
    if name in RECORDED and given.record is None:
        return needs_record
    if name == "bleu_gold_transcript":
        return "needs a dub whose transcription is the reference's own"
    if name in ("bleu", "chrf", "asr_bleu", "asr_chrf") and not any(line.translation for line in given.reference or ()):
        return "the reference has no translation"
    if name in ("bleu", "chrf") and given.record is None:
        return "needs the tool's record (--record) or subtitles (--subtitles)"
    if name == "background_loss_db":
        return "the source has no background to lose where nobody speaks"
    if METRICS[name].unit in ("s", "MB", "results") or name in ("rtf", "translation_quality"):
        return needs_record if given.record is None else "the record does not tell it"
    return "there is no speech to measure it on"
