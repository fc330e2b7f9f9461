"""Measure a dub, whoever made it: its file, its source, and a reference where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from vtlab.audio import Audio, cut, levels_db, loudness_lufs, mono
from vtlab.errors import EngineError, InputError, WeightsError
from vtlab.files import sha256_of
from vtlab.languages import language_code
from vtlab.measurement.activity import SpeechActivity
from vtlab.measurement.matching import PlannedSegment, find_audible_spans
from vtlab.measurement.recognizer import Recognizer
from vtlab.measurement.references import ReferenceClip, read_reference
from vtlab.measurement.results import Measurement
from vtlab.measurement.tables import as_pairs, build_rows, match_times
from vtlab.measurement.tracks import MediaTracks, source_segments, source_speech
from vtlab.metrics.aggregation import score
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Translate
from vtlab.metrics.metric import Metric
from vtlab.metrics.needs import RECOGNITION, TIMES
from vtlab.metrics.reference import ReferenceSegment
from vtlab.metrics.registry import METRICS, expand_word, find_metric, resolve_metrics
from vtlab.metrics.rows import DubSegment, SegmentMeasure
from vtlab.record import Record
from vtlab.segments import Cue, Interval

if TYPE_CHECKING:
    from vtlab.outputs import Dub

Reference = ReferenceClip | list[ReferenceSegment] | tuple[ReferenceSegment, ...] | Path | str
UNDETERMINED = "und"  # ISO 639's code of a language that nobody told


def measure(
    dub: Dub | Path | str,
    source: Path | str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    *,
    reference: Reference | None = None,
    reference_subtitles: Sequence[Cue] | None = None,
    record: Record | Path | None = None,
    speech_track: Path | None = None,
    subtitles: Path | None = None,
    metrics: Sequence[str] | None = None,
    recognizer: Recognizer | None = None,
    translate_back: Translate | None = None,
) -> Measurement:
    """Measure all that can be told from the files of a dub.

    With a dub of ``vtlab.dub``, or a file beside its record (``*.dub.json``), the rest is known.

    Args:
        dub: What ``vtlab.dub`` answered, or the dubbed file of any tool.
        source: What was dubbed; by default the record's or the reference clip's.
        source_language: Spoken in the source; by default the record's or the reference clip's. So is the target's.
        target_language: Spoken in the dub.
        reference: A clip of a data set, its segments, or a file: a line of a manifest, a manifest, or the translation
            as SRT, WebVTT or text.
        reference_subtitles: Subtitles of the reference translation, if they are not made of its segments.
        record: What the tool recorded, or its file, beside which its speech track and subtitles are found; by default
            the one beside the dubbed file, where it is of that very file.
        speech_track: The dubbed speech alone, in the dub's time; by default the record's. Without it, speech is what
            voice activity finds in the dub.
        subtitles: SRT or WebVTT in the target language; by default the record's.
        metrics: Names, groups or dotted paths; all of this package by default. What they do not need is not done.
        recognizer: Recognises the dub; one for many calls loads its model once.
        translate_back: Translates target texts into the source language, for the round trip of
            ``translation_quality``.

    Returns:
        The values, and for each metric that could not be measured the reason.

    Raises:
        InputError: A file cannot be read, or nothing tells the source or a language.
        SettingsError: There is no such metric; names the nearest.

    Examples:
        >>> import vtlab
        >>> measured = vtlab.measure("dubbed/talk.en.mp4", reference="dubbed/talk.en.srt", metrics=["text", "sync"])
        >>> measured["completeness"].value, measured["wer"].why_absent
        (1.0, 'the reference has no transcript')
    """
    names = resolve_metrics(metrics)
    if isinstance(dub, (str, Path)):
        dubbed = Path(dub)
        if record is None and find_record(dubbed) is not None:
            record = record_file(dubbed)
        files = _files_beside(record) if isinstance(record, Path) else {}
    else:
        dubbed, files = dub.media, dub.files
        source = source or dub.source
        record = record or dub.record
    if isinstance(record, Path):
        record = read_record(record)
    lines: Sequence[ReferenceSegment] = ()
    reference_file: Path | None = None
    if record is not None:
        source = source or record.source.file
        source_language = source_language or record.source_language
        target_language = target_language or record.target_language
    if isinstance(reference, (str, Path)):
        reference_file = Path(reference)
    elif isinstance(reference, (list, tuple)):
        lines = reference
    elif reference is not None:
        source = source or reference.path
        source_language = source_language or reference.source_language
        target_language = target_language or reference.target_language
        lines = reference.segments
    if source is None or source_language is None or target_language is None:
        raise InputError(
            f"There is no record beside {dubbed}; name its source (--source), its language (--from) and the dub's "
            "(--to)."
        )
    if reference_file is not None:
        lines, cues = read_reference(reference_file, Path(source))
        reference_subtitles = reference_subtitles or cues
    target = language_code(target_language)
    tracks = MediaTracks(
        dubbed,
        Path(source),
        language_code(source_language),
        target,
        reference=lines or None,
        reference_subtitles=reference_subtitles,
        record=record,
        speech_track=speech_track or files.get("speech_track"),
        subtitles=subtitles or files.get(f"subtitles_{target}_srt"),
        recognizer=recognizer,
        translate_back=translate_back,
    )
    return _measured(tracks, [find_metric(name) for name in names])


def rescore(
    kept: Mapping[str, float],
    dubbed: Path,
    clip: ReferenceClip,
    metrics: Sequence[str],
    *,
    record: Record | Path | None = None,
    recognizer: Recognizer | None = None,
) -> Measurement:
    """Measure these metrics on a dub that was kept; its costs stay as they were measured while it was dubbed.

    Args:
        kept: The values that were measured then.
        dubbed: The kept file.
        clip: The clip that was dubbed.
        metrics: Names, groups or dotted paths.
        record: What the tool recorded, or its file; by default the one beside the dubbed file.
        recognizer: Recognises the dub.

    Raises:
        InputError: A file is gone or cannot be read.
        SettingsError: There is no such metric; names the nearest.
    """
    names, costs = resolve_metrics(metrics), expand_word("cost")
    found = measure(
        dubbed,
        clip.path,
        reference=clip,
        record=record,
        metrics=[name for name in names if name not in costs],
        recognizer=recognizer,
    )
    absent = {name: "is only measured while dubbing" for name in names if name in costs and name not in kept}
    values = found.values | {name: kept[name] for name in names if name in costs and name in kept}
    return found.model_copy(update={"values": values, "absent": found.absent | absent})


def find_record(dubbed: Path) -> Record | None:
    """Return the record beside a dubbed file, where it is of that very file."""
    file = record_file(dubbed)
    if not file.is_file() or not dubbed.is_file():
        return None
    record = read_record(file)
    digest = sha256_of(dubbed)
    return record if any(output.sha256 == digest for output in record.outputs) else None


def record_file(dubbed: Path) -> Path:
    """Return where the record of a dubbed file lies."""
    return Path(f"{dubbed.with_suffix('')}.dub.json")


def read_record(file: Path) -> Record:
    """Read a record.

    Raises:
        InputError: It cannot be read as a record of this version.
    """
    try:
        return Record.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a *.dub.json of this vtlab"
        raise InputError(f"The record {file} cannot be read: {why}. Dub again, or leave --record out.") from error


def _files_beside(record: Path) -> dict[str, Path]:
    """The dub's files by kind that are still there."""
    files = {output.kind: record.parent / output.file for output in read_record(record).outputs}
    return {kind: file for kind, file in files.items() if file.is_file()}


