"""The registry: sessions on disk, with what must be known again after a crash.

It is one sqlite file in write-ahead mode; each change is committed by itself, so a process that is killed at any moment
leaves a whole file. Only the server writes it; worker processes know nothing of it. Where its disk is full or gone,
sessions go on all the same: what cannot be written is kept in memory, and written once that is possible.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from serve.state import (
    Artifact,
    FileIdentity,
    Hardware,
    Insight,
    Level,
    LogEntry,
    Quality,
    Result,
    State,
    Status,
    artifact_from_json,
)
from vtlab.errors import ResourceError

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, phase TEXT NOT NULL, file TEXT NOT NULL, source_lang TEXT, target_lang TEXT NOT NULL,
    voice_gender TEXT NOT NULL, served TEXT, settings TEXT, state TEXT NOT NULL, result TEXT,
    created REAL NOT NULL, ended REAL, swept INTEGER NOT NULL DEFAULT 0, identity TEXT, measured_pairs TEXT);
CREATE INDEX IF NOT EXISTS in_phase ON sessions (phase, ended);
CREATE INDEX IF NOT EXISTS with_result ON sessions (ended) WHERE result IS NOT NULL;
CREATE INDEX IF NOT EXISTS to_sweep ON sessions (ended) WHERE swept = 0;
CREATE TABLE IF NOT EXISTS log (
    session_id TEXT NOT NULL, timestamp TEXT NOT NULL, message TEXT NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (session_id, timestamp, message)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS insights (
    id TEXT PRIMARY KEY, session_id TEXT NOT NULL, place INTEGER NOT NULL, insight TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS insights_of ON insights (session_id, place);
CREATE TABLE IF NOT EXISTS speeds (stage TEXT PRIMARY KEY, seconds_per_second REAL NOT NULL);
"""
VERSION = 2
# from the version before to each version
MIGRATIONS = {
    2: "ALTER TABLE sessions ADD COLUMN identity TEXT; ALTER TABLE sessions ADD COLUMN measured_pairs TEXT;",
}
SHARE_OF_NEW = 0.3  # of a measured speed in the mean that is kept

Part = TypeVar("Part")


