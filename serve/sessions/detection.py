"""Language detection in a worker process of its own, so that dubs under way do not hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import count
from pathlib import Path

from serve.sessions.options import Configuration
from serve.state import Detection
from serve.worker.client import Worker
from serve.worker.protocol import Detect, Detected, Failed
from vtlab.errors import VtlabError
from vtlab.languages import language_name

DETECTION_S = 50.0  # the gateway waits for 60 s


class LanguageDetector:
    """Detect languages, one file at a time; others wait. Used from one event loop."""

    def __init__(self, worker: Worker, folder: Path, configuration: Callable[[], Awaitable[Configuration]]) -> None:
        """Prepare a detector with a `worker` of its own; work under way goes to `folder`."""
        self.worker = worker
        self._folder, self._configuration = folder, configuration
        self._jobs = count(1)
        self.lock = asyncio.Lock()  # held while the worker is started, or at work

    async def detect(self, file: Path) -> Detection:
        """Return the language of the first 30 s that hold speech, or why it is not known; never raises."""
        try:
            async with asyncio.timeout(DETECTION_S):
                async with self.lock:
                    try:
                        return await self._detect(file)
                    except BaseException:  # it took too long, or nobody waits any more: it would answer the next one
                        await self.worker.end()
                        raise
        except TimeoutError:
            return Detection(None, None, f"{file.name}: the language was not found within {DETECTION_S:.0f} s.")
        except VtlabError as error:
            return Detection(None, None, str(error))

    async def _detect(self, file: Path) -> Detection:
        settings = (await self._configuration()).settings.model_dump(mode="json")
        if not self.worker.alive:
            await self.worker.start()
        job = next(self._jobs)
        self.worker.send(Detect(job, file, self._folder, settings))
        async with aclosing(self.worker.reports()) as reports:
            async for report in reports:
                match report:
                    case Failed(job=of, message=message) if of == job:
                        return Detection(None, None, message)
                    case Detected(job=of, language=language, confidence=confidence) if of == job:
                        return Detection(language, confidence, f"{language_name(language)}, {confidence:.0%} certain.")
        await self.worker.end()
        return Detection(None, None, "The process that detects languages ended unexpectedly; ask again.")
