"""Options, progress, output and interruption of the commands; results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from vtlab.events import Event, Listener
    from vtlab.settings import Settings

FAULT_EXIT = 1  # a fault of this program, or clips that failed
USER_EXIT = 2  # the user must fix something
GATE_EXIT = 3  # a gate failed, or the dub is degraded
STOPPED_EXIT = 130
STDERR = 2
AGAIN_S = 0.01  # until an interruption that was dropped is raised again: the callback that dropped it is over
STOPPING = b"vtlab: Stopping; again to stop at once.\n"

stopped = threading.Event()  # set by Ctrl-C and SIGTERM; threads other than the main one see it at their checkpoint
debugging = threading.Event()  # set by --debug: errors keep their traceback


def stop(number: int, frame: FrameType | None) -> None:
    """Handle SIGINT and SIGTERM: interrupt the command, and the second time end the process at once."""
    if stopped.is_set():
        _stop_at_once()
    # a model that computes is let finish its call; written straight, since print may be what was interrupted
    os.write(STDERR, STOPPING)
    stopped.set()
    raise KeyboardInterrupt


def raise_again(dropped_error: sys.UnraisableHookArgs) -> None:
    """Interrupt the command again where Python dropped `KeyboardInterrupt`, raised in a destructor or a weak reference.

    This is `sys.unraisablehook`.
    """
    if issubclass(dropped_error.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    else:
        sys.__unraisablehook__(dropped_error)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop_at_once() -> NoReturn:
    # Python would wait for threads, and a call of a model takes up to half a minute; the next dub sweeps what is left
    from vtlab import resources

    resources.kill_children()
    os._exit(STOPPED_EXIT)


def checkpoint() -> None:
    """Raise `Cancelled` once the process was asked to stop."""
    if stopped.is_set():
        from vtlab.errors import Cancelled

        raise Cancelled("Stopped.")


def set_debugging(value: bool) -> None:
    """Keep the traceback of errors, where `--debug` asks for it."""
    if value:
        debugging.set()


SettingsFile = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="YAML file of settings.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, such as tts.voice=pf_dora; repeatable, the last counts.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", callback=set_debugging, help="Show the traceback of an error.")]


def resolve_settings(
    file: Path | None, overrides: Sequence[str] | None, source: str | None = None, target: str | None = None
) -> Settings:
    """Return the settings that a command was given, its languages among them."""
    from vtlab.languages import language_code
    from vtlab.settings import load_settings

    resolved = load_settings(file, overrides or ())
    # not by --set, whose values are YAML: there 'no' (Norwegian) is false
    languages = {"source_language": source, "target_language": target}
    return resolved.model_copy(update={key: language_code(text) for key, text in languages.items() if text is not None})


@contextmanager
def show_progress(events: Path | None = None) -> Iterator[Listener]:
    """Show progress as a bar in a terminal, a line per stage elsewhere; append all events to the file `events`, too."""
    from vtlab.errors import InputError
    from vtlab.events import JsonLines, PlainLines, ProgressBar
    from vtlab.files import check_kind

    if events is not None:
        check_kind(events, "a file of events", [b'{"event"'])
    with ExitStack() as stack:
        shown: Listener = stack.enter_context(ProgressBar()) if sys.stderr.isatty() else PlainLines()
        if events is None:
            yield shown
            return
        try:
            written = JsonLines(stack.enter_context(events.open("a", encoding="utf-8")))
        except OSError as error:
            raise InputError(f"{events} cannot be written: {error.strerror}. Choose another file.") from error

        def both(event: Event) -> None:
            written(event)
            shown(event)

        yield both


def print_json(rows: Iterable[object]) -> None:
    """Print dataclasses as a JSON list."""
    from dataclasses import asdict

    print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1, default=str))  # type: ignore[call-overload]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    for line in lines:
        print(line)


def say(sentence: str) -> None:
    """Print a sentence to stderr."""
    print(sentence, file=sys.stderr)
