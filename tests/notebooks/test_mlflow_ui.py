"""MLflow's own pages in a real browser, on a store that vtlab wrote.

    python tests/notebooks/test_mlflow_ui.py STORE SUITE PICTURE

makes the README's picture of a store that is there: the newest run of each of the suite's configurations, compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from browser import HANGS_S, free_port, needs_browser, opened
from evaluation.logged import CLIPS, a_result, a_suite

from vtlab.evaluation.tracking import lookup
from vtlab.evaluation.tracking import runs as tracking
from vtlab.evaluation.tracking.connection import connect, tracking_uri

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOWN = "answers/tts_computed"  # of the metrics that the list shows without scrolling


@contextlib.contextmanager
def ui(uri: str, folder: Path) -> Iterator[str]:
    """MLflow's pages of a store, at the address that is yielded."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    log = folder / "ui.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, stdout=sink, stderr=sink
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + HANGS_S
        while True:
            assert server.poll() is None and time.monotonic() < until, log.read_text(errors="replace")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{address}/health", timeout=30).close()
                break
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def compared(page: Page, address: str, experiment: str, runs: Sequence[str]) -> None:
    """Opens the comparison of runs and waits until its metrics are there."""
    chosen = urllib.parse.urlencode({"runs": json.dumps(list(runs)), "experiments": json.dumps([experiment])})
    page.goto(f"{address}/#/compare-runs?{chosen}", wait_until="domcontentloaded")
    page.wait_for_function("name => document.body.innerText.includes(name)", arg=SHOWN)


@needs_browser
def test_the_pages_show_runs_and_compare_them(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    suite = a_suite(tmp_path, "voices")
    dataset = suite.load_dataset()
    runs = {}
    for tool, configuration in enumerate(suite.configurations()):
        results = [a_result(suite, configuration, dataset, clip, tmp_path / "eval", tool) for clip in CLIPS]
        runs[configuration.name] = tracking.log_configuration(
            suite, configuration, dataset, results, tmp_path / "eval", uri=uri
        )
    experiment = connect(uri).get_experiment_by_name("voices").experiment_id
    with ui(uri, tmp_path) as address, opened(f"{address}/#/experiments/{experiment}/runs") as page:
        for name in runs:
            page.get_by_text(name, exact=True).first.wait_for()
        compared(page, address, experiment, list(runs.values()))
        shown = page.locator("body").inner_text()
        assert all(name in shown for name in runs)
        assert "Comparing 2 Runs from 1 Experiment" in shown
        picture = tmp_path / "mlflow.png"
        page.screenshot(path=picture)
        assert picture.read_bytes().startswith(b"\x89PNG")


def draw(uri: str, suite: str, picture: Path) -> None:
    """The picture of the newest runs of a suite, compared."""
    newest: dict[str, str] = {}
    for run in lookup.find_runs(suite, uri=uri):
        newest.setdefault(run.name, run.run_id)
    experiment = connect(uri).get_experiment_by_name(suite).experiment_id
    with tempfile.TemporaryDirectory() as folder, ui(uri, Path(folder)) as address, opened(address, 1100, 900) as page:
        compared(page, address, experiment, list(reversed(newest.values())))
        page.screenshot(path=picture)


if __name__ == "__main__":
    draw(tracking_uri(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).absolute())
