"""Run `vtlab serve`: options, log, release, server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from serve.config import load_config


def run(
    chosen: Mapping[str, Any], settings: Path | None, overrides: Sequence[str], announce: Callable[[str], None]
) -> None:
    """Serve until a signal.

    Args:
        chosen: Options of the server by field of `Config`; those that are `None` come from the environment.
        settings: A settings file to serve instead of the release.
        overrides: Settings (`tts.voice=…`) to serve instead of the release's.
        announce: Called with lines for people on what was started.

    Raises:
        UserError: An option is wrong, or what should be served cannot be.
    """
    config = load_config(chosen)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are no JSON; gRPC reads it when it is imported

    from serve import server
    from serve.observe import logs
    from serve.release import ActiveRelease

    logs.start_logging(config.log_level, config.log_file)
    active = ActiveRelease(
        config.releases,
        unmeasured=config.unmeasured,
        burn_subtitles=config.burn_subtitles,
        file=settings,
        overrides=tuple(overrides),
    )
    asyncio.run(server.serve(config, active, announce))
