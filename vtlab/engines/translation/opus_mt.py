"""OPUS-MT by the University of Helsinki: one Marian model per pair, ``Helsinki-NLP/opus-mt-{source}-{target}``.

Pairs that were never published alone are taken from the bigger ``tc-big`` models or those of the Romance languages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field

from vtlab.engines import Status
from vtlab.engines.backends.seq2seq import (
    INSTALL,
    Languages,
    Seq2Seq,
    Seq2SeqEngine,
    Seq2SeqOptions,
    find_local,
    find_model,
    is_on_hub,
    missing_package,
)
from vtlab.languages import three_letters
from vtlab.weights import Weights

ROMANCE = frozenset({"ca", "es", "fr", "gl", "it", "pt", "ro"})
SETTING = "translation.options.opus_mt"


class OpusMtOptions(Seq2SeqOptions):
    """Options of ``translation.opus_mt``."""

    prefix: str | None = Field(
        None,
        description="text before each source for models of several targets, such as >>por<<; empty: by the tokenizer",
    )


class OpusMt(Seq2SeqEngine):
    """Translate one pair of languages by a Marian model, with n-best."""

    Options = OpusMtOptions
    licence = "CC-BY-4.0 (models), Apache-2.0 (transformers), MIT (ctranslate2)"

    @classmethod
    def status(cls, options: OpusMtOptions) -> Status:
        problem = missing_package()
        if problem is not None:
            return Status(False, problem=problem, fix=INSTALL)
        pairs = tuple(sorted(_cached_pairs()))
        if options.folder is not None or pairs:
            return Status(True, pairs)
        return Status(False, problem="no model is here", fix="hf download Helsinki-NLP/opus-mt-tc-big-en-pt")

    @classmethod
    def speaks(cls, options: OpusMtOptions, source: str, target: str) -> bool:
        """Return whether a model for the pair is found.

        A folder or model named in the options speaks whatever pair it is used for: its user knows which.
        """
        if missing_package() is not None:
            return False
        if options.folder is not None:
            return (options.folder / "config.json").is_file()
        names = repositories(options, source, target)
        return any(map(find_local, names)) or (not options.offline and any(map(is_on_hub, names)))

    @classmethod
    def weights(cls, options: OpusMtOptions, source: str, target: str) -> tuple[Weights, ...]:
        return (find_model(options, repositories(options, source, target), SETTING),)

    def __init__(self, options: OpusMtOptions, source: str, target: str, threads: int) -> None:
        (found,) = self.weights(options, source, target)

        def prefix(tokenizer: Any) -> str:
            return options.prefix if options.prefix is not None else target_prefix(tokenizer, target)

        self._model = Seq2Seq(found, options, Languages(prefix=prefix), threads)


def repositories(options: OpusMtOptions, source: str, target: str) -> list[str]:
    """Return the names on the hub of the models for a pair, the preferred one first."""
    if options.model is not None:
        return [options.model]
    names = [f"{source}-{target}", f"tc-big-{source}-{target}"]
    if target == "en" and source in ROMANCE:
        names.append("ROMANCE-en")
    if source == "en" and target in ROMANCE:
        names.append("en-ROMANCE")
    return [f"Helsinki-NLP/opus-mt-{name}" for name in names]


def _cached_pairs() -> set[str]:
    from huggingface_hub.constants import HF_HUB_CACHE

    names = (path.name for path in Path(HF_HUB_CACHE).glob("models--Helsinki-NLP--opus-mt-*"))
    found = (re.fullmatch(r"models--Helsinki-NLP--opus-mt-(?:tc-big-)?([a-z]{2})-([a-z]{2})", name) for name in names)
    return {f"{match[1]}-{match[2]}" for match in found if match is not None}


def target_prefix(tokenizer: Any, target: str) -> str:
    """Return ``>>por<<`` where the tokenizer's model has several targets and this is the token of ``target``."""
    known = getattr(tokenizer, "supported_language_codes", None) or []
    for code in (target, three_letters(target)):
        if f">>{code}<<" in known:
            return f">>{code}<<"
    return ""
