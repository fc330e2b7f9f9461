from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serve.config import STATE, ActiveRelease, Config, load_config, make_folders
from vtlab.errors import SettingsError, UserError
from vtlab.releases import store as promotion
from vtlab.releases.evidence import Evidence, GateOutcome
from vtlab.releases.store import Proposal, Release, WeightsMismatch
from vtlab.settings import Settings, fingerprint, settings_from_dict

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


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


# ---------------------------------------------------------------- what is served


def release(folder: Path, name: str = "base", forced: str | None = None, **sections: object) -> Release:
    """Puts a release of these settings in force."""
    settings = settings_from_dict(sections)
    gate = GateOutcome(metric="bleu", limit="at least 20", value=31.4, passed=True)
    evidence = Evidence(values={"bleu": 31.4, "wer": 0.08}, intervals={"bleu": (29.0, 34.0)}, gates=(gate,), clips=16)
    proposal = Proposal(
        name=name, suite="pt-en", run_id="0123abcd", fingerprint=fingerprint(settings), dataset="spoken",
        dataset_digest="d", pairs=(("pt", "en"),), weights=(), evidence=evidence, commit=None, vtlab="0", who="Ana",
        when=WHEN, forced=forced, settings=settings,
    )  # fmt: skip
    return promotion.promote(folder, lambda: proposal)


@pytest.fixture
def told() -> Iterator[list[logging.LogRecord]]:
    """What the log was told."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, logger = Keep(), logging.getLogger("serve.config")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_without_a_release_the_packaged_default_is_served(tmp_path: Path) -> None:
    in_force = ActiveRelease(tmp_path, environment={})
    served = in_force()
    assert "packaged default" in served.name
    assert "no release" in in_force.figures()
    assert "vtlab promote" in in_force.figures()
    combination = served.settings.video_combination
    assert (combination.burn_subtitles, combination.soft_subtitles, combination.browser_safe) == (True, False, True)
    assert served.settings.tts == Settings().tts


def test_the_release_in_force_is_served_with_its_figures(tmp_path: Path) -> None:
    made = release(tmp_path, tts={"engines": ["piper"]})
    in_force = ActiveRelease(tmp_path, environment={})
    served = in_force()
    assert served.name == "release 1 (pt-en/base)"
    assert served.settings.tts.engines == ("piper",)
    assert served.settings.video_combination.browser_safe
    said = in_force.figures()
    for part in ("16 clips of spoken", "run 0123abcd", "Ana", "2026-01-02", "1 of 1 gates", made.fingerprint):
        assert part in said
    assert "bleu 31.4 (29 to 34), wer 0.08" in said
    assert "objections" not in said
    assert "subtitles" not in said


@pytest.mark.parametrize(("burn", "burned"), [(True, True), (False, False)])
def test_subtitles_are_burned_in_for_the_page(tmp_path: Path, burn: bool, burned: bool) -> None:
    release(tmp_path)
    in_force = ActiveRelease(tmp_path, burn_subtitles=burn, environment={})
    combination = in_force().settings.video_combination
    assert (combination.burn_subtitles, combination.soft_subtitles) == (burned, not burned)
    assert ("No subtitles are burned in" in in_force.figures()) is not burned


def test_a_forced_release_says_so(tmp_path: Path) -> None:
    release(tmp_path, forced="the customer asked for it")
    assert "against objections: the customer asked for it" in ActiveRelease(tmp_path, environment={}).figures()


def test_a_new_release_and_a_rollback_count_from_the_next_session_on(
    tmp_path: Path, told: list[logging.LogRecord]
) -> None:
    in_force = ActiveRelease(tmp_path, environment={})
    names = [in_force().name]
    release(tmp_path)
    names.append(in_force().name)
    release(tmp_path, name="better", tts={"max_rate": 1.2})
    before = in_force
    names.append(before().name)
    promotion.rollback(tmp_path, "Ana", WHEN)
    names.append(in_force().name)
    assert names[0].startswith("packaged default")
    assert names[1:] == ["release 1 (pt-en/base)", "release 2 (pt-en/better)", "release 1 (pt-en/base)"]
    assert [record.release for record in told if record.event == "release"] == names[1:]


@pytest.mark.parametrize("damage", ["release.json", "settings.yaml"])
def test_a_damaged_release_does_not_replace_a_good_one(
    tmp_path: Path, told: list[logging.LogRecord], damage: str
) -> None:
    release(tmp_path)
    in_force = ActiveRelease(tmp_path, environment={})
    release(tmp_path, name="better")
    (tmp_path / "0002" / damage).write_text("{}")
    assert [in_force().name for _ in range(3)] == ["release 1 (pt-en/base)"] * 3
    (error,) = [record for record in told if record.levelno == logging.ERROR]  # once, not for every session
    assert "damaged" in error.getMessage()
    with pytest.raises(UserError, match="damaged"):
        ActiveRelease(tmp_path, environment={})  # nothing good is known at the start


def test_other_weights_than_those_evaluated_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[logging.LogRecord]
) -> None:
    release(tmp_path)
    in_force = ActiveRelease(tmp_path, environment={})
    monkeypatch.setattr(promotion, "verify", lambda _: [WeightsMismatch("base", "1", "2", "Weights base are others.")])
    with pytest.raises(SettingsError, match=r"Weights base are others.*--unmeasured"):
        ActiveRelease(tmp_path, environment={})
    assert ActiveRelease(tmp_path, unmeasured=True, environment={})().name == "release 1 (pt-en/base)"
    release(tmp_path, name="better")
    assert in_force().name == "release 1 (pt-en/base)"
    assert "Weights base are others." in told[-1].getMessage()


@pytest.mark.parametrize(
    ("overrides", "environment"),
    [(("tts.voice=x",), {}), ((), {"VTLAB_TTS__VOICE": "x"})],
)
def test_settings_without_evidence_need_to_be_asked_for(
    tmp_path: Path, overrides: tuple[str, ...], environment: dict[str, str]
) -> None:
    release(tmp_path)
    with pytest.raises(SettingsError, match=r"tts.voice|VTLAB_TTS__VOICE"):
        ActiveRelease(tmp_path, overrides=overrides, environment=environment)
    in_force = ActiveRelease(tmp_path, unmeasured=True, overrides=overrides, environment=environment)
    assert in_force().settings.tts.voice == "x"
    assert "unmeasured" in in_force().name
    assert in_force().settings.video_combination.burn_subtitles


def test_what_belongs_to_the_machine_may_be_set_beside_a_release(tmp_path: Path) -> None:
    release(tmp_path, initialization={"threads": 3})
    environment = {"VTLAB_INITIALIZATION__OFFLINE": "true", "VTLAB_STORE": "/tmp/x", "VTLAB_RELEASES": str(tmp_path)}
    settings = ActiveRelease(tmp_path, environment=environment)().settings
    assert (settings.initialization.offline, settings.initialization.threads) == (True, 3)
