from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rpc_server import ENDED, LONG_S, STARTED, FakeSessions, Running, running

from serve.rpc import translation_pb2 as pb
from serve.rpc import translation_pb2_grpc as rpc
from serve.rpc.service import NAME
from serve.server import OPTIONS
from serve.sessions.options import Configuration, Folders, Limits
from serve.sessions.sessions import Sessions
from serve.state import Detection, State, Status
from vtlab.settings import Settings

METHODS: dict[str, type[Message]] = {
    "TranslateVideo": pb.TranslationRequest,
    "GetTranslationResult": pb.ResultRequest,
    "CancelTranslation": pb.CancelRequest,
    "ControlTranslation": pb.ControlTranslationRequest,
    "DetectLanguage": pb.LanguageDetectionRequest,
    "GetAIInsights": pb.AIInsightsRequest,
}
WITH_SESSION = [name for name in METHODS if name != "DetectLanguage"]
WITH_FILE = ["TranslateVideo", "DetectLanguage"]


class Client:
    """All methods of one server, over one channel."""

    def __init__(self, server: Running, channel: grpc.Channel, uploads: Path) -> None:
        self.server, self.channel, self.uploads = server, channel, uploads
        self.stub = rpc.TranslationServiceStub(channel)

    def call(self, method: str, request: Message) -> Message:
        """The answer; of a stream its first message."""
        answer = getattr(self.stub, method)(request, timeout=LONG_S)
        if isinstance(answer, Message):
            return answer
        first = next(answer)
        answer.cancel()
        return first

    def refusal(self, method: str, request: Message) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as refused:
            self.call(method, request)
        return refused.value.code(), refused.value.details()

    def start(self, session_id: str, **more: str) -> Iterator[pb.TranslationProgress]:
        asked = {"file_path": f"{self.uploads}/a.mp4", "source_lang": "pt", "target_lang": "en", **more}
        return self.stub.TranslateVideo(pb.TranslationRequest(session_id=session_id, **asked), timeout=LONG_S)

    def request(self, method: str, **fields: str) -> Message:
        """A request that nothing is wrong with, but for ``fields``."""
        known = {"session_id": "a", "file_path": f"{self.uploads}/a.mp4", "action": "pause", "target_lang": "en"}
        names = METHODS[method].DESCRIPTOR.fields_by_name
        return METHODS[method](**{name: value for name, value in {**known, **fields}.items() if name in names})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with running(uploads) as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        yield Client(server, channel, uploads)


# ---------------------------------------------------------------- what each method does


def test_a_session_streams_to_its_end(client: Client) -> None:
    stream = client.start("a", voice_gender="female")
    first = next(stream)
    assert (first.session_id, first.status, first.stage_number) == ("a", "processing", 4)
    client.server.tell(replace(STARTED, session_id="a", progress=100, status=Status.COMPLETED))
    assert [told.status for told in stream] == ["completed"]
    assert stream.code() is grpc.StatusCode.OK
    assert client.server.sessions.started == [("a", client.uploads / "a.mp4", "pt", "en", "female")]


def test_a_failure_ends_the_stream_with_ok_and_its_reason(client: Client) -> None:
    stream = client.start("a")
    next(stream)
    failed = replace(STARTED, session_id="a", status=Status.FAILED, current_step="Nobody speaks", message="So it is.")
    client.server.tell(failed)
    (last,) = stream
    assert (last.status, last.current_step, last.message) == ("failed", "Nobody speaks", "So it is.")
    assert stream.code() is grpc.StatusCode.OK


def test_no_language_of_the_source_means_that_it_is_detected(client: Client) -> None:
    next(client.start("a", source_lang=""))
    assert client.server.sessions.started[0][2:] == (None, "en", "neutral")


def test_unknown_languages_are_left_to_the_session(client: Client) -> None:
    """So that the user reads why it failed."""
    next(client.start("a", source_lang="xx", target_lang=""))
    assert client.server.sessions.started[0][2:4] == ("xx", "")


def test_a_dropped_stream_does_not_stop_the_work(client: Client) -> None:
    stream = client.start("a")
    next(stream)
    stream.cancel()
    assert client.call("CancelTranslation", pb.CancelRequest(session_id="a")).success


def test_two_may_follow(client: Client) -> None:
    streams = [client.start("a"), client.start("a")]
    for stream in streams:
        assert next(stream).status == "processing"
    client.server.tell(replace(STARTED, session_id="a", status=Status.COMPLETED))
    assert [[told.status for told in stream] for stream in streams] == [["completed"], ["completed"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.PROCESSING, grpc.StatusCode.FAILED_PRECONDITION),
        (Status.PAUSED, grpc.StatusCode.FAILED_PRECONDITION),
        (Status.FAILED, grpc.StatusCode.FAILED_PRECONDITION),
        (Status.CANCELLED, grpc.StatusCode.FAILED_PRECONDITION),
        (None, grpc.StatusCode.NOT_FOUND),
    ],
)
def test_there_is_no_result_before_the_end(client: Client, status: Status | None, code: grpc.StatusCode) -> None:
    if status is not None:
        client.server.tell(replace(STARTED, session_id="a", status=status))
    told, why = client.refusal("GetTranslationResult", pb.ResultRequest(session_id="a"))
    assert told is code
    assert why.endswith(".")


