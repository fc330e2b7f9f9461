from __future__ import annotations

from pathlib import Path

import pytest

from serve.config import STATE, Config, load_config, load_tokens, make_folders
from vtlab.errors import SettingsError


def test_the_environment_is_below_the_command_line() -> None:
    environment = {"UPLOADS_DIR": "/app/uploads", "GRPC_PORT": "50052", "SERVE_QUEUE": "", "SERVE_UNMEASURED": "true"}
    config = load_config({"port": 50053, "workers": None}, environment)
    assert (config.uploads, config.port, config.queue, config.workers) == (Path("/app/uploads"), 50053, 100, 1)
    assert config.unmeasured
    assert load_config({}, {}) == Config()
    assert Config().port == 50051


def test_every_option_has_a_variable_and_says_what_it_is() -> None:
    titles = [field.title for field in Config.model_fields.values()]
    assert None not in titles
    assert len(set(titles)) == len(titles)
    assert all(field.description for field in Config.model_fields.values())


def test_the_readme_names_every_variable() -> None:
    readme = (Path(__file__).parents[2] / "serve" / "README.md").read_text()
    assert [field.title for field in Config.model_fields.values() if f"`{field.title}`" not in readme] == []


@pytest.mark.parametrize(
    ("chosen", "environment", "said"),
    [
        ({"port": 70000}, {}, r"GRPC_PORT \(--port\)"),
        ({}, {"GRPC_PORT": "five"}, r"GRPC_PORT .*'five'"),
        ({}, {"SERVE_WORKERS": "0", "SERVE_QUEUE": "-1"}, r"SERVE_WORKERS .*SERVE_QUEUE"),
        ({}, {"TLS_CERT": "a.pem"}, "TLS_KEY"),
        ({}, {"TLS_CLIENT_CA": "a.pem"}, "TLS_CERT and TLS_KEY"),
        ({}, {"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
def test_wrong_options_are_named(chosen: dict[str, object], environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_config(chosen, environment)


def test_folders_are_made(tmp_path: Path) -> None:
    config = Config(uploads=tmp_path / "u", artifacts=tmp_path / "a", temp_work=tmp_path / "t")
    make_folders(config)
    assert {path.name for path in tmp_path.iterdir()} == {"u", "a", "t"}
    assert (tmp_path / "t" / STATE).stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file"):
        make_folders(config.model_copy(update={"artifacts": tmp_path / "file" / "a"}))


# ---------------------------------------------------------------- tokens


def test_tokens_come_from_a_variable_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# of two gateways\n0123456789abcdef\n\n  fedcba9876543210  \n")
    config = load_config({"token_file": file}, {"SERVE_TOKEN": "the token of a third"})
    assert load_tokens(config) == ["the token of a third", "0123456789abcdef", "fedcba9876543210"]
    assert "third" not in repr(config)
    assert load_tokens(Config()) == []


@pytest.mark.parametrize("content", [None, "", "# none\n", "short\n", "0123456789abcdef\nshort\n", b"\xff\xfe"])
def test_a_file_of_tokens_that_protects_nothing_is_refused(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match="tokens"):
        load_tokens(Config(token_file=file))


def test_a_token_that_could_be_guessed_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="SERVE_TOKEN") as refused:
        load_config({}, {"SERVE_TOKEN": "hunter2"})
    assert "hunter2" not in str(refused.value)
