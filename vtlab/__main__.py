"""Where the program starts, and where errors that end it become a sentence and an exit code.

Exit codes: 0 done; 1 a fault of this program; 2 the user must fix something; 3 the dub is degraded, or a gate failed;
130 stopped; 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from vtlab.cli import app
from vtlab.cli.terminal import FAULT_EXIT, STOPPED_EXIT, debugging, raise_again, stop, stopped
from vtlab.errors import OutputError, VtlabError, redact, redact_output, redacted_traceback

PIPE_EXIT = 141  # as a shell has it for a program that SIGPIPE ends
STOPPED = "Stopped. What was computed is kept: the same command goes on from there."


def main() -> None:
    """Run the command line and end the process with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    sys.unraisablehook = raise_again
    _open_standard_streams()
    redact_output()
    code = _run()
    try:
        sys.stdout.flush()
    except OutputError as error:
        code = _report_output_error(error)
    sys.exit(code)


def _open_standard_streams() -> None:
    """Open standard streams that the caller has closed: else the next file opened takes the number of one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            stream = os.fdopen(number, "r" if number == 0 else "w", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # keeps it open when another takes its place


def _run() -> int:
    try:
        app()
    except SystemExit as end:
        # typer has caught Ctrl-C and ends with 130
        return _report(STOPPED, STOPPED_EXIT) if stopped.is_set() else _exit_code(end)
    except OutputError as error:
        return _report_output_error(error)
    except VtlabError as error:
        if stopped.is_set() or error.exit_code == STOPPED_EXIT:
            return _report(STOPPED, STOPPED_EXIT)
        return _report(str(error), error.exit_code, error)
    except Exception as error:
        kept = _keep_traceback(error)
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _report(f"A fault in vtlab ({what}). The traceback is in {kept}.", FAULT_EXIT, error)
    return 0


def _report(sentence: str, code: int, error: Exception | None = None) -> int:
    if error is not None and debugging.is_set():
        print(redacted_traceback(error), end="", file=sys.stderr)
    print(f"vtlab: {' '.join(redact(sentence).split())}", file=sys.stderr)
    return code


def _report_output_error(error: OutputError) -> int:
    """Report why the output is incomplete, unless its reader closed it (`| head`), and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes what is left as it ends
    return PIPE_EXIT if error.code == "E_PIPE" else _report(str(error), error.exit_code, error)


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
