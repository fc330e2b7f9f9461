"""Translation: one whole sentence at a time, nothing lost, nothing repeated.

Each segment becomes one ``TranslatedSegment``, in order and as soon as possible. Segments that cut one sentence in
two are translated together and the translation is cut again; segments of several sentences are translated sentence by
sentence. What has no letters passes unchanged; addresses, codes, numbers and glossary terms are kept
(``vtlab.text.glossary``); the same sentence gets the same translation. What looks wrong is redone by
clauses once, and is a finding where that does not help. A segment that cannot be translated keeps its source text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vtlab.audio import Audio
from vtlab.engines.translation import Sentence, Translator
from vtlab.errors import LineError
from vtlab.events import Finding, Severity
from vtlab.languages import UNSPACED, language_name
from vtlab.segments import Segment, TranslatedSegment
from vtlab.settings import TranslationSettings
from vtlab.text.glossary import (
    CODE_WORDS,
    TAG,
    ProtectedSpan,
    find_lost,
    find_protected_spans,
    localise_numbers,
    mask,
    unmask,
)
from vtlab.text.sentences import (
    CLOSING,
    COMPARED_WORDS,
    clauses,
    copied_share,
    ends_sentence,
    has_letters,
    is_looped,
    is_truncated,
    split_sentences,
    word_count,
)
from vtlab.text.shortening import shorten

STAGE = "translation"
VERSION = 1

MAX_JOINED_SEGMENTS = 3  # more of them cut again no longer fall where they were spoken
MAX_JOINED_WORDS = 60
BATCH_SENTENCES = 16  # translated in one call where all segments are there already
BRIEF_WORDS = 2  # a text so short is embroidered by models trained on sentences
LENGTH_SLACK_CHARS = 15  # a difference that no length ratio of a short segment makes a fault
COPIED_SHARE = 0.7  # of the words left as they were: not translated


def ignore(finding: Finding) -> None:
    """Drop a finding."""


def translate(
    segments: Iterable[Segment],
    engine: Translator,
    settings: TranslationSettings,
    source: str,
    target: str,
    *,
    engine_name: str,
    glossary: Mapping[str, str] | None = None,
    speech: Callable[[Segment], Audio] | None = None,
    on_finding: Callable[[Finding], None] = ignore,
) -> Iterator[TranslatedSegment]:
    """Translate segments; yield one translated segment for each, in order, as soon as its sentence is whole.

    Given a list, sentences go to the engine in batches; given an iterator, each goes as it comes.

    Args:
        segments: The source's segments, as they come.
        engine: Translates from ``source`` to ``target``; a class of your own will do.
        settings: Candidates, gaps that sentences are joined over, and limits of the checks.
        source: Language of the segments, ISO 639-1.
        target: Language wanted.
        engine_name: Name for the record.
        glossary: Terms and their translations.
        speech: Returns a segment's sound, 16 kHz mono, for an engine that listens.
        on_finding: Gets ``length_ratio``, ``repeats``, ``untranslated``, ``not_kept`` and ``split_around``; and
            ``empty`` and ``failed``, which degrade the dub: the segment keeps its source text.

    Examples:
        >>> from vtlab.segments import Segment
        >>> from vtlab.settings import TranslationSettings
        >>> from vtlab.stages import translation
        >>> class Shout:
        ...     listens = False
        ...     def translate(self, sentences, candidates):
        ...         return [(f"{sentence.text[:-1]}!",) for sentence in sentences]
        >>> segments = [Segment(0, 0.0, 1.3, "Bom dia."), Segment(1, 2.0, 3.0, "Tudo bem 42.")]
        >>> translated = translation.translate(
        ...     segments, Shout(), TranslationSettings(), "pt", "en", engine_name="shout"
        ... )
        >>> [segment.text for segment in translated]
        ['Bom dia!', 'Tudo bem 42!']
    """
    translator = _SegmentTranslator(engine, settings, source, target, glossary or {}, on_finding)
    if engine.listens:
        for segment in segments:
            yield _finish(segment, translator.translate_speech(segment, speech), target, engine_name)
        return
    groups = _group_sentences(map(_prepare, segments), settings.join_gap_s)
    for batch in _batch(groups, whole=isinstance(segments, Sequence)):
        translator.prefetch([sentence for group in batch for sentence in split_sentences(_join(group))])
        for group in batch:
            for prepared, candidates in zip(group, translator.translate_group(group), strict=True):
                yield _finish(prepared.segment, candidates, target, engine_name)


def _finish(segment: Segment, candidates: Sequence[str], target: str, engine_name: str) -> TranslatedSegment:
    """Return the segment with its best candidate; the shorter form of that, if there is one, is the last candidate."""
    short = shorten(candidates[0], target)
    every = candidates if short is None else (*candidates, short)
    return TranslatedSegment(segment, candidates[0], target, engine_name, _drop_repeats(every))


# A segment as it is translated --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _PreparedSegment:
    """A segment's text as the engine sees it: without notes (``before``, ``after``), in sentence case if ``loud``."""

    segment: Segment
    text: str
    before: str = ""
    after: str = ""
    loud: bool = False

    def with_notes(self, translation: str) -> str:
        return f"{self.before}{translation.upper() if self.loud else translation}{self.after}"