def test_the_result(client: Client) -> None:
    client.server.tell(replace(STARTED, session_id="a", status=Status.COMPLETED))
    made = client.call("GetTranslationResult", pb.ResultRequest(session_id="a"))
    assert (made.status, made.output_size, made.quality_metrics.duration_match) == ("completed", 5_000_000_000, True)


def test_cancelling(client: Client) -> None:
    stream = client.start("a")
    next(stream)
    assert client.call("CancelTranslation", pb.CancelRequest(session_id="a")).success
    assert [told.status for told in stream] == ["cancelled"]
    for session in ("a", "unknown"):
        again = client.call("CancelTranslation", pb.CancelRequest(session_id=session))
        assert (again.success, again.message) == (False, ENDED)


@pytest.mark.parametrize(
    ("session", "action", "success", "paused"),
    [
        ("a", "pause", True, True),
        ("a", "resume", True, False),
        ("a", "cancel", True, False),
        ("a", "PAUSE", False, False),
        ("a", "", False, False),
        ("b", "pause", False, False),
    ],
)
def test_control(client: Client, session: str, action: str, success: bool, paused: bool) -> None:
    next(client.start("a"))
    answer = client.call("ControlTranslation", pb.ControlTranslationRequest(session_id=session, action=action))
    assert (answer.success, answer.is_paused) == (success, paused)
    assert answer.message


def test_an_endless_action_is_cut(client: Client) -> None:
    client.call("ControlTranslation", pb.ControlTranslationRequest(session_id="a", action="pause" * 1_000_000))
    assert client.server.sessions.controlled == [("pause" * 7)[:32]]


def test_detection(client: Client) -> None:
    request = client.request("DetectLanguage", file_path=f"{client.uploads}/detect_a.mp4")
    found = client.call("DetectLanguage", request)
    assert (found.detected_language, found.success) == ("pt", True)
    client.server.sessions.spoken = Detection(None, None, "Nobody speaks.")
    found = client.call("DetectLanguage", request)
    assert (found.detected_language, found.confidence, found.success, found.message) == ("", 0, False, "Nobody speaks.")
    assert client.server.sessions.heard == [client.uploads / "detect_a.mp4"] * 2


def test_insights(client: Client) -> None:
    next(client.start("a"))
    assert client.call("GetAIInsights", pb.AIInsightsRequest(session_id="a")).total_insights == 1
    unknown = client.call("GetAIInsights", pb.AIInsightsRequest(session_id="b"))
    assert (unknown.session_id, unknown.success, unknown.total_insights) == ("b", False, 0)
    assert unknown.message


def test_a_fault_of_the_server_tells_nothing_of_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(FakeSessions, "insights", fault)
    monkeypatch.setattr(FakeSessions, "follow", fault)
    for method in ("GetAIInsights", "TranslateVideo"):
        code, why = client.refusal(method, client.request(method))
        assert code is grpc.StatusCode.INTERNAL
        assert "secret" not in why
    assert caplog.text.count("ZeroDivisionError: /secret/path") == 2


def test_a_hundred_streams_at_once(client: Client) -> None:
    """On one channel, as the gateway has it."""
    streams = [client.start(f"s{number}") for number in range(100)]
    with ThreadPoolExecutor(20) as threads:
        assert [told.session_id for told in threads.map(next, streams)] == [f"s{number}" for number in range(100)]
    for stream in streams:
        stream.cancel()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("method", WITH_SESSION)
@pytest.mark.parametrize(
    "session_id", ["", "a" * 65, "a b", "../a", "a/b", "a.b", "a\n", "\0", "é", "a;b", "${a}", "a%2e", "a_translated"]
)
def test_odd_session_ids_are_refused(client: Client, method: str, session_id: str) -> None:
    code, why = client.refusal(method, client.request(method, session_id=session_id))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "session_id" in why
    assert client.server.sessions.started == []


@pytest.mark.parametrize("session_id", ["a", "a" * 64, "0b54e1d3-57f5-4a0e-bb0f-4f8c6c3c0d53", "_-", "-"])
def test_plain_session_ids_are_taken(client: Client, session_id: str) -> None:
    assert (
        client.call("TranslateVideo", client.request("TranslateVideo", session_id=session_id)).session_id == session_id
    )


