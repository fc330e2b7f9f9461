"""What the gateway relies on, asked by a NestJS client with the gateway's own options of a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import grpc
import pytest
from gateway.nest import HERE, Call, Gateway, Message, Server, gateway, older, wait_for

from vtlab.releases.evidence import Evidence
from vtlab.releases.store import Proposal, add_release, restore_release
from vtlab.settings import fingerprint, settings_from_dict

PROJECT = HERE.parents[1]
PEOPLE = PROJECT / "datasets" / "people" / "clips"
STAGES = (
    "initialization",
    "audio_extraction",
    "transcription",
    "translation",
    "tts",
    "audio_sync",
    "subtitle_generation",
    "video_combination",
)
# where the overall progress is while a message names the stage; the interface draws its time line from these
BANDS = {
    "initialization": (0, 5),
    "audio_extraction": (5, 15),
    "transcription": (15, 30),
    "translation": (30, 70),
    "tts": (30, 70),
    "audio_sync": (70, 85),
    "subtitle_generation": (85, 100),
    "video_combination": (85, 100),
}
WARNS_MS = 10_000  # without a message for so long, the gateway warns
FIRST_MS, EVERY_MS = 100, 1000  # what the server aims at: told, not asserted, since machines differ
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CLOCK = re.compile(r"(\d\d:)?\d\d:\d\d")
SRT_BLOCK = re.compile(r"\d+\n\d\d+:\d\d:\d\d,\d{3} --> \d\d+:\d\d:\d\d,\d{3}\n[^\n]+(\n[^\n]+)*")
INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION = 3, 5, 9
SECONDS = 28.3  # of the clip

if shutil.which("node") is None or shutil.which("npm") is None:
    REASON = "node and npm are not here, so no NestJS client has talked to the server (Debian: apt-get install npm)"
    warnings.warn(REASON, stacklevel=1)  # a skip alone is a letter that nobody reads
    pytest.skip(REASON, allow_module_level=True)


@dataclass
class Done:
    """A session that was dubbed while a client watched."""

    id: str
    video: Path
    call: Call

    @property
    def messages(self) -> list[Message]:
        return self.call.messages


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The client's npm packages, exactly those of the lock file."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".installed"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True
        )
        assert done.returncode == 0, f"'npm ci' in {HERE} failed: {done.stderr}"
        shutil.copyfile(lock, installed)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("served"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def client(server: Server, packages: None) -> Iterator[Gateway]:
    with gateway(server.port) as made:
        yield made


@pytest.fixture(scope="module")
def done(server: Server, client: Gateway) -> Done:
    """Portuguese to English, to the end."""
    video = upload(server, "sentences_pt.mp4")
    name, call = translate(client, video)
    return Done(name, video, call.end())


def upload(server: Server, clip: str) -> Path:
    number = len(list(server.uploads.iterdir()))
    return Path(shutil.copy(PEOPLE / clip, server.uploads / f"1700000000000-{number}{Path(clip).suffix}"))


def translate(
    client: Gateway, video: Path, name: str | None = None, source: str = "pt", to: str = "en"
) -> tuple[str, Call]:
    name = name or str(uuid.uuid4())
    return name, client.call(
        "translateVideo", session_id=name, file_path=str(video), source_lang=source, target_lang=to
    )


def last(call: Call) -> Message:
    assert call.error is None, call.error
    return call.messages[-1]


# ---------------------------------------------------------------- a session that goes well


def test_the_gateway_finds_its_methods(client: Gateway) -> None:
    assert {
        "translateVideo",
        "getTranslationResult",
        "cancelTranslation",
        "controlTranslation",
        "detectLanguage",
        "getAiInsights",
    } <= set(client.methods)


def test_messages_come_early_and_often(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    times = done.call.times
    gaps = [after - before for before, after in pairwise(times)]
    with capsys.disabled():
        print(
            f"\ngateway: first message after {times[0]:.0f} ms (aim: {FIRST_MS}), then every "
            f"{statistics.median(gaps):.0f} ms, at the longest {max(gaps):.0f} ms (aim: {EVERY_MS})"
        )
    assert max(times[0], *gaps) < WARNS_MS


def test_every_message_carries_the_whole_state(done: Done) -> None:
    assert done.call.error is None
    for message in done.messages:
        assert message["session_id"] == done.id
        assert message["status"] == "processing" or message is done.messages[-1]
        assert message["current_step"].strip()
        assert (message["stage_number"], message["total_stages"]) == (STAGES.index(message["stage"]) + 1, len(STAGES))
        assert 0 <= message["progress"] <= 100
        assert 0 <= message["progress_percent"] <= 100
        assert CLOCK.fullmatch(message["current_time_formatted"])
        assert CLOCK.fullmatch(message["total_duration_formatted"])
        assert 0 <= message["current_time"] <= message["total_duration"]
        assert message["eta_seconds"] >= 0
        assert message["hardware_info"]["cpu"]
        assert message["hardware_info"]["ram_gb"] > 0
        assert message["early_preview_available"] == bool(message["early_preview_path"])
        assert message["total_chunks"] == 0 or message["current_chunk"] <= message["total_chunks"]
        assert message["segments_processed"] <= message["total_chunks"] or message["total_chunks"] == 0


@pytest.mark.parametrize(
    "field",
    [
        "progress",
        "elapsed_time",
        "stage_number",
        "total_duration",
        "total_chunks",
        "segments_processed",
        "early_preview_available",
    ],
)
def test_nothing_goes_backwards(done: Done, field: str) -> None:
    values = [message[field] for message in done.messages]
    assert values == sorted(values)


def test_stages_are_named_in_order_within_their_bands(done: Done) -> None:
    assert tuple(dict.fromkeys(message["stage"] for message in done.messages)) == STAGES
    for message in done.messages:
        low, high = BANDS[message["stage"]]
        assert low <= message["progress"] <= high, message


def test_the_last_message_says_that_it_is_complete(done: Done) -> None:
    final = last(done.call)
    assert (final["status"], final["progress"], final["eta_seconds"]) == ("completed", 100, 0)
    assert final["stage"] == STAGES[-1]
    assert final["total_duration"] == pytest.approx(SECONDS, abs=0.1)
    assert final["total_duration_formatted"] == "00:28"
    assert final["segments_processed"] == final["total_chunks"] > 0


def test_log_entries_come_once_and_read_well(done: Done) -> None:
    entries = [entry for message in done.messages for entry in message["log_entries"]]
    assert entries
    assert len({(entry["timestamp"], entry["message"]) for entry in entries}) == len(entries)
    for entry in entries:
        assert TIMESTAMP.fullmatch(entry["timestamp"])
        assert entry["level"] in ("debug", "info", "success", "warning", "error")
        assert entry["stage"] in STAGES
        assert entry["session_id"] == done.id
        assert 0 < len(entry["message"]) <= 300
        assert entry["extra_data"] == "" or isinstance(json.loads(entry["extra_data"]), dict)
        # the interface takes an entry with such a word for a failure, whatever its level
        if entry["level"] in ("debug", "info", "success"):
            assert not re.search("error|failed|warning", entry["message"], re.IGNORECASE)
    assert {entry["stage"] for entry in entries} == set(STAGES)


def test_the_early_preview_is_whole_when_it_is_announced(server: Server, done: Done) -> None:
    preview = Path(last(done.call)["early_preview_path"])
    assert {message["early_preview_path"] for message in done.messages} <= {"", str(preview)}
    assert preview == server.artifacts / f"{done.id}_early_preview.mp4"
    with av.open(preview) as file:
        assert 9.9 <= float(file.duration or 0) / av.time_base <= 30.1
    assert plays_in_browsers(preview)


def test_previews_of_segments_are_where_the_gateway_looks(server: Server, done: Done) -> None:
    names = last(done.call)["available_segment_ids"]
    previews = sorted(path.name for path in (server.temp_work / done.id / "previews").glob("*.mp4"))
    assert names == [f"seg_{number:03d}" for number in range(1, len(names) + 1)]
    assert previews == [f"{name}.mp4" for name in names]
    assert names


def test_the_result_is_playable_and_lies_under_its_names(server: Server, client: Gateway, done: Done) -> None:
    result = client.call("getTranslationResult", session_id=done.id).answer()
    output = Path(result["output_path"])
    assert (result["session_id"], result["status"]) == (done.id, "completed")
    assert output == server.artifacts / f"{done.id}_translated.mp4"
    assert result["original_srt"] == str(server.artifacts / f"{done.id}_subtitles.srt")
    assert result["translated_srt"] == str(server.artifacts / f"{done.id}_translated_subtitles.srt")
    assert result["output_size"] == str(output.stat().st_size)  # the loader makes texts of 64 bits
    assert result["original_size"] == str(done.video.stat().st_size)
    assert result["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert result["processing_time_seconds"] > 0
    assert plays_in_browsers(output)
    with av.open(output) as file:
        assert float(file.duration or 0) / av.time_base == pytest.approx(SECONDS, abs=0.1)
    assert sorted(path.name for path in server.artifacts.glob(f"{done.id}*")) == sorted(
        f"{done.id}_{ending}"
        for ending in ("early_preview.mp4", "subtitles.srt", "translated.mp4", "translated_subtitles.srt")
    )


def plays_in_browsers(path: Path) -> bool:
    """H.264 and AAC, and the index before the pictures, so that it plays while it is fetched."""
    with av.open(path) as file:
        codecs = {stream.type: stream.codec_context.name for stream in file.streams}
    assert codecs == {"video": "h264", "audio": "aac"}
    atoms, at, content = [], 0, path.read_bytes()
    while at < len(content):
        atoms.append(content[at + 4 : at + 8])
        at += int.from_bytes(content[at : at + 4], "big")
    return atoms.index(b"moov") < atoms.index(b"mdat")


def test_subtitles_become_webvtt_block_by_block(client: Gateway, done: Done) -> None:
    result = client.call("getTranslationResult", session_id=done.id).answer()
    texts = [Path(result[field]).read_bytes().decode("utf-8") for field in ("original_srt", "translated_srt")]
    for text in texts:
        blocks = text.replace("\r\n", "\n").strip().split("\n\n")
        assert len(blocks) >= last(done.call)["total_chunks"]
        assert [block for block in blocks if SRT_BLOCK.fullmatch(block) is None] == []
    assert texts[0] != texts[1]


def test_quality_is_measured(client: Gateway, done: Done) -> None:
    quality = client.call("getTranslationResult", session_id=done.id).answer()["quality_metrics"]
    assert all(0 < quality[name] <= 100 for name in ("lip_sync_accuracy", "voice_quality", "translation_quality"))
    assert quality["duration_match"] is True
    assert -26 < quality["avg_lufs"] < -20
    assert 0.8 < quality["avg_atempo"] < 1.4


def test_a_completed_session_answers_at_once(client: Gateway, done: Done) -> None:
    _, call = translate(client, done.video, done.id)
    (message,) = call.end().messages
    assert message["status"] == "completed"
    assert without(message, "log_entries") == without(last(done.call), "log_entries")


def without(message: Message, *fields: str) -> Message:
    return {name: value for name, value in message.items() if name not in fields}


def test_an_older_client_is_served(server: Server, client: Gateway, done: Done, tmp_path: Path) -> None:
    proto = tmp_path / "older.proto"
    proto.write_text(older(), encoding="utf-8")
    with gateway(server.port, proto) as old:
        _, call = translate(old, done.video, done.id)
        message = last(call.end())
    missing = set(last(done.call)) - set(message)
    assert missing == {
        "log_entries",
        "stage",
        "stage_number",
        "total_stages",
        "segments_processed",
        "current_time",
        "current_time_formatted",
        "total_duration",
        "total_duration_formatted",
        "progress_percent",
        "elapsed_time",
    }
    assert message == without(last(done.call), *missing)


# ---------------------------------------------------------------- questions and refusals


def test_insights(client: Gateway, done: Done) -> None:
    answer = client.call("getAiInsights", session_id=done.id).answer()
    assert (answer["success"], answer["session_id"]) == (True, done.id)
    assert answer["total_insights"] == len(answer["insights"]) >= 1
    assert len({insight["id"] for insight in answer["insights"]}) == len(answer["insights"])
    for insight in answer["insights"]:
        assert insight["type"] in ("decision", "optimization", "warning", "success")
        assert insight["impact"] in ("high", "medium", "low")
        assert insight["title"]
        assert insight["description"]
        assert TIMESTAMP.fullmatch(insight["timestamp"])
        assert insight["data"] == "" or json.loads(insight["data"])


def test_unknown_sessions(client: Gateway) -> None:
    insights = client.call("getAiInsights", session_id="nobody").answer()
    assert (insights["success"], insights["insights"], insights["total_insights"]) == (False, [], 0)
    assert insights["message"]
    result = client.call("getTranslationResult", session_id="nobody").end()
    assert result.error is not None
    assert result.error["code"] == NOT_FOUND
    cancelled = client.call("cancelTranslation", session_id="nobody").answer()
    assert (cancelled["success"], bool(cancelled["message"])) == (False, True)
    for action in ("pause", "resume", "cancel", "dance"):
        answer = client.call("controlTranslation", session_id="nobody", action=action).answer()
        assert (answer["success"], answer["is_paused"], bool(answer["message"])) == (False, False, True)


def test_a_finished_session_cannot_be_stopped(client: Gateway, done: Done) -> None:
    assert client.call("cancelTranslation", session_id=done.id).answer()["success"] is False
    for action in ("pause", "resume", "cancel", "dance"):
        answer = client.call("controlTranslation", session_id=done.id, action=action).answer()
        assert (answer["success"], answer["is_paused"], bool(answer["message"])) == (False, False, True)


def test_detect_language(server: Server, client: Gateway, done: Done) -> None:
    answer = client.call("detectLanguage", file_path=str(done.video)).answer()
    assert (answer["success"], answer["detected_language"]) == (True, "pt")
    assert 0.5 < answer["confidence"] <= 1
    junk = server.uploads / "detect_1.mp4"
    junk.write_bytes(b"not a video")
    for path in (junk, server.uploads / "detect_2.mp4"):
        answer = client.call("detectLanguage", file_path=str(path)).answer()
        assert (answer["success"], answer["detected_language"]) == (False, "")
        assert answer["message"]


SESSION_IDS = ["", "a b", "../x", "x" * 65, "é", "a/b", "a\n"]


@pytest.mark.parametrize("name", SESSION_IDS)
def test_odd_session_ids_are_refused(client: Gateway, done: Done, name: str) -> None:
    calls = [
        client.call("translateVideo", session_id=name, file_path=str(done.video), source_lang="pt", target_lang="en"),
        client.call("getTranslationResult", session_id=name),
        client.call("cancelTranslation", session_id=name),
        client.call("controlTranslation", session_id=name, action="pause"),
        client.call("getAiInsights", session_id=name),
    ]
    for call in calls:
        error = call.end().error
        assert error is not None
        assert (error["code"], call.messages) == (INVALID_ARGUMENT, [])


def test_files_elsewhere_are_refused(server: Server, client: Gateway, done: Done) -> None:
    link = server.uploads / "link.mp4"
    link.symlink_to(PEOPLE / "sentences_pt.mp4")
    for path in (
        "",
        "relative.mp4",
        str(PEOPLE / "sentences_pt.mp4"),
        str(link),
        f"{server.uploads}/../artifacts/{done.id}_translated.mp4",
        str(server.uploads),
        "http://localhost/video.mp4",
    ):
        for call in (
            client.call("translateVideo", session_id="s", file_path=path, source_lang="pt", target_lang="en"),
            client.call("detectLanguage", file_path=path),
        ):
            error = call.end().error
            assert error is not None, path
            assert error["code"] == INVALID_ARGUMENT


def test_what_cannot_be_dubbed_fails_with_a_reason_to_read(server: Server, client: Gateway) -> None:
    """An error status would lose the reason, so it is a last message."""
    junk = server.uploads / "junk.mp4"
    junk.write_bytes(b"not a video")
    for video, source, to in ((junk, "pt", "en"), (server.uploads / "gone.mp4", "pt", "en"), (junk, "pt", "xx")):
        name, call = translate(client, video, None, source, to)
        final = last(call.end())
        assert final["status"] == "failed"
        assert 0 < len(final["current_step"]) <= 200
        result = client.call("getTranslationResult", session_id=name).end()
        assert result.error is not None
        assert result.error["code"] == FAILED_PRECONDITION
        assert result.error["details"].strip()
        insights = client.call("getAiInsights", session_id=name).answer()
        assert insights["total_insights"] >= 1
        assert not list(server.artifacts.glob(f"{name}*"))


def test_messages_up_to_50_mb_are_taken(client: Gateway) -> None:
    """gRPC by itself refuses to receive more than 4 MB, with another status."""
    call = client.call("detectLanguage", file_path="/" + "x" * 40_000_000).end()
    assert call.error is not None
    assert call.error["code"] == INVALID_ARGUMENT


# ---------------------------------------------------------------- connections


PINGS = 8


def pinged(port: int) -> tuple[Call, list[str]]:
    """A second call after several pings without data or calls, and what gRPC wrote about the connection."""
    environment = {
        **os.environ,
        "PING_MS": "300",
        "GRPC_VERBOSITY": "DEBUG",
        "GRPC_TRACE": "transport,keepalive,subchannel",
    }
    with gateway(port, environment=environment) as idle:
        idle.call("getTranslationResult", session_id="nobody").end()
        seen = len(idle.trace)

        def enough() -> bool:
            sent = sum("Sending ping" in line for line in idle.trace[seen:])
            return sent >= PINGS or any("GOAWAY" in line for line in idle.trace)

        wait_for(enough)
        return idle.call("getTranslationResult", session_id="nobody").end(), list(idle.trace)


def test_idle_pings_do_not_close_the_connection(server: Server, done: Done) -> None:
    call, trace = pinged(server.port)
    assert call.error is not None
    assert call.error["code"] == NOT_FOUND
    assert [line for line in trace if "GOAWAY" in line] == []
    assert sum("-> READY" in line and "subchannel" in line for line in trace) == 1  # never connected again


def test_pings_would_close_the_connection_of_a_plain_server() -> None:
    """So the test above sees what it looks for."""
    plain = grpc.server(ThreadPoolExecutor(1))
    port = plain.add_insecure_port("localhost:0")
    plain.start()
    try:
        _, trace = pinged(port)
    finally:
        plain.stop(None)
    assert any("GOAWAY" in line for line in trace)


# ---------------------------------------------------------------- pause, resume, cancel, reconnect, restart


def test_pause_resume_and_cancel(server: Server, client: Gateway, done: Done) -> None:
    video = upload(server, "story_city_en.mp4")
    name, call = translate(client, video, None, "en", "pt")
    call.until(lambda message: message["stage"] == "transcription")

    def control(action: str) -> Any:
        answer = client.call("controlTranslation", session_id=name, action=action).answer()
        return answer["success"], answer["is_paused"]

    assert control("pause") == (True, True)
    call.until(lambda message: message["status"] == "paused")
    paused = [message for message in call.messages if message["status"] == "paused"]
    call.until(lambda message: message["elapsed_time"] > paused[0]["elapsed_time"] + 2)  # heartbeats go on
    assert last(call)["status"] == "paused"
    assert client.call("getAiInsights", session_id=name).answer()["total_insights"] >= 1
    result = client.call("getTranslationResult", session_id=name).end()
    assert result.error is not None
    assert result.error["code"] == FAILED_PRECONDITION

    assert control("resume") == (True, False)
    number = len(call.messages)
    call.until(lambda message: message["status"] == "processing" and call.messages.index(message) >= number - 1)
    assert control("dance") == (False, False)

    answer = client.call("cancelTranslation", session_id=name).answer()
    assert (answer["success"], bool(answer["message"])) == (True, True)
    final = last(call.end())
    assert (final["status"], bool(final["current_step"])) == ("cancelled", True)
    progress = [message["progress"] for message in call.messages]
    assert progress == sorted(progress)
    result = client.call("getTranslationResult", session_id=name).end()
    assert result.error is not None
    assert result.error["code"] == FAILED_PRECONDITION
    assert not list(server.artifacts.glob(f"{name}_translated*"))
    assert client.call("cancelTranslation", session_id=name).answer()["success"] is False

    _, again = translate(client, video, name, "en", "pt")  # its user starts it again
    again.until(lambda message: message["stage"] == "transcription")
    assert client.call("cancelTranslation", session_id=name).answer()["success"] is True
    assert last(again.end())["status"] == "cancelled"


def test_work_survives_lost_gateways_and_a_killed_server(server: Server, client: Gateway, done: Done) -> None:
    video = upload(server, "hello_video_en.mp4")
    name, first = translate(client, video, None, "en", "pt")
    first.until(lambda message: message["stage"] == "audio_extraction")
    _, second = translate(client, video, name, "en", "pt")  # attaches
    opening = second.until(lambda message: True)
    assert opening["stage_number"] >= 1
    second.until(lambda message: message["total_duration"] > 0)  # known once the file was looked into
    client.drop(first)
    second.until(lambda message: message["stage_number"] >= 3)  # the work goes on
    before = last(second)["progress"]

    workers = server.kill()
    second.end()
    assert second.error is not None
    assert workers
    wait_for(lambda: not any(worker.is_running() for worker in workers))  # nobody works for nobody
    server.start()
    unfinished = client.call("getTranslationResult", session_id=name).end()
    assert unfinished.error is not None
    assert unfinished.error["code"] == FAILED_PRECONDITION
    done_again = client.call("getTranslationResult", session_id=done.id).answer()
    assert done_again["status"] == "completed"
    _, third = translate(client, video, name, "en", "pt")
    final = last(third.end())
    assert (final["status"], final["progress"]) == ("completed", 100)
    assert before < 100
    progress = [message["progress"] for message in third.messages]
    assert progress == sorted(progress)
    output = Path(client.call("getTranslationResult", session_id=name).answer()["output_path"])
    assert plays_in_browsers(output)


# ---------------------------------------------------------------- releases


def released(name: str, max_segment_s: float) -> Proposal:
    settings = settings_from_dict({"transcription": {"max_segment_s": max_segment_s}})
    return Proposal(
        name=name,
        suite="made-up",
        run_id="0",
        fingerprint=fingerprint(settings),
        dataset="people",
        dataset_digest="0",
        pairs=(("pt", "en"),),
        weights=(),
        evidence=Evidence(values={"wer": 0.1}, clips=1),
        commit=None,
        vtlab="0",
        who="ada@host",
        when=datetime(2026, 1, 2, tzinfo=UTC),
        settings=settings,
    )


def test_releases_count_from_the_next_session_on(server: Server, client: Gateway, done: Done) -> None:
    """Without a restart; and the session that is under way goes on with its own."""

    video = upload(server, "fox_pt.flac")

    def begun() -> tuple[str, Call]:
        name, call = translate(client, video)
        call.until(lambda message: message["log_entries"])
        return name, call

    def configuration(session: tuple[str, Call]) -> str:
        name, call = session
        assert last(call.end())["status"] == "completed"
        insights = client.call("getAiInsights", session_id=name).answer()["insights"]
        (decision,) = (insight for insight in insights if insight["type"] == "decision")
        return json.loads(decision["data"])["configuration"]

    add_release(server.releases, lambda: released("slow", 11.0))
    first = begun()
    add_release(server.releases, lambda: released("fast", 9.0))
    second = begun()
    restore_release(server.releases, "bob@host", datetime(2026, 1, 3, tzinfo=UTC))
    third = begun()
    assert [configuration(session) for session in (first, second, third)] == [
        "release 1 (made-up/slow)",
        "release 2 (made-up/fast)",
        "release 1 (made-up/slow)",
    ]
