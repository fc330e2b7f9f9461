"""The eight stages in order on one video.

``dub`` is the whole story: each stage is a function of ``vtlab.stages``, given what the one before made, an engine and
its own section of the settings. Lines flow through stages 3, 4 and 5 as they come. What each stage made is kept in the
store under a key made of everything it depends on: a second run computes nothing, a killed one goes on where it was.
Stages and engines know nothing of the store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from vtlab import __version__, media, resources
from vtlab.audio import Audio, cut
from vtlab.engines import check_engines
from vtlab.engines.choice import Choice, choose_listeners
from vtlab.engines.choice.pivot import Pivot
from vtlab.engines.choice.translators import Leg, choose_translators
from vtlab.engines.choice.voices import Cast, choose_voices
from vtlab.engines.pool import EnginePool
from vtlab.engines.transcription import TranscriptionEngine
from vtlab.engines.tts import Voice
from vtlab.errors import InputError
from vtlab.events import STAGES, Listener, Severity, progress_shown
from vtlab.languages import language_code
from vtlab.outputs import Destination, Dub, printable, publish, work_folder
from vtlab.record import EngineRun, Record, SegmentRecord, Source, WordRecord
from vtlab.run import Run, SegmentListener
from vtlab.segments import (
    Interval,
    PlacedSegment,
    Segment,
    SpokenSegment,
    TranslatedSegment,
    segment_from_json,
    segment_to_json,
    translated_from_json,
    translated_to_json,
)
from vtlab.settings import Settings, fingerprint, resolve_settings
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
from vtlab.store.engines import (
    Identity,
    OnFirstUse,
    StoredSynthesizer,
    StoredTranscriber,
    StoredTranslator,
    StoredVoiceActivity,
    sound_hash,
)
from vtlab.store.results import Store
from vtlab.text.glossary import load_glossary
from vtlab.weights import content_hash

MIX_SETTINGS = {"background", "audio_bitrate_kbps"}  # of video_combination: what the mix depends on


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

    Example:
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
        run = Run(resolved, Store.of(resolved.store), pool, listener, checkpoint, on_segment)
        with run.under_way():
            return _dub(run, Destination(Path(video), Path(out), overwrite=overwrite), began)


def _dub(run: Run, destination: Destination, began: float) -> Dub:
    settings, video, out = run.settings, destination.video, destination.folder
    with run.stage("initialization"):
        target = initialization.target_language(settings)
        check_engines(settings)
        info = media.probe(video)
        initialization.check_room(video, info.duration_s, out, run.store.folder)
        suffix = video_combination.output_suffix(info, settings.video_combination)
        destination.check(settings.source_language, target, suffix, settings.audio_sync.keep_speech_track)
        listeners = choose_listeners(settings)
        voices = choose_voices(settings, target, run.found)
        run.note("initialization", f"voice: {voices[0].choice.name}, {voices[0].lead.name}")
        glossary = load_glossary(settings.translation.glossary)
        if settings.source_language is not None:
            choose_translators(settings, settings.source_language, target)

    with run.stage("audio_extraction"):
        extraction = audio_extraction.extract(info, settings.audio_extraction, settings.source_language, run.found)
        source = _Source(run, extraction)

    transcript = _transcribe(run, source, listeners)
    initialization.check_pair(transcript.language, target)
    legs = choose_translators(settings, transcript.language, target)
    translation_key = _translation_key(run, transcript, legs, glossary)
    run.start("translation")
    run.start("tts")
    with run.ahead(_translate(run, transcript, source, legs, glossary, translation_key)) as translated:
        spoken = list(_speak(run, translated, translation_key, voices, info.duration_s))

    with work_folder(out) as work:
        sound = _Sound(run, spoken, transcript, source)
        placed = sound.place()
        del spoken
        source.forget_speech()
        with run.stage("subtitle_generation"):
            subtitles = _subtitles(run, placed, transcript.language, target, info, work)
        with run.stage("video_combination"):
            mix = sound.mix(placed, work)
            dubbed = work / f"dub{suffix}"
            if video_combination.encodes(info, settings.video_combination):
                run.tallies["video_combination"].count(computed=1)
            video_combination.combine(
                extraction,
                mix.file,
                target,
                [track for track in subtitles if track.path.suffix == ".srt"],
                settings.video_combination,
                dubbed,
                work,
                run.checkpoint,
                run.found,
            )
        files = {"video" if info.video else "audio": dubbed}
        for track in subtitles:
            files[f"subtitles_{track.language}_{track.path.suffix[1:]}"] = track.path
        if mix.speech_track is not None:
            files["speech_track"] = mix.speech_track
        engines = _engines(listeners, legs, voices, transcript.language, placed)
        record = _record(run, source, transcript, target, placed, mix, engines, began)
        return publish(work, destination, files, record)


def memory_budget_mb(settings: Settings) -> float:
    """What loaded engines may take: the setting, else what the machine or its cgroup allows."""
    return settings.initialization.memory_budget_mb or resources.memory_limit_mb()


# ---------------------------------------------------------------- engines


def pooled(settings: Settings, choice: Choice, *pair: str) -> tuple[tuple[str, ...], Callable[[], Any]]:
    """Under which key a pool keeps the engine, and what builds it: for who loads engines before there is a dub."""
    threads = settings.initialization.threads or resources.cores()
    key = (choice.kind, choice.name, choice.options.model_dump_json(), str(threads), *pair)
    return key, partial(choice.engine, choice.options, *pair, threads)


def _on_first_use(run: Run, stage: str, choice: Choice, *pair: str) -> OnFirstUse[Any]:
    """The engine, from the pool or built when the first answer is missing from the store."""
    key, build = pooled(run.settings, choice, *pair)

    def told() -> Any:
        run.note(stage, f"loading {choice.name}{' ' + '-'.join(pair) if pair else ''}")
        return build()

    return run.engine(stage, key, told)


def _identity(choice: Choice) -> Identity:
    return Identity(choice.name, choice.options, choice.weights)


def _voice_identity(choice: Choice, voice: Voice) -> Identity:
    return Identity(choice.name, choice.options, choice.engine.weights(choice.options, voice))


def _engines(
    listeners: Sequence[Choice],
    legs: Sequence[Leg],
    voices: Sequence[Cast],
    language: str,
    placed: Sequence[PlacedSegment],
) -> list[EngineRun]:
    """Whose answers the dub is made of; of the voices those that speak in it."""
    target = legs[-1].target
    runs = [("transcription", choice, language) for choice in listeners]
    runs += [("translation", leg.choice, f"{leg.source}-{leg.target}") for leg in legs]
    heard = {line.spoken.engine for line in placed}
    runs += [("tts", cast.choice, target) for cast in voices if cast.choice.name in heard]
    return [
        EngineRun(
            stage=stage,
            engine=choice.name,
            options=choice.options.model_dump(mode="json"),
            weights=[{**asdict(weights), "path": str(weights.path)} for weights in choice.weights],
            languages=languages,
        )
        for stage, choice, languages in runs
    ]


# ---------------------------------------------------------------- stages 2 and 3: the sound and its transcript


class _Source:
    """The file being dubbed: its streams, its name by content, and its speech.

    What decoding finds is kept in the store. So the speech is decoded in stage 2 when nobody has done it before, else
    not until a stage needs it.
    """

    def __init__(self, run: Run, extraction: media.Extraction) -> None:
        self.extraction = extraction
        self.info = extraction.info
        self.sha256 = content_hash(self.info.path)
        self.sound = f"{self.sha256}:{extraction.stream.index}:{audio_extraction.VERSION}"
        self._decoding = threading.Lock()
        self._speech: Audio | None = None
        key = run.store.key("audio_extraction", self.sound)
        known = run.store.get_json(key)
        if known is not None:
            run.found_again(known)
            run.tallies["audio_extraction"].count(reused=1)
            return
        before = len(run.findings)
        self._speech = audio_extraction.speech_of(extraction, run.found)
        run.tallies["audio_extraction"].count(computed=1)
        run.store.put_json(key, run.found_since(before, "audio_extraction"))

    @property
    def speech(self) -> Audio:
        """16 kHz mono, on the picture's clock; decoded by whichever thread needs it first."""
        with self._decoding:
            if self._speech is None:
                self._speech = audio_extraction.speech_of(self.extraction, lambda finding: None)
            return self._speech

    def forget_speech(self) -> None:
        """Frees the memory: 230 MB an hour."""
        with self._decoding:
            self._speech = None