_NOTES = re.compile(r"(?P<before>[♪♫🎵🎶#*\s]*)(?P<text>.*?)(?P<after>[♪♫🎵🎶*\s]*)", re.DOTALL)


def _prepare(segment: Segment) -> _PreparedSegment:
    text = " ".join(TAG.sub("", segment.text.replace(r"\N", " ")).split())
    if not has_letters(text):
        return _PreparedSegment(segment, text if text != " ".join(segment.text.split()) else segment.text)
    match = _NOTES.fullmatch(text)
    if match is None or not has_letters(match["text"]) or not re.search(r"[♪♫🎵🎶]", match["before"] + match["after"]):
        before, after = "", ""
    else:
        before, text, after = match["before"], match["text"], match["after"]
    loud = _is_loud(text)
    return _PreparedSegment(segment, _sentence_case(text) if loud else text, before, after, loud)


def _is_loud(text: str) -> bool:
    """Return whether a text is all in capitals, which models copy or spell out.

    ``SOCORRO, NÃO SEI NADAR!`` became "SOCORRO, NOT IS NADAR!".
    """
    return text.upper() == text and text.lower() != text and re.search(r"[^\W\d_]{2}", text) is not None


def _sentence_case(text: str) -> str:
    def quiet(word: re.Match[str]) -> str:
        keep = any(letter.isdigit() for letter in word.group()) or word.group() == "I"
        return word.group() if keep else word.group().lower()

    lower = re.sub(r"\w+", quiet, text)
    return " ".join(_capitalise(sentence) for sentence in _split_like(text, lower))


def _split_like(capitals: str, lower: str) -> Iterator[str]:
    """Yield the sentences of ``lower``, cut where ``capitals``, the same text in capitals, shows their ends."""
    at = 0
    for sentence in split_sentences(capitals):
        at = capitals.index(sentence, at)
        yield lower[at : at + len(sentence)]
        at += len(sentence)


def _capitalise(text: str) -> str:
    first = next((at for at, letter in enumerate(text) if letter.isalpha()), len(text))
    return text[:first] + text[first : first + 1].upper() + text[first + 1 :]


# Segments that make up one sentence ----------------------------------------------------------------------------------


def _group_sentences(segments: Iterable[_PreparedSegment], join_gap_s: float) -> Iterator[list[_PreparedSegment]]:
    """Yield segments that a sentence runs through together; one that ends its sentence is not held back."""
    group: list[_PreparedSegment] = []
    for prepared in segments:
        if group and not _continues(group, prepared, join_gap_s):
            yield group
            group = []
        group.append(prepared)
        if ends_sentence(prepared.text) or not has_letters(prepared.text) or prepared.after or prepared.loud:
            yield group
            group = []
    if group:
        yield group


