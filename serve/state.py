"""What a session tells: its state at every moment, its result, its insights. Plain data, no protobuf.

Times are seconds, sizes bytes, shares percent (0–100). What nobody knows or measured is ``None``; what a message must
carry instead is decided where messages are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vtlab.events import STAGES

TOTAL_STAGES = len(STAGES)


class Status(StrEnum):
    """Where a session stands, in the words of the contract."""

    PROCESSING = "processing"  # waiting for a worker, too
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Level(StrEnum):
    """How grave a log line is."""

    DEBUG = "debug"
    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class LogLine:
    """One entry of a session's log; ``timestamp`` is ISO 8601, UTC, of one width: ``2026-01-02T03:04:05.678901Z``.

    No two entries of a session have the same timestamp and message. ``chunk_id`` is empty or the number of the line of
    speech it is about, counted from 0.
    """

    timestamp: str
    level: Level
    stage: str
    message: str
    chunk_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Hardware:
    """The machine that dubs."""

    cpu: str
    gpu: str
    vram_gb: int
    ram_gb: int


@dataclass(frozen=True)
class State:
    """A session at one moment, whole: nobody needs an earlier state to understand it.

    ``log`` alone differs between those who follow a session: it holds what this follower was not yet told.
    """

    session_id: str
    status: Status
    progress: float = 0.0  # of the whole session, percent; never falls while the session is under way
    current_step: str = ""  # a short phrase in plain words; what the user reads
    message: str = ""  # the same at more length: the reason of a failure, for instance
    code: str = ""  # of a failure, stable: E_NO_SPEECH, for instance
    stage: str = STAGES[0]  # the earliest that is not finished
    stage_number: int = 1
    total_stages: int = TOTAL_STAGES
    stage_progress: float = 0.0  # of that stage, percent
    current_chunk: int = 0  # lines of speech finished by the stage at work; the interface adds 1
    total_chunks: int = 0  # lines known so far
    chunks_per_minute: float = 0.0
    segments_processed: int = 0  # lines that have been spoken
    current_time_s: float = 0.0  # how far into the video the work has come
    total_duration_s: float = 0.0  # of the video; 0 until it was opened
    elapsed_s: float = 0.0  # since the session was asked for, waiting included
    eta_s: float | None = None  # absent until stage speeds are known
    early_preview: str | None = None  # path of the finished preview
    available_segments: tuple[str, ...] = ()  # segment previews that can be played: seg_001 …
    hardware: Hardware | None = None
    log: tuple[LogLine, ...] = ()


@dataclass(frozen=True)
class Quality:
    """What was measured on a finished dub; there is none where one of the first three could not be measured."""

    lip_sync_accuracy: float  # lines that start within 150 ms of the source's, percent
    voice_quality: float  # 0–100
    translation_quality: float  # 0–100
    duration_match: bool  # the dub is as long as its source
    avg_lufs: float | None = None
    avg_atempo: float | None = None  # mean speed of the lines, 1 = natural
    segments_condensed: int | None = None  # lines spoken in a shorter translation than the best


@dataclass(frozen=True)
class Result:
    """The files of a completed session, as paths that the gateway can read."""

    session_id: str
    output_path: str
    original_srt: str
    translated_srt: str
    duration_s: float
    output_bytes: int
    original_bytes: int
    processing_s: float
    quality: Quality | None = None
    status: Status = Status.COMPLETED


@dataclass(frozen=True)
class Insight:
    """Something worth telling about a session; ``id`` is unique over all sessions."""

    id: str
    type: str  # decision, optimization, warning or success
    title: str
    description: str
    impact: str  # high, medium or low
    timestamp: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Detection:
    """The language of a file; none where it cannot be told, and ``message`` says why."""

    language: str | None
    confidence: float | None
    message: str


@dataclass(frozen=True)
class Answer:
    """What came of asking to cancel, pause or resume."""

    success: bool
    paused: bool
    message: str


@dataclass(frozen=True)
class Refusal:
    """Why there is no result: ``unknown`` where the session is, else ``message`` says how it stands."""

    message: str
    unknown: bool = False
