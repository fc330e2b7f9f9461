"""Keep what stages made in the store: segments, and the placed segments with their mix.

A key names all that a result depends on: the stage's version, its settings, its engines, and the result of the stage
before. Results are kept with what the stage found on the way, so that a dub which reuses them has the same findings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from vtlab.engines.choice import Choice
from vtlab.engines.choice.translators import Leg
from vtlab.engines.choice.voices import Cast
from vtlab.events import Finding, Severity
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
from vtlab.settings import Settings
from vtlab.stages import audio_sync, transcription, translation, tts, video_combination
from vtlab.stages.video_combination import Mix
from vtlab.store.engines import Identity, sound_hash
from vtlab.store.results import Store

MIX_SETTINGS = {"background", "audio_bitrate_kbps"}  # of video_combination: what the mix depends on

Data = dict[str, Any]
Item = TypeVar("Item")
Made = TypeVar("Made", Segment, TranslatedSegment, SpokenSegment)


def findings_to_json(findings: Iterable[Finding]) -> list[Data]:
    """Return findings as plain data."""
    return [asdict(finding) for finding in findings]


def findings_from_json(data: Iterable[Data]) -> list[Finding]:
    """Return the findings that ``findings_to_json`` was given."""
    return [Finding(**{**finding, "severity": Severity(finding["severity"])}) for finding in data]


# ---------------------------------------------------------------- segments


@dataclass(frozen=True)
class StoredSegments(Generic[Made]):
    """The segments that a stage made of those of the stage before, kept under one key.

    Attributes:
        store: Where they are kept.
        key: What they depend on, but for the segments they are made of.
        encode: Return a segment as plain data.
        decode: Return the segment of plain data and of what it was made of, or ``None`` where a part of it is lost.
        worth_keeping: Whether a later dub should use these segments.
    """

    store: Store
    key: str
    encode: Callable[[Made], Data]
    decode: Callable[[Data, Any], Made | None]
    worth_keeping: Callable[[Sequence[Data]], bool] = lambda segments: True

    def get(self) -> Data | None:
        """Return what is kept under the key, for ``restore``, or ``None``."""
        kept: Data | None = self.store.get_json(self.key)
        return kept

    def restore(self, kept: Data, source: Sequence[Item]) -> tuple[list[Made], list[Finding]] | None:
        """Return the segments and findings, or ``None`` where they were made of others or one is not whole."""
        fingerprint = Fingerprint()
        items: list[Any] = list(fingerprint.hash_each(source)) or [None] * len(kept["lines"])
        if kept.get("of") != fingerprint.hexdigest() or len(items) != len(kept["lines"]):
            return None
        segments: list[Made] = []
        for data, item in zip(kept["lines"], items, strict=True):
            segment = self.decode(data, item)
            if segment is None:
                return None
            segments.append(segment)
        return segments, findings_from_json(kept["findings"])

    def put(self, source: Fingerprint, encoded: Sequence[Data], findings: Iterable[Finding]) -> None:
        """Keep encoded segments and findings, where they are worth it; ``source`` is what they were made of."""
        if self.worth_keeping(encoded):
            kept = {"of": source.hexdigest(), "lines": list(encoded), "findings": findings_to_json(findings)}
            self.store.put_json(self.key, kept)


class Fingerprint:
    """A hash of a stream of segments."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def hash_each(self, segments: Iterable[Item]) -> Iterator[Item]:
        """Yield segments unchanged, each added to the hash."""
        for segment in segments:
            self._digest.update(json.dumps(asdict(segment), sort_keys=True).encode())  # type: ignore[call-overload]
            yield segment

    def hexdigest(self) -> str:
        """Return the hash of the segments yielded so far."""
        return self._digest.hexdigest()


def transcript_depends(settings: Settings, sound: str, listeners: Sequence[Choice]) -> list[Any]:
    """Return what a transcript depends on, for keys; ``listeners`` are voice activity and recogniser."""
    section = settings.transcription.model_dump(mode="json")
    parts = [part for choice in listeners for part in Identity.from_choice(choice).parts()]
    return [transcription.VERSION, sound, settings.source_language, section, *parts]


def transcribed_segments(store: Store, depends: Sequence[Any]) -> StoredSegments[Segment]:
    """Return the place of a transcript's segments."""
    key = store.key("transcription_lines", *depends)
    return StoredSegments(store, key, segment_to_json, lambda data, _: segment_from_json(data))


def translated_segments(
    store: Store,
    transcript: StoredSegments[Segment],
    settings: Settings,
    glossary: Mapping[str, str],
    legs: Sequence[Leg],
) -> StoredSegments[TranslatedSegment]:
    """Return the place of a transcript's translation by the translators of ``legs``."""
    key = store.key(
        "translation_lines",
        translation.VERSION,
        transcript.key,
        settings.translation.model_dump(mode="json", exclude={"glossary"}),
        glossary,
        [[leg.source, leg.target, *Identity.from_choice(leg.choice).parts()] for leg in legs],
    )
    return StoredSegments(store, key, translated_to_json, lambda data, _: translated_from_json(data))


