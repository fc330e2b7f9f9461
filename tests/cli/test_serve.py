"""What the command refuses before it serves, and what it hands on."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serve import server
from serve.config import Config
from serve.observe import logs
from serve.release import ActiveRelease
from vtlab.cli import app, serve
from vtlab.errors import SettingsError


@pytest.fixture(autouse=True)
def nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, ActiveRelease]]:
    """The server has tests of its own: here is only what it is given."""
    given: list[tuple[Config, ActiveRelease]] = []

    async def serve(config: Config, active: ActiveRelease, announce: Any) -> None:
        given.append((config, active))

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(logs, "start_logging", lambda level, file: None)
    for name in (field.title for field in Config.model_fields.values()):
        monkeypatch.delenv(str(name), raising=False)
    return given


def test_options_come_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_is_served: list[tuple[Config, ActiveRelease]]
) -> None:
    monkeypatch.setenv("GRPC_PORT", "1")
    monkeypatch.setenv("SERVE_QUEUE", "7")
    arguments = ["serve", "--port", "2", "--workers", "3", "--releases", str(tmp_path), "--metrics-port", "0"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    ((config, active),) = nothing_is_served
    assert (config.port, config.queue, config.workers, config.metrics_port) == (2, 7, 3, 0)
    assert "packaged default" in active.configuration.name


def test_every_option_of_the_server_is_one_of_the_command() -> None:
    options = set(Config.model_fields) - {"token"}  # which the list of processes would show
    assert options <= set(inspect.signature(serve.serve).parameters)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "tts.voice=x"], "--unmeasured"),
        (["--port", "99999"], "GRPC_PORT"),
        (["--tls-cert", "a.pem"], "TLS_KEY"),
        (["--unmeasured", "--set", "tts.voise=x"], "tts.voise"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["serve", "--releases", str(tmp_path), *arguments])
    assert isinstance(done.exception, SettingsError)
    assert said in str(done.exception)


def test_settings_without_evidence_are_served_where_asked_for(
    tmp_path: Path, nothing_is_served: list[tuple[Config, ActiveRelease]]
) -> None:
    done = CliRunner().invoke(app, ["serve", "--releases", str(tmp_path), "--unmeasured", "--set", "tts.voice=x"])
    assert done.exit_code == 0, done.output
    assert nothing_is_served[0][1]().settings.tts.voice == "x"
