from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from rpc_server import running

from serve.rpc import translation_pb2 as pb
from serve.state import Status

ROOT = Path(__file__).parents[3]
PROTO = ROOT / "serve" / "rpc" / "translation.proto"
STUBS = ("translation_pb2.py", "translation_pb2.pyi", "translation_pb2_grpc.py")

METHODS = {
    "TranslateVideo": ("TranslationRequest", "TranslationProgress", True),
    "GetTranslationResult": ("ResultRequest", "TranslationResult", False),
    "CancelTranslation": ("CancelRequest", "CancelResponse", False),
    "ControlTranslation": ("ControlTranslationRequest", "ControlTranslationResponse", False),
    "DetectLanguage": ("LanguageDetectionRequest", "LanguageDetectionResult", False),
    "GetAIInsights": ("AIInsightsRequest", "AIInsightsResponse", False),
}
# what clients have in their own copies: name, number, type
MESSAGES = {
    "TranslationRequest": "session_id 1 string, file_path 2 string, source_lang 3 string, target_lang 4 string, "
    "voice_gender 5 string",
    "LogEntry": "timestamp 1 string, level 2 string, stage 3 string, message 4 string, chunk_id 5 string, "
    "session_id 6 string, extra_data 7 string",
    "TranslationProgress": "session_id 1 string, progress 2 double, current_step 3 string, status 4 string, "
    "message 5 string, early_preview_available 6 bool, early_preview_path 7 string, eta_seconds 8 int32, "
    "hardware_info 9 HardwareInfo, available_segment_ids 10 repeated string, chunks_per_minute 11 double, "
    "current_chunk 12 int32, total_chunks 13 int32, log_entries 14 repeated LogEntry, stage 15 string, "
    "stage_number 16 int32, total_stages 17 int32, segments_processed 18 int32, current_time 19 double, "
    "current_time_formatted 20 string, total_duration 21 double, total_duration_formatted 22 string, "
    "progress_percent 23 double, elapsed_time 24 double",
    "ResultRequest": "session_id 1 string",
    "CancelRequest": "session_id 1 string",
    "AIInsightsRequest": "session_id 1 string",
    "QualityMetrics": "lip_sync_accuracy 1 double, voice_quality 2 double, translation_quality 3 double, "
    "duration_match 4 bool, avg_lufs 5 double, avg_atempo 6 double, segments_condensed 7 int32",
    "TranslationResult": "session_id 1 string, output_path 2 string, status 3 string, duration 4 double, "
    "original_srt 5 string, translated_srt 6 string, quality_metrics 7 QualityMetrics, output_size 8 int64, "
    "original_size 9 int64, processing_time_seconds 10 double",
    "CancelResponse": "success 1 bool, message 2 string",
    "ControlTranslationRequest": "session_id 1 string, action 2 string",
    "ControlTranslationResponse": "success 1 bool, is_paused 2 bool, message 3 string",
    "HardwareInfo": "cpu 1 string, gpu 2 string, vram_gb 3 int32, ram_gb 4 int32",
    "LanguageDetectionRequest": "file_path 1 string",
    "LanguageDetectionResult": "detected_language 1 string, confidence 2 double, success 3 bool, message 4 string",
    "AIInsight": "id 1 string, type 2 string, title 3 string, description 4 string, impact 5 string, "
    "timestamp 6 string, data 7 string",
    "AIInsightsResponse": "session_id 1 string, insights 2 repeated AIInsight, total_insights 3 int32, "
    "success 4 bool, message 5 string",
}
TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
}


def described(field: FieldDescriptor) -> str:
    kind = field.message_type.name if field.message_type else TYPES[field.type]
    return f"{field.name} {field.number} {'repeated ' if field.is_repeated else ''}{kind}"


def test_methods_are_those_of_the_contract() -> None:
    assert pb.DESCRIPTOR.package == "translation"
    (service,) = pb.DESCRIPTOR.services_by_name.values()
    assert service.name == "TranslationService"
    methods = {
        method.name: (method.input_type.name, method.output_type.name, method.server_streaming)
        for method in service.methods
    }
    assert methods == METHODS
    assert not any(method.client_streaming for method in service.methods)


def test_there_are_no_other_messages() -> None:
    assert set(pb.DESCRIPTOR.message_types_by_name) == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_are_those_of_the_contract(name: str) -> None:
    fields = pb.DESCRIPTOR.message_types_by_name[name].fields
    assert ", ".join(map(described, fields)) == MESSAGES[name]


def test_stubs_are_what_the_file_makes(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    made = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, "serve/rpc/translation.proto"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for name in STUBS:
        # another release of grpcio-tools may write other text: the one of constraints.txt is meant
        assert (tmp_path / "serve" / "rpc" / name).read_text() == (ROOT / "serve" / "rpc" / name).read_text(), (
            f"serve/rpc/{name} is not what serve/rpc/translation.proto makes; its head has the command."
        )


def test_every_method_message_and_field_is_commented() -> None:
    lines = PROTO.read_text().splitlines()
    meant = re.compile(r"^(  )?(rpc|message|service|repeated \w+|\w+) \w+( = \d+;|\(| \{)")
    bare = [line for before, line in pairwise(lines) if meant.match(line) and not before.strip().startswith("//")]
    assert bare == []
    commented = [line for line in lines if meant.match(line)]
    assert len(commented) == 1 + len(METHODS) + len(MESSAGES) + sum(text.count(",") + 1 for text in MESSAGES.values())


def older_pool() -> descriptor_pool.DescriptorPool:
    """The file as older clients have it: without what was added later."""
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    del file.message_type[[message.name for message in file.message_type].index("LogEntry")]
    newest = {"TranslationRequest": 4, "TranslationProgress": 13}
    for message in file.message_type:
        kept = [field for field in message.field if field.number <= newest.get(message.name, field.number)]
        del message.field[:]
        message.field.extend(kept)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def test_older_clients_are_served(tmp_path: Path) -> None:
    pool = older_pool()
    request_type, progress_type = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"translation.{name}"))
        for name in ("TranslationRequest", "TranslationProgress")
    )
    assert "voice_gender" not in request_type.DESCRIPTOR.fields_by_name
    assert "log_entries" not in progress_type.DESCRIPTOR.fields_by_name
    with running(tmp_path) as server, grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = channel.unary_stream(
            "/translation.TranslationService/TranslateVideo",
            request_serializer=request_type.SerializeToString,
            response_deserializer=progress_type.FromString,
        )
        asked = request_type(session_id="old", file_path=f"{tmp_path}/a.mp4", source_lang="en", target_lang="hy")
        stream = call(asked, timeout=60)
        first = next(stream)
        assert (first.session_id, first.status, first.current_chunk) == ("old", Status.PROCESSING, 3)
        assert first.hardware_info.cpu == "a processor"
        assert server.sessions.started == [("old", tmp_path / "a.mp4", "en", "hy", "neutral")]
        stream.cancel()
