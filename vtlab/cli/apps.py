"""Commands that open an app in the browser: debug, listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from vtlab.cli.terminal import Debug

Port = Annotated[int | None, typer.Option(metavar="N", help="Port on this machine; a free one by default.")]
Headless = Annotated[bool, typer.Option("--headless", help="Open no browser; the address is printed.")]


def debug(
    video: Annotated[
        Path | None, typer.Argument(metavar="[VIDEO]", help="The clip to open; chosen in the app else.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Language to dub into.")] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="LANGUAGE", help="Language spoken in it.")] = None,
    settings: Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="Base settings, YAML.")] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Open the notebook itself, to change it.")] = False,
    port: Port = None,
    headless: Headless = False,
    debug: Debug = False,
) -> None:
    """Open one clip in the browser: turn a stage's knobs, see and hear what changed.

    VIDEO is dubbed as the app opens, from the store where it was dubbed before. Runs until Ctrl-C.
    """
    from vtlab.errors import InputError
    from vtlab.settings import load_settings

    if video is not None and not video.is_file():
        raise InputError(f"{video} is not there.", code="E_NO_FILE")
    load_settings(settings)  # an error before a browser opens
    chosen = {"video": video, "from": _code(source), "to": _code(to), "settings": settings}
    _open("debug.py", chosen, edit, port, headless)


def listen(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="suite/configuration, or a folder of results.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B")],
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Where 'vtlab eval' left its results.")] = Path(
        "out/eval"
    ),
    votes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where votes are kept; named by the two runs by default.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, another order of pairs.")] = 0,
    edit: Annotated[bool, typer.Option("--edit", help="Open the notebook itself, to change it.")] = False,
    port: Port = None,
    headless: Headless = False,
    debug: Debug = False,
) -> None:
    """Open a blind listening test of two runs: who listens does not know which is which.

    Each vote is kept as it is given, per listener; the test ends by logging the outcome to both runs in MLflow.
    """
    from vtlab.errors import InputError
    from vtlab.evaluation.compare.votes import find_pairs, votes_file

    if run_a.rstrip("/") == run_b.rstrip("/"):
        raise InputError(f"{run_a} cannot be listened to against itself; name two runs.")
    find_pairs(run_a, run_b, results)  # an error before a browser opens
    if votes is None:
        votes = votes_file(run_a, run_b)
    chosen = {"a": run_a, "b": run_b, "results": results, "votes": votes, "seed": seed}
    _open("listen.py", chosen, edit, port, headless)


def _open(notebook: str, chosen: Mapping[str, object], edit: bool, port: int | None, headless: bool) -> None:
    """Becomes marimo, so that Ctrl-C and signals are its own."""
    import os
    import sys
    from importlib.util import find_spec

    from vtlab.errors import EngineError
    from vtlab.evaluation.sweep.notebooks import find_notebook

    if find_spec("marimo") is None:
        raise EngineError("The apps need marimo: pip install 'vtlab[lab]'")
    command = [sys.executable, "-m", "marimo", "edit" if edit else "run", str(find_notebook(notebook))]
    command += ["--port", str(port)] if port is not None else []
    command += ["--headless"] if headless else []
    sys.stdout.flush()
    os.execv(sys.executable, [*command, "--", *_arguments(chosen)])


def _arguments(chosen: Mapping[str, object]) -> Sequence[str]:
    return [word for name, value in chosen.items() if value is not None for word in (f"--{name}", str(value))]


def _code(language: str | None) -> str | None:
    from vtlab.languages import language_code

    return None if language is None else language_code(language)
