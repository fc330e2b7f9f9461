"""Interceptors: let clients with a token call, and end calls that are refused or meet a fault."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext

from serve.rpc.requests import RequestError
from serve.rpc.service import NAME

log = logging.getLogger(__name__)

FAULT = "A fault of the server; its log has more."
NO_TOKEN = "This server wants a token: send the metadata 'authorization: Bearer TOKEN'."
BEARER = "Bearer "
OPEN_TO_ALL = "/grpc.health.v1.Health/"  # probes of containers know no token

# as text: the class takes parameters in the stubs only
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]]


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """End a call with `UNAUTHENTICATED` that carries none of the tokens; health may be asked without one."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Accept each of these tokens."""
        self._tokens = [token.encode() for token in tokens]

    async def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Let a call with a token, or to the health service, go on; refuse any other."""
        if handler_call_details.method.startswith(OPEN_TO_ALL) or self._known(handler_call_details):
            return await continuation(handler_call_details)
        log.warning("%s: no token", handler_call_details.method, extra={"event": "refused", "code": "UNAUTHENTICATED"})
        return grpc.unary_unary_rpc_method_handler(_unauthenticated)

    def _known(self, details: grpc.HandlerCallDetails) -> bool:
        sent = dict(details.invocation_metadata or ()).get("authorization", "")
        token = sent.removeprefix(BEARER) if isinstance(sent, str) and sent.startswith(BEARER) else ""
        # all are compared, each in constant time: the time it takes shows nothing about any of them
        return sum(hmac.compare_digest(token.encode(), known) for known in self._tokens) > 0


async def _unauthenticated(request: Any, context: ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, NO_TOKEN)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """End a call with `INVALID_ARGUMENT` where its request is refused, and with `INTERNAL` at a fault of the server.

    Nothing of the machine is in the answer. gRPC by itself answers both with `UNKNOWN` and the text of the exception.
    """

    async def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return a handler that answers for errors of the one behind it."""
        # the stubs know handlers of the other API only, whose functions are not asynchronous
        handler: Any = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(f"/{NAME}/"):
            return handler  # a method that nobody knows, or another service
        codecs = {
            "request_deserializer": partial(_parse, handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }

        method = handler_call_details.method

        async def answer(request: Any, context: ServicerContext[Any, Any]) -> Any:
            async with _translated_errors(context, method):
                return await handler.unary_unary(_message(request), context)

        async def stream(request: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with _translated_errors(context, method):
                async for message in handler.unary_stream(_message(request), context):
                    yield message

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, **codecs)
        return grpc.unary_unary_rpc_method_handler(answer, **codecs)


def _parse(parse: Callable[[bytes], Any], content: bytes) -> Any:
    """Return the message, or the reason why it is none."""
    try:
        return parse(content)
    except DecodeError as error:
        return error


def _message(request: Any) -> Any:
    if isinstance(request, DecodeError):
        raise RequestError("The request is not the message that this method takes.") from request
    return request


@asynccontextmanager
async def _translated_errors(context: ServicerContext[Any, Any], method: str) -> AsyncIterator[None]:
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
