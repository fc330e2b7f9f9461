from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serve.release import ActiveRelease
from serve.sessions.options import Folders, Limits
from serve.sessions.sessions import Sessions
from serve.state import State, Status
from vtlab.errors import EngineError, SettingsError, UserError
from vtlab.releases import store as promotion
from vtlab.releases.evidence import Evidence, GateOutcome
from vtlab.releases.store import Proposal, Release, WeightsMismatch
from vtlab.settings import Settings, fingerprint, settings_from_dict

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


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
    return promotion.add_release(folder, lambda: proposal)


@pytest.fixture
def told() -> Iterator[list[logging.LogRecord]]:
    """What the log was told."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, logger = Keep(), logging.getLogger("serve.release")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_without_a_release_the_packaged_default_is_served(tmp_path: Path) -> None:
    active = ActiveRelease(tmp_path, environment={})
    served = active()
    assert "packaged default" in served.name
    assert "no release" in active.figures()
    assert "vtlab promote" in active.figures()
    combination = served.settings.video_combination
    assert (combination.burn_subtitles, combination.soft_subtitles, combination.browser_safe) == (True, False, True)
    assert served.settings.tts == Settings().tts


def test_the_release_in_force_is_served_with_its_figures(tmp_path: Path) -> None:
    made = release(tmp_path, tts={"engines": ["piper"]})
    active = ActiveRelease(tmp_path, environment={})
    served = active()
    assert served.name == "release 1 (pt-en/base)"
    assert served.measured_pairs == (("pt", "en"),)
    assert served.settings.tts.engines == ("piper",)
    assert served.settings.video_combination.browser_safe
    said = active.figures()
    for part in ("16 clips of spoken", "run 0123abcd", "Ana", "2026-01-02", "1 of 1 gates", made.fingerprint):
        assert part in said
    assert "Measured on pt-en: bleu 31.4 (29 to 34), wer 0.08" in said
    assert "objections" not in said
    assert "subtitles" not in said


@pytest.mark.parametrize(("burn", "burned"), [(True, True), (False, False)])
def test_subtitles_are_burned_in_for_the_page(tmp_path: Path, burn: bool, burned: bool) -> None:
    release(tmp_path)
    active = ActiveRelease(tmp_path, burn_subtitles=burn, environment={})
    combination = active().settings.video_combination
    assert (combination.burn_subtitles, combination.soft_subtitles) == (burned, not burned)
    assert ("No subtitles are burned in" in active.figures()) is not burned


def test_a_forced_release_says_so(tmp_path: Path) -> None:
    release(tmp_path, forced="the customer asked for it")
    assert "against objections: the customer asked for it" in ActiveRelease(tmp_path, environment={}).figures()


def test_a_new_release_and_a_rollback_count_from_the_next_session_on(
    tmp_path: Path, told: list[logging.LogRecord]
) -> None:
    active = ActiveRelease(tmp_path, environment={})
    names = [active().name]
    release(tmp_path)
    names.append(active().name)
    release(tmp_path, name="better", tts={"max_rate": 1.2})
    before = active
    names.append(before().name)
    promotion.restore_release(tmp_path, "Ana", WHEN)
    names.append(active().name)
    assert names[0].startswith("packaged default")
    assert names[1:] == ["release 1 (pt-en/base)", "release 2 (pt-en/better)", "release 1 (pt-en/base)"]
    assert [record.release for record in told if record.event == "release"] == names[1:]


@pytest.mark.parametrize("damage", ["release.json", "settings.yaml"])
def test_a_damaged_release_does_not_replace_a_good_one(
    tmp_path: Path, told: list[logging.LogRecord], damage: str
) -> None:
    release(tmp_path)
    active = ActiveRelease(tmp_path, environment={})
    release(tmp_path, name="better")
    (tmp_path / "0002" / damage).write_text("{}")
    assert [active().name for _ in range(3)] == ["release 1 (pt-en/base)"] * 3
    (error,) = [record for record in told if record.levelno == logging.ERROR]  # once, not for every session
    assert "damaged" in error.getMessage()
    with pytest.raises(UserError, match="damaged"):
        ActiveRelease(tmp_path, environment={})  # nothing good is known at the start


def test_other_weights_than_those_evaluated_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[logging.LogRecord]
) -> None:
    release(tmp_path)
    active = ActiveRelease(tmp_path, environment={})
    monkeypatch.setattr(promotion, "verify", lambda _: [WeightsMismatch("base", "1", "2", "Weights base are others.")])
    with pytest.raises(SettingsError, match=r"Weights base are others.*--unmeasured"):
        ActiveRelease(tmp_path, environment={})
    served = ActiveRelease(tmp_path, unmeasured=True, environment={})()
    assert (served.name, served.measured_pairs) == ("release 1 (pt-en/base)", ())
    release(tmp_path, name="better")
    assert active().name == "release 1 (pt-en/base)"
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
    active = ActiveRelease(tmp_path, unmeasured=True, overrides=overrides, environment=environment)
    assert active().settings.tts.voice == "x"
    assert "unmeasured" in active().name
    assert active().settings.video_combination.burn_subtitles


def test_what_belongs_to_the_machine_may_be_set_beside_a_release(tmp_path: Path) -> None:
    release(tmp_path, initialization={"threads": 3})
    environment = {"VTLAB_INITIALIZATION__OFFLINE": "true", "VTLAB_STORE": "/tmp/x", "VTLAB_RELEASES": str(tmp_path)}
    settings = ActiveRelease(tmp_path, environment=environment)().settings
    assert (settings.initialization.offline, settings.initialization.threads) == (True, 3)


def test_a_release_without_its_engines_refuses_sessions_until_a_good_one_is_in_force(
    tmp_path: Path, told: list[logging.LogRecord]
) -> None:
    release(tmp_path, tts={"engines": ["pipr"]})
    active = ActiveRelease(tmp_path, environment={})  # it starts all the same
    (error,) = told
    assert error.levelno == logging.ERROR and "Did you mean 'piper'" in error.getMessage()
    assert "'pipr'" in active.figures() and "all are refused" in active.figures()

    async def start() -> State:
        folders = Folders(*(tmp_path / name for name in ("artifacts", "work", "state")))
        async with Sessions(folders, active, Limits(warm=False)) as sessions:
            await sessions.start("a", tmp_path / "talk.mp4", "pt", "en")
            return [state async for state in sessions.follow("a")][-1]

    state = asyncio.run(start())
    assert state.status is Status.FAILED and "'pipr'" in state.message
    release(tmp_path, name="good")
    assert active().name == "release 2 (pt-en/good)" and "refused" not in active.figures()
    release(tmp_path, name="bad", tts={"engines": ["kokro"]})
    assert active().name == "release 2 (pt-en/good)" and "'kokro'" in told[-1].getMessage()


def test_settings_chosen_here_are_checked_too(tmp_path: Path) -> None:
    active = ActiveRelease(tmp_path, unmeasured=True, overrides=("tts.engines=[pipr]",), environment={})
    with pytest.raises(EngineError, match="Did you mean 'piper'"):
        active()
