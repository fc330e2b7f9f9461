"""A server as tests run it: in this process, on a free port, with sessions that live in memory only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from serve import server
from serve.state import Answer, Detection, Hardware, Insight, Level, LogEntry, Quality, Refusal, Result, State, Status

STARTED = State(
    session_id="",
    status=Status.PROCESSING,
    progress=42.5,
    current_step="Translating",
    message="Translating line 4 of 9",
    stage="translation",
    stage_number=4,
    stage_progress=33.5,
    current_chunk=3,
    total_chunks=9,
    chunks_per_minute=12.5,
    segments_processed=2,
    current_time_s=61.9,
    total_duration_s=3725.2,
    elapsed_s=10.25,
    eta_s=30.9,
    early_preview="/artifacts/a_early_preview.mp4",
    available_segments=("seg_001", "seg_002"),
    hardware=Hardware("a processor", "", 0, 8),
    log=(
        LogEntry("2026-01-02T03:04:05.678901Z", Level.INFO, "tts", "spoken", "2", {"value": 0.5}),
        LogEntry("2026-01-02T03:04:05.678902Z", Level.WARNING, "tts", "fast"),
    ),
)
MADE = Result(
    session_id="",
    output_path="/artifacts/a_translated.mp4",
    original_srt="/artifacts/a_subtitles.srt",
    translated_srt="/artifacts/a_translated_subtitles.srt",
    duration_s=9.5,
    output_bytes=5_000_000_000,
    original_bytes=6_000_000_000,
    processing_s=12.5,
    quality=Quality(97.5, 80.25, 71.5, True, -23.1, 1.04, 2),
)
INSIGHT = Insight("a-1", "warning", "Fast", "One line is fast.", "low", "2026-01-02T03:04:05.678901Z", {"limit": 1.3})
PORTUGUESE = Detection("pt", 0.93, "Portuguese")
LONG_S = 300  # ends a hang
ENDED = "It has ended."


@dataclass
class FakeSessions:
    """Sessions that do as they are told: ``start`` begins one, ``tell`` changes it, its followers see that."""

    states: dict[str, State] = field(default_factory=dict)
    started: list[tuple[str, Path, str | None, str, str]] = field(default_factory=list)
    heard: list[Path] = field(default_factory=list)
    controlled: list[str] = field(default_factory=list)
    spoken: Detection = PORTUGUESE
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    waiting: int = 3
    running: int = 1
    memory_mb: float = 100.0

    async def start(
        self, session_id: str, file: Path, source_lang: str | None, target_lang: str, voice_gender: str = "neutral"
    ) -> State:
        self.started.append((session_id, file, source_lang, target_lang, voice_gender))
        self.states.setdefault(session_id, replace(STARTED, session_id=session_id))
        return self.states[session_id]

    async def tell(self, state: State) -> None:
        async with self.changed:
            self.states[state.session_id] = state
            self.changed.notify_all()

    async def follow(self, session_id: str) -> AsyncIterator[State]:
        while True:
            state = self.states[session_id]
            yield state
            if state.status.final:
                return
            async with self.changed:
                await self.changed.wait_for(lambda seen=state: self.states[session_id] is not seen)

    def state(self, session_id: str) -> State | None:
        return self.states.get(session_id)

    def result(self, session_id: str) -> Result | Refusal:
        state = self.states.get(session_id)
        if state is None:
            return Refusal("There is no such session.", unknown=True)
        if state.status is not Status.COMPLETED:
            return Refusal(f"The session is {state.status}.")
        return replace(MADE, session_id=session_id)

    async def cancel(self, session_id: str) -> Answer:
        state = self.states.get(session_id)
        if state is None or state.status.final:
            return Answer(False, False, ENDED)
        await self.tell(replace(state, status=Status.CANCELLED, current_step="Cancelled"))
        return Answer(True, False, "It is being stopped.")

    async def control(self, session_id: str, action: str) -> Answer:
        self.controlled.append(action)
        if session_id not in self.states or action not in ("pause", "resume", "cancel"):
            return Answer(False, False, "That cannot be done.")
        return Answer(True, action == "pause", "Done.")

    def insights(self, session_id: str) -> tuple[Insight, ...] | Refusal:
        return (INSIGHT,) if session_id in self.states else Refusal("There is no such session.", unknown=True)

    async def detect_language(self, file: Path) -> Detection:
        self.heard.append(file)
        return self.spoken

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for state in self.states.values():
            counts[state.status] = counts.get(state.status, 0) + 1
        return counts


@dataclass(frozen=True)
class Running:
    """A server under way: where it listens, its loop, and what is behind it."""

    port: int
    loop: asyncio.AbstractEventLoop
    sessions: Any
    serving: object

    def tell(self, state: State) -> None:
        asyncio.run_coroutine_threadsafe(self.sessions.tell(state), self.loop).result(LONG_S)

    def drain(self) -> None:
        asyncio.run_coroutine_threadsafe(self.serving.enter_graceful_shutdown(), self.loop).result(LONG_S)


@contextmanager
def running(
    uploads: Path,
    options: Sequence[tuple[str, int]] = server.OPTIONS,
    listen: Callable[[grpc.aio.Server], int] = lambda made: made.add_insecure_port("localhost:0"),
    sessions_of: Callable[[], AbstractAsyncContextManager[Any]] = lambda: nullcontext(FakeSessions()),
    tokens: Sequence[str] = (),
) -> Iterator[Running]:
    """A server on a free port, with the options of the real one, its loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()

    stack = AsyncExitStack()

    async def begin() -> Running:
        sessions = await stack.enter_async_context(sessions_of())
        made, serving = await server.build(sessions, uploads, options, tokens)
        port = listen(made)
        await made.start()
        stack.push_async_callback(made.stop, None)
        return Running(port, loop, sessions, serving)

    try:
        try:
            yield asyncio.run_coroutine_threadsafe(begin(), loop).result(LONG_S)
        finally:
            asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(LONG_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
