"""Who may call: tokens, and calls without one."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from rpc_server import LONG_S, FakeSessions, running

from serve.rpc import translation_pb2 as pb
from serve.rpc import translation_pb2_grpc as rpc
from serve.sessions.sessions import SessionConflictError

TOKENS = ["a token of the first gateway", "a token of the second one"]


@pytest.mark.parametrize(
    ("authorization", "known"),
    [
        *((f"Bearer {token}", True) for token in TOKENS),
        (TOKENS[0], False),
        (f"bearer {TOKENS[0]}", False),
        (f"Bearer {TOKENS[0]}x", False),
        (f"Bearer {TOKENS[0][:-1]}", False),
        ("Bearer ", False),
        ("Basic YTpi", False),
        (None, False),
    ],
)
def test_a_call_needs_one_of_the_tokens(tmp_path: Path, authorization: str | None, known: bool) -> None:
    sent = [] if authorization is None else [("authorization", authorization)]
    with running(tmp_path, tokens=TOKENS) as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        stub = rpc.TranslationServiceStub(channel)
        request = pb.TranslationRequest(session_id="a", file_path=f"{tmp_path}/a.mp4", target_lang="en")
        stream = stub.TranslateVideo(request, metadata=sent, timeout=LONG_S)
        if known:
            assert next(stream).session_id == "a"
            assert stub.CancelTranslation(pb.CancelRequest(session_id="a"), metadata=sent, timeout=LONG_S).success
            return
        with pytest.raises(grpc.RpcError) as refused:
            next(stream)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "Bearer" in refused.value.details()
        with pytest.raises(grpc.RpcError) as refused:
            stub.CancelTranslation(pb.CancelRequest(session_id="a"), metadata=sent, timeout=LONG_S)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert server.sessions.started == []


def test_health_is_open_and_reflection_is_not(tmp_path: Path) -> None:
    with running(tmp_path, tokens=TOKENS) as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as refused:
            ProtoReflectionDescriptorDatabase(channel).get_services()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_conflict_is_an_invalid_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(self: object, *arguments: object) -> None:
        raise SessionConflictError("It is under way with another video.")

    monkeypatch.setattr(FakeSessions, "start", start)
    with running(tmp_path) as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        request = pb.TranslationRequest(session_id="a", file_path=f"{tmp_path}/a.mp4", target_lang="en")
        with pytest.raises(grpc.RpcError) as refused:
            next(rpc.TranslationServiceStub(channel).TranslateVideo(request, timeout=LONG_S))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "It is under way with another video."
