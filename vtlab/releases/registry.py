"""Releases in MLflow's model registry: each is a version of a registered model, the active one has an alias."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "vtlab-dub"
ALIAS = "production"


def register_release(client: MlflowClient, run_id: str, folder: Path, number: int) -> str:
    """Make a release the version with the alias `production`, and return that version.

    A release that is registered already is only given the alias.

    Args:
        client: A client of the store, which no other process writes to meanwhile.
        run_id: The run that the release comes from; its artifacts get `release-<number>`.
        folder: The release's own folder.
        number: The release's number.
    """
    version = _find_version(client, number)
    if version is None:
        if not client.search_registered_models(f"name = '{MODEL}'"):
            about = "Configurations of vtlab that were promoted to production."
            client.create_registered_model(MODEL, description=about)
        client.log_artifacts(run_id, str(folder), f"release-{number}")
        run = client.get_run(run_id)
        tags = {"release": str(number)}
        for name in ("suite", "configuration", "fingerprint", "dataset_digest"):
            tags[name] = run.data.tags.get(f"vtlab.{name}", "")
        created = client.create_model_version(MODEL, f"runs:/{run_id}/release-{number}", run_id, tags=tags)
        version = str(created.version)
    client.set_registered_model_alias(MODEL, ALIAS, version)
    return version


def _find_version(client: MlflowClient, number: int) -> str | None:
    versions = client.search_model_versions(f"name = '{MODEL}'")
    return next((str(one.version) for one in versions if one.tags.get("release") == str(number)), None)
