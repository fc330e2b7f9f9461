"""The tracking store: its address, a client of it, and a lock against other processes.

MLflow's own store breaks when several processes create it at once (`table … already exists`), so it is opened under a
lock on a file beside it, and written to under the same lock.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vtlab.errors import UserError
from vtlab.evaluation.tracking.probe import check_store
from vtlab.files import hash_text, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_FILE = "mlflow.db"
ARTIFACTS = "mlruns"  # folder beside an sqlite store
CHATTY_LOGGERS = ("mlflow", "alembic")  # they log every table they create


def tracking_uri(uri: str | None = None) -> str:
    """Return the store's address: `uri`, else `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    The file of an sqlite store is made absolute, so that processes in other folders mean the same.
    """
    given = uri or os.environ.get(VARIABLE) or f"sqlite:///{DEFAULT_FILE}"
    file = _sqlite_file(given)
    return given if file is None else f"sqlite:///{file}"


def store_exists(address: str) -> bool:
    """Return whether the store is a server, or a file that is there."""
    file = _sqlite_file(address)
    return file is None or file.exists()


def create_store(uri: str | None = None, experiments: Iterable[str] = ()) -> None:
    """Create the store and experiments where they are missing."""
    address = tracking_uri(uri)
    client = connect(address)
    with lock_store(address), translate_errors(address):
        for name in experiments:
            find_experiment(client, address, name)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.removeprefix("sqlite:///")
    return None if path == uri or path.startswith(":memory:") or not path else Path(path).absolute()


@functools.lru_cache(maxsize=8)
def connect(address: str) -> MlflowClient:
    """Return a client of the store at `address`, which is created while no other process creates or opens it."""
    check_store(address)  # before mlflow is imported, which takes seconds
    # read when mlflow is imported: no minutes of retries against a server that is not there
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    file = _sqlite_file(address)
    if file is not None:  # imports take seconds, and are done before the lock
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    with lock_store(address), translate_errors(address):
        client = MlflowClient(address, registry_uri=address)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
        if file is not None:
            _write_ahead(file)
    return client


def _write_ahead(file: Path) -> None:
    """Put an sqlite file into write-ahead mode, in which a reader (the UI) does not block a writer.

    The file keeps the mode. Where it is open elsewhere, or the file system cannot, it stays as it was.
    """
    import sqlite3

    with contextlib.closing(sqlite3.connect(file, timeout=1)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode=wal")


@contextmanager
def lock_store(address: str) -> Iterator[None]:
    """Hold the store's lock against other processes; not to be nested."""
    file = _sqlite_file(address)
    if file is not None:
        lock = file.with_name(f"{file.name}.lock")
    else:
        lock = Path(tempfile.gettempdir()) / f"vtlab-{hash_text(address, 12)}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise UserError(
            f"The tracking store {address} cannot be written: {error.strerror}. Set {VARIABLE} to another one.",
            code="E_TRACKING",
        ) from error
    with locked(lock):
        yield


@contextmanager
def translate_errors(address: str) -> Iterator[None]:
    """Raise MLflow's errors as `UserError` (`E_TRACKING`)."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise UserError(
            f"The tracking store {address} cannot be used: {str(error).strip()} Set {VARIABLE} to another one, or mend "
            "what it says.",
            code="E_TRACKING",
        ) from error


def find_experiment(client: MlflowClient, address: str, name: str) -> str:
    """Return the id of an experiment, created where it is missing.

    Files of an sqlite store go beside it, not into the working folder.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    file = _sqlite_file(address)
    location = None if file is None else (file.parent / ARTIFACTS / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def search_runs(client: MlflowClient, experiments: list[str], wanted: str) -> list[Run]:
    """Return the runs that match a filter and are not deleted, newest first."""
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(experiments, wanted, order_by=["attributes.start_time DESC"], page_token=token)
        found += page
        token = page.token
        if not token:
            return found
