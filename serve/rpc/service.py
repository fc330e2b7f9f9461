"""The methods of the service: each checks its request, calls the sessions, and converts the answer.

A request that is refused outright ends with `INVALID_ARGUMENT` (`serve.rpc.interceptors`); what a user is to read
arrives as the last message of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
from grpc.aio import ServicerContext

from serve.rpc import messages
from serve.rpc import translation_pb2 as pb
from serve.rpc import translation_pb2_grpc as rpc
from serve.rpc.requests import RequestError, check_gender, check_language, check_session_id, check_upload
from serve.sessions.sessions import SessionConflictError, Sessions
from serve.state import Refusal

NAME = pb.DESCRIPTOR.services_by_name["TranslationService"].full_name
LONGEST_ACTION = 32  # characters


class TranslationService(rpc.TranslationServiceServicer):
    """The contract of `translation.proto` over `Sessions`; each method is described there."""

    def __init__(self, sessions: Sessions, uploads: Path) -> None:
        """Serve `sessions`; only files inside the folder `uploads` are opened."""
        self._sessions, self._uploads = sessions, uploads

    async def TranslateVideo(  # noqa: N802
        self, request: pb.TranslationRequest, context: ServicerContext[pb.TranslationRequest, pb.TranslationProgress]
    ) -> AsyncIterator[pb.TranslationProgress]:
        """Start a session, or attach to it, and stream its states."""
        session_id = check_session_id(request.session_id)
        source, target = check_language(request.source_lang), check_language(request.target_lang)
        gender = check_gender(request.voice_gender)
        file = await asyncio.to_thread(check_upload, request.file_path, self._uploads)
        try:
            await self._sessions.start(session_id, file, source or None, target, gender)
        except SessionConflictError as error:
            raise RequestError(str(error)) from error
        # closing the stream only ends this generator: the work goes on
        async for state in self._sessions.follow(session_id):
            yield messages.progress(state)

    async def GetTranslationResult(  # noqa: N802
        self, request: pb.ResultRequest, context: ServicerContext[pb.ResultRequest, pb.TranslationResult]
    ) -> pb.TranslationResult:
        """Return the files of a completed session."""
        session_id = check_session_id(request.session_id)
        made = self._sessions.result(session_id)
        if isinstance(made, Refusal):
            code = grpc.StatusCode.NOT_FOUND if made.unknown else grpc.StatusCode.FAILED_PRECONDITION
            await context.abort(code, made.message)
        return messages.result(made)

    async def CancelTranslation(  # noqa: N802
        self, request: pb.CancelRequest, context: ServicerContext[pb.CancelRequest, pb.CancelResponse]
    ) -> pb.CancelResponse:
        """End a session."""
        session_id = check_session_id(request.session_id)
        return messages.cancelled(await self._sessions.cancel(session_id))

    async def ControlTranslation(  # noqa: N802
        self,
        request: pb.ControlTranslationRequest,
        context: ServicerContext[pb.ControlTranslationRequest, pb.ControlTranslationResponse],
    ) -> pb.ControlTranslationResponse:
        """Pause, resume or cancel a session."""
        session_id = check_session_id(request.session_id)
        action = request.action[:LONGEST_ACTION]  # an unknown one is named in the answer
        return messages.controlled(await self._sessions.control(session_id, action))

    async def DetectLanguage(  # noqa: N802
        self,
        request: pb.LanguageDetectionRequest,
        context: ServicerContext[pb.LanguageDetectionRequest, pb.LanguageDetectionResult],
    ) -> pb.LanguageDetectionResult:
        """Return the language spoken in an upload."""
        file = await asyncio.to_thread(check_upload, request.file_path, self._uploads)
        return messages.detection(await self._sessions.detect_language(file))

    async def GetAIInsights(  # noqa: N802
        self, request: pb.AIInsightsRequest, context: ServicerContext[pb.AIInsightsRequest, pb.AIInsightsResponse]
    ) -> pb.AIInsightsResponse:
        """Return the insights of a session."""
        session_id = check_session_id(request.session_id)
        known = self._sessions.insights(session_id)
        if isinstance(known, Refusal):
            return messages.no_insights(session_id, known.message)
        return messages.insights(session_id, known)
