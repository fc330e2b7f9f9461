"""Start a marimo app with arguments, and read them in it.

Arguments travel as one JSON object: marimo splits words at `=` and at spaces, and turns `1_0` into 10.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NoReturn

from vtlab.errors import EngineError

ARGUMENTS = "arguments"  # marimo's name for them
LOCAL = ("127.0.0.1", "localhost", "::1")  # hosts that no other machine reaches


def open_app(
    notebook: str,
    arguments: Mapping[str, object],
    *,
    edit: bool = False,
    host: str = LOCAL[0],
    port: int | None = None,
    headless: bool = False,
) -> NoReturn:
    """Replace this process by marimo, so that Ctrl-C and signals are marimo's own.

    Where other machines reach the host, the page asks for a token, which is part of the address that marimo prints.

    Args:
        notebook: Name of the app, such as `listen.py`.
        arguments: What `read_arguments` returns in the app, as text; those that are `None` are left out.
        edit: Whether to open the notebook itself, to change it.
        host: Address to listen on.
        port: A free one by default.
        headless: Whether to open no browser.

    Raises:
        EngineError: marimo is not installed.
    """
    from vtlab.evaluation.sweep.notebooks import find_notebook

    if find_spec("marimo") is None:
        raise EngineError("The apps need marimo: pip install 'vtlab[lab]'")
    command = [sys.executable, "-m", "marimo", "edit" if edit else "run", str(find_notebook(notebook))]
    command += ["--host", host, *(["--token"] if host not in LOCAL else [])]
    command += ["--port", str(port)] if port is not None else []
    command += ["--headless"] if headless else []
    given = {name: str(value) for name, value in arguments.items() if value is not None}
    sys.stdout.flush()
    os.execv(sys.executable, [*command, "--", f"--{ARGUMENTS}={json.dumps(given)}"])


def read_arguments() -> dict[str, str]:
    """Return the arguments that the app was opened with, by name."""
    import marimo as mo

    given: dict[str, str] = json.loads(str(mo.cli_args().get(ARGUMENTS) or "{}"))
    return given
