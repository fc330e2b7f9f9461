"""Hold what the server knows of a session: its state at a moment, its result, its insights. Plain data, no protobuf.

Times are seconds, sizes bytes, shares percent (0–100). What nobody knows or measured is `None`; what a message carries
instead is decided where messages are made (`serve.rpc.messages`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vtlab.events import STAGES

TOTAL_STAGES = len(STAGES)


class Status(StrEnum):
    """The status of a session, in the words of the contract."""

    PROCESSING = "processing"  # waiting for a worker, too
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing follows it."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Level(StrEnum):
    """The level of a log entry, in the words of the contract."""

    DEBUG = "debug"
    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class LogEntry:
    """One entry of a session's log; no two of a session have the same timestamp and message.

    Attributes:
        timestamp: ISO 8601, UTC, of one width: `2026-01-02T03:04:05.678901Z`.
        stage: The stage it is about.
        chunk_id: The number of the segment it is about, counted from 0; empty where it is about none.
        data: More, for programs.
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
    """A session at one moment, whole: it replaces every earlier state.

    Attributes:
        progress: Of the whole session, percent; never falls while the session is under way.
        current_step: What the user reads: a short phrase in plain words.
        message: The same at more length: the reason of a failure, for instance.
        code: Of a failure, stable: `E_NO_SPEECH`, for instance.
        stage: The earliest stage that is not finished.
        stage_progress: Of that stage, percent; never falls within a stage.
        current_chunk: Segments finished by the stage at work; the interface adds 1.
        total_chunks: Segments known so far.
        segments_processed: Segments that have been spoken.
        current_time_s: How far into the video the work has come.
        total_duration_s: Of the video; 0 until it was opened.
        elapsed_s: Since the session was asked for, waiting included.
        eta_s: Time left; absent until the speeds of the stages are known.
        early_preview: Path of the finished preview.
        available_segments: Segment previews that can be played: `seg_001` …
        log: The entries that this follower has not had yet; the rest is the same for all followers.
    """

    session_id: str
    status: Status
    progress: float = 0.0
    current_step: str = ""
    message: str = ""
    code: str = ""
    stage: str = STAGES[0]
    stage_number: int = 1
    total_stages: int = TOTAL_STAGES
    stage_progress: float = 0.0
    current_chunk: int = 0
    total_chunks: int = 0
    chunks_per_minute: float = 0.0
    segments_processed: int = 0
    current_time_s: float = 0.0
    total_duration_s: float = 0.0
    elapsed_s: float = 0.0
    eta_s: float | None = None
    early_preview: str | None = None
    available_segments: tuple[str, ...] = ()
    hardware: Hardware | None = None
    log: tuple[LogEntry, ...] = ()


@dataclass(frozen=True)
class Quality:
    """What was measured on a finished dub; there is none where one of the first three could not be measured.

    Attributes:
        lip_sync_accuracy: Segments that start within 150 ms of the source's, percent.
        voice_quality: 0–100.
        translation_quality: 0–100.
        duration_match: Whether the dub is as long as its source.
        avg_lufs: Integrated loudness of the dub.
        avg_atempo: Mean speed of the segments, 1 = natural.
        segments_condensed: Segments spoken in a shorter translation than the best.
    """

    lip_sync_accuracy: float
    voice_quality: float
    translation_quality: float
    duration_match: bool
    avg_lufs: float | None = None
    avg_atempo: float | None = None
    segments_condensed: int | None = None


@dataclass(frozen=True)
class FileIdentity:
    """Tell a file at a path from another one there later.

    A hash of the content would be surer, but takes minutes for a file of 100 GB while a user waits. Where a file system
    gives the same file another number or time, it is dubbed anew: that costs time, never a wrong dub.
    """

    inode: int
    bytes: int
    modified_ns: int

    @classmethod
    def from_stat(cls, status: os.stat_result) -> FileIdentity:
        """Return the identity of a file from its status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Artifact:
    """A published file and what it was like then; `sha256` is absent where a server before this one published it."""

    path: str
    sha256: str | None
    identity: FileIdentity


def artifact_from_json(data: Mapping[str, Any]) -> Artifact:
    """Return the artifact that `dataclasses.asdict` made a dictionary of."""
    return Artifact(data["path"], data["sha256"], FileIdentity(**data["identity"]))


@dataclass(frozen=True)
class Result:
    """The files of a completed session, as paths that the gateway can read.

    Attributes:
        processing_s: How long it was worked on, without waiting and pauses.
        artifacts: The files as they were published, to see whether they still are so.
    """

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
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class Insight:
    """Something worth knowing about a session.

    Attributes:
        id: Unique over all sessions.
        type: `decision`, `optimization`, `warning` or `success`.
        impact: `high`, `medium` or `low`.
    """

    id: str
    type: str
    title: str
    description: str
    impact: str
    timestamp: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Detection:
    """The language of a file; where it is not known, `message` is the reason."""

    language: str | None
    confidence: float | None
    message: str


@dataclass(frozen=True)
class Answer:
    """The outcome of a request to cancel, pause or resume."""

    success: bool
    paused: bool
    message: str


@dataclass(frozen=True)
class Refusal:
    """The reason why there is no result; `unknown`: there is no such session."""

    message: str
    unknown: bool = False
