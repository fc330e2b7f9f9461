"""The eight stages in order on one video.

``dub`` is the whole story: each stage is a function of ``vtlab.stages``, given what the one before made, an engine and
its own section of the settings. Segments flow through stages 3, 4 and 5 as they come. What each stage made is kept in
the store under a key made of everything it depends on: a second dub computes nothing, a killed one goes on where it
was. Stages and engines know nothing of the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtlab import media
from vtlab.audio import cut
from vtlab.engines import check_engines
from vtlab.engines.choice import Choice, choose_listeners
from vtlab.engines.choice.translators import Leg, choose_translators
from vtlab.engines.choice.voices import Cast, choose_voices
from vtlab.engines.pool import EnginePool
from vtlab.engines.transcription import TranscriptionEngine
from vtlab.errors import name_file
from vtlab.events import Listener, progress_shown
from vtlab.languages import language_code
from vtlab.outputs import Destination, Dub, FinishedFiles, publish, work_folder
from vtlab.record import Source
from vtlab.run import DubContext, SegmentListener, engine_records, memory_budget_mb
from vtlab.segments import Interval, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import Settings, resolve_settings
from vtlab.stages import (
    audio_extraction,
    audio_sync,
    initialization,
    subtitle_generation,
    transcription,
    translation,
    tts,
    video_combination,
)
from vtlab.stages.audio_extraction import SourceSound
from vtlab.store.results import Store
from vtlab.store.stages import (
    StoredMix,
    StoredSegments,
    spoken_segments,
    transcribed_segments,
    transcript_depends,
    translated_segments,
)
from vtlab.text.glossary import load_glossary


def dub(
    video: Path | str,
    to: str | None = None,
    source: str | None = None,
    out: Path | str = ".",
    settings: Settings | Path | str | None = None,
    *,
    on_event: Listener | None = None,
    checkpoint: Callable[[], None] = lambda: None,
    on_segment: SegmentListener = lambda segment: None,
    pool: EnginePool | None = None,
    overwrite: bool = False,
    **overrides: Any,
) -> Dub:
    """Dub a video: the same picture, spoken in another language, with subtitles in both.

    The files are named after the video. What was computed is kept: a second call computes only what its settings
    change, and an interrupted one goes on where it was. Nothing half-written stays behind.

    Args:
        video: The video or sound to dub.
        to: Language to dub into (``"en"``), where the settings do not name it.
        source: Language spoken in the video; detected where neither this nor the settings name it.
        out: Folder for the results; made where it is missing.
        settings: Settings, a YAML file of settings, or ``None`` for the defaults.
        on_event: Gets every event. By default a terminal or a notebook shows a progress bar.
        checkpoint: Called at least once per segment. It may block, to pause, or raise ``Cancelled``.
        on_segment: Gets each segment as it leaves stages 3, 4 and 5, in the thread of that stage, and each that stage 6
            renders (none where the mix is in the store).
        pool: Keeps loaded engines between dubs.
        overwrite: Replace files that no dub of this video made, which are refused otherwise. The video itself is never
            replaced.
        **overrides: Single settings: sections as dictionaries (``tts={"voice": "pf_dora"}``) or dotted keys
            (``**{"tts.voice": "pf_dora"}``).

    Returns:
        The files and the record of the dub.

    Raises:
        InputError: The file cannot be dubbed, or a result would replace another file (``E_EXISTS``).
        SettingsError: A setting is unknown or out of range; names the nearest.
        UserError: The languages, engines, weights or the machine must be changed first.
        Cancelled: ``checkpoint`` raised it.

    Examples:
        >>> import vtlab
        >>> dub = vtlab.dub("talk.mp4", to="en", source="pt", out="dubbed", tts={"engines": ["piper"]})
        >>> dub.video.name
        'talk.en.mp4'
        >>> dub.lines()[["text", "translation", "speed"]].shape
        (4, 3)
    """
    began = time.perf_counter()
    languages = {"source_language": source, "target_language": to}
    changes = {**overrides, **{key: language_code(text) for key, text in languages.items() if text is not None}}
    resolved = resolve_settings(settings, changes)
    with nullcontext(on_event) if on_event is not None else progress_shown() as listener:
        pool = pool or EnginePool(memory_budget_mb(resolved))
        store = Store.from_settings(resolved.store)
        context = DubContext(resolved, store, pool, listener, checkpoint, on_segment, began)
        with context.active():
            return _dub(context, Destination(Path(video), Path(out), overwrite=overwrite))


def _dub(context: DubContext, destination: Destination) -> Dub:
    settings = context.settings
    with context.stage("initialization"):
        target = initialization.target_language(settings)
        check_engines(settings)
        info = media.probe(destination.video)
        media.check_ffmpeg(burn=video_combination.encodes(info, settings.video_combination))
        suffix = video_combination.output_suffix(info, settings.video_combination)
        initialization.check_room(destination.video, info.duration_s, destination.folder, context.store.folder)
        destination.check(settings.source_language, target, suffix, settings.audio_sync.keep_speech_track)
        listeners = choose_listeners(settings)
        voices = choose_voices(settings, target, context.report)
        context.log("initialization", f"voice: {voices[0].choice.name}, {voices[0].lead.name}")
        glossary = load_glossary(settings.translation.glossary)
        if settings.source_language is not None:
            choose_translators(settings, settings.source_language, target)

    with context.stage("audio_extraction") as tally:
        extraction = audio_extraction.extract(info, settings.audio_extraction, settings.source_language, context.report)
        source = SourceSound(extraction)
        key = context.store.key("audio_extraction", source.name)
        _, reused = context.stored_answer("audio_extraction", key, lambda: source.decode(context.report))
        tally.count(reused=reused, computed=not reused)

    context.start("transcription")
    transcript = _transcribe(context, source, listeners)
    initialization.check_pair(transcript.language, target)
    legs = choose_translators(settings, transcript.language, target)
    translated = _translate(context, transcript, source, legs, glossary)
    context.start("translation")
    context.start("tts")
    with context.prefetch(translated.segments) as segments:
        spoken = list(_speak(context, segments, translated.stored, voices, info.duration_s))

    with work_folder(destination.folder) as work:
        stored = StoredMix(context.store, spoken, transcript.speech, source.name, settings)
        known = stored.get()
        with context.stage("audio_sync"):
            context.count_mix("audio_sync", known, len(spoken))
            if known is not None:
                placed = known.placed(spoken)
            else:
                placed = audio_sync.synchronise(
                    spoken, source.speech, info.duration_s, settings.audio_sync, context.report, context.checkpoint
                )
                for segment in placed:
                    context.on_segment(segment)
            source.release()
        with context.stage("subtitle_generation"):
            subtitles = subtitle_generation.generate(
                placed, (transcript.language, target), settings.subtitle_generation, info, work, context.report
            )
        with context.stage("video_combination") as tally:
            context.count_mix("video_combination", known, 1)
            if known is not None:
                mix = known.mix
            else:
                mix = video_combination.write_mix(
                    extraction,
                    placed,
                    transcript.speech,
                    settings.audio_sync,
                    settings.video_combination,
                    work,
                    context.checkpoint,
                    context.report,
                )
                mix = stored.put(placed, mix, context.select_findings("audio_sync", "video_combination"))
            if video_combination.encodes(info, settings.video_combination):
                tally.count(computed=1)
            dubbed = work / f"dub{suffix}"
            video_combination.combine(
                extraction,
                mix.file,
                target,
                [track for track in subtitles if track.path.suffix == ".srt"],
                settings.video_combination,
                dubbed,
                work,
                context.checkpoint,
                context.report,
            )
        record = context.record(
            Source.from_extraction(extraction, source.sha256, transcript.language, transcript.confidence),
            target,
            engine_records(listeners, legs, voices, transcript.language, placed),
            placed,
            transcript.speech,
            mix,
        )
        return publish(work, destination, FinishedFiles(dubbed, tuple(subtitles), mix.speech_track), record)


# ---------------------------------------------------------------- stages 2 and 3: the sound and its transcript


@dataclass(frozen=True)
class _Transcript:
    """The language and where somebody speaks, known before the first segment; and the segments as they come."""

    language: str
    confidence: float | None
    speech: tuple[Interval, ...]
    stored: StoredSegments[Segment]
    segments: Iterable[Segment]


def _transcribe(
    context: DubContext, source: SourceSound, listeners: tuple[Choice, Choice[TranscriptionEngine]]
) -> _Transcript:
    """Find the language and the speech now, and the segments as the reader asks for them."""
    settings, section = context.settings, context.settings.transcription
    activity, recogniser = listeners
    voice_activity = context.voice_activity(activity, source.name)
    engine = context.transcriber(recogniser, source.name)
    video = source.extraction.info.path
    depends = transcript_depends(settings, source.name, listeners)

    def open_transcript() -> dict[str, Any]:
        with name_file(video):
            speech = transcription.find_speech(source.speech, voice_activity, section.voice_activity)
        language, confidence = settings.source_language, None
        if language is None:
            detection = transcription.detect_language(source.speech, speech, engine, section, context.report)
            language, confidence = detection.language, detection.confidence
        spans = [(interval.start, interval.end) for interval in speech]
        return {"language": language, "confidence": confidence, "speech": spans}

    key = context.store.key("transcription_opening", *depends)
    opening, _ = context.stored_answer("transcription", key, open_transcript)
    speech = tuple(Interval(start, end) for start, end in opening["speech"])

    def recognise(_: Iterable[None]) -> Generator[Segment, None, None]:
        with name_file(video):
            yield from transcription.transcribe(
                source.speech, speech, engine, section, opening["language"], context.report
            )

    stored = transcribed_segments(context.store, depends)
    segments = context.stored_segments("transcription", stored, (), recognise)
    return _Transcript(opening["language"], opening["confidence"], speech, stored, segments)


# ---------------------------------------------------------------- stages 4 and 5: translation and speech


@dataclass(frozen=True)
class _Translation:
    """The translated segments, as they come, and where they are kept."""

    stored: StoredSegments[TranslatedSegment]
    segments: Iterable[TranslatedSegment]


def _translate(
    context: DubContext,
    transcript: _Transcript,
    source: SourceSound,
    legs: Sequence[Leg],
    glossary: dict[str, str],
) -> _Translation:
    settings = context.settings
    engine = context.translator(legs)
    stored = translated_segments(context.store, transcript.stored, settings, glossary, legs)

    def translate(segments: Iterable[Segment]) -> Generator[TranslatedSegment, None, None]:
        yield from translation.translate(
            segments,
            engine,
            settings.translation,
            transcript.language,
            legs[-1].target,
            engine_name="+".join(leg.choice.name for leg in legs),
            glossary=glossary,
            speech=lambda segment: cut(source.speech, segment.start, segment.end),
            on_finding=context.report,
        )

    def prefetched() -> Generator[TranslatedSegment, None, None]:
        with context.prefetch(transcript.segments) as segments:
            yield from context.stored_segments("translation", stored, segments, translate)

    return _Translation(stored, prefetched())


def _speak(
    context: DubContext,
    translated: Iterable[TranslatedSegment],
    stored_translation: StoredSegments[TranslatedSegment],
    voices: Sequence[Cast],
    total_s: float,
) -> Iterator[SpokenSegment]:
    settings = context.settings
    engines = [context.voice_engine(cast) for cast in voices]

    def speak(segments: Iterable[TranslatedSegment]) -> Generator[SpokenSegment, None, None]:
        yield from tts.speak(segments, engines, settings.tts, settings.audio_sync, total_s, context.report)

    stored = spoken_segments(context.store, stored_translation, settings, voices)
    return context.stored_segments("tts", stored, translated, speak)
