"""Ask whether the tracking store can be reached, within seconds and before anything is dubbed.

MLflow itself tries an unreachable server or database again for minutes.
"""

from __future__ import annotations

import threading

from vtlab.errors import UserError

ANSWER_S = 7.0  # time that the store has to answer
# packages of database drivers by the module that is missing, where the names differ
PACKAGES = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


def check_store(address: str) -> None:
    """Ask a tracking server or a database for an answer; files, and MLflow's other schemes, are not asked.

    Raises:
        UserError: ``E_TRACKING``; the store does not answer, or the package that speaks to it is missing.
    """
    scheme, separator, _ = address.partition("://")
    if not separator or scheme in ("file", "sqlite") or scheme.startswith(("databricks", "uc")):
        return
    ask = _ask_server if scheme in ("http", "https") else _ask_database
    failures: list[Exception] = []

    def answer() -> None:
        try:
            ask(address)
        except Exception as error:
            failures.append(error)

    # a daemon, since neither requests nor drivers of databases can be told to give up in time
    asking = threading.Thread(target=answer, name="tracking store", daemon=True)
    asking.start()
    asking.join(ANSWER_S)
    if asking.is_alive():
        raise _unusable(address, f"it does not answer within {ANSWER_S:.0f} s")
    if failures:
        reason = failures[0]
        if isinstance(reason, ModuleNotFoundError) and reason.name:
            package = PACKAGES.get(reason.name, reason.name)
            raise _unusable(address, f"the package {reason.name} is missing: pip install {package}") from reason
        raise _unusable(address, str(reason).strip().partition("\n")[0]) from reason


def _ask_server(address: str) -> None:
    import requests

    try:
        requests.get(address, timeout=ANSWER_S)  # any answer will do: MLflow says what is wrong with it
    except requests.ConnectionError as error:
        raise ConnectionError("the connection is refused, or there is no such host") from error


def _ask_database(address: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(address, poolclass=NullPool)
    except NoSuchModuleError as error:
        raise ValueError(f"MLflow knows no store of the kind {address.partition('://')[0]!r}") from error
    engine.connect().close()


def _unusable(address: str, reason: str) -> UserError:
    return UserError(
        f"The tracking store {address} cannot be used: {reason.rstrip('.')}. Mend that, or set MLFLOW_TRACKING_URI to "
        "another one.",
        code="E_TRACKING",
    )