def outside(uploads: Path) -> dict[str, str]:
    """Paths that are not in the uploads folder, however they look."""
    secret = uploads.parent / "secret.mp4"
    secret.touch()
    (uploads / "link.mp4").symlink_to(secret)
    (uploads / "folder").symlink_to(uploads.parent)
    (uploads / "circle").symlink_to("circle")
    sibling = uploads.parent / "uploads2"
    sibling.mkdir()
    (sibling / "a.mp4").touch()
    return {
        "nothing": "",
        "relative": "a.mp4",
        "elsewhere": str(secret),
        "by dots": f"{uploads}/../secret.mp4",
        "by dots inside": f"{uploads}/x/../../secret.mp4",
        "by a link": f"{uploads}/link.mp4",
        "through a linked folder": f"{uploads}/folder/secret.mp4",
        "links in a circle": f"{uploads}/circle/a.mp4",
        "a sibling of like name": f"{sibling}/a.mp4",
        "the folder itself": str(uploads),
        "the folder itself by dots": f"{uploads}/x/..",
        "zero byte": f"{uploads}/a.mp4\0.txt",
        "too long": f"{uploads}/{'a/' * 5000}a.mp4",
        "a URL": "http://127.0.0.1:8123/a.mp4",
        "a file URL": f"file://{uploads}/a.mp4",
        "another protocol": f"concat:{uploads}/a.mp4|{secret}",
        "a device": "/dev/zero",
        "a process's files": "/proc/self/environ",
        "the home": "~/a.mp4",
    }


@pytest.mark.parametrize("method", WITH_FILE)
def test_paths_outside_the_uploads_are_refused(client: Client, method: str) -> None:
    for how, path in outside(client.uploads).items():
        code, why = client.refusal(method, client.request(method, file_path=path))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, how
        assert "uploads folder" in why
        assert str(client.uploads) not in why  # nothing of the machine is told
    assert (client.server.sessions.started, client.server.sessions.heard) == ([], [])


def test_links_within_the_uploads_are_followed(client: Client) -> None:
    (client.uploads / "b.mp4").touch()
    (client.uploads / "a.mp4").symlink_to("b.mp4")
    client.call("TranslateVideo", client.request("TranslateVideo"))
    assert client.server.sessions.started[0][1] == client.uploads / "b.mp4"


def test_the_uploads_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "uploads").symlink_to("real")
    with running(tmp_path / "uploads") as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        Client(server, channel, tmp_path / "uploads").call(
            "DetectLanguage", pb.LanguageDetectionRequest(file_path=f"{tmp_path}/uploads/a.mp4")
        )
        assert server.sessions.heard == [tmp_path / "real" / "a.mp4"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("voice_gender", "loud"),
        ("voice_gender", "Male"),
        ("source_lang", "e\nn"),
        ("source_lang", "-f lavfi"),
        ("target_lang", "a" * 36),
        ("target_lang", "пт"),
    ],
)
def test_odd_options_are_refused(client: Client, field: str, value: str) -> None:
    code, why = client.refusal("TranslateVideo", client.request("TranslateVideo", **{field: value}))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in why


def test_messages_up_to_50_mb_are_taken_and_none_beyond(client: Client) -> None:
    large = client.request("ControlTranslation", action="x" * (49 * 1024 * 1024))
    assert client.call("ControlTranslation", large).success is False
    too_large = client.request("ControlTranslation", action="x" * (51 * 1024 * 1024))
    code, _ = client.refusal("ControlTranslation", too_large)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


# ---------------------------------------------------------------- hostile requests, a thousand of them

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
HOSTILE_TEXT = st.one_of(
    st.text(),
    st.text("./\\~$%{}|;:'\"<>& \n\r\t\0-_aA0", max_size=80),
    st.sampled_from(
        [
            "../../../etc/passwd",
            "/etc/passwd",
            "/dev/stdin",
            "concat:a|b",
            "http://127.0.0.1:1/a",
            "\u202e4pm.a",
            "a" * 100_000,
        ]
    ),
)
FILES = st.one_of(
    HOSTILE_TEXT, st.builds("{{uploads}}/{}".format, HOSTILE_TEXT), st.builds("{{uploads}}/../{}".format, HOSTILE_TEXT)
)


