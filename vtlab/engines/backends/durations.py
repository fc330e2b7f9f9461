"""The part of a voice's model that decides how long each phoneme lasts, cut out of its ONNX file.

VITS (Piper) and StyleTTS 2 (Kokoro) first decide, phoneme by phoneme, for how many frames it sounds, and only then make
the sound, which is most of the work. The first part alone, some tenth of it, tells exactly how long a segment will be
before it is spoken, and at which rate to ask for one that shall last so long. The frames are rounded per phoneme, so
the speed one asks for is not the speed one gets: at 1.25 times the rate, segments of these voices were 1.08 to 1.17
times as fast.

Protobuf's wire format is read here by hand (https://protobuf.dev/programming-guides/encoding): a dozen lines, against a
package of 15 MB that nothing else needs. Field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vtlab.errors import WeightsError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_OUTPUT = 1, 5, 12
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 6, 11
TENSOR_NAME = 8
VALUE_NAME, VALUE_TYPE, TYPE_TENSOR = 1, 2, 1
FLOAT_TENSOR = b"\x08\x01"  # elem_type = FLOAT
DELIMITED, FIXED_SIZES = 2, {1: 8, 5: 4}

SLOWEST, FASTEST = 0.25, 5.0  # rates searched
BISECTIONS = 20


def extract_before(model: Path, operator: str) -> tuple[bytes, str]:
    """Return the part of an ONNX model that computes the input of its only node of ``operator``.

    Returns:
        The model as bytes, and the name of its output.

    Raises:
        WeightsError: There is no such node, or more than one.
    """
    with model.open("rb") as file:
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))  # most of it is not wanted
    graph = next((content for field, content in _fields(whole) if field == MODEL_GRAPH), memoryview(b""))
    nodes = [content for field, content in _fields(graph) if field == GRAPH_NODE]
    ends = [node for node in nodes if _texts(node, NODE_OPERATOR) == [operator]]
    if len(ends) != 1:
        raise WeightsError(
            f"The model {model} has {len(ends)} nodes {operator!r}, not the one of its durations. "
            "Take the usual export of this voice."
        )
    (name,) = _texts(ends[0], NODE_INPUT)[:1]
    needed, kept = {name}, set[int]()
    for place in range(len(nodes) - 1, -1, -1):  # nodes stand in the order of computation
        if needed & set(_texts(nodes[place], NODE_OUTPUT)):
            kept.add(place)
            needed |= _inputs(nodes[place])
    parts: list[bytes] = []
    place = 0
    for field, content in _fields(graph):
        if field == GRAPH_NODE:
            place += 1
            if place - 1 not in kept:
                continue
        if field == GRAPH_OUTPUT or (field == GRAPH_INITIALIZER and not needed & set(_texts(content, TENSOR_NAME))):
            continue
        parts.append(_encode_field(field, content))
    value = _encode_field(VALUE_NAME, name.encode()) + _encode_field(
        VALUE_TYPE, _encode_field(TYPE_TENSOR, FLOAT_TENSOR)
    )
    parts.append(_encode_field(GRAPH_OUTPUT, value))
    rest = b"".join(raw for field, raw in _raw_fields(whole) if field != MODEL_GRAPH)
    return rest + _encode_field(MODEL_GRAPH, b"".join(parts)), name


def find_rate(wanted: float, frames_at: Callable[[float], float]) -> float:
    """Return the rate at which a text comes nearest to the frames wanted.

    Args:
        wanted: Frames.
        frames_at: Returns the frames at a rate; they get fewer in steps as the rate grows.
    """
    low, high = SLOWEST, FASTEST
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if frames_at(middle) > wanted else (low, middle)
    return min((low, high), key=lambda rate: abs(frames_at(rate) - wanted))


def load_session(model: Path | bytes) -> InferenceSession:
    """Return a session of one thread.

    Callers run in it side by side, which is faster than one caller on several threads.

    Raises:
        WeightsError: This is no model.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    content = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf) as error:
        what = model if isinstance(model, Path) else "part that decides on durations"
        raise WeightsError(f"The model {what} does not load: {error}. Fetch it again.") from error


def _inputs(node: memoryview) -> set[str]:
    """Return the names of what a node takes in, the nodes of its branches and loops included."""
    names = set(_texts(node, NODE_INPUT))
    for field, attribute in _fields(node):
        if field == NODE_ATTRIBUTE:
            for inner, graph in _fields(attribute):
                if inner in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                    for part, content in _fields(graph):
                        names |= _inputs(content) if part == GRAPH_NODE else set()
                        names |= set(_texts(content, VALUE_NAME)) if part == GRAPH_OUTPUT else set()
    return names


def _texts(message: memoryview, wanted: int) -> list[str]:
    return [str(content, "utf-8") for field, content in _fields(message) if field == wanted]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each length-delimited field."""
    for field, _, at, end, kind in _walk(message):
        if kind == DELIMITED:
            yield field, message[at:end]


def _raw_fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and whole encoding of each field."""
    for field, start, _, end, _ in _walk(message):
        yield field, message[start:end]


def _walk(message: memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield of each field its number, start, start of its content, end, and wire type."""
    at = 0
    while at < len(message):
        start = at
        key, at = _decode_varint(message, at)
        field, kind = key >> 3, key & 7
        if kind == DELIMITED:
            length, at = _decode_varint(message, at)
            end = at + length
        elif kind == 0:
            _, end = _decode_varint(message, at)
        else:
            end = at + FIXED_SIZES[kind]
        yield field, start, at, end, kind
        at = end


def _decode_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _encode_field(field: int, content: bytes | memoryview) -> bytes:
    return b"".join((_encode_varint(field << 3 | DELIMITED), _encode_varint(len(content)), content))


def _encode_varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])
