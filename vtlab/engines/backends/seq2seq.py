"""Sequence-to-sequence models of the Hugging Face hub (Marian, NLLB), on either of two runtimes.

``transformers`` runs them as published. ``ctranslate2`` runs a copy converted once (int8 on a CPU: several times faster
and a quarter of the memory), kept in the folder of weights. Both give n-best lists by beam search. What differs between
model families (where languages are named) is a ``Languages``; all else is shared here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from vtlab import files, weights
from vtlab.engines.translation import Sentence, TranslationEngine
from vtlab.errors import EngineError, SettingsError, WeightsError
from vtlab.settings import Section
from vtlab.text.sentences import clauses, is_looped, is_truncated, split_clauses, split_sentences, word_count
from vtlab.weights import Weights

FILES = ("*.json", "*.spm", "*.model", "*.txt", "*.safetensors", "pytorch_model*.bin")
MAX_TOKENS = 400  # of a source text: these models were trained up to 512 positions, and the target needs room too
LENGTH_FACTOR = 3  # a translation longer than this times its source, in tokens, is a loop
HUB_TIMEOUT_S = 5.0
INSTALL = "pip install 'vtlab[opus]'"


class Seq2SeqOptions(Section):
    """Options that OPUS-MT and NLLB share."""

    folder: Path | None = Field(
        None, description="a folder with the model as published (config.json, weights, tokenizer)"
    )
    model: str | None = Field(None, description="a model by its name on the hub; empty: the usual one for the pair")
    offline: bool = Field(False, description="true: never ask for a download")
    runtime: Literal["auto", "ctranslate2", "transformers"] = Field(
        "auto", description="what runs the model; auto: ctranslate2 where it is installed (converted once, faster)"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    compute_type: Literal["auto", "int8", "int8_float16", "float16", "float32"] = Field(
        "auto", description="arithmetic; auto: int8 (ctranslate2) or float32 (transformers) on CPU, float16 on GPU"
    )
    beam_size: int = Field(4, ge=1, le=32, description="hypotheses searched; at least as many as candidates asked for")
    batch_size: int = Field(16, ge=1, description="texts translated at once")


@dataclass(frozen=True)
class Languages:
    """How a model is given its languages.

    Attributes:
        source: The tokenizer's ``src_lang``.
        target: The token that a translation begins with (NLLB).
        prefix: Makes the text before the source out of the tokenizer (Marian models of several target languages:
            ``>>por<<``).
    """

    source: str | None = None
    target: str | None = None
    prefix: Callable[[Any], str] = lambda tokenizer: ""


class Runtime(Protocol):
    """What runs a loaded model: transformers or CTranslate2."""

    def generate(self, texts: Sequence[str], candidates: int) -> list[tuple[str, ...]]:
        """Return the hypotheses of each text, best first."""
        ...


class Seq2Seq:
    """A loaded model that translates texts, with n-best; built and used in one thread."""

    def __init__(self, found: Weights, options: Seq2SeqOptions, languages: Languages, threads: int) -> None:
        self._tokenizer = _tokenizer(found, languages)
        self._prefix = languages.prefix(self._tokenizer)
        self._batch_size = options.batch_size
        limit = min(MAX_TOKENS, int(self._tokenizer.model_max_length))
        self._limit = limit - len(self._tokenizer(self._prefix).input_ids)
        device = _device(options, _runtime(options))
        kind = _CTranslate2 if _runtime(options) == "ctranslate2" else _Transformers
        self._runtime: Runtime = kind(found, options, self._tokenizer, languages, device, threads)

    def translate(self, texts: Sequence[str], candidates: int) -> list[tuple[str, ...]]:
        """Return at most ``candidates`` translations of each text.

        Long texts are cut, translated in batches and joined.
        """
        pieces = [self._pieces(text) for text in texts]
        answers = iter(self._generate([piece for parts in pieces for piece in parts], candidates))
        joined = [_combine([next(answers) for _ in parts]) for parts in pieces]
        return [self._drop_faulty(text, found, candidates) for text, found in zip(texts, joined, strict=True)]

    def _drop_faulty(self, text: str, found: tuple[str, ...], candidates: int) -> tuple[str, ...]:
        """Drop hypotheses that loop or break off; where none is left, translate the text again by its clauses."""
        good = tuple(answer for answer in found if not is_looped(text, answer) and not is_truncated(text, answer))
        if good or len(parts := clauses(text)) < 2:
            return good or found
        return _combine(self._generate(parts, candidates))

    def _pieces(self, text: str) -> list[str]:
        return [piece for sentence in split_sentences(" ".join(text.split())) for piece in self._split_to_fit(sentence)]

    def _split_to_fit(self, sentence: str) -> list[str]:
        tokens = len(self._tokenizer(sentence).input_ids)
        if tokens <= self._limit:
            return [sentence]
        # tokens per word vary, so halves are checked again; a single word is never cut
        words = max(1, word_count(sentence) // 2)
        parts = split_clauses(sentence, words)
        return [piece for part in parts for piece in self._split_to_fit(part)] if len(parts) > 1 else parts

    def _generate(self, texts: Sequence[str], candidates: int) -> list[tuple[str, ...]]:
        answers: list[tuple[str, ...]] = []
        for at in range(0, len(texts), self._batch_size):
            batch = [f"{self._prefix} {text}".strip() for text in texts[at : at + self._batch_size]]
            answers += self._runtime.generate(batch, candidates)
        return [tuple(dict.fromkeys(answer.strip() for answer in several)) for several in answers]


class Seq2SeqEngine(TranslationEngine):
    """Translate from the text with a model of this kind; an engine names its weights and languages."""

    _model: Seq2Seq

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return at most ``candidates`` translations of each sentence, best first."""
        return self._model.translate([sentence.text for sentence in sentences], candidates)


