"""Notebooks executed with parameters by papermill; its warnings on wrong parameters are errors here.

A notebook has one cell tagged `parameters`: a name, maybe its type, a literal and a comment per line. `...` stands for
a value that must be given. It runs in this interpreter and this working folder, whatever kernels are installed.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import errors
from vtlab.errors import InputError, SettingsError, UserError, VtlabError, nearest, redact

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from papermill.exceptions import PapermillExecutionError


TAG = "parameters"
# where the notebooks of this project are: in a checkout, or where the installed package put them
FOLDERS = (Path(__file__).parents[3] / "notebooks", Path(sysconfig.get_path("data")) / "share" / "vtlab" / "notebooks")
ARROW = re.compile(r"^-+> \d+ (.*)$", re.MULTILINE)  # IPython's mark of the failing line
HANGS_S = 600  # a kernel that is silent for so long is dead; papermill's 60 s and 4 s are short on a busy machine
KILL_EVERY_S = 0.2  # a kernel that starts meanwhile is killed, too
SHOWN_CHARS = 80  # of the failing line, in the message


def find_notebook(name: str | Path) -> Path:
    """Return the notebook of that path, or the one of that name that comes with vtlab.

    Args:
        name: A path, or a name such as `evaluate`, `evaluate.ipynb` or `debug.py`.

    Raises:
        InputError: `E_NOTEBOOK`; names the nearest notebook.
    """
    given = Path(name)
    if given.is_file():
        return given
    wanted = given if given.suffix == ".py" else given.with_suffix(".ipynb")
    for folder in FOLDERS:
        file = folder / wanted.name
        if file.is_file():
            return file
    known = sorted({file.stem for folder in FOLDERS for file in folder.glob("*.ipynb")})
    listed = f" vtlab has: {', '.join(known)}." if known else ""
    raise InputError(f"There is no notebook {name}.{nearest(given.stem, known)}{listed}", code="E_NOTEBOOK")


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Check parameters against those that the notebook declares.

    Raises:
        SettingsError: `E_PARAMETERS`; a parameter is unknown, missing or of another type, or the notebook has no cell
            of parameters, or one that holds anything but commented literals.
    """
    known = _declared(notebook)
    for name, value in parameters.items():
        if name not in known:
            raise _fault(
                f"{notebook.name} has no parameter {name!r}.{nearest(name, known)} Its parameters: {', '.join(known)}."
            )
        default = known[name]
        if default is not ... and default is not None and value is not None and not _like(value, default):
            raise _fault(
                f"Parameter {name!r} of {notebook.name} is {value!r}; give it as {type(default).__name__}, such as "
                f"{default!r}."
            )
    missing = [name for name, default in known.items() if default is ... and name not in parameters]
    if missing:
        raise _fault(f"{notebook.name} needs {', '.join(map(repr, missing))}; give a value.")


def execute(
    notebook: str | Path, parameters: Mapping[str, Any], out: Path, environment: Mapping[str, str] | None = None
) -> Path:
    """Run a notebook and keep it at `out`, its HTML beside it; return `out`.

    Args:
        notebook: See `find_notebook`.
        parameters: Literals; paths become text. They stand in what is kept.
        out: The notebook's file; one that is there is replaced.
        environment: Variables added to those of this process, such as addresses with a password: they are not kept, and
            where a cell shows them they are hidden.

    Raises:
        SettingsError: The parameters are wrong; nothing was run.
        VtlabError: `E_NOTEBOOK`; a cell failed. A `UserError` where the cell raised one. The notebook is kept up to
            that cell.
    """
    file = find_notebook(notebook)
    given = {name: _plain(value) for name, value in parameters.items()}
    check_parameters(file, given)
    _quiet()
    import papermill
    from papermill.exceptions import PapermillExecutionError

    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="vtlab-") as sockets, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernels: list[AsyncKernelManager] = []
            _run_interruptibly(
                partial(
                    papermill.execute_notebook,
                    _path(file),
                    _path(out),
                    given,
                    kernel_name="python3",
                    progress_bar=False,
                    start_timeout=HANGS_S,
                    iopub_timeout=HANGS_S,
                    kernel_manager_class=_kernel(sockets, environment or {}, kernels),
                ),
                kernels,
            )
    except PapermillExecutionError as error:
        write_html(out)
        raise _failed(file, out, error) from error
    finally:
        if out.exists():
            out.write_text(redact(out.read_text(encoding="utf-8")), encoding="utf-8")
    write_html(out)
    return out


