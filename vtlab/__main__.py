"""Where the program starts, and where errors that end it become a sentence and an exit code.

Exit codes: 0 done; 1 a fault of this program; 2 the user must fix something; 3 the dub is degraded, or a gate failed;
130 stopped.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from vtlab.cli import app
from vtlab.cli.terminal import STOPPED_EXIT, debugging, stop, stopped
from vtlab.errors import VtlabError, redact, redact_output, redacted_traceback

FAULT_EXIT = 1
STOPPED = "Stopped. What was computed is kept: the same command goes on from there."


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    redact_output()
    # names of files may hold bytes that are no text; they are printed as they are
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")
    sys.exit(_run())


def _run() -> int:
    try:
        app()
    except SystemExit as end:
        # typer has caught Ctrl-C and ends with 130
        return _told(STOPPED, STOPPED_EXIT) if stopped.is_set() else _exit_code(end)
    except VtlabError as error:
        if stopped.is_set() or error.exit_code == STOPPED_EXIT:
            return _told(STOPPED, STOPPED_EXIT)
        return _told(str(error), error.exit_code, error)
    except Exception as error:
        kept = _keep_traceback(error)
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _told(f"A fault in vtlab ({what}). The traceback is in {kept}.", FAULT_EXIT, error)
    return 0


def _told(sentence: str, code: int, error: Exception | None = None) -> int:
    if error is not None and debugging.is_set():
        print(redacted_traceback(error), end="", file=sys.stderr)
    print(f"vtlab: {' '.join(redact(sentence).split())}", file=sys.stderr)
    return code


def _exit_code(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _keep_traceback(error: Exception) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="vtlab-", suffix=".traceback.txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(redacted_traceback(error))
    return Path(file.name)


if __name__ == "__main__":
    main()
