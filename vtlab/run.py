"""What one dub carries with it: settings, store, engines and listeners; and its bookkeeping.

The books say which stage runs since when, what was found, how much came from the store, and which engines are in use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from vtlab import __version__, media, resources
from vtlab.engines.choice import Choice
from vtlab.engines.choice.pivot import Pivot
from vtlab.engines.choice.translators import Leg
from vtlab.engines.choice.voices import Cast
from vtlab.engines.pool import EnginePool
from vtlab.engines.transcription import TranscriptionEngine
from vtlab.engines.translation import Translator
from vtlab.engines.tts import Voice
from vtlab.errors import Cancelled
from vtlab.events import (
    STAGES,
    Finding,
    Found,
    Listener,
    Log,
    SegmentDone,
    Severity,
    StageFinished,
    StageStarted,
)
from vtlab.prefetch import prefetch
from vtlab.record import EngineRun, FindingRecord, Record, SegmentRecord, Source, StageRecord
from vtlab.segments import Interval, PlacedSegment, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import Settings, fingerprint
from vtlab.stages import transcription
from vtlab.stages.tts import VoiceEngine
from vtlab.stages.video_combination import Mix
from vtlab.store.engines import (
    Identity,
    LazyEngine,
    StoredSynthesizer,
    StoredTranscriber,
    StoredTranslator,
    StoredVoiceActivity,
    Tally,
)
from vtlab.store.results import Store
from vtlab.store.stages import Fingerprint, KnownMix, StoredSegments, findings_from_json, findings_to_json

SegmentListener = Callable[[Segment | TranslatedSegment | SpokenSegment | PlacedSegment], None]

Item = TypeVar("Item")
Made = TypeVar("Made", Segment, TranslatedSegment, SpokenSegment)


def memory_budget_mb(settings: Settings) -> float:
    """Return what loaded engines may take: the setting, else what the machine or its cgroup allows."""
    return settings.initialization.memory_budget_mb or resources.memory_limit_mb()


def pool_entry(settings: Settings, choice: Choice, *pair: str) -> tuple[tuple[str, ...], Callable[[], Any]]:
    """Return the key under which a pool keeps an engine, and what builds it; ``pair`` is a translator's languages."""
    threads = settings.initialization.threads or resources.cores()
    key = (choice.kind, choice.name, choice.options.model_dump_json(), str(threads), *pair)
    return key, partial(choice.engine, choice.options, *pair, threads)


def engine_records(
    listeners: Sequence[Choice],
    legs: Sequence[Leg],
    voices: Sequence[Cast],
    language: str,
    placed: Sequence[PlacedSegment],
) -> list[EngineRun]:
    """Return the records of the engines used, counting only voices that speak at least one segment.

    Args:
        listeners: The voice activity and the recogniser.
        legs: The translators.
        voices: The engines that could speak.
        language: Language spoken in the source.
        placed: The segments of the dub.
    """
    speaking = {segment.spoken.engine for segment in placed}
    return [
        *(_engine_record("transcription", choice, language) for choice in listeners),
        *(_engine_record("translation", leg.choice, f"{leg.source}-{leg.target}") for leg in legs),
        *(_engine_record("tts", cast.choice, legs[-1].target) for cast in voices if cast.choice.name in speaking),
    ]


def _engine_record(stage: str, choice: Choice, languages: str) -> EngineRun:
    return EngineRun(
        stage=stage,
        engine=choice.name,
        options=choice.options.model_dump(mode="json"),
        weights=[{**asdict(weights), "path": str(weights.path)} for weights in choice.weights],
        languages=languages,
    )


