"""The notebook `evaluate.ipynb`, executed for a configuration and kept with its run in the tracking store."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from vtlab.errors import VtlabError
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.notebooks import execute
from vtlab.evaluation.tracking.connection import VARIABLE, tracking_uri
from vtlab.evaluation.tracking.runs import attach, log_failure

if TYPE_CHECKING:
    from vtlab.evaluation.dataset import Dataset


def execute_evaluation(
    suite: Suite,
    configuration: Configuration,
    dataset: Dataset,
    folder: Path,
    limit: int = 0,
    *,
    uri: str | None = None,
) -> str:
    """Execute `evaluate.ipynb` for a configuration, attach notebook and HTML to its run, and return the run's id.

    Args:
        suite: The suite.
        configuration: One of its configurations.
        dataset: The suite's data set.
        folder: Holds the results of suites, and the notebook with them.
        limit: The first clips only; 0 for all.
        uri: The tracking store; see `tracking_uri`.

    Raises:
        VtlabError: `E_NOTEBOOK`; a cell failed. The configuration has a failed run that holds the notebook.
    """
    address = tracking_uri(uri)
    out = folder / suite.name / configuration.name / "evaluate.ipynb"
    given = {
        "suite": suite.file,
        "configuration": configuration.name,
        "folder": folder,
        "limit": limit,
    }
    try:
        execute("evaluate", given, out, {VARIABLE: address})
    except VtlabError as error:
        if error.code == "E_NOTEBOOK":
            clips = [clip.id for clip in suite.select_clips(dataset)[: limit or None]]
            failed = log_failure(suite, configuration, dataset, clips, str(error), uri=address)
            attach(failed, [out, out.with_suffix(".html")], "notebook", uri=address)
        raise
    run_id = _find_run_id(out)
    attach(run_id, [out, out.with_suffix(".html")], "notebook", uri=address)
    return run_id


def _find_run_id(notebook: Path) -> str:
    """Return the run's id, the output of the cell tagged `run`."""
    import nbformat

    for cell in nbformat.read(notebook, as_version=4).cells:
        if "run" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    return str(ast.literal_eval(output.data["text/plain"]))
    raise VtlabError(f"{notebook} has no cell tagged 'run' that shows the run's id; restore it.", code="E_NOTEBOOK")
