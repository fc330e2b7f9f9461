"""What an operator can choose, from the environment and the command line; and the configuration that sessions run.

Order of strength: default < environment < command line. What a dub becomes is not chosen here: that is the release.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serve.sessions.sessions import Folders, Limits, Served
from vtlab.errors import SettingsError, UserError
from vtlab.releases import store as promotion
from vtlab.releases.store import Release
from vtlab.settings import ENVIRONMENT_PREFIX, NOT_SETTINGS, Settings, fingerprint, load_settings

log = logging.getLogger(__name__)

STATE = ".state"  # in TEMP_WORK_DIR; no session can have that name
MACHINE = "INITIALIZATION__"  # settings that belong to the machine, not to the release

# what the gateway's page needs: it takes the translated subtitles for burned in, and shows the dub in a browser.
# No metric looks at the picture, so what was measured of a release holds for it with these, too.
PAGE = {"browser_safe": True}
BURNED = {"burn_subtitles": True, "soft_subtitles": False}


class Config(BaseModel):
    """The options of the server. The title of a field is its environment variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uploads: Path = Field(Path("uploads"), title="UPLOADS_DIR", description="where the gateway puts videos")
    artifacts: Path = Field(Path("artifacts"), title="ARTIFACTS_DIR", description="where results go, shared too")
    temp_work: Path = Field(
        Path("temp_work"), title="TEMP_WORK_DIR", description="work under way, and the sessions; a local disk"
    )
    host: str = Field("[::]", title="GRPC_HOST", min_length=1, description="address to listen on; [::]: all")
    port: int = Field(50051, title="GRPC_PORT", ge=0, le=65535, description="0: any free one")
    releases: Path = Field(
        default_factory=lambda: promotion.releases_folder({}),
        title="VTLAB_RELEASES",
        description="folder of releases",
    )
    unmeasured: bool = Field(
        False, title="SERVE_UNMEASURED", description="serve settings or weights that no evaluation stands for"
    )
    burn_subtitles: bool = Field(
        True,
        title="SERVE_BURN_SUBTITLES",
        description="translated subtitles are drawn into the picture; false: as the release says",
    )
    workers: int = Field(1, title="SERVE_WORKERS", ge=1, le=64, description="sessions dubbed at once")
    queue: int = Field(100, title="SERVE_QUEUE", ge=0, description="sessions that may wait for a worker")
    memory_mb: int | None = Field(
        None, title="SERVE_MEMORY_MB", ge=512, description="memory for all of it, MB; empty: the machine's or cgroup's"
    )
    disk_free_mb: int = Field(500, title="SERVE_DISK_FREE_MB", ge=0, description="new sessions need so much, MB")
    store_mb: int = Field(20_000, title="SERVE_STORE_MB", ge=0, description="stage results are kept up to this, MB")
    keep_h: float = Field(24, title="SERVE_KEEP_H", gt=0, description="folders of sessions are swept after, hours")
    drain_s: float = Field(
        30, title="SERVE_DRAIN_S", ge=0, description="told to stop, sessions may go on so long; then they are parked"
    )
    metrics_port: int | None = Field(
        None, title="METRICS_PORT", ge=0, le=65535, description="Prometheus metrics; empty: none; 0: any free port"
    )
    metrics_host: str = Field("0.0.0.0", title="METRICS_HOST", min_length=1, description="address for metrics")
    tls_cert: Path | None = Field(None, title="TLS_CERT", description="PEM file: the server's certificate chain")
    tls_key: Path | None = Field(None, title="TLS_KEY", description="PEM file: its private key")
    tls_client_ca: Path | None = Field(
        None, title="TLS_CLIENT_CA", description="PEM file: who signs clients' certificates; they must have one then"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", title="LOG_LEVEL", description="debug: with what was said in the videos"
    )
    log_file: Path | None = Field(None, title="LOG_FILE", description="the log is appended to it; empty: stderr")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Config:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both, the certificate (TLS_CERT) and its key (TLS_KEY)")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("certificates of clients (TLS_CLIENT_CA) need TLS_CERT and TLS_KEY, too")
        return self

    @property
    def folders(self) -> Folders:
        return Folders(self.artifacts.absolute(), self.temp_work.absolute(), self.temp_work.absolute() / STATE)

    @property
    def limits(self) -> Limits:
        return Limits(
            workers=self.workers,
            queue=self.queue,
            memory_mb=self.memory_mb,
            disk_free_mb=self.disk_free_mb,
            drain_s=self.drain_s,
            keep_s=self.keep_h * 3600,
            store_mb=self.store_mb,
        )


def load_config(chosen: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Config:
    """The options: ``chosen`` by field name, where not ``None``, before the environment; an empty variable is none.

    Raises ``SettingsError`` that names each wrong option and its variable.
    """
    given = {
        name: environment[field.title]
        for name, field in Config.model_fields.items()
        if field.title is not None and environment.get(field.title)
    }
    try:
        return Config.model_validate({**given, **{name: value for name, value in chosen.items() if value is not None}})
    except ValidationError as error:
        sentences = []
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"]))
            message = problem["msg"].removeprefix("Value error, ")
            field = Config.model_fields.get(name)
            where = "" if field is None else f"{field.title} (--{name.replace('_', '-')}): "
            got = "" if field is None else f" (got {problem['input']!r})"
            sentences.append(f"{where}{message}{got}.")
        raise SettingsError(" ".join(sentences)) from error


def make_folders(config: Config) -> None:
    """The folders, made where they are missing; ``SettingsError`` names one that cannot be used."""
    state = config.folders.state
    for folder in (config.uploads, config.artifacts, config.temp_work, state):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700 if folder == state else 0o777)
        except OSError as error:
            raise SettingsError(f"The folder {folder} cannot be made: {error.strerror}. Choose another one.") from error
    for folder in (config.artifacts, config.temp_work):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"The folder {folder} cannot be written to by this user (id {os.getuid()}).")


