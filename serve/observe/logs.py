"""The server's log: one JSON object a line, always with the same fields, for every library that logs.

Words of a video are in no line at level info or above: messages of checks may quote them, so they are logged at level
debug only; at info a check is its code, the number of its segment, its value and its limit.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from datetime import UTC, datetime
from pathlib import Path

from serve.state import Result, State, Status
from vtlab.errors import SettingsError, redact
from vtlab.events import Event, Found, Log, SegmentDone, Severity, StageFinished, StageStarted

log = logging.getLogger(__name__)

# every line has all of them, in this order; null where one does not apply
FIELDS = {
    "time": "when, ISO 8601 in UTC, to the microsecond",
    "level": "debug, info, warning or error",
    "event": "start, ready, release, drain, stop; session, stage, finding, note; refused, unmeasured; log for all else",
    "session_id": "the session it is about",
    "release": "the configuration that is served",
    "status": "of the session: processing, paused, completed, failed, cancelled",
    "stage": "the stage it is about",
    "code": "stable code of an error or a finding, such as E_NO_SPEECH",
    "segment": "number of the segment",
    "value": "what was measured",
    "limit": "what it was held against",
    "seconds": "how long it took",
    "message": "a sentence",
    "error": "traceback of a fault",
}
EXTRA = ("session_id", "release", "status", "stage", "code", "segment", "value", "limit", "seconds")

LEVELS = {Severity.INFO: logging.DEBUG, Severity.WARNING: logging.INFO, Severity.DEGRADED: logging.WARNING}


class JsonLine(logging.Formatter):
    """Format a record as a line of JSON with the fields of `FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON, without secrets in it."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            "level": record.levelname.lower() if record.levelno < logging.CRITICAL else "error",
            "event": getattr(record, "event", "log"),
            **{name: _plain(getattr(record, name, None)) for name in EXTRA},
            "message": record.getMessage() or None,
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        # names of files may hold bytes that are no text
        return redact(json.dumps(line, ensure_ascii=False)).encode("utf-8", "backslashreplace").decode()


def start_logging(level: str, file: Path | None = None) -> None:
    """Send all that is logged in this process to `file`, or to stderr.

    A file that was moved away is opened anew, so logrotate needs nothing more.

    Raises:
        SettingsError: The file cannot be written.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        from logging.handlers import WatchedFileHandler

        try:
            handler = WatchedFileHandler(file, encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"The log file {file} cannot be written: {error.strerror}. Choose another.") from error
    handler.setFormatter(JsonLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("serve", "vtlab"):
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)


def log_session(session_id: str, happened: Event | State | Result) -> None:
    """Log what happened in a session; a listener of sessions."""
    about: dict[str, object] = {"session_id": session_id}
    match happened:
        case State():
            level = logging.WARNING if happened.status is Status.FAILED else logging.INFO
            seconds = round(happened.elapsed_s, 3)
            about |= {"event": "session", "status": happened.status.value, "stage": happened.stage, "seconds": seconds}
            if happened.code:
                about["code"] = happened.code
            log.log(level, "%s", happened.message or happened.current_step, extra=about)
        case StageStarted(stage):
            log.debug("begins", extra={**about, "event": "stage", "stage": stage})
        case StageFinished(stage, seconds=seconds, reused=reused):
            done = "from the store" if reused else "done"
            log.info(done, extra={**about, "event": "stage", "stage": stage, "seconds": round(seconds, 3)})
        case Found(finding):
            about |= {"event": "finding", "stage": finding.stage, "code": finding.code, "segment": finding.segment}
            about |= {"value": finding.value, "limit": finding.limit}
            level = LEVELS[finding.severity]
            message = finding.message if log.isEnabledFor(logging.DEBUG) else ""
            log.log(level, "%s", message, extra=about)
        case Log(stage, message):
            log.debug("%s", message, extra={**about, "event": "note", "stage": stage})
        case SegmentDone() | Result():
            pass  # of the one there are thousands, the other goes into the metrics


def _plain(value: object) -> object:
    """Return `None` for infinity, which JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