class _Transformers:
    def __init__(
        self, found: Weights, options: Seq2SeqOptions, tokenizer: Any, languages: Languages, device: str, threads: int
    ) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM

        if options.compute_type.startswith("int8"):
            raise SettingsError(
                f"Setting compute_type: transformers computes no {options.compute_type}; set runtime to ctranslate2, "
                "or compute_type to float32."
            )
        half = options.compute_type == "float16" or (options.compute_type == "auto" and device == "cuda")
        torch.set_num_threads(threads)
        try:
            model = AutoModelForSeq2SeqLM.from_pretrained(found.path, dtype=torch.float16 if half else torch.float32)
        except (OSError, ValueError) as error:
            raise _broken(found, error) from error
        self._model = model.to(device).eval()
        self._tokenizer = tokenizer
        self._beam_size = options.beam_size
        self._device = device
        self._first = None if languages.target is None else tokenizer.convert_tokens_to_ids(languages.target)

    def generate(self, texts: Sequence[str], candidates: int) -> list[tuple[str, ...]]:
        import torch

        batch = self._tokenizer(list(texts), return_tensors="pt", padding=True).to(self._device)
        with torch.inference_mode():
            out = self._model.generate(
                **batch,
                num_beams=max(self._beam_size, candidates),
                num_return_sequences=candidates,
                max_new_tokens=LENGTH_FACTOR * batch.input_ids.shape[1] + 10,
                max_length=None,
                **({} if self._first is None else {"forced_bos_token_id": self._first}),
            )
        answers = self._tokenizer.batch_decode(out, skip_special_tokens=True)
        return [tuple(answers[at : at + candidates]) for at in range(0, len(answers), candidates)]


class _CTranslate2:
    def __init__(
        self, found: Weights, options: Seq2SeqOptions, tokenizer: Any, languages: Languages, device: str, threads: int
    ) -> None:
        import ctranslate2

        compute_type = options.compute_type
        if compute_type == "auto":
            compute_type = "float16" if device == "cuda" else "int8"
        folder = convert(found, compute_type)
        try:
            self._model = ctranslate2.Translator(
                str(folder), device=device, compute_type=compute_type, inter_threads=1, intra_threads=threads
            )
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                f"The converted model {folder} cannot be loaded as {compute_type} on {device}: {error}. Delete that "
                "folder to convert it again, or set another compute_type."
            ) from error
        self._tokenizer = tokenizer
        self._beam_size = options.beam_size
        self._target = languages.target

    def generate(self, texts: Sequence[str], candidates: int) -> list[tuple[str, ...]]:
        sources = [self._tokenizer.convert_ids_to_tokens(ids) for ids in self._tokenizer(list(texts)).input_ids]
        results = self._model.translate_batch(
            sources,
            target_prefix=None if self._target is None else [[self._target]] * len(sources),
            beam_size=max(self._beam_size, candidates),
            num_hypotheses=candidates,
            max_decoding_length=LENGTH_FACTOR * max(map(len, sources)) + 10,
        )
        return [tuple(map(self._text, result.hypotheses)) for result in results]

    def _text(self, tokens: list[str]) -> str:
        ids = self._tokenizer.convert_tokens_to_ids(tokens)
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text


def convert(found: Weights, compute_type: str) -> Path:
    """Return the folder of a model in CTranslate2's format, converted on first use and kept.

    Processes may convert at once. The folder is named by the hash of the original: other weights are another folder.

    Raises:
        EngineError: A package that converts is missing.
        WeightsError: The model cannot be converted.
    """
    from ctranslate2.converters import TransformersConverter

    name = found.name.replace("/", "--")
    folder = weights.cache_folder() / "ctranslate2" / f"{name}-{found.sha256[:12]}-{compute_type}"
    if (folder / "model.bin").is_file():
        return folder
    try:
        with files.atomic_folder(folder) as unfinished:
            TransformersConverter(str(found.path)).convert(str(unfinished), quantization=compute_type, force=True)
    except ImportError as error:
        raise EngineError(f"Converting {found.name} needs torch and transformers: {INSTALL}") from error
    except (OSError, ValueError, KeyError) as error:
        if not (folder / "model.bin").is_file():  # else another process was first
            raise _broken(found, error) from error
    return folder


