"""Commands that open an app in the browser: debug, listen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtlab.cli.terminal import Debug, print_lines

Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on; 0.0.0.0 lets other machines in, by a token in the link."
    ),
]
Port = Annotated[int | None, typer.Option(metavar="N", help="Port on this machine; a free one by default.")]
Headless = Annotated[bool, typer.Option("--headless", help="Open no browser; the address is printed.")]
Edit = Annotated[bool, typer.Option("--edit", help="Open the notebook itself, to change it.")]


def debug(
    video: Annotated[
        Path | None, typer.Argument(metavar="[VIDEO]", help="The clip to open; chosen in the app else.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Language to dub into.")] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="LANGUAGE", help="Language spoken in it.")] = None,
    settings: Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="Base settings, YAML.")] = None,
    edit: Edit = False,
    host: Host = "127.0.0.1",
    port: Port = None,
    headless: Headless = False,
    debug: Debug = False,
) -> None:
    """Open one clip in the browser: turn a stage's knobs, see and hear what changed.

    VIDEO is dubbed as the app opens, from the store where it was dubbed before. Runs until Ctrl-C.
    """
    from vtlab.apps.launch import open_app
    from vtlab.errors import InputError
    from vtlab.languages import language_code
    from vtlab.settings import load_settings

    if video is not None and not video.is_file():
        raise InputError(f"{video} is not there.", code="E_NO_FILE")
    load_settings(settings)  # an error before a browser opens
    codes = {name: code and language_code(code) for name, code in (("from", source), ("to", to))}
    arguments = {"video": video, **codes, "settings": settings}
    open_app("debug.py", arguments, edit=edit, host=host, port=port, headless=headless)


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
    close: Annotated[
        bool, typer.Option("--close", help="Open nothing: print the outcome of the votes and log it to both runs.")
    ] = False,
    edit: Edit = False,
    host: Host = "127.0.0.1",
    port: Port = None,
    headless: Headless = False,
    debug: Debug = False,
) -> None:
    """Open a blind listening test of two runs: the page tells a listener neither their names nor the votes.

    Each vote is kept as it is given, per listener. The same command with --close prints the outcome and logs it to both
    runs in MLflow.
    """
    from vtlab.apps.launch import open_app
    from vtlab.errors import InputError
    from vtlab.evaluation.compare.votes import find_pairs, votes_file
    from vtlab.evaluation.tracking.listening import close_test

    if run_a.rstrip("/") == run_b.rstrip("/"):
        raise InputError(f"{run_a} cannot be listened to against itself; name two runs.")
    votes = votes or votes_file(run_a, run_b)
    if close:
        print_lines(close_test(run_a, run_b, results, votes))
        return
    find_pairs(run_a, run_b, results)  # an error before a browser opens
    arguments = {"a": run_a, "b": run_b, "results": results, "votes": votes, "seed": seed}
    open_app("listen.py", arguments, edit=edit, host=host, port=port, headless=headless)
