"""The messages between the server and a worker process, each one line of JSON.

The server sends a job, and controls it while it runs; the worker reports on it. A report carries the number of its job,
so that the server can drop what comes late.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from serve.state import Artifact, FileIdentity, Quality, artifact_from_json
from vtlab.events import Event, Finding, Found, Log, SegmentDone, Severity, StageFinished, StageStarted, event_to_json

# what users read where the fault is the server's own, with its code
INTERNAL = "Something went wrong inside the server ({}). Try again; its operator finds more in the log of the worker."

# ---------------------------------------------------------------- to the worker


@dataclass(frozen=True)
class Dub:
    """Dub `file` with `settings`; work under way goes to `folder`, the result to `artifacts_folder`.

    `identity` is that of the file that was asked for; `None` where it could not be looked at.
    """

    job: int
    session_id: str
    file: Path
    identity: FileIdentity | None
    settings: Mapping[str, Any]
    folder: Path
    artifacts_folder: Path


@dataclass(frozen=True)
class Detect:
    """Detect the language spoken in `file`; work under way goes to `folder`."""

    job: int
    file: Path
    folder: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Warm:
    """Load the engines that every session needs; nothing is reported."""

    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Pause:
    """Hold the job under way, ffmpeg included."""


@dataclass(frozen=True)
class Resume:
    """Go on with the job under way."""


@dataclass(frozen=True)
class Cancel:
    """End the job under way; it reports `Stopped`."""


# ---------------------------------------------------------------- from the worker


@dataclass(frozen=True)
class Opened:
    """The length of the video is known."""

    job: int
    seconds: float


@dataclass(frozen=True)
class Happened:
    """The dub reported an event."""

    job: int
    event: Event


@dataclass(frozen=True)
class SegmentReached:
    """A segment that ends at `end_s` of the video left `stage`."""

    job: int
    stage: str
    end_s: float


@dataclass(frozen=True)
class PreviewReady:
    """The early preview is complete under its name."""

    job: int
    path: str


@dataclass(frozen=True)
class Done:
    """The artifacts are in their places.

    Attributes:
        paths: Of the artifacts: `output`, `original_srt`, `translated_srt`.
        artifacts: The same with what they must be like to be served.
        source_language: Code of the language that was heard, or asked for.
        duration_s: Of the dub.
        output_bytes: Size of the dub.
        original_bytes: Size of the source.
        quality: Absent where one of its scores could not be measured.
        absent: The scores that could not be measured, and why.
        pieces: Names of the segment previews, in order of time.
        more: Other things worth an insight, by code.
    """

    job: int
    paths: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    source_language: str
    duration_s: float
    output_bytes: int
    original_bytes: int
    quality: Quality | None
    absent: Mapping[str, str]
    pieces: tuple[str, ...]
    more: Mapping[str, str]


@dataclass(frozen=True)
class Failed:
    """The job ended without a result; `message` is for users."""

    job: int
    code: str
    message: str


@dataclass(frozen=True)
class Stopped:
    """The job was cancelled."""

    job: int


@dataclass(frozen=True)
class Detected:
    """The language of a file, with its probability."""

    job: int
    language: str
    confidence: float


Job = Dub | Detect | Warm
Order = Job | Pause | Resume | Cancel
Progress = Opened | Happened | SegmentReached | PreviewReady
Outcome = Done | Failed | Stopped | Detected
Report = Progress | Outcome

KINDS: dict[str, Callable[..., Order | Report]] = {
    kind.__name__: kind
    for kind in (
        *(Dub, Detect, Warm, Pause, Resume, Cancel),
        *(Opened, Happened, SegmentReached, PreviewReady, Done, Failed, Stopped, Detected),
    )
}
EVENTS: dict[str, Callable[..., Event]] = {
    kind.__name__: kind for kind in (StageStarted, SegmentDone, StageFinished, Log)
}


def encode(message: Order | Report) -> bytes:
    """Return the message as one line of JSON."""
    fields = {"event": event_to_json(message.event), "job": message.job} if isinstance(message, Happened) else None
    return json.dumps({"is": type(message).__name__, **(fields or vars(message))}, default=_plain).encode() + b"\n"


def decode(line: bytes) -> Order | Report:
    """Return the message that `encode` made a line of."""
    data = json.loads(line)
    kind = data.pop("is")
    for name, read in FIELDS.items():
        if name in data:
            data[name] = read(data[name])
    return KINDS[kind](**data)


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _event(data: Mapping[str, Any]) -> Event:
    fields = {name: value for name, value in data.items() if name not in ("event", "time")}
    if data["event"] == Found.__name__:
        finding = fields["finding"]
        return Found(Finding(**{**finding, "severity": Severity(finding["severity"])}))
    return EVENTS[data["event"]](**fields)


# fields that JSON holds as something simpler
FIELDS: dict[str, Callable[[Any], object]] = {
    "file": Path,
    "folder": Path,
    "artifacts_folder": Path,
    "artifacts": lambda data: tuple(map(artifact_from_json, data)),
    "event": _event,
    "identity": lambda data: None if data is None else FileIdentity(**data),
    "quality": lambda data: None if data is None else Quality(**data),
    "pieces": tuple,
}