def _run_interruptibly(run: Callable[[], object], kernels: Sequence[AsyncKernelManager]) -> None:
    """Run in a thread, and kill the kernels when this one is interrupted.

    Ctrl-C in the midst of jupyter's own code may be lost there, or end in its tracebacks.
    """
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(run)
        try:
            running.result()
        except KeyboardInterrupt:
            logging.getLogger("papermill").setLevel(logging.CRITICAL)  # which would say that the kernel died
            while not running.done():
                for kernel in kernels:
                    if kernel.has_kernel:
                        kernel.provisioner.process.kill()
                wait([running], KILL_EVERY_S)
            raise


def write_html(notebook: Path) -> Path:
    """Write the executed notebook as one HTML file beside it, and return that file."""
    import nbformat
    from nbconvert import HTMLExporter

    node = nbformat.reads(redact(notebook.read_text(encoding="utf-8")), as_version=4)
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(node)
    file = notebook.with_suffix(".html")
    file.write_text(page, encoding="utf-8")
    return file


def _declared(notebook: Path) -> dict[str, Any]:
    """Return the parameters and their defaults, in order; `...` where there is none.

    papermill's own ``inspect_notebook`` reads lines by a pattern, and misses those with a second ``=``.
    """
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError, KeyError) as error:
        raise InputError(f"{notebook} is no notebook: {error}.", code="E_NOTEBOOK") from error
    source = next((cell.source for cell in cells if TAG in cell.metadata.get("tags", [])), None)
    if source is None:
        raise _fault(f"{notebook.name} has no cell tagged {TAG!r}; tag the cell that holds its parameters.")
    declared: dict[str, Any] = {}
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        line = lines[(statement.end_lineno or 1) - 1]
        commented = "#" in line[statement.end_col_offset or 0 :]
        try:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement
            target = target.target if isinstance(target, ast.AnnAssign) else target
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if not (isinstance(target, ast.Name) and value is not None and commented):
                raise ValueError("no assignment with a comment")
            declared[target.id] = ast.literal_eval(value)
        except ValueError as error:
            raise _fault(
                f"In the parameters of {notebook.name}, {line!r} is not a literal with a comment: write 'name = value  "
                "# what it is'."
            ) from error
    return declared


def _path(file: Path) -> str:
    """Return a path that papermill takes literally: it would put parameters between braces."""
    return str(file.absolute()).replace("{", "{{").replace("}", "}}")


def _like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def _plain(value: Any) -> Any:
    """Return paths as text and tuples as lists, also inside; papermill would write others as their `repr` in quotes."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise _fault(f"A parameter cannot be a {type(value).__name__}; give text, numbers, lists or mappings.")


def _kernel(sockets: str, environment: Mapping[str, str], made: list[AsyncKernelManager]) -> type:
    """Return a kernel manager for this very interpreter: an installed kernel may be another environment's.

    It talks over files in the folder `sockets`: another process may take a port in between. It adds itself to `made`.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):  # type: ignore[misc]  # not read by mypy, see pyproject.toml
        def __init__(self, **given: Any) -> None:
            super().__init__(**given, transport="ipc", ip=f"{sockets}/kernel")
            made.append(self)

        @property
        def kernel_spec(self) -> KernelSpec:
            # without frozen modules, of which the debugger would warn on stderr
            command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            # jupyter replaces $NAME in the values
            added = {name: value.replace("$", "$$") for name, value in environment.items()}
            return KernelSpec(argv=command, display_name="vtlab", language="python", env=added)

    return ThisInterpreter


def _quiet() -> None:
    """Keep papermill's notes on cells and parameters off the terminal."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    for name in ("papermill", "traitlets", "nbconvert", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _fault(sentence: str) -> SettingsError:
    return SettingsError(sentence, code="E_PARAMETERS")


def _failed(notebook: Path, out: Path, error: PapermillExecutionError) -> VtlabError:
    from papermill.exceptions import strip_color

    at = ARROW.search(strip_color("\n".join(error.traceback)))  # the first one is in the cell itself
    line = at[1].strip() if at else error.source.strip().partition("\n")[0]
    shown = line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]}…"
    kind = getattr(errors, error.ename, None)
    user = isinstance(kind, type) and issubclass(kind, UserError)
    what = error.evalue if user else f"{error.ename}: {error.evalue}"
    return (UserError if user else VtlabError)(
        f"{notebook.name} failed in cell {error.exec_count} ({shown!r}): {what} The notebook up to there is {out}.",
        code="E_NOTEBOOK",
    )