def _measured(tracks: MediaTracks, metrics: Sequence[Metric]) -> Measurement:
    absent: dict[str, str] = {}
    heard = _recognized_text(tracks, metrics, absent)
    rows = build_rows(tracks, any(TIMES in metric.needs for metric in metrics), heard)
    for metric in metrics:
        if not isinstance(metric, FileMetric):
            continue
        try:
            value, signature = metric.measure(tracks)
        except (EngineError, WeightsError) as error:
            absent[metric.name] = str(error)
            continue
        if value is not None:
            rows.values[metric.name] = value
            if signature is not None:
                rows.signatures[metric.name] = signature
    scores = score([rows], [metric.name for metric in metrics])
    for metric in metrics:
        if metric.name not in scores.values:
            absent.setdefault(metric.name, scores.problems.get(metric.name) or metric.why_absent(tracks))
        elif RECOGNITION in metric.needs and tracks.recognizer is not None:
            signature = scores.signatures.get(metric.name)
            scores.signatures[metric.name] = "|".join(filter(None, (signature, tracks.recognizer.signature)))
    return rows.model_copy(update={"values": scores.values, "signatures": scores.signatures, "absent": absent})


def _recognized_text(tracks: MediaTracks, metrics: Sequence[Metric], absent: dict[str, str]) -> str | None:
    """The text of the dubbed speech, where a metric needs it that has all else; or else why there is none."""
    needing = [metric for metric in metrics if RECOGNITION in metric.needs]
    if not any(all(need.met(tracks) for need in metric.needs) for metric in needing):
        return None
    try:
        return " ".join(word.text for word in tracks.recognize())
    except (EngineError, WeightsError) as error:
        absent.update({metric.name: str(error) for metric in needing})
        return None


# ---------------------------------------------------------------- speech against speech


def measure_speech(
    track: Audio, planned: Sequence[PlannedSegment], source: Audio, reference: Sequence[Interval] | None = None
) -> Measurement:
    """Measure the timing of dubbed speech against the sound of its source, where the dub's segments are known.

    Speeds and overruns are those of the plan, which no sound can tell.

    Args:
        track: The dubbed speech, from the picture's start, at any rate.
        planned: The dub's segments.
        source: The source's sound, from the picture's start, at any rate.
        reference: The exact times of the source's segments; by default what voice activity finds between pauses.
    """
    planned = sorted(planned, key=lambda segment: segment.planned.start)
    levels = levels_db(track)
    voice = mono(track)
    heard = find_audible_spans(levels, [segment.planned for segment in planned])
    dub_segments = [
        DubSegment(
            id=number,
            source_start=segment.source.start,
            source_end=segment.source.end,
            source_text="",
            start=segment.planned.start,
            end=segment.planned.end,
            heard_start=None if span is None else span.start,
            heard_end=None if span is None else span.end,
            text=segment.text,
            speed=segment.speed,
            loudness_lufs=None if span is None else loudness_lufs(cut(voice, span.start, span.end)),
        )
        for number, (segment, span) in enumerate(zip(planned, heard, strict=True))
    ]
    activity = SpeechActivity(source)
    times = match_times(source_segments(activity, reference), dub_segments, levels)
    rows = Measurement(
        source_language=UNDETERMINED,
        target_language=UNDETERMINED,
        seconds=source.duration,
        values={},
        signatures={},
        segments=tuple(SegmentMeasure(index=index, **time) for index, time in enumerate(times)),
        dub_segments=tuple(dub_segments),
        source_speech=as_pairs(source_speech(activity, reference)),
        dubbed_speech=as_pairs(SpeechActivity(track).speech()),
    )
    names = [n for n, metric in METRICS.items() if TIMES in metric.needs and RECOGNITION not in metric.needs]
    scores = score([rows], names)
    return rows.model_copy(update={"values": scores.values, "signatures": scores.signatures})
