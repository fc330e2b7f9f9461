"""The options of the server, from the environment and the command line.

Order of strength: default < environment < command line. What a dub becomes is not chosen here: that is the release
(`serve.release`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from serve.sessions.options import Folders, Limits
from vtlab.errors import SettingsError
from vtlab.releases.store import releases_folder

TOKEN_CHARS = 16  # of a token, the least
STATE = ".state"  # in TEMP_WORK_DIR; no session can have that name


class Config(BaseModel):
    """The options of the server. The title of a field is its environment variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uploads: Path = Field(Path("uploads"), title="UPLOADS_DIR", description="where the gateway puts videos")
    artifacts: Path = Field(Path("artifacts"), title="ARTIFACTS_DIR", description="where results go, shared too")
    temp_work: Path = Field(
        Path("temp_work"), title="TEMP_WORK_DIR", description="work under way, and the sessions; a local disk"
    )
    host: str = Field(
        "localhost", title="GRPC_HOST", min_length=1, description="address to listen on; 0.0.0.0 or [::]: all"
    )
    port: int = Field(50051, title="GRPC_PORT", ge=0, le=65535, description="0: any free one")
    releases: Path = Field(
        default_factory=lambda: releases_folder({}),
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
        30, title="SERVE_DRAIN_S", ge=0, description="at a stop, sessions may go on for so long; then they are parked"
    )
    metrics_port: int | None = Field(
        None, title="METRICS_PORT", ge=0, le=65535, description="Prometheus metrics; empty: none; 0: any free port"
    )
    metrics_host: str = Field("localhost", title="METRICS_HOST", min_length=1, description="address for metrics")
    tls_cert: Path | None = Field(None, title="TLS_CERT", description="PEM file: the server's certificate chain")
    tls_key: Path | None = Field(None, title="TLS_KEY", description="PEM file: its private key")
    tls_client_ca: Path | None = Field(
        None, title="TLS_CLIENT_CA", description="PEM file: the authority; clients need a certificate of it"
    )
    token: SecretStr | None = Field(
        None, title="SERVE_TOKEN", description="clients must send it: metadata 'authorization: Bearer TOKEN'"
    )
    token_file: Path | None = Field(
        None, title="SERVE_TOKEN_FILE", description="a file of such tokens, one a line, for several gateways"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", title="LOG_LEVEL", description="debug: with words of the videos"
    )
    log_file: Path | None = Field(None, title="LOG_FILE", description="the log is appended to it; empty: stderr")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Config:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both, the certificate (TLS_CERT) and its key (TLS_KEY)")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("certificates of clients (TLS_CLIENT_CA) need TLS_CERT and TLS_KEY, too")
        return self

    @model_validator(mode="after")
    def _token_is_long(self) -> Config:
        if self.token is not None and len(self.token.get_secret_value()) < TOKEN_CHARS:
            raise ValueError(f"SERVE_TOKEN is shorter than {TOKEN_CHARS} characters, so it could be guessed")
        return self

    @property
    def folders(self) -> Folders:
        """The folders that sessions work in, absolute."""
        return Folders(self.artifacts.absolute(), self.temp_work.absolute(), self.temp_work.absolute() / STATE)

    @property
    def limits(self) -> Limits:
        """Limit what the machine may be asked to bear."""
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
    """Return the options of the server.

    Args:
        chosen: Options by field name, from the command line; those that are `None` were not chosen.
        environment: Variables; an empty one is none.

    Raises:
        SettingsError: It names each wrong option and its variable.
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
            got = "" if field is None or name == "token" else f" (got {problem['input']!r})"
            sentences.append(f"{where}{message}{got}.")
        raise SettingsError(" ".join(sentences)) from error


def make_folders(config: Config) -> None:
    """Make the folders that are missing.

    Raises:
        SettingsError: It names a folder that cannot be used.
    """
    state = config.folders.state
    for folder in (config.uploads, config.artifacts, config.temp_work, state):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700 if folder == state else 0o777)
        except OSError as error:
            raise SettingsError(f"The folder {folder} cannot be made: {error.strerror}. Choose another one.") from error
    for folder in (config.artifacts, config.temp_work):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"The folder {folder} cannot be written to by this user (id {os.getuid()}).")


def load_tokens(config: Config) -> list[str]:
    """Return the tokens that clients may send; none where calls need no token.

    Raises:
        SettingsError: The file cannot be read, holds no token, or one that could be guessed.
    """
    tokens = [] if config.token is None else [config.token.get_secret_value()]
    if config.token_file is None:
        return tokens
    try:
        lines = [line.strip() for line in config.token_file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file of tokens {config.token_file} cannot be read: {error}.") from error
    listed = [line for line in lines if line and not line.startswith("#")]
    if not listed or min(map(len, listed)) < TOKEN_CHARS:
        raise SettingsError(
            f"{config.token_file} must hold tokens, one a line, each of {TOKEN_CHARS} characters or more. 'openssl "
            "rand -hex 32' makes one."
        )
    return tokens + listed
