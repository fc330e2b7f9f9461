"""The methods of the service: each checks its request, asks the sessions, and answers.

What a client may send is decided here, and nothing that was not checked goes further. A request that is refused
outright ends with ``INVALID_ARGUMENT``; all that the user should read arrives as a last message of the stream.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext

from serve.rpc import messages
from serve.rpc import translation_pb2 as pb
from serve.rpc import translation_pb2_grpc as rpc
from serve.sessions.sessions import Sessions
from serve.state import Refusal

log = logging.getLogger(__name__)

NAME = pb.DESCRIPTOR.services_by_name["TranslationService"].full_name

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,34}")  # codes and names; whether anybody speaks it is found out later
GENDERS = ("neutral", "male", "female")
LONGEST_ACTION = 32  # characters
LONGEST_PATH = 4096  # bytes, PATH_MAX of Linux

NO_SESSION_ID = "session_id must be 1 to 64 of A–Z, a–z, 0–9, '_' and '-', and not end in '_translated'."
FAULT = "A fault of the server; its log tells more."
NO_UPLOAD = "file_path must be the absolute path of a file in the uploads folder."


class RequestError(Exception):
    """The request is not one that can be asked; ``str()`` says what is wrong with it."""


class TranslationService(rpc.TranslationServiceServicer):
    """The contract of ``translation.proto`` over ``Sessions``."""

    def __init__(self, sessions: Sessions, uploads: Path) -> None:
        self._sessions, self._uploads = sessions, uploads

    async def TranslateVideo(  # noqa: N802
        self, request: pb.TranslationRequest, context: ServicerContext[pb.TranslationRequest, pb.TranslationProgress]
    ) -> AsyncIterator[pb.TranslationProgress]:
        session_id = checked_session_id(request.session_id)
        source, target = checked_language(request.source_lang), checked_language(request.target_lang)
        gender = checked_gender(request.voice_gender)
        file = await asyncio.to_thread(checked_upload, request.file_path, self._uploads)
        await self._sessions.start(session_id, file, source or None, target, gender)
        # closing the stream only ends this generator: the work goes on
        async for state in self._sessions.follow(session_id):
            yield messages.progress(state)

    async def GetTranslationResult(  # noqa: N802
        self, request: pb.ResultRequest, context: ServicerContext[pb.ResultRequest, pb.TranslationResult]
    ) -> pb.TranslationResult:
        session_id = checked_session_id(request.session_id)
        made = self._sessions.result(session_id)
        if isinstance(made, Refusal):
            code = grpc.StatusCode.NOT_FOUND if made.unknown else grpc.StatusCode.FAILED_PRECONDITION
            await context.abort(code, made.message)
        return messages.result(made)

    async def CancelTranslation(  # noqa: N802
        self, request: pb.CancelRequest, context: ServicerContext[pb.CancelRequest, pb.CancelResponse]
    ) -> pb.CancelResponse:
        session_id = checked_session_id(request.session_id)
        return messages.cancelled(await self._sessions.cancel(session_id))

    async def ControlTranslation(  # noqa: N802
        self,
        request: pb.ControlTranslationRequest,
        context: ServicerContext[pb.ControlTranslationRequest, pb.ControlTranslationResponse],
    ) -> pb.ControlTranslationResponse:
        session_id = checked_session_id(request.session_id)
        action = request.action[:LONGEST_ACTION]  # an unknown one is named in the answer
        return messages.controlled(await self._sessions.control(session_id, action))

    async def DetectLanguage(  # noqa: N802
        self,
        request: pb.LanguageDetectionRequest,
        context: ServicerContext[pb.LanguageDetectionRequest, pb.LanguageDetectionResult],
    ) -> pb.LanguageDetectionResult:
        file = await asyncio.to_thread(checked_upload, request.file_path, self._uploads)
        return messages.detection(await self._sessions.detect_language(file))

    async def GetAIInsights(  # noqa: N802
        self, request: pb.AIInsightsRequest, context: ServicerContext[pb.AIInsightsRequest, pb.AIInsightsResponse]
    ) -> pb.AIInsightsResponse:
        session_id = checked_session_id(request.session_id)
        known = self._sessions.insights(session_id)
        if isinstance(known, Refusal):
            return messages.no_insights(session_id, known.message)
        return messages.insights(session_id, known)


def checked_session_id(text: str) -> str:
    """Raises ``RequestError``, also for an id whose subtitles would take the name of another session's translated ones:
    ``a_translated`` of ``a``."""
    if SESSION_ID.fullmatch(text) is None or text.endswith("_translated"):
        raise RequestError(NO_SESSION_ID)
    return text


def checked_language(text: str) -> str:
    """A code or nothing. One that nobody knows is let through: the session fails, and its user reads why."""
    if text and LANGUAGE.fullmatch(text) is None:
        raise RequestError("source_lang and target_lang must be ISO 639-1 codes, such as 'pt'.")
    return text


def checked_gender(text: str) -> str:
    if text and text not in GENDERS:
        raise RequestError(f"voice_gender must be one of {', '.join(GENDERS)}, or empty.")
    return text or GENDERS[0]


def checked_upload(text: str, uploads: Path) -> Path:
    """The path with symbolic links followed, inside ``uploads``; the file itself need not be there.

    Blocks: the folder may be on a network disk.
    """
    if not text or len(text.encode("utf-8", "replace")) > LONGEST_PATH or "\0" in text:
        raise RequestError(NO_UPLOAD)
    path = Path(text)
    if not path.is_absolute():
        raise RequestError(NO_UPLOAD)
    try:
        resolved, root = path.resolve(), uploads.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise RequestError(NO_UPLOAD) from error
    if resolved == root or not resolved.is_relative_to(root):
        raise RequestError(NO_UPLOAD)
    return resolved


class Refusals(grpc.aio.ServerInterceptor):
    """Ends a call with ``INVALID_ARGUMENT`` where a check says no, or where its request is no message at all; with
    ``INTERNAL``, and nothing of the machine in it, where the fault is the server's.

    gRPC by itself answers both with ``UNKNOWN`` and the text of the exception.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        # the stubs know handlers of the other API only, whose functions are not asynchronous
        handler: Any = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{NAME}/"):
            return handler  # a method that nobody knows, or another service
        codecs = {
            "request_deserializer": partial(_parsed, handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }

        method = handler_call_details.method

        async def answer(request: Any, context: ServicerContext[Any, Any]) -> Any:
            async with _refused(context, method):
                return await handler.unary_unary(_message(request), context)

        async def stream(request: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with _refused(context, method):
                async for message in handler.unary_stream(_message(request), context):
                    yield message

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, **codecs)
        return grpc.unary_unary_rpc_method_handler(answer, **codecs)


def _parsed(parse: Callable[[bytes], Any], content: bytes) -> Any:
    """The message, or why there is none."""
    try:
        return parse(content)
    except DecodeError as error:
        return error


def _message(request: Any) -> Any:
    if isinstance(request, DecodeError):
        raise RequestError("The request is not the message that this method takes.") from request
    return request


@asynccontextmanager
async def _refused(context: ServicerContext[Any, Any], method: str) -> AsyncIterator[None]:
    try:
        yield
    except RequestError as error:
        log.warning("%s: %s", method, error, extra={"event": "refused", "code": "INVALID_ARGUMENT"})
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except grpc.aio.AbortError:
        raise
    except Exception:
        log.exception("%s", method, extra={"event": "refused", "code": "INTERNAL"})
        await context.abort(grpc.StatusCode.INTERNAL, FAULT)