@dataclass(frozen=True)
class _Transcript:
    """What is known before the first line: the language and where somebody speaks; and the lines, as they come."""

    language: str
    confidence: float | None
    speech: tuple[Interval, ...]
    key: str
    lines: Iterable[Segment]


def _transcribe(run: Run, source: _Source, listeners: tuple[Choice, Choice[TranscriptionEngine]]) -> _Transcript:
    """The language and the speech now, the lines as the reader asks for them."""
    settings = run.settings.transcription
    tally = run.tallies["transcription"]
    activity, recogniser = listeners
    voice_activity = StoredVoiceActivity(
        _on_first_use(run, "transcription", activity), _identity(activity), run.store, tally, source.sound
    )
    engine = StoredTranscriber(
        _on_first_use(run, "transcription", recogniser),
        _identity(recogniser),
        run.store,
        tally,
        source.sound,
        together=recogniser.engine.together,
    )
    depends = (
        transcription.VERSION,
        source.sound,
        run.settings.source_language,
        settings.model_dump(mode="json"),
        *_identity(activity).parts(),
        *_identity(recogniser).parts(),
    )
    opening_key = run.store.key("transcription_opening", 2, *depends)
    run.start("transcription")
    opening = run.store.get_json(opening_key)
    if opening is not None:
        run.found_again(opening["findings"])
    else:
        before = len(run.findings)
        with _naming(source.info.path):
            speech = transcription.find_speech(source.speech, voice_activity, settings.voice_activity)
        if run.settings.source_language is not None:
            language, confidence = run.settings.source_language, None
        else:
            detection = transcription.detect_language(source.speech, speech, engine, settings, run.found)
            language, confidence = detection.language, detection.confidence
        opening = {
            "language": language,
            "confidence": confidence,
            "speech": [(interval.start, interval.end) for interval in speech],
            "findings": run.found_since(before, "transcription"),
        }
        run.store.put_json(opening_key, opening)
    spoken = tuple(Interval(start, end) for start, end in opening["speech"])
    key = run.store.key("transcription_lines", *depends)

    def recognise(_: Iterable[None]) -> Generator[Segment, None, None]:
        with _naming(source.info.path):
            yield from transcription.transcribe(source.speech, spoken, engine, settings, opening["language"], run.found)

    lines = run.kept_lines(
        "transcription", key, (), recognise, segment_to_json, lambda data, _: segment_from_json(data)
    )
    return _Transcript(opening["language"], opening["confidence"], spoken, key, lines)


