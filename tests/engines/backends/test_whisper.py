"""Where Whisper models are found, by both engines that listen with one."""

from __future__ import annotations

import ctranslate2
import faster_whisper
import pytest

from vtlab.engines import engine_class, engine_options
from vtlab.engines.backends import whisper
from vtlab.errors import SettingsError, WeightsError

LISTENERS = [("transcription", "faster_whisper"), ("translation", "whisper_translate")]


@pytest.mark.parametrize(
    ("model", "repository"),
    [
        ("small", "Systran/faster-whisper-small"),
        ("turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        ("distil-large-v3", "Systran/faster-distil-whisper-large-v3"),
        ("somebody/their-whisper", "somebody/their-whisper"),
    ],
)
def test_the_hub_has_models_under_other_names(model: str, repository: str) -> None:
    assert whisper.hub_repository(model) == repository
    assert f"hf download {repository}" in whisper.fetch_command(model)


@pytest.mark.parametrize(("kind", "name"), LISTENERS)
def test_a_status_asks_no_network(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(model: str) -> str:
        raise AssertionError(f"{model} was asked for")

    monkeypatch.setattr(faster_whisper, "download_model", download)
    engine = engine_class(kind, name)
    assert engine.status(engine_options(kind, name, {})).ready
    missing = engine.status(engine_options(kind, name, {name: {"model": "medium"}}))
    assert (missing.ready, missing.problem) == (False, "Whisper medium is not here")
    assert "hf download Systran/faster-whisper-medium" in missing.fix


def test_what_cannot_be_fetched_names_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(model: str) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr(faster_whisper, "download_model", unreachable)
    with pytest.raises(WeightsError, match=r"folder medium; packages that ship .*hub cache .*\(ConnectionError\)"):
        whisper.find_model("medium", offline=False)
    with pytest.raises(WeightsError) as error:
        whisper.find_model("medium", offline=True)
    assert "download of" not in str(error.value)


@pytest.mark.parametrize(
    ("gpus", "asked", "given"),
    [
        (0, ("cpu", "auto"), ("cpu", "int8")),
        (0, ("auto", "auto"), ("cpu", "int8")),
        (1, ("auto", "auto"), ("cuda", "float16")),
        (1, ("cuda", "int8"), ("cuda", "int8")),
        (1, ("cpu", "float32"), ("cpu", "float32")),
    ],
)
def test_device_and_type(
    gpus: int, asked: tuple[str, str], given: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: gpus)
    assert whisper.device_and_type(*asked) == given


def test_a_gpu_that_is_not_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(SettingsError, match="no GPU is here"):
        whisper.device_and_type("cuda", "auto")


@pytest.mark.parametrize(
    ("kind", "name"), [*LISTENERS, ("translation", "firefox"), ("translation", "opus_mt"), ("tts", "piper")]
)
def test_offline_holds_for_every_engine_whatever_its_options_say(kind: str, name: str) -> None:
    assert engine_options(kind, name, {name: {"offline": False}}, offline=True).offline
    assert not engine_options(kind, name, {}).offline