class ActiveRelease:
    """What new sessions run: the release in force, or the packaged default before the first one.

    Asked for each session, so a promotion or a rollback counts from the next session on. A release that turns out to be
    damaged, or whose weights are not those it was evaluated with, is told in the log and does not replace a good one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        unmeasured: bool = False,
        burn_subtitles: bool = True,
        file: Path | None = None,
        overrides: tuple[str, ...] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises a ``UserError`` where what should be served has no evidence, unless ``unmeasured``."""
        self._folder, self._unmeasured = folder, unmeasured
        self._picture = {**PAGE, **(BURNED if burn_subtitles else {})}
        self._machine = {
            name: value for name, value in environment.items() if name.startswith(ENVIRONMENT_PREFIX + MACHINE)
        }
        others = sorted(
            name
            for name in environment
            if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS and name not in self._machine
        )
        chosen = [*([f"--settings {file}"] if file else []), *(f"--set {text}" for text in overrides), *others]
        if chosen and not unmeasured:
            raise SettingsError(
                f"No evaluation stands for settings chosen here ({', '.join(chosen)}). Evaluate and promote them "
                "('vtlab eval', 'vtlab promote'), or serve them all the same with --unmeasured."
            )
        self._chosen = load_settings(file, overrides, environment) if chosen else None
        self._packaged = load_settings(None, (), self._machine)
        self._refused: tuple[int, str] | None = None
        self.release: Release | None = None
        self.served = self._packaged_or_chosen()
        if self._chosen is None and (release := promotion.current(folder)) is not None:
            self._check(release)
            self._take(release)

    def __call__(self) -> Served:
        if self._chosen is not None:
            return self.served
        try:
            release = promotion.current(self._folder)
            if release is not None and release is not self.release:
                self._check(release)
                self._take(release)
                log.info("Now in force: %s", self.figures(), extra={"event": "release", "release": self.served.name})
            elif release is None and self.release is not None:
                raise SettingsError(f"{self._folder} holds no release any more.")
            self._refused = None
        except UserError as error:
            # the good one goes on; said once, not for every session
            problem = (self.release.number if self.release else 0, str(error))
            if problem != self._refused:
                self._refused = problem
                log.error(
                    "%s Still in force: %s", error, self.served.name, extra={"event": "release", "code": error.code}
                )
        return self.served

    def figures(self) -> str:
        """What is served, with what was measured of it, in a sentence or a few."""
        settings = self.served.settings
        if self.release is None:
            name = f"{self.served.name}, settings {fingerprint(settings)}"
            return f"{name}. No evaluation stands for it; 'vtlab promote' puts one in force that has one."
        evidence = self.release.evidence
        values = [
            f"{metric} {value:.4g}{_interval(evidence.intervals.get(metric))}"
            for metric, value in sorted(evidence.values.items())
        ]
        gates = f"{sum(gate.passed for gate in evidence.gates)} of {len(evidence.gates)} gates passed"
        told = [
            f"{self.served.name}, settings {self.release.fingerprint}: {evidence.clips} clips of "
            f"{self.release.dataset}, run {self.release.run_id}, promoted by {self.release.who} on "
            f"{self.release.when:%Y-%m-%d}; {gates}."
        ]
        if self.release.forced is not None:
            told.append(f"Promoted against objections: {self.release.forced}.")
        if values:
            told.append(f"Measured: {', '.join(values)}.")
        if not settings.video_combination.burn_subtitles:
            told.append("No subtitles are burned in, so the gateway's page shows none over the dub.")
        return " ".join(told)

    def _packaged_or_chosen(self) -> Served:
        if self._chosen is not None:
            return Served(self._for_the_page(self._chosen), "settings chosen here, unmeasured")
        return Served(self._for_the_page(self._packaged), "packaged default (there is no release)")

    def _take(self, release: Release) -> None:
        self.release = release
        machine = load_settings(None, (), self._machine).initialization
        own = {name: getattr(machine, name) for name in machine.model_fields_set}
        settings = release.settings.model_copy(
            update={"initialization": release.settings.initialization.model_copy(update=own)}
        )
        self.served = Served(self._for_the_page(settings), f"release {release.number} ({release.suite}/{release.name})")

    def _for_the_page(self, settings: Settings) -> Settings:
        combination = settings.video_combination.model_copy(update=self._picture)
        return settings.model_copy(update={"video_combination": combination})

    def _check(self, release: Release) -> None:
        differences = promotion.verify(release)
        if not differences:
            return
        sentences = " ".join(difference.message for difference in differences)
        if not self._unmeasured:
            raise SettingsError(f"{sentences} Or serve release {release.number} all the same with --unmeasured.")
        log.warning("%s", sentences, extra={"event": "release", "release": f"release {release.number}"})


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.4g} to {interval[1]:.4g})"