# what nothing is wrong with, so that some requests get through
PLAIN = {
    "session_id": IDS,
    "file_path": st.just("{uploads}/missing.mp4"),
    "source_lang": st.sampled_from(["", "pt", "xx"]),
    "target_lang": st.sampled_from(["", "en", "xx"]),
    "voice_gender": st.just(""),
    "action": st.sampled_from(["pause", "resume", "cancel"]),
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A method and the bytes of a request for it: odd fields, or bytes that are no message at all."""
    method = draw(st.sampled_from(list(METHODS)))
    if draw(st.integers(0, 4)) == 0:
        return method, draw(st.binary(max_size=300))
    message = METHODS[method]()
    odd = draw(st.integers(0, 2)) > 0
    for field in METHODS[method].DESCRIPTOR.fields:
        hostile = FILES if field.name == "file_path" else HOSTILE_TEXT
        text = draw(hostile if odd and draw(st.booleans()) else PLAIN[field.name])
        setattr(message, field.name, text.encode("utf-8", "replace").decode())
    return method, message.SerializeToString()


ANSWERS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


class Real(Sessions):
    """Sessions as they are, that keep the files they were given."""

    def __init__(self, folder: Path) -> None:
        folders = Folders(folder / "artifacts", folder / "temp_work", folder / "temp_work" / ".state")
        served = Configuration(Settings(), "the default")
        super().__init__(folders, lambda: served, Limits(warm=False, disk_free_mb=0))
        self.files: set[Path] = set()

    async def start(self, session_id: str, file: Path, *more: str | None) -> State:
        self.files.add(file)
        return await super().start(session_id, file, *more)

    async def detect_language(self, file: Path) -> Detection:
        self.files.add(file)
        return await super().detect_language(file)


def files_in(folder: Path) -> set[str]:
    """What is there, but for what the server keeps of its sessions."""
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {path for path in paths if not path.startswith("temp_work")}


def test_a_thousand_hostile_requests(tmp_path: Path) -> None:
    """Each gets its status, none gets through with a path outside, nothing is written, and the server goes on."""
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (tmp_path / "artifacts").mkdir()
    before = files_in(tmp_path)
    codes: Counter[grpc.StatusCode] = Counter()
    with (
        running(uploads, sessions_of=lambda: Real(tmp_path)) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):

        @settings(
            max_examples=1000, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(requests())
        def ask(asked: tuple[str, bytes]) -> None:
            method, content = asked
            code = _status(channel, method, _with_uploads(method, content, uploads))
            allowed = ANSWERS | ({grpc.StatusCode.FAILED_PRECONDITION} if method == "GetTranslationResult" else set())
            assert code in allowed, (method, content)
            codes[code] += 1

        ask()
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert server.sessions.files
        assert {file for file in server.sessions.files if not file.is_relative_to(uploads)} == set()
    assert codes.total() >= 1000
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > 200
    assert codes[grpc.StatusCode.OK] > 100
    assert files_in(tmp_path) == before


def _with_uploads(method: str, content: bytes, uploads: Path) -> bytes:
    message = METHODS[method]()
    try:
        message.ParseFromString(content)
    except Exception:
        return content
    if "{uploads}" not in getattr(message, "file_path", ""):
        return content
    message.file_path = message.file_path.replace("{uploads}", str(uploads))
    return message.SerializeToString()


def _status(channel: grpc.Channel, method: str, content: bytes) -> grpc.StatusCode:
    """How the call ends; of a stream, whether it begins."""
    path = f"/translation.TranslationService/{method}"
    try:
        if method == "TranslateVideo":
            stream = channel.unary_stream(path)(content, timeout=LONG_S)
            next(stream)
            stream.cancel()
        else:
            channel.unary_unary(path)(content, timeout=LONG_S)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


# ---------------------------------------------------------------- health, reflection, idle clients


def test_health(client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", NAME):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LONG_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as unknown:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=LONG_S)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_while_draining(client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=NAME), timeout=LONG_S)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    client.server.drain()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_reflection(client: Client) -> None:
    known = ProtoReflectionDescriptorDatabase(client.channel)
    assert set(known.get_services()) == {
        NAME,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = known.FindFileContainingSymbol(NAME)
    assert [method.name for method in file.service[0].method] == list(METHODS)


class Pinging:
    """A client that made a call once, and then pings every second without one."""

    def __init__(self, server: Running) -> None:
        options = [
            ("grpc.keepalive_time_ms", 1000),
            ("grpc.keepalive_timeout_ms", 5000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        self.lost = threading.Event()
        self.channel = grpc.insecure_channel(f"localhost:{server.port}", options)
        self.call()
        self.channel.subscribe(lambda state: state is grpc.ChannelConnectivity.READY or self.lost.set())

    def call(self) -> None:
        health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)


def test_idle_clients_may_ping(tmp_path: Path) -> None:
    """As ``tests/cases/idle_pings.json`` says, but every second instead of every 10 s."""
    with running(tmp_path) as server, running(tmp_path, options=()) as plain:
        ours, other = Pinging(server), Pinging(plain)
        assert other.lost.wait(LONG_S)  # gRPC's own defaults: "too many pings"
        assert not ours.lost.wait(2)
        ours.call()
        for client in (ours, other):
            client.channel.close()
    assert dict(OPTIONS)["grpc.http2.max_ping_strikes"] == 0


def test_no_connection_is_ended_for_its_age() -> None:
    assert not [name for name, _ in OPTIONS if "max_connection" in name]