def find_model(options: Seq2SeqOptions, repositories: Iterable[str], setting: str) -> Weights:
    """Return the first of some models that is found: in the folder given, a package, the hub cache, or on the hub.

    Args:
        options: Name a folder, a model, and whether the hub may be asked.
        repositories: Models on the hub, the preferred one first.
        setting: The setting that would name another, for the error.

    Raises:
        WeightsError: None is found; names every place tried.
    """
    tried = []
    if options.folder is not None:
        if (options.folder / "config.json").is_file():
            return weights.hash_weights(options.folder.name, options.folder, f"folder {options.folder}")
        tried.append(f"{setting}.folder ({options.folder}, which holds no config.json)")
    names = list(repositories)
    for repository in names if options.folder is None else ():
        path = find_local(repository)
        if path is not None:
            return weights.hash_weights(repository, *path)
        tried.append(f"local hub cache ({repository})")
    if not options.offline and options.folder is None:
        for repository in names:
            if is_on_hub(repository):
                return weights.hash_weights(repository, _download(repository), "hub download")
        tried.append("model hub (no such model, or it cannot be reached)")
    fix = f"{INSTALL} && hf download {names[0]}" if names else f"set {setting}.model"
    raise weights.missing_weights(names[0] if names else setting, tried, fix)


def find_local(repository: str) -> tuple[Path, str] | None:
    """Return path and place of a model that needs no download, or ``None``."""
    packaged = weights.find_packaged(repository)
    if packaged is not None:
        return packaged, "package"
    cached = weights.find_in_hub_cache(repository)
    whole = cached is not None and any([*cached.glob("*.safetensors"), *cached.glob("pytorch_model*.bin")])
    return (cached, "hub cache") if cached is not None and whole else None


@cache
def is_on_hub(repository: str) -> bool:
    """Return whether the hub can be reached and has this model; asked once per process and model."""
    if find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(repository, timeout=HUB_TIMEOUT_S)
    except weights.hub_errors():
        return False
    return True


def missing_package() -> str | None:
    """Return what is missing to run such models, or ``None``."""
    missing = [name for name in ("transformers", "torch", "sentencepiece") if find_spec(name) is None]
    return f"missing packages: {', '.join(missing)}" if missing else None


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(FILES)))
    except weights.hub_errors() as error:
        raise WeightsError(
            f"{repository} could not be fetched from the hub: {error}. Try again, or: hf download {repository}"
        ) from error


def _runtime(options: Seq2SeqOptions) -> str:
    if options.runtime == "auto":
        return "transformers" if find_spec("ctranslate2") is None else "ctranslate2"
    if find_spec(options.runtime) is None:
        raise EngineError(f"Setting runtime: {options.runtime} is not installed: pip install {options.runtime}")
    return options.runtime


def _device(options: Seq2SeqOptions, runtime: str) -> str:
    if options.device == "cpu":
        return "cpu"
    if runtime == "ctranslate2":
        import ctranslate2

        there = ctranslate2.get_cuda_device_count() > 0
    else:
        import torch

        there = torch.cuda.is_available()
    if options.device == "cuda" and not there:
        raise SettingsError(f"Setting device: {runtime} finds no GPU here; set device to cpu or auto.")
    return "cuda" if there else "cpu"


def _tokenizer(found: Weights, languages: Languages) -> Any:
    try:
        from transformers import AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise EngineError(f"{found.name} needs the package transformers: {INSTALL}") from error
    given = {} if languages.source is None else {"src_lang": languages.source, "tgt_lang": languages.target}
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # "Loading weights" would scroll through the dub's own progress
    try:
        return AutoTokenizer.from_pretrained(found.path, **given)
    except (OSError, ValueError, TypeError, KeyError) as error:  # whichever a missing or damaged file leads to
        raise _broken(found, error) from error


def _broken(found: Weights, error: Exception) -> WeightsError:
    return WeightsError(
        f"{found.name} in {found.path} is not a model that can be loaded: {error} Delete it and fetch it again."
    )


def _combine(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return candidates of a text from those of its pieces: all the best ones, all the second ones, and so on."""
    if not parts:
        return ("",)
    ranks = range(max(map(len, parts)))
    return tuple(dict.fromkeys(" ".join(part[min(rank, len(part) - 1)] for part in parts) for rank in ranks))
