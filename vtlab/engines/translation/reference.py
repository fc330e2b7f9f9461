"""The data set's own translations, replayed: what the other stages would make of perfect translations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from vtlab import weights
from vtlab.engines import Status
from vtlab.engines.translation import Sentence, TranslationEngine
from vtlab.errors import LineError, SettingsError, WeightsError, nearest
from vtlab.settings import Section
from vtlab.weights import Weights

SETTING = "translation.options.reference.file"


class ReferenceOptions(Section):
    """Options of ``translation.reference``."""

    file: Path | None = Field(
        None, description="a data set's manifest.jsonl, or a JSON list of {text, translation} for the pair at hand"
    )


class _Segment(BaseModel):
    text: str
    translation: str | None = None


class _Clip(BaseModel):
    source_language: str
    target_language: str
    segments: tuple[_Segment, ...]


class Reference(TranslationEngine):
    """Look translations up by their whole text, case and spacing aside; nothing is guessed.

    A text that the file translates in several ways has them all as candidates, in the order of the file.
    """

    Options = ReferenceOptions
    licence = "that of the data set"
    listens = True  # not that it hears: segments come to it unsplit, as to engines that do

    @classmethod
    def status(cls, options: ReferenceOptions) -> Status:
        if options.file is None:
            return Status(False, problem="no data set is named", fix=f"--set {SETTING}=datasets/spoken/manifest.jsonl")
        if not options.file.is_file():
            return Status(False, problem=f"{options.file} is not a file", fix=f"correct {SETTING}")
        return Status(
            True, tuple(sorted({f"{clip.source_language}-{clip.target_language}" for clip in _clips(options)}))
        )

    @classmethod
    def speaks(cls, options: ReferenceOptions, source: str, target: str) -> bool:
        if options.file is None or not options.file.is_file():
            return False
        return bool(_translations(options, source, target))

    @classmethod
    def weights(cls, options: ReferenceOptions, source: str, target: str) -> tuple[Weights, ...]:
        if options.file is None or not options.file.is_file():
            raise weights.missing_weights(
                "reference translations", [f"{SETTING} ({options.file or 'not set'})"], f"set {SETTING}"
            )
        return (weights.hash_weights(options.file.name, options.file, f"file {options.file}"),)

    def __init__(self, options: ReferenceOptions, source: str, target: str, threads: int) -> None:
        if options.file is None:
            raise SettingsError(f"The reference translator has nothing to replay: set {SETTING}.")
        self._file = options.file
        self._known = _translations(options, source, target)
        if not self._known:
            raise SettingsError(f"{options.file} holds no translation from {source} to {target}.")

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return the data set's translations.

        Raises:
            LineError: A text is not in the data set; names the nearest one.
        """
        return [self._found(sentence.text)[:candidates] for sentence in sentences]

    def _found(self, text: str) -> tuple[str, ...]:
        key = _key(text)
        if key not in self._known:
            raise LineError(f"{self._file} has no translation of {text[:60]!r}.{nearest(key, self._known)}")
        return self._known[key]


def _translations(options: ReferenceOptions, source: str, target: str) -> dict[str, tuple[str, ...]]:
    known: dict[str, dict[str, None]] = {}
    for clip in _clips(options):
        if (clip.source_language, clip.target_language) in ((source, target), ("", "")):
            for segment in clip.segments:
                if segment.translation is not None:
                    known.setdefault(_key(segment.text), {})[segment.translation] = None
    return {key: tuple(translations) for key, translations in known.items()}


def _clips(options: ReferenceOptions) -> list[_Clip]:
    """Return the clips of a manifest, or a list of segments as one clip of no named languages."""
    assert options.file is not None
    try:
        text = options.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{SETTING}: {options.file} cannot be read: {error}") from error
    try:
        if text.lstrip().startswith("["):
            segments = TypeAdapter(tuple[_Segment, ...]).validate_python(json.loads(text))
            return [_Clip(source_language="", target_language="", segments=segments)]
        return list(_manifest(text.splitlines()))
    except (ValidationError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"{SETTING}: {options.file} is neither a manifest (one JSON clip a line) nor a list of "
            f"{{text, translation}}: {error}"
        ) from error


def _manifest(lines: Iterable[str]) -> Iterable[_Clip]:
    return (_Clip.model_validate_json(line) for line in lines if line.strip())


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()
