"""Notebooks executed with parameters, by papermill; what it lets pass with a warning is an error here.

A notebook has one cell tagged ``parameters``: a literal and a comment per name; ``...`` stands for what must be given.
It runs in this interpreter and this working folder, whatever kernels are installed.
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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import errors
from vtlab.errors import InputError, SettingsError, UserError, VtlabError, nearest

if TYPE_CHECKING:
    from papermill.exceptions import PapermillExecutionError

    from vtlab.evaluation.dataset import Dataset
    from vtlab.evaluation.suite.model import Configuration, Suite

TAG = "parameters"
# where the notebooks of this project are: in a checkout, or where the installed package put them
FOLDERS = (Path(__file__).parents[3] / "notebooks", Path(sysconfig.get_path("data")) / "share" / "vtlab" / "notebooks")
ARROW = re.compile(r"^-+> \d+ (.*)$", re.MULTILINE)  # IPython's mark of the failing line
HANGS_S = 600  # a kernel that is silent for so long is dead; papermill's 60 s and 4 s are short on a busy machine
SHOWN_CHARS = 80  # of the failing line, in the message


def find_notebook(name: str | Path) -> Path:
    """The notebook of that path, or the one of that name that comes with vtlab: ``evaluate`` or ``evaluate.ipynb``;
    ``debug.py``.

    Raises ``InputError`` (``E_NOTEBOOK``) with the nearest name.
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
    """Raises ``SettingsError`` (``E_PARAMETERS``) where a parameter is unknown, missing, or of another type.

    The same where the notebook has no cell for them, or one that holds anything but commented literals.
    """
    known = _declared(notebook)
    for name, value in parameters.items():
        if name not in known:
            raise _wrong(
                f"{notebook.name} has no parameter {name!r}.{nearest(name, known)} Its parameters: {', '.join(known)}."
            )
        default = known[name]
        if default is not ... and default is not None and value is not None and not _like(value, default):
            raise _wrong(
                f"Parameter {name!r} of {notebook.name} is {value!r}; give it as {type(default).__name__}, such as "
                f"{default!r}."
            )
    missing = [name for name, default in known.items() if default is ... and name not in parameters]
    if missing:
        raise _wrong(f"{notebook.name} needs {', '.join(map(repr, missing))}; give a value.")


def execute(notebook: str | Path, parameters: Mapping[str, Any], out: Path) -> Path:
    """Runs a notebook with these parameters and keeps it at ``out``, its HTML beside it; returns ``out``.

    Paths among the parameters become text. Raises ``SettingsError`` before anything runs where the parameters are
    wrong. Where a cell fails, the notebook is kept up to there, HTML too, and the error names the cell: a ``UserError``
    where the cell raised one, else ``VtlabError``, both ``E_NOTEBOOK``.
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
            papermill.execute_notebook(
                _path(file),
                _path(out),
                given,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=HANGS_S,
                iopub_timeout=HANGS_S,
                kernel_manager_class=_kernel(sockets),
            )
    except PapermillExecutionError as error:
        write_html(out)
        raise _failed(file, out, error) from error
    write_html(out)
    return out


def write_html(notebook: Path) -> Path:
    """The executed notebook as one HTML file beside it, pictures and sound inside."""
    import nbformat
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(template_name="lab").from_notebook_node(nbformat.read(notebook, as_version=4))
    file = notebook.with_suffix(".html")
    file.write_text(page, encoding="utf-8")
    return file


def evaluate(
    suite: Suite,
    configuration: Configuration,
    dataset: Dataset,
    folder: Path,
    limit: int = 0,
    *,
    uri: str | None = None,
) -> str:
    """Executes ``evaluate.ipynb`` for a configuration; notebook and HTML become artifacts of its run, whose id returns.

    ``folder`` holds the suites' results, and the notebook with them. ``limit``: the first clips only; 0: all. Where the
    notebook fails, the configuration has a failed run that holds the notebook and says why.
    """
    from vtlab.evaluation.tracking import runs as tracking

    address = tracking.tracking_uri(uri)
    out = folder / suite.name / configuration.name / "evaluate.ipynb"
    given = {
        "suite": suite.file,
        "configuration": configuration.name,
        "folder": folder,
        "limit": limit,
        "tracking_uri": address,
    }
    try:
        execute("evaluate", given, out)
    except VtlabError as error:
        if error.code == "E_NOTEBOOK":
            clips = [clip.id for clip in suite.chosen(dataset)[: limit or None]]
            failed = tracking.log_failure(suite, configuration, dataset, clips, str(error), uri=address)
            tracking.attach(failed, [out, out.with_suffix(".html")], "notebook", uri=address)
        raise
    run_id = _logged_as(out)
    tracking.attach(run_id, [out, out.with_suffix(".html")], "notebook", uri=address)
    return run_id


def configuration_of(suite: Suite, name: str) -> Configuration:
    """The suite's configuration of that name; ``SettingsError`` (``E_SUITE``) with the nearest one."""
    known = {configuration.name: configuration for configuration in suite.configurations()}
    if name not in known:
        raise SettingsError(
            f"Suite {suite.name!r} has no configuration {name!r}.{nearest(name, known)} It has: {', '.join(known)}.",
            code="E_SUITE",
        )
    return known[name]