class Phase(StrEnum):
    """The phase of a session, for the server; clients see its `Status`."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # by an end of the server; goes on when it is asked for again

    @property
    def final(self) -> bool:
        """Whether no worker is needed any more."""
        return self not in (Phase.WAITING, Phase.RUNNING, Phase.PAUSED)


@dataclass(frozen=True)
class Row:
    """A session as it is kept.

    Attributes:
        source_lang: Code, as it was asked for; `None`: detected.
        created: When it was asked for, seconds since 1970.
        identity: Of the file when it was asked for; `None` where it could not be looked at.
        configuration: Name of the configuration it began with.
        measured_pairs: The pairs of languages that an evaluation of that configuration stands for.
        settings: The settings it is to go on with after an interruption.
        ended: When it ended, seconds since 1970.
    """

    id: str
    phase: Phase
    file: Path
    source_lang: str | None
    target_lang: str
    voice_gender: str
    state: State
    created: float
    identity: FileIdentity | None = None
    configuration: str | None = None
    measured_pairs: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Any] | None = None
    result: Result | None = None
    ended: float | None = None

    def resuming(self, known: Row) -> Row:
        """Return this session, that is asked for again, as it goes on from where `known` stopped."""
        row = replace(self, state=replace(self.state, progress=known.state.progress))
        if known.phase is Phase.INTERRUPTED:  # it was under way: it ends with what it began with
            pairs = known.measured_pairs
            row = replace(row, configuration=known.configuration, measured_pairs=pairs, settings=known.settings)
        if known.state.early_preview and Path(known.state.early_preview).is_file():
            row = replace(row, state=replace(row.state, early_preview=known.state.early_preview))
        return row

    def same_work(self, other: Row) -> bool:
        """Return whether both ask for the same dub: video, languages, voice. A file that is gone is no other one."""
        if None not in (self.identity, other.identity) and self.identity != other.identity:
            return False
        return (self.file, self.source_lang, self.target_lang, self.voice_gender) == (
            other.file, other.source_lang, other.target_lang, other.voice_gender,
        )  # fmt: skip


class Registry:
    """Keep the sessions in a file, which one process has open at a time."""

    def __init__(self, file: Path) -> None:
        """Open the registry; one of an earlier version is brought up to date.

        Raises:
            ResourceError: Another process has it open, or it is damaged or of a later version.
        """
        self._file = file
        self._unwritten: dict[str, tuple[Row, tuple[Insight, ...] | None]] = {}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, isolation_level=None, timeout=1.0)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second server is refused
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise ResourceError(
                    f"{file} is of a later version of this server. Move it away, or start that version."
                )
            migrations = "" if version == 0 else "".join(MIGRATIONS[step] for step in range(version + 1, VERSION + 1))
            self._db.executescript(f"BEGIN; {migrations} {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except sqlite3.OperationalError as error:
            raise ResourceError(
                f"The registry of sessions {file} cannot be opened: {error}. Is another server using the same folder?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ResourceError(
                f"The registry of sessions {file} is damaged: {error}. Move it away: results stay, sessions are lost."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ------------------------------------------------------------ sessions

    @property
    def writable(self) -> bool:
        """Whether all changes are on disk."""
        return not self._unwritten

    def put(self, row: Row, insights: Iterable[Insight] | None = None) -> None:
        """Keep the session as it is now and, where they are given, its insights: both or neither."""
        made = None if insights is None else tuple(insights)
        _, waiting = self._unwritten.pop(row.id, (row, None))
        self._unwritten[row.id] = row, waiting if made is None else made
        self.write()

    def write(self) -> None:
        """Write what could not be written before."""
        for session_id, (row, insights) in list(self._unwritten.items()):
            try:
                with self._change():
                    self._write_row(row)
                    if insights is not None:
                        self._write_insights(session_id, insights)
            except sqlite3.Error as error:
                log.error("%s cannot be written: %s", self._file, error, extra={"event": "registry"})
                return
            del self._unwritten[session_id]

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Commit all of the block, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled back already
                self._db.execute("ROLLBACK")
            raise

    def _write_row(self, row: Row) -> None:
        self._db.execute(
            "INSERT INTO sessions (id, phase, file, source_lang, target_lang, voice_gender, served, settings, state, "
            "result, created, ended, identity, measured_pairs, swept) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) "
            "ON CONFLICT (id) DO UPDATE SET phase = excluded.phase, file = excluded.file, "
            "source_lang = excluded.source_lang, target_lang = excluded.target_lang, "
            "voice_gender = excluded.voice_gender, served = excluded.served, settings = excluded.settings, "
            "state = excluded.state, result = excluded.result, created = excluded.created, ended = excluded.ended, "
            "identity = excluded.identity, measured_pairs = excluded.measured_pairs, swept = 0",
            (
                row.id,
                row.phase,
                _text(row.file),
                row.source_lang,
                row.target_lang,
                row.voice_gender,
                row.configuration,
                None if row.settings is None else json.dumps(row.settings),
                json.dumps(asdict(replace(row.state, log=()))),
                None if row.result is None else json.dumps(asdict(row.result)),
                row.created,
                row.ended,
                None if row.identity is None else json.dumps(asdict(row.identity)),
                json.dumps(row.measured_pairs),
            ),
        )

    def _write_insights(self, session_id: str, insights: Sequence[Insight]) -> None:
        rows = [(insight.id, session_id, place, json.dumps(asdict(insight))) for place, insight in enumerate(insights)]
        self._db.execute("DELETE FROM insights WHERE session_id = ?", (session_id,))
        self._db.executemany("INSERT INTO insights VALUES (?, ?, ?, ?)", rows)

    def get(self, session_id: str) -> Row | None:
        """Return a session; `None` where it is unknown."""
        if session_id in self._unwritten:
            return self._unwritten[session_id][0]
        found = self._db.execute(f"SELECT {COLUMNS} FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return None if found is None else _row(found)

    def in_phase(self, *phases: Phase) -> list[Row]:
        """Return the sessions in these phases, oldest first."""
        marks = ", ".join("?" * len(phases))
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM sessions WHERE phase IN ({marks}) ORDER BY created, id", phases
        ).fetchall()
        return [_row(values) for values in found]

    def counts(self) -> dict[str, int]:
        """Return the number of sessions by phase."""
        return dict(self._db.execute("SELECT phase, count(*) FROM sessions GROUP BY phase").fetchall())

    def mean_seconds(self) -> float | None:
        """Return how long (s) the last completed sessions were worked on; `None` before the first."""
        times = [
            json.loads(result)["processing_s"]
            for (result,) in self._db.execute(
                "SELECT result FROM sessions WHERE result IS NOT NULL ORDER BY ended DESC LIMIT 20"
            )
        ]
        return sum(times) / len(times) if times else None

    def to_sweep(self, before: float) -> list[str]:
        """Return the ids of sessions that ended before that moment and have not been swept since."""
        found = self._db.execute("SELECT id FROM sessions WHERE ended < ? AND swept = 0", (before,)).fetchall()
        return [session_id for (session_id,) in found]

    def mark_swept(self, session_id: str) -> None:
        """Note that the folder of a session is gone, and remove its log, which nobody asks for any more."""
        with suppress(sqlite3.Error):  # else the next time
            self._db.execute("UPDATE sessions SET swept = 1 WHERE id = ?", (session_id,))
            self._db.execute("DELETE FROM log WHERE session_id = ?", (session_id,))

    def forget(self, before: float) -> None:
        """Remove sessions that failed or were cancelled before that moment."""
        old = "SELECT id FROM sessions WHERE phase IN (?, ?) AND ended < ? AND swept = 1"
        ended = (Phase.FAILED, Phase.CANCELLED, before)
        with suppress(sqlite3.Error), self._change():  # else the next time
            self._db.execute(f"DELETE FROM insights WHERE session_id IN ({old})", ended)
            self._db.execute(f"DELETE FROM sessions WHERE id IN ({old})", ended)

    # ------------------------------------------------------------ log and insights

    def log(self, session_id: str, line: LogEntry) -> None:
        """Keep an entry; the same entry again changes nothing. Where it cannot be written it is lost."""
        with suppress(sqlite3.Error):  # which is logged when a row cannot be written
            self._db.execute(
                "INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?)",
                (session_id, line.timestamp, line.message, json.dumps(asdict(line))),
            )

    def load_log(self, session_id: str) -> tuple[LogEntry, ...]:
        """Return the log of a session, in order of time."""
        found = self._db.execute(
            "SELECT entry FROM log WHERE session_id = ? ORDER BY timestamp, message", (session_id,)
        ).fetchall()
        return tuple(LogEntry(**{**data, "level": Level(data["level"])}) for data in map(_json, found))

    def load_insights(self, session_id: str) -> tuple[Insight, ...]:
        """Return the insights of a session, the most important first."""
        _, waiting = self._unwritten.get(session_id, (None, None))
        if waiting is not None:
            return waiting
        found = self._db.execute(
            "SELECT insight FROM insights WHERE session_id = ? ORDER BY place", (session_id,)
        ).fetchall()
        return tuple(Insight(**data) for data in map(_json, found))

    # ------------------------------------------------------------ speeds

    def speeds(self) -> dict[str, float]:
        """Return the seconds that a stage took here for each second of video, by stage."""
        return dict(self._db.execute("SELECT stage, seconds_per_second FROM speeds").fetchall())

    def note_speed(self, stage: str, seconds_per_second: float) -> None:
        """Take a measured speed into the mean."""
        known = self.speeds().get(stage)
        mean = seconds_per_second if known is None else known + SHARE_OF_NEW * (seconds_per_second - known)
        with suppress(sqlite3.Error):
            self._db.execute("INSERT OR REPLACE INTO speeds VALUES (?, ?)", (stage, mean))


COLUMNS = (  # as _row takes them
    "id, phase, file, source_lang, target_lang, voice_gender, state, created, served, settings, result, ended, "
    "identity, measured_pairs"
)


def _row(values: tuple[Any, ...]) -> Row:
    session_id, phase, file, source, target, gender, state, created, served, settings, result, ended, *rest = values
    identity, pairs = rest
    return Row(
        id=session_id,
        phase=Phase(phase),
        file=_path(file),
        source_lang=source,
        target_lang=target,
        voice_gender=gender,
        state=_state(json.loads(state)),
        created=created,
        identity=None if identity is None else FileIdentity(**json.loads(identity)),
        configuration=served,
        measured_pairs=() if pairs is None else tuple((spoken, wanted) for spoken, wanted in json.loads(pairs)),
        settings=None if settings is None else json.loads(settings),
        result=None if result is None else _result(json.loads(result)),
        ended=ended,
    )


def _state(data: dict[str, Any]) -> State:
    return State(
        **{
            **data,
            "status": Status(data["status"]),
            "hardware": _part(Hardware, data["hardware"]),
            "available_segments": tuple(data["available_segments"]),
            "log": (),
        }
    )


def _result(data: dict[str, Any]) -> Result:
    if "artifacts" in data:
        artifacts = tuple(map(artifact_from_json, data["artifacts"]))
    else:  # of version 1: no more than its size is known of the dub
        artifacts = (Artifact(data["output_path"], None, FileIdentity(0, data["output_bytes"], 0)),)
    quality = _part(Quality, data["quality"])
    return Result(**{**data, "status": Status(data["status"]), "quality": quality, "artifacts": artifacts})


def _part(make: Callable[..., Part], data: dict[str, Any] | None) -> Part | None:
    return None if data is None else make(**data)


def _json(found: tuple[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(found[0])
    return data


def _text(path: Path) -> str:
    """Return the path as sqlite takes it; bytes that are no text become JSON's escapes."""
    return json.dumps(str(path))


def _path(text: str) -> Path:
    return Path(json.loads(text))
