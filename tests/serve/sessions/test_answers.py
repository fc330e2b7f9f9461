"""The same session asked for again: the old dub only where it is whole and was asked for; and sessions refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from live_sessions import CASES, CLIP, Serving, all_states, dubbed, once, run

from serve.sessions import sessions as sessions_module
from serve.sessions.sessions import SessionConflictError
from serve.state import Refusal, Result, Status
from vtlab.events import StageStarted

OTHER = CASES / "late_speech.mp4"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A completed session, `calm`, of the upload `calm.mp4`."""
    serving = Serving(tmp_path_factory.mktemp("answers"))
    upload = serving.root / "calm.mp4"
    shutil.copyfile(CLIP, upload)

    async def dub() -> None:
        async with serving.sessions() as sessions:
            assert (await dubbed(sessions, "calm", upload)).status is Status.COMPLETED

    run(dub())
    return serving


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def video(serving: Serving, session_id: str = "calm") -> Path:
    return serving.artifacts / f"{session_id}_translated.mp4"


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_artifact_is_not_served_as_completed(whole: Serving, damage: bytes | None) -> None:
    file, upload = video(whole), whole.root / "calm.mp4"
    before = digest(file)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)

    async def again() -> None:
        async with whole.sessions() as sessions:
            # the content of a large file is not read for every answer, its size is looked at
            assert isinstance(sessions.result("calm"), Refusal if damage is not None else Result)
            await sessions.start("calm", upload, "en", "pt")
            states = await all_states(sessions, "calm")
            assert states[0].status is Status.PROCESSING
            assert states[-1].status is Status.COMPLETED
            assert isinstance(sessions.result("calm"), Result)

    run(again())
    assert digest(file) == before


def test_other_work_is_dubbed_anew_and_never_answered_with_the_old_dub(whole: Serving) -> None:
    upload = whole.root / "calm.mp4"
    before = digest(video(whole))

    async def asked() -> None:
        async with whole.sessions() as sessions:
            spoken = await dubbed(sessions, "calm", upload, ("en", "xx"))
            assert (spoken.status, spoken.code) == (Status.FAILED, "E_LANGUAGE")
            assert isinstance(sessions.result("calm"), Refusal)
            assert whole.files("calm") == []
            assert (await dubbed(sessions, "calm", upload)).status is Status.COMPLETED
            assert digest(video(whole)) == before
            replaced = upload.with_suffix(".new")
            shutil.copyfile(OTHER, replaced)
            replaced.replace(upload)  # another video under the same name
            last = await dubbed(sessions, "calm", upload, ("es", "en"))
            assert last.total_duration_s != pytest.approx(9.7, abs=0.1)
            assert not video(whole).exists() or digest(video(whole)) != before
            shutil.copyfile(CLIP, upload)
            assert (await dubbed(sessions, "calm", upload)).status is Status.COMPLETED
            assert digest(video(whole)) == before

    run(asked())


def test_a_session_under_way_takes_no_other_work(whole: Serving) -> None:
    upload, other = whole.root / "calm.mp4", whole.root / "other.mp4"
    shutil.copyfile(OTHER, other)

    async def asked() -> None:
        async with whole.sessions() as sessions:
            await sessions.start("busy", upload, "en", "pt")
            for work in ((other, "en", "pt"), (upload, "en", "fr"), (upload, None, "pt"), (upload, "en", "pt", "male")):
                with pytest.raises(SessionConflictError, match="another session_id"):
                    await sessions.start("busy", *work)  # type: ignore[arg-type]
            await sessions.start("busy", upload, "en", "pt")
            assert (await all_states(sessions, "busy"))[-1].status is Status.COMPLETED

    run(asked())
    assert digest(video(whole, "busy")) == digest(video(whole))


def test_an_upload_that_is_swapped_while_it_is_dubbed_changes_nothing(whole: Serving) -> None:
    upload, secret = whole.root / "calm.mp4", whole.root / "secret.mp4"
    before = digest(video(whole))
    shutil.copyfile(OTHER, secret)
    shutil.rmtree(whole.root / "state" / "store")  # so that the file is read

    def swap() -> None:
        upload.rename(whole.root / "kept.mp4")
        upload.symlink_to(secret)

    async def swapped() -> None:
        async with whole.sessions() as sessions:
            whole.heard.at = once(swap, lambda happened: isinstance(happened, StageStarted))
            assert (await dubbed(sessions, "swapped", upload)).status is Status.COMPLETED

    try:
        run(swapped())
    finally:
        (whole.root / "kept.mp4").replace(upload)
    assert digest(video(whole, "swapped")) == before


def test_refused_sessions_are_answered_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "REFUSED_KEPT", 10)
    serving = Serving(tmp_path)

    async def refused() -> None:
        async with serving.sessions(disk_free_mb=1e12) as sessions:
            for number in range(30):
                last = await dubbed(sessions, f"refused-{number}")
                assert (last.status, last.code) == (Status.FAILED, "E_BUSY")
                assert "disk space" in last.current_step
                assert [entry.message for entry in last.log] == [last.message]
            result = sessions.result("refused-29")
            assert isinstance(result, Refusal)
            assert not result.unknown
            assert "disk space" in result.message
            insights = sessions.insights("refused-29")
            assert isinstance(insights, tuple) and insights
            assert not (await sessions.cancel("refused-29")).success
            assert sessions.state("refused-19") is None
            assert sessions.counts() == {}
            assert sessions._registry._db.execute("SELECT count(*) FROM log").fetchone() == (0,)
            assert sessions._registry._db.execute("SELECT count(*) FROM insights").fetchone() == (0,)
        async with serving.sessions() as sessions:
            await sessions.start("refused-29", CLIP, "en", "pt")
            assert (await all_states(sessions, "refused-29"))[-1].status is Status.COMPLETED

    run(refused())