def _continues(group: Sequence[_PreparedSegment], prepared: _PreparedSegment, join_gap_s: float) -> bool:
    last = group[-1].segment
    first_letter = next((letter for letter in prepared.text if not letter.isspace()), "")
    return (
        first_letter.islower()
        and not (prepared.before or prepared.loud)
        and prepared.segment.speaker == last.speaker
        and prepared.segment.start - last.end <= join_gap_s
        and len(group) < MAX_JOINED_SEGMENTS
        and sum(word_count(other.text) for other in group) + word_count(prepared.text) <= MAX_JOINED_WORDS
    )


def _batch(groups: Iterable[list[_PreparedSegment]], whole: bool) -> Iterator[list[list[_PreparedSegment]]]:
    batch: list[list[_PreparedSegment]] = []
    for group in groups:
        batch.append(group)
        if not whole or len(batch) >= BATCH_SENTENCES:
            yield batch
            batch = []
    if batch:
        yield batch


def _join(group: Sequence[_PreparedSegment]) -> str:
    return " ".join(prepared.text for prepared in group)


# Sentences -----------------------------------------------------------------------------------------------------------


class _SegmentTranslator:
    """Translate segments with one engine, remember every sentence, and report findings."""

    def __init__(
        self,
        engine: Translator,
        settings: TranslationSettings,
        source: str,
        target: str,
        terms: Mapping[str, str],
        on_finding: Callable[[Finding], None],
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.source = source
        self.target = target
        self.terms = terms
        self.on_finding = on_finding
        self._known: dict[str, tuple[str, ...]] = {}

    def prefetch(self, sentences: Sequence[str]) -> None:
        """Ask for many sentences in one call; where one of them fails, each is asked again by itself later."""
        given = list(dict.fromkeys(_split_frame(sentence).given for sentence in sentences if has_letters(sentence)))
        if len(given) > 1:
            try:
                self._ask(given)
            except LineError:
                return

    def translate_group(self, group: Sequence[_PreparedSegment]) -> list[tuple[str, ...]]:
        """Return candidates for each segment of a group, best first, none empty for a segment that has letters."""
        if len(group) == 1 and not has_letters(group[0].text):
            return [(group[0].text,)]
        if len(group) > 1:
            together = self._translate_together(group)
            if together is not None:
                return together
        return [self._translate_separately(prepared) for prepared in group]

    def _translate_separately(self, prepared: _PreparedSegment) -> tuple[str, ...]:
        parts = [self._translate_sentence(sentence, prepared.segment.id) for sentence in split_sentences(prepared.text)]
        return _with_notes(prepared, _combine(parts))

    def _translate_together(self, group: Sequence[_PreparedSegment]) -> list[tuple[str, ...]] | None:
        """Return candidates of a group translated as one text; ``None`` where a segment would be left with nothing."""
        pieces: list[list[tuple[str, ...]]] = [[] for _ in group]
        ends = [0]
        for prepared in group:
            ends.append(ends[-1] + len(prepared.text) + 1)
        text, at = _join(group), 0
        for sentence in split_sentences(text):
            start = text.index(sentence, at)
            at = start + len(sentence)
            shares = [max(0, min(at, ends[n + 1]) - max(start, ends[n])) for n in range(len(group))]
            within = [n for n, share in enumerate(shares) if share > 0]
            candidates = self._translate_sentence(sentence, group[within[0]].segment.id)
            cut = [split_by_shares(text, [shares[n] for n in within], self.target) for text in candidates]
            whole = [parts for parts in cut if parts is not None]
            if cut[0] is None:
                return None
            for position, n in enumerate(within):
                pieces[n].append(tuple(parts[position] for parts in whole))
        return [_with_notes(prepared, _combine(parts)) for prepared, parts in zip(group, pieces, strict=True)]

    def translate_speech(self, segment: Segment, speech: Callable[[Segment], Audio] | None) -> tuple[str, ...]:
        """Return candidates for a whole segment, from its sound, as they are: they owe nothing to its text."""
        text = " ".join(segment.text.split())
        if not has_letters(text):
            return (segment.text,)
        sound = None if speech is None else speech(segment)
        try:
            answers = self.engine.translate([Sentence(text, sound)], self.settings.candidates)[0]
        except LineError as error:
            return self._report_failed(text, segment.id, error)
        candidates = _drop_repeats(answer.strip() for answer in answers if answer.strip())
        if not candidates:
            return self._report_empty(text, segment.id)
        self._check(text, candidates[0], segment.id)
        return candidates

    def _translate_sentence(self, sentence: str, segment: int) -> tuple[str, ...]:
        """Return candidates for one sentence, checked; its own text where there is no translation."""
        if not has_letters(sentence):
            return (sentence,)
        frame = _split_frame(sentence)
        try:
            candidates = self._translate_protected(frame.given, segment)
        except LineError as error:
            return self._report_failed(sentence, segment, error)
        candidates = tuple(filter(has_letters, candidates))
        if not candidates:
            return self._report_empty(sentence, segment)
        if len(candidates) == 1 and word_count(frame.body) <= BRIEF_WORDS:
            candidates = self._translate_brief(frame.given, candidates[0])
        tidied = _drop_repeats(frame.put_back(tidy(text, frame.body, self.target)) for text in candidates)
        self._check(sentence, tidied[0], segment)
        return tidied

    def _translate_brief(self, text: str, translation: str) -> tuple[str, ...]:
        """Return candidates for a segment of a word or two, whose full stop small models translate too.

        Firefox makes ``Sim.`` "Yes, I's." and ``Sim`` "Yes"; ``Thanks.`` "Obrigado por uma mensagem." and ``Thanks!``
        "Obrigado!". So where the same words with another mark give the beginning of the translation, that is enough.
        """
        words = _words(translation)
        bare = text.rstrip(".!")
        variants = [variant for variant in (bare, f"{bare}.", f"{bare}!") if bare and variant != text]
        for answer in sorted((answers[0] for answers in self._ask(variants) if answers), key=len):
            short = _words(answer)
            if short and len(short) < len(words) and words[: len(short)] == short:
                mark = text[len(bare) :]
                return _drop_repeats((answer.rstrip(" .,!;:(") + mark, translation))
        return (translation,)

    def _translate_protected(self, text: str, segment: int) -> tuple[str, ...]:
        """Return translations that keep protected spans: as they stand, else by code words, else cut around them."""
        spans = find_protected_spans(text, self.terms, self.source, self.target)
        answers = self._translations(text)
        if not spans:
            return answers
        answers = tuple(localise_numbers(text, answer, self.source, self.target) for answer in answers)
        missing: list[ProtectedSpan] = find_lost(spans, text, answers[0], self.target) if answers else list(spans)
        if not missing:
            return tuple(answer for answer in answers if not find_lost(spans, text, answer, self.target))
        for form in CODE_WORDS:
            hidden, words = mask(text, missing, form)
            restored = [unmask(answer, words) for answer in self._translations(hidden)]
            whole = [
                localise_numbers(text, answer, self.source, self.target) for answer in restored if answer is not None
            ]
            good = tuple(answer for answer in whole if not find_lost(spans, text, answer, self.target))
            if good:
                return good
            missing = sorted(
                {*missing, *(find_lost(spans, text, whole[0], self.target) if whole else ())}, key=lambda s: s.start
            )
        if all(span.kind == "number" for span in missing):
            # a number may be told in other words (two dozen), and a sentence cut around it reads badly
            for span in missing:
                lost = text[span.start : span.end]
                message = f"{lost} is not in the translation of {_abbreviate(text)}"
                self._report("not_kept", Severity.WARNING, message, segment)
            return answers
        self._report("split_around", Severity.INFO, f"translated in parts around {_quote_all(missing)}", segment)
        return (self._translate_around(text, [span for span in missing if span.kind != "number"]),)

    def _translate_around(self, text: str, spans: Sequence[ProtectedSpan]) -> str:
        parts, at = [], 0
        for span in [*spans, None]:
            between = text[at : span.start if span else None]
            if has_letters(between):
                lead = between[: len(between) - len(between.lstrip())]
                answers = self._translations(between.strip())
                between = lead + (answers[0] if answers else between.strip()) + " " * between.endswith(" ")
            parts.append(between)
            if span:
                parts.append(span.wanted)
                at = span.end
        return "".join(parts)

    def _translations(self, text: str) -> tuple[str, ...]:
        """Return the engine's answers; replace those that loop or are cut short by a translation clause by clause."""
        answers = tuple(answer for answer in self._ask([text])[0] if answer.strip())
        sound = tuple(answer for answer in answers if not is_looped(text, answer) and not is_truncated(text, answer))
        if sound:
            return sound
        pieces = clauses(text)
        if len(pieces) < 2:
            return answers
        return (" ".join(answer[0] for answer in self._ask(pieces) if answer),)

    def _ask(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        if unknown:
            answers = self.engine.translate([Sentence(text) for text in unknown], self.settings.candidates)
            self._known.update(zip(unknown, map(tuple, answers), strict=True))
        return [self._known[text] for text in texts]

    # Checks

    def _check(self, text: str, translation: str, segment: int) -> None:
        if is_looped(text, translation):
            self._report("repeats", Severity.WARNING, f"says itself over and over: {_abbreviate(translation)}", segment)
        if word_count(text) < COMPARED_WORDS:
            return
        if (self.source in UNSPACED) == (self.target in UNSPACED):
            ratio = len(translation) / len(text)
            low, high = self.settings.min_length_ratio, self.settings.max_length_ratio
            if not low <= ratio <= high and abs(len(translation) - len(text)) > LENGTH_SLACK_CHARS:
                limit = low if ratio < low else high
                message = f"the translation is {ratio:.2f} times as long as {_abbreviate(text)}"
                self._report("length_ratio", Severity.WARNING, message, segment, value=ratio, limit=limit)
        share = copied_share(text, translation)
        if share is not None and share >= COPIED_SHARE:
            message = f"still {language_name(self.source)}: {_abbreviate(translation)}"
            self._report("untranslated", Severity.WARNING, message, segment, value=share, limit=COPIED_SHARE)

    def _report_failed(self, text: str, segment: int, error: LineError) -> tuple[str, ...]:
        self._report("failed", Severity.DEGRADED, f"not translated, so it keeps its own words: {error}", segment)
        return (text,)

    def _report_empty(self, text: str, segment: int) -> tuple[str, ...]:
        message = f"the engine had no translation, so it keeps its own words: {_abbreviate(text)}"
        self._report("empty", Severity.DEGRADED, message, segment)
        return (text,)

    def _report(
        self,
        code: str,
        severity: Severity,
        message: str,
        segment: int,
        *,
        value: float | None = None,
        limit: float | None = None,
    ) -> None:
        self.on_finding(Finding(STAGE, code, severity, message, segment, value, limit))


def _with_notes(prepared: _PreparedSegment, candidates: Iterable[str]) -> tuple[str, ...]:
    return _drop_repeats(map(prepared.with_notes, candidates))


def _combine(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return candidates of a text from those of its sentences: all the best ones, all the second ones, and so on."""
    return _drop_repeats(" ".join(part[min(n, len(part) - 1)] for part in parts) for n in range(max(map(len, parts))))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _drop_repeats(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _abbreviate(text: str) -> str:
    return f"‘{text if len(text) <= 60 else text[:57] + '…'}’"


def _quote_all(spans: Sequence[ProtectedSpan]) -> str:
    return ", ".join(span.wanted for span in spans)


# What surrounds a sentence -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """A sentence between marks that confuse models: ``lead`` (a dialogue dash) and ``tail`` (dots, or none at all).

    Models want a finished sentence: Firefox made ``Thank you so much`` into "Obrigado por enviar uma edição." and
    ``Wait...`` into "Aguarde o...", while both are right with a full stop. So one is given, and taken off again.
    """

    lead: str
    body: str
    tail: str
    given: str

    def put_back(self, translation: str) -> str:
        if self.given != self.body:
            translation = translation.rstrip(".")
        return f"{self.lead}{translation}{self.tail}"


_FRAME = re.compile(r"(?P<lead>(?:[-–—…]|\.{2,})?\s*)(?P<body>.*?)(?P<tail>\s*(?:…|\.{2,})?)", re.DOTALL)


def _split_frame(sentence: str) -> _Frame:
    match = _FRAME.fullmatch(sentence)
    if match is None or not has_letters(match["body"]):
        return _Frame("", sentence, "", sentence)
    body = match["body"]
    last = body.rstrip(CLOSING)[-1:]
    open_end = body[-1].isalnum() or (match["tail"] and last.isalnum())
    return _Frame(match["lead"], body, match["tail"], f"{body}." if open_end else body)


def tidy(translation: str, text: str, target: str) -> str:
    """Return a translation with the marks, first letter and spacing that its source calls for."""
    out = " ".join(translation.split())
    out = re.sub(r"\b(US|R|A|C|HK) \$ ?(?=\d)", r"\1$ ", out)
    if target != "fr":  # which writes a space before them
        out = re.sub(r"(?<=\w) +([,.!?;:])(?=\s|$)", r"\1", out)
    out = re.sub(r"([(\[]) +| +([)\]])", r"\1\2", out)
    if out.count("(") != out.count(")") and text.count("(") == text.count(")"):
        out = out.rstrip("( ")
    out = _match_ending(out, text)
    first, wanted = (next((letter for letter in side if letter.isalpha()), "") for side in (out, text))
    if wanted.isupper() and first.islower():
        return _capitalise(out)
    if wanted.islower() and first.isupper() and target != "de" and not re.match(r"\W*I\b", out):
        at = out.index(first)
        word = re.match(r"\w+", out[at:])
        if word is not None and word.group()[1:].islower() and word.group() not in text:
            return out[:at] + first.lower() + out[at + 1 :]
    return out


def _match_ending(translation: str, text: str) -> str:
    """End a question as a question and a call as a call; a voice reads them by their marks."""
    body = translation.rstrip(f"{CLOSING}.")
    mark = re.search(r"[?!]+$", text.rstrip(CLOSING))
    if mark is None or not body or body[-1] in "?!？！;؟":
        return translation
    return body + mark.group() + translation[len(body) :].replace(".", "")


# Cutting a translation again -----------------------------------------------------------------------------------------


def split_by_shares(text: str, shares: Sequence[int], language: str) -> list[str] | None:
    """Split ``text`` into as many parts as there are ``shares``, near where those fall, preferably after a clause.

    Cuts fall between words (between characters where the language writes no spaces); joined again the parts are the
    text. ``None`` where there are fewer words than parts.
    """
    unspaced = language in UNSPACED
    spaces = range(1, len(text)) if unspaced else [match.start() for match in re.finditer(r" ", text)]
    if len(spaces) < len(shares) - 1:
        return None
    total, done, at, parts = sum(shares), 0, 0, []
    for number, share in enumerate(shares[:-1]):
        done += share
        ideal = len(text) * done / total
        left = len(shares) - number - 2  # cuts still to come, which need a place each
        room = [space for space in spaces if space > at]
        best = min(room[: len(room) - left], key=lambda space: _distance(text, space, ideal))
        parts.append(text[at:best].strip())
        at = best
    parts.append(text[at:].strip())
    return parts if all(parts) else None


def _distance(text: str, at: int, ideal: float) -> float:
    """Return how many characters a cut is off its ideal place; a cut after a clause counts as much nearer."""
    after_clause = text[at - 1] in ",;:—–،、，；"
    return abs(at - ideal) * (0.4 if after_clause else 1.0)