@contextmanager
def _naming(video: Path) -> Iterator[None]:
    """Says of which file it is that nobody speaks in it: stages know no files."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{video}: {error}", code=error.code) from error


# ---------------------------------------------------------------- stage 4: translation


def _translate(
    run: Run, transcript: _Transcript, source: _Source, legs: Sequence[Leg], glossary: dict[str, str], key: str
) -> Generator[TranslatedSegment, None, None]:
    settings = run.settings.translation
    tally = run.tallies["translation"]
    translators = [
        StoredTranslator(
            _on_first_use(run, "translation", leg.choice, leg.source, leg.target),
            _identity(leg.choice),
            f"{leg.source}-{leg.target}",
            leg.choice.engine.listens,
            run.store,
            tally,
        )
        for leg in legs
    ]
    engine = translators[0] if len(translators) == 1 else Pivot(*translators)
    name = "+".join(leg.choice.name for leg in legs)

    def speech_of(segment: Segment) -> Audio:
        return cut(source.speech, segment.start, segment.end)

    def translate(segments: Iterable[Segment]) -> Generator[TranslatedSegment, None, None]:
        yield from translation.translate(
            segments, engine, settings, transcript.language, legs[-1].target,
            engine_name=name, glossary=glossary, speech=speech_of, on_finding=run.found,
        )  # fmt: skip

    with run.ahead(transcript.lines) as segments:
        yield from run.kept_lines(
            "translation", key, segments, translate, translated_to_json, lambda data, _: translated_from_json(data)
        )


def _translation_key(run: Run, transcript: _Transcript, legs: Sequence[Leg], glossary: dict[str, str]) -> str:
    return run.store.key(
        "translation_lines",
        translation.VERSION,
        transcript.key,
        run.settings.translation.model_dump(mode="json", exclude={"glossary"}),
        glossary,
        [[leg.source, leg.target, *_identity(leg.choice).parts()] for leg in legs],
    )


# ---------------------------------------------------------------- stage 5: speech


def _speak(
    run: Run, translated: Iterable[TranslatedSegment], translation_key: str, voices: Sequence[Cast], total_s: float
) -> Iterator[SpokenSegment]:
    settings = run.settings.tts
    tally = run.tallies["tts"]
    engines = [
        tts.VoiceEngine(
            cast.choice.name,
            StoredSynthesizer(
                _on_first_use(run, "tts", cast.choice),
                cast.choice.engine,
                partial(_voice_identity, cast.choice),
                run.store,
                tally,
            ),
            cast.voice_of,
            cast.choice.engine.seconds_per_unit,
        )
        for cast in voices
    ]

    def speak(lines: Iterable[TranslatedSegment]) -> Generator[SpokenSegment, None, None]:
        yield from tts.speak(lines, engines, settings, run.settings.audio_sync, total_s, run.found)

    def encode(line: SpokenSegment) -> dict[str, Any]:
        sound = run.store.key("tts_line", sound_hash(line.audio))
        run.store.put_audio(sound, line.audio)
        return {
            "text": line.text,
            "sound": sound,
            "rate": line.rate,
            "engine": line.engine,
            "voice": line.voice,
            "attempts": line.attempts,
            "failed": line.failed,
        }

    def decode(data: dict[str, Any], line: TranslatedSegment | None) -> SpokenSegment | None:
        audio = run.store.get_audio(data["sound"])
        if line is None or audio is None:
            return None
        return SpokenSegment(line, audio=audio, **{name: value for name, value in data.items() if name != "sound"})

    def settled(lines: Sequence[dict[str, Any]]) -> bool:
        """Not where a voice failed that may be back tomorrow."""
        return all(line["failed"] is None and line["engine"] in (None, voices[0].choice.name) for line in lines)

    key = run.store.key(
        "tts_lines",
        tts.VERSION,
        translation_key,
        settings.model_dump(mode="json"),
        run.settings.audio_sync.model_dump(mode="json"),
        [[*_identity(cast.choice).parts(), cast.lead.name] for cast in voices],
    )
    return run.kept_lines("tts", key, translated, speak, encode, decode, worth_keeping=settled)


# ---------------------------------------------------------------- stages 6 and 8: places and mix


@dataclass(frozen=True)
class _Mix:
    """The sound of the dub as a file, the speech alone where it is asked for, and what was measured on them."""

    file: Path
    speech_track: Path | None
    loudness_lufs: float | None
    true_peak_dbtp: float | None


class _Sound:
    """The lines at their places (stage 6) and the mix (stage 8), kept in the store together: where the mix is known,
    the lines are not rendered again."""

    def __init__(self, run: Run, spoken: Sequence[SpokenSegment], transcript: _Transcript, source: _Source) -> None:
        self._run, self._spoken, self._transcript, self._source = run, spoken, transcript, source
        # by what was said, not by the settings: a voice that failed yesterday may speak today
        lines = [
            (line.source.source.id, line.source.source.start, line.source.source.end, line.rate, sound_hash(line.audio))
            for line in spoken
        ]
        depends = (
            audio_sync.VERSION,
            video_combination.VERSION,
            source.sound,
            [(interval.start, interval.end) for interval in transcript.speech],
            lines,
            run.settings.audio_sync.model_dump(mode="json"),
            run.settings.video_combination.model_dump(mode="json", include=MIX_SETTINGS),
        )
        self._key, self._file_key, self._track_key = (
            run.store.key(name, *depends) for name in ("audio_sync_mix", "video_combination_mix", "speech_track")
        )
        self._known = run.store.get_json(self._key)
        self._files = (run.store.get_file(self._file_key), run.store.get_file(self._track_key))
        if self._files[0] is None or (self._wants_track and self._files[1] is None):
            self._known = None

    @property
    def _wants_track(self) -> bool:
        return self._run.settings.audio_sync.keep_speech_track

    def place(self) -> list[PlacedSegment]:
        """Every line at its place; without its sound where the mix is in the store already."""
        run = self._run
        with run.stage("audio_sync") as tally:
            spoken, self._spoken = self._spoken, ()
            if self._known is not None:
                tally.count(reused=len(spoken))
                run.found_again(finding for finding in self._known["findings"] if finding["stage"] == "audio_sync")
                return [
                    PlacedSegment(
                        line,
                        data["start"],
                        data["end"],
                        line.audio,
                        data["stretch"],
                        None if data["heard"] is None else Interval(*data["heard"]),
                    )
                    for line, data in zip(spoken, self._known["lines"], strict=True)
                ]
            tally.count(computed=len(spoken))
            placed = audio_sync.synchronise(
                spoken,
                self._source.speech,
                self._source.info.duration_s,
                run.settings.audio_sync,
                run.found,
                run.checkpoint,
            )
            for line in placed:
                run.on_segment(line)
            return placed

    def mix(self, placed: Sequence[PlacedSegment], work: Path) -> _Mix:
        """The lines and the background as one file; called within stage 8."""
        run = self._run
        tally = run.tallies["video_combination"]
        if self._known is not None:
            tally.count(reused=1)
            run.found_again(finding for finding in self._known["findings"] if finding["stage"] == "video_combination")
            file, track = self._files
            assert file is not None
            return _Mix(file, track if self._wants_track else None, **self._known["mix"])
        tally.count(computed=1)
        settings = run.settings
        report = video_combination.mix(
            self._source.extraction,
            placed,
            self._transcript.speech,
            settings.audio_sync,
            settings.video_combination,
            work / "mix.m4a",
            work,
            run.checkpoint,
            run.found,
        )
        track = None
        if self._wants_track:
            rate = self._source.extraction.stream.rate
            blocks = video_combination.speech_track(placed, rate, self._source.info.duration_s)
            track = media.write_flac(blocks, rate, work / "speech.flac")
            track = run.store.put_file(self._track_key, track, ".flac")
        measured = {"loudness_lufs": report.loudness_lufs, "true_peak_dbtp": report.true_peak_dbtp}
        file = run.store.put_file(self._file_key, work / "mix.m4a", ".m4a")
        lines = [
            {
                "start": line.start,
                "end": line.end,
                "stretch": line.stretch,
                "heard": None if line.heard is None else (line.heard.start, line.heard.end),
            }
            for line in placed
        ]
        findings = run.found_since(0, "audio_sync", "video_combination")
        run.store.put_json(self._key, {"lines": lines, "mix": measured, "findings": findings})
        return _Mix(file, track, **measured)


# ---------------------------------------------------------------- stage 7: subtitles


def _subtitles(
    run: Run, placed: Sequence[PlacedSegment], source_language: str, target: str, info: media.MediaInfo, work: Path
) -> list[media.SubtitleTrack]:
    """SRT and WebVTT in both languages, written into ``work``."""
    settings = run.settings.subtitle_generation
    frame_s = float(1 / info.video.fps) if info.video else 0.04
    segments = [line.spoken.source.source for line in placed]
    written = []
    for language, cues in (
        (source_language, subtitle_generation.source_cues(segments, settings, frame_s, info.duration_s)),
        (target, subtitle_generation.target_cues(placed, settings, frame_s, info.duration_s)),
    ):
        for finding in subtitle_generation.check(cues, settings, language):
            run.found(finding)
        for suffix in (".srt", ".vtt"):
            path = work / f"{language}{suffix}"
            subtitle_generation.write_subtitles(cues, path)
            written.append(media.SubtitleTrack(language, path))
    return written


# ---------------------------------------------------------------- the results


def _record(
    run: Run,
    source: _Source,
    transcript: _Transcript,
    target: str,
    placed: Sequence[PlacedSegment],
    mix: _Mix,
    engines: list[EngineRun],
    began: float,
) -> Record:
    info, stream = source.info, source.extraction.stream
    segments = [_segment_record(line) for line in placed]
    lines = [line for line in placed if not line.spoken.silent or line.spoken.failed]
    failed = [line for line in lines if line.spoken.failed]
    degraded = bool(failed) or any(finding.severity is Severity.DEGRADED for finding in run.findings)
    return Record(
        vtlab=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=Source(
            file=printable(str(info.path)),
            sha256=source.sha256,
            seconds=info.duration_s,
            container=info.container,
            video=None
            if info.video is None
            else {
                "codec": info.video.codec,
                "width": info.video.width,
                "height": info.video.height,
                "fps": float(info.video.fps),
            },
            audio_stream=stream.index,
            audio_streams=len(info.audio),
            language=transcript.language,
            language_confidence=transcript.confidence,
        ),
        source_language=transcript.language,
        target_language=target,
        settings=run.settings.model_dump(mode="json"),
        fingerprint=fingerprint(run.settings),
        engines=engines,
        segments=segments,
        speech=[(interval.start, interval.end) for interval in transcript.speech],
        findings=run.finding_records(),
        stages=[run.stages[stage] for stage in STAGES],
        loudness_lufs=mix.loudness_lufs,
        true_peak_dbtp=mix.true_peak_dbtp,
        completeness=1 - len(failed) / len(lines) if lines else 1.0,
        degraded=degraded,
        wall_s=round(time.perf_counter() - began, 3),
        first_line_s=None if run.first_spoken is None else round(run.first_spoken - began, 3),
        peak_rss_mb=round(resources.peak_rss_mb(), 1),
        outputs=[],
    )


def _segment_record(line: PlacedSegment) -> SegmentRecord:
    spoken = line.spoken
    translated = spoken.source
    source = translated.source
    return SegmentRecord(
        id=source.id,
        start=source.start,
        end=source.end,
        text=source.text,
        words=[WordRecord(**asdict(word)) for word in source.words],
        speaker=source.speaker,
        confidence=source.confidence,
        translation=translated.text,
        candidates=list(translated.candidates),
        spoken_text=spoken.text,
        voice=spoken.voice,
        engine=spoken.engine,
        attempts=spoken.attempts,
        failed=spoken.failed,
        rate=spoken.rate,
        speed=round(line.speed, 4),
        planned_start=line.start,
        planned_end=line.end,
        measured_start=None if line.heard is None else line.heard.start,
        measured_end=None if line.heard is None else line.heard.end,
    )