def _logged_as(notebook: Path) -> str:
    """The run that an executed ``evaluate.ipynb`` wrote: the output that its logging cell tagged ``run`` shows."""
    import nbformat

    for cell in nbformat.read(notebook, as_version=4).cells:
        if "run" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    return str(ast.literal_eval(output.data["text/plain"]))
    raise VtlabError(f"{notebook} has no cell tagged 'run' that shows the run's id; restore it.", code="E_NOTEBOOK")


def _declared(notebook: Path) -> dict[str, Any]:
    """The parameters and their defaults, in order; ``...`` where there is none.

    papermill's own ``inspect_notebook`` reads lines by a pattern, and misses those with a second ``=``.
    """
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError, KeyError) as error:
        raise InputError(f"{notebook} is no notebook: {error}.", code="E_NOTEBOOK") from error
    source = next((cell.source for cell in cells if TAG in cell.metadata.get("tags", [])), None)
    if source is None:
        raise _wrong(f"{notebook.name} has no cell tagged {TAG!r}; tag the cell that holds its parameters.")
    declared: dict[str, Any] = {}
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        line = lines[(statement.end_lineno or 1) - 1]
        commented = "#" in line[statement.end_col_offset or 0 :]
        try:
            if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name) and commented):
                raise ValueError("no assignment with a comment")
            declared[statement.targets[0].id] = ast.literal_eval(statement.value)
        except ValueError as error:
            raise _wrong(
                f"In the parameters of {notebook.name}, {line!r} is not a literal with a comment: write 'name = value  "
                "# what it is'."
            ) from error
    return declared


def _path(file: Path) -> str:
    """A file's name as papermill takes it: it would put parameters between its braces."""
    return str(file.absolute()).replace("{", "{{").replace("}", "}}")


def _like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def _plain(value: Any) -> Any:
    """Paths as text, tuples as lists, also inside; papermill would write others as their ``repr`` in quotes."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise _wrong(f"A parameter cannot be a {type(value).__name__}; give text, numbers, lists or mappings.")


def _kernel(sockets: str) -> type:
    """A kernel manager for this very interpreter: an installed kernel of that name may be another environment's.

    They talk over files in the folder ``sockets``: ports may be taken by the kernel of another process in between.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):  # type: ignore[misc]  # not read by mypy, see pyproject.toml
        def __init__(self, **given: Any) -> None:
            super().__init__(**given, transport="ipc", ip=f"{sockets}/kernel")

        @property
        def kernel_spec(self) -> KernelSpec:
            # without frozen modules, of which the debugger would warn on stderr
            command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="vtlab", language="python")

    return ThisInterpreter


def _quiet() -> None:
    """Keeps notes of each cell and each parameter off the terminal."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    for name in ("papermill", "traitlets", "nbconvert", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _wrong(sentence: str) -> SettingsError:
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