def spoken_segments(
    store: Store,
    translated: StoredSegments[TranslatedSegment],
    settings: Settings,
    voices: Sequence[Cast],
) -> StoredSegments[SpokenSegment]:
    """Return the place of a translation's speech; ``voices`` are the engines with their voices, best first."""
    key = store.key(
        "tts_lines",
        tts.VERSION,
        translated.key,
        settings.tts.model_dump(mode="json"),
        settings.audio_sync.model_dump(mode="json"),
        [[*Identity.from_choice(cast.choice).parts(), cast.lead.name] for cast in voices],
    )

    def encode(segment: SpokenSegment) -> Data:
        sound = store.key("tts_line", sound_hash(segment.audio))
        store.put_audio(sound, segment.audio)
        return {
            "text": segment.text,
            "sound": sound,
            "rate": segment.rate,
            "engine": segment.engine,
            "voice": segment.voice,
            "attempts": segment.attempts,
            "failed": segment.failed,
        }

    def decode(data: Data, source: TranslatedSegment) -> SpokenSegment | None:
        audio = store.get_audio(data["sound"])
        if audio is None:
            return None
        return SpokenSegment(source, audio=audio, **{name: value for name, value in data.items() if name != "sound"})

    def settled(segments: Sequence[Data]) -> bool:
        """Return whether no voice failed that may work again later."""
        first = voices[0].choice.name
        return all(segment["failed"] is None and segment["engine"] in (None, first) for segment in segments)

    return StoredSegments(store, key, encode, decode, settled)


# ---------------------------------------------------------------- placed segments and mix


@dataclass(frozen=True)
class KnownMix:
    """A mix from the store, and the places of the segments in it."""

    mix: Mix
    findings: tuple[Finding, ...]  # of stages 6 and 8
    places: tuple[Data, ...]

    def placed(self, spoken: Sequence[SpokenSegment]) -> list[PlacedSegment]:
        """Return the segments at their places, with their sound as it was before it was stretched and levelled."""
        return [
            PlacedSegment(
                segment,
                place["start"],
                place["end"],
                segment.audio,
                place["stretch"],
                None if place["heard"] is None else Interval(*place["heard"]),
            )
            for segment, place in zip(spoken, self.places, strict=True)
        ]


class StoredMix:
    """The placed segments (stage 6) and their mix (stage 8), kept together: a known mix needs no segment rendered.

    Args:
        store: Where they are kept.
        spoken: The segments. Their sound is part of the key: a voice that failed yesterday may speak today.
        speech: Where the source speaks.
        sound: Names the source's sound.
        settings: Sections ``audio_sync`` and ``video_combination`` are read.
    """

    def __init__(
        self, store: Store, spoken: Sequence[SpokenSegment], speech: Sequence[Interval], sound: str, settings: Settings
    ) -> None:
        sources = [segment.source.source for segment in spoken]
        depends = (
            audio_sync.VERSION,
            video_combination.VERSION,
            sound,
            [(interval.start, interval.end) for interval in speech],
            [
                (source.id, source.start, source.end, segment.rate, sound_hash(segment.audio))
                for source, segment in zip(sources, spoken, strict=True)
            ],
            settings.audio_sync.model_dump(mode="json"),
            settings.video_combination.model_dump(mode="json", include=MIX_SETTINGS),
        )
        self._store = store
        self._places, self._mix, self._track = (
            store.key(name, *depends) for name in ("audio_sync_mix", "video_combination_mix", "speech_track")
        )
        self._keeps_track = settings.audio_sync.keep_speech_track

    def get(self) -> KnownMix | None:
        """Return what is kept, or ``None`` where any part of it is not."""
        kept = self._store.get_json(self._places)
        file = self._store.get_file(self._mix)
        track = self._store.get_file(self._track) if self._keeps_track else None
        if kept is None or file is None or (self._keeps_track and track is None):
            return None
        return KnownMix(
            Mix(file, track, **kept["mix"]), tuple(findings_from_json(kept["findings"])), tuple(kept["lines"])
        )

    def put(self, placed: Sequence[PlacedSegment], mix: Mix, findings: Iterable[Finding]) -> Mix:
        """Keep a mix and the places of its segments; return the mix as it lies in the store."""
        track = mix.speech_track and self._store.put_file(self._track, mix.speech_track, ".flac")
        file = self._store.put_file(self._mix, mix.file, ".m4a")
        places = [
            {
                "start": segment.start,
                "end": segment.end,
                "stretch": segment.stretch,
                "heard": None if segment.heard is None else (segment.heard.start, segment.heard.end),
            }
            for segment in placed
        ]
        measured = {"loudness_lufs": mix.loudness_lufs, "true_peak_dbtp": mix.true_peak_dbtp}
        kept = {"lines": places, "mix": measured, "findings": findings_to_json(findings)}
        self._store.put_json(self._places, kept)
        return Mix(file, track, **measured)