@dataclass
class DubContext:
    """One dub under way; safe to use from the threads of stages that overlap."""

    settings: Settings
    store: Store
    pool: EnginePool
    on_event: Listener
    on_checkpoint: Callable[[], None]
    on_segment: SegmentListener = lambda segment: None
    began: float = field(default_factory=time.perf_counter)
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: {stage: Tally() for stage in STAGES})
    stages: dict[str, StageRecord] = field(default_factory=dict)
    segments: int | None = None  # how many there are, once the last one was recognised
    first_spoken: float | None = None  # when the first segment had been spoken, by ``time.perf_counter``
    _started: dict[str, tuple[float, float]] = field(default_factory=dict)
    _engines: list[tuple[str, LazyEngine[Any]]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Watch memory, and unload engines that no stage uses where it grows short; give all back at the end."""
        budget_mb = self.pool.budget_mb
        watch = nullcontext() if budget_mb is None else resources.Watch(budget_mb, self._trim)
        try:
            with watch:
                yield
        finally:
            for stage in STAGES:
                self._release(stage)

    # ------------------------------------------------------------ stages and segments

    def checkpoint(self) -> None:
        """Block while the caller has paused; raise ``Cancelled`` where the caller wants it or the dub has failed."""
        if self._ended.is_set():
            raise Cancelled("The dub ended with an error elsewhere.")
        self.on_checkpoint()

    @contextmanager
    def stage(self, stage: str) -> Iterator[Tally]:
        """Time a stage; it counts as reused where its tally shows answers from the store and no computed one."""
        self.start(stage)
        yield self.tallies[stage]
        self.finish(stage)

    def start(self, stage: str) -> None:
        """Begin a stage."""
        self.checkpoint()
        self._started[stage] = (time.perf_counter(), resources.cpu_s())
        self.on_event(StageStarted(stage, STAGES.index(stage) + 1, len(STAGES)))

    def finish(self, stage: str) -> None:
        """End a stage and write its record."""
        self._release(stage)
        began, cpu = self._started[stage]
        tally = self.tallies[stage]
        seconds = time.perf_counter() - began
        reused_share = tally.reused / max(1, tally.reused + tally.computed)
        self.stages[stage] = StageRecord(
            stage=stage,
            seconds=round(seconds, 3),
            cpu_s=round(resources.cpu_s() - cpu, 3),
            load_s=round(tally.load_s, 3),
            reused=tally.reused,
            computed=tally.computed,
            from_store=reused_share == 1,
        )
        self.on_event(StageFinished(stage, STAGES.index(stage) + 1, len(STAGES), seconds, reused_share))

    @contextmanager
    def prefetch(self, segments: Iterable[Item]) -> Iterator[Iterator[Item]]:
        """Make the same segments in a thread of their own.

        Where the reader fails, that thread and those behind it stop at their next segment; none is left after the
        block.
        """
        with closing(prefetch(segments)) as reader:
            try:
                yield reader
            except BaseException:
                self._ended.set()
                raise

    def stored_answer(self, stage: str, key: str, make: Callable[[], Any]) -> tuple[Any, bool]:
        """Return a stage's answer as plain data, and whether it came from the store.

        It is made where it is not there, and kept with what the stage found on the way.
        """
        kept = self.store.get_json(key)
        if kept is not None:
            self.report_all(findings_from_json(kept["findings"]))
            return kept["answer"], True
        before = len(self.findings)
        answer = make()
        findings = findings_to_json(self.select_findings(stage, since=before))
        self.store.put_json(key, {"answer": answer, "findings": findings})
        return answer, False

    def stored_segments(
        self,
        stage: str,
        stored: StoredSegments[Made],
        source: Iterable[Item],
        make: Callable[[Iterable[Item]], Generator[Made, None, None]],
    ) -> Generator[Made, None, None]:
        """Yield the segments of a stage, from the store, or made of ``source`` and then kept; finish the stage.

        What is kept is used where it was made of the very same ``source`` and every part of every segment is there;
        otherwise all segments are made anew.
        """
        restored = None
        if (kept := stored.get()) is not None:
            source = list(source)
            restored = stored.restore(kept, source)
        if restored is not None:
            segments, findings = restored
            self.tallies[stage].count(reused=len(segments))
            self.report_all(findings)
            self._count(stage, len(segments))
            for done, segment in enumerate(segments, 1):
                self.checkpoint()
                yield segment
                self._report_done(segment, SegmentDone(stage, done, len(segments), True))
        else:
            before = len(self.findings)
            encoded: list[dict[str, Any]] = []
            fingerprint = Fingerprint()
            with closing(make(fingerprint.hash_each(source))) as made:
                for segment in made:
                    self.checkpoint()
                    encoded.append(stored.encode(segment))
                    yield segment
                    self._report_done(segment, SegmentDone(stage, len(encoded), self.segments, False))
            self._count(stage, len(encoded))
            stored.put(fingerprint, encoded, self.select_findings(stage, since=before))
        self.finish(stage)

    def count_mix(self, stage: str, known: KnownMix | None, parts: int) -> None:
        """Count a stage's parts as reused where the mix is known, and report what it found then; else as computed."""
        if known is None:
            self.tallies[stage].count(computed=parts)
        else:
            self.tallies[stage].count(reused=parts)
            self.report_all(finding for finding in known.findings if finding.stage == stage)

    def _report_done(self, segment: Segment | TranslatedSegment | SpokenSegment, event: SegmentDone) -> None:
        if isinstance(segment, SpokenSegment) and not segment.silent and self.first_spoken is None:
            self.first_spoken = time.perf_counter()
        self.on_segment(segment)
        self.on_event(event)

    def _count(self, stage: str, segments: int) -> None:
        if stage == "transcription":
            self.segments = segments

    # ------------------------------------------------------------ findings and messages

    def report(self, finding: Finding) -> None:
        """Take a finding and tell the listener."""
        with self._lock:
            self.findings.append(finding)
        self.on_event(Found(finding))

    def report_all(self, findings: Iterable[Finding]) -> None:
        """Take findings from the store."""
        for finding in findings:
            self.report(finding)

    def select_findings(self, *stages: str, since: int = 0) -> list[Finding]:
        """Return what these stages found after the first ``since`` findings."""
        return [finding for finding in self.findings[since:] if finding.stage in stages]

    def log(self, stage: str, message: str) -> None:
        """Send a message for people."""
        self.on_event(Log(stage, message))

    def record(
        self,
        source: Source,
        target: str,
        engines: list[EngineRun],
        placed: Sequence[PlacedSegment],
        speech: Sequence[Interval],
        mix: Mix,
    ) -> Record:
        """Return the record of the dub, as yet without its files; ``speech`` is where the source speaks."""
        spoken = [segment.spoken for segment in placed if not segment.spoken.silent or segment.spoken.failed]
        failed = [segment for segment in spoken if segment.failed]
        unheard_s = transcription.unheard_s(self.findings)
        heard_share = 1 - unheard_s / sum(interval.duration for interval in speech)
        first = self.first_spoken
        return Record(
            vtlab=__version__,
            ffmpeg=media.ffmpeg_version(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            source=source,
            source_language=source.language,
            target_language=target,
            settings=self.settings.model_dump(mode="json"),
            fingerprint=fingerprint(self.settings),
            engines=engines,
            segments=[SegmentRecord.from_placed(segment) for segment in placed],
            speech=[(interval.start, interval.end) for interval in speech],
            findings=[FindingRecord(**asdict(finding)) for finding in self.findings],
            stages=[self.stages[stage] for stage in STAGES],
            loudness_lufs=mix.loudness_lufs,
            true_peak_dbtp=mix.true_peak_dbtp,
            completeness=(1 - len(failed) / len(spoken) if spoken else 1.0) * heard_share,
            unheard_s=round(unheard_s, 3),
            degraded=bool(failed) or any(finding.severity is Severity.DEGRADED for finding in self.findings),
            wall_s=round(time.perf_counter() - self.began, 3),
            first_line_s=None if first is None else round(first - self.began, 3),
            peak_rss_mb=round(resources.peak_rss_mb(), 1),
            outputs=[],
        )

    # ------------------------------------------------------------ engines

    def voice_activity(self, choice: Choice, sound: str) -> StoredVoiceActivity:
        """Return the voice activity, its answers kept under ``sound``."""
        engine, tally = self._chosen("transcription", choice), self.tallies["transcription"]
        return StoredVoiceActivity(engine, Identity.from_choice(choice), self.store, tally, sound)

    def transcriber(self, choice: Choice[TranscriptionEngine], sound: str) -> StoredTranscriber:
        """Return the recogniser, its answers kept under ``sound``."""
        engine, tally = self._chosen("transcription", choice), self.tallies["transcription"]
        return StoredTranscriber(engine, Identity.from_choice(choice), self.store, tally, sound, choice.engine.together)

    def translator(self, legs: Sequence[Leg]) -> Translator:
        """Return the translator of a pair, or two that meet in the pivot language, their answers kept."""
        tally = self.tallies["translation"]
        translators = [
            StoredTranslator(
                self._chosen("translation", leg.choice, leg.source, leg.target),
                Identity.from_choice(leg.choice),
                f"{leg.source}-{leg.target}",
                leg.choice.engine.listens,
                self.store,
                tally,
            )
            for leg in legs
        ]
        return translators[0] if len(translators) == 1 else Pivot(*translators)

    def voice_engine(self, cast: Cast) -> VoiceEngine:
        """Return an engine that speaks, its answers kept, with its voices."""
        choice = cast.choice

        def voice_identity(voice: Voice) -> Identity:
            return Identity(choice.name, choice.options, choice.engine.weights(choice.options, voice))

        synthesizer = StoredSynthesizer(
            self._chosen("tts", choice), choice.engine, voice_identity, self.store, self.tallies["tts"]
        )
        return VoiceEngine(choice.name, synthesizer, cast.assign_voice, choice.engine.seconds_per_unit)

    def _chosen(self, stage: str, choice: Choice, *pair: str) -> LazyEngine[Any]:
        """Return the engine, from the pool or built when the first answer is missing from the store."""
        key, build = pool_entry(self.settings, choice, *pair)

        def build_and_log() -> Any:
            self.log(stage, f"loading {choice.name}{' ' + '-'.join(pair) if pair else ''}")
            return build()

        return self.engine(stage, key, build_and_log)

    def engine(self, stage: str, key: tuple[str, ...], build: Callable[[], Any]) -> LazyEngine[Any]:
        """Return an engine of the pool, borrowed at its first use and given back when the stage is finished."""
        borrow = partial(self.pool.borrow, key, build)
        engine: LazyEngine[Any] = LazyEngine(borrow, partial(self.pool.give_back, key), self.tallies[stage])
        self._engines.append((stage, engine))
        return engine

    def _trim(self, used_mb: float) -> None:
        for kind, name, *_ in self.pool.unload():
            self.log(kind, f"unloading {name}: {used_mb:.0f} MB in use")

    def _release(self, stage: str) -> None:
        for user, engine in self._engines:
            if user == stage:
                engine.release()
