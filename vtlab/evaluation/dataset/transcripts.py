"""Read transcripts and translations, and join the two into segments.

Subtitles are read by pysubs2 (SRT, WebVTT, ASS and what else it knows), a ``.txt`` file as one sentence a line, without
times. The cues of two languages rarely match one to one, so they are joined by the time they share.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from vtlab.errors import InputError
from vtlab.languages import UNSPACED
from vtlab.metrics.reference import ReferenceSegment
from vtlab.segments import Interval

SHARED = 0.5  # of the shorter of two cues: they belong together
SHARED_LEAST = 0.1  # of the shorter of two cues: they belong together where either has no better partner
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
BRACKETED = re.compile(r"[\[(（【][^\])）】]*[\])）】]|[♪♫].*")  # a sound or a song, which nobody says
VOICE = re.compile(r"<v(?:\.[^\s>]+)?\s+([^>]+)>")  # WebVTT: who says the cue
INLINE_TIME = re.compile(r"<\d[\d:.]+>")  # WebVTT: when the next word is said; pysubs2 takes two of them for a cue
TAG = re.compile(r"</?\s*[a-zA-Z][^>]*>")


@dataclass(frozen=True)
class Cue:
    """A subtitle's cue, or a line of a text, which has no time."""

    text: str
    time: Interval | None = None
    speaker: str | None = None


def read_transcript(file: Path) -> list[Cue]:
    """Return the cues of a subtitle file in the order of their starts, or the lines of a ``.txt`` file.

    Line breaks and formatting are removed. Cues that are nothing but a sound in brackets or a note are left out.

    Raises:
        InputError: (``E_SUBTITLES``) The file is missing, of an unknown encoding or format, or says nothing.
    """
    text = _decoded(file)
    if file.suffix.lower() == ".txt":
        if "-->" in text:
            raise _wrong(f"{file} holds the times of subtitles; rename it to end in .srt or .vtt.")
        cues = [Cue(" ".join(line.split())) for line in text.splitlines()]
    else:
        cues = _subtitles(text, file)
    said = [cue for cue in cues if any(map(str.isalnum, BRACKETED.sub("", cue.text)))]
    if not said:
        raise _wrong(
            f"{file} says nothing: it has no {'lines' if file.suffix.lower() == '.txt' else 'cues'} with text."
        )
    return said


def join(
    transcript: Sequence[Cue], translation: Sequence[Cue] | None, source_language: str, target_language: str
) -> tuple[list[ReferenceSegment], list[Cue]]:
    """Join the cues of two languages into segments.

    With times on both sides, cues belong together where they share at least ``SHARED`` of the shorter one; a cue that
    shares so much with none goes with the one it shares most with. Without times on either side, cues are joined in
    their order.

    Args:
        transcript: What is said.
        translation: How it ought to be translated; ``None`` where nobody knows.
        source_language: The code of the transcript's language, which decides whether texts are joined by spaces.
        target_language: That of the translation.

    Returns:
        The segments in the order of their starts, and the cues of the translation that share time with none.

    Raises:
        InputError: (``E_SUBTITLES``) One side has no times and the numbers of cues differ.
    """
    if translation is None:
        groups = [([cue], list[Cue]()) for cue in transcript]
        unmatched: list[Cue] = []
    elif any(cue.time is None for cue in (*transcript, *translation)):
        if len(transcript) != len(translation):
            raise _wrong(
                f"The transcript has {len(transcript)} lines and the translation {len(translation)}. Lines without "
                "times are joined in their order, so make the two match line by line, or give subtitles for both."
            )
        groups = [([cue], [answer]) for cue, answer in zip(transcript, translation, strict=True)]
        unmatched = []
    else:
        groups, unmatched = _groups(transcript, translation)
    return [_segment(said, answers, source_language, target_language) for said, answers in groups], unmatched


def trim(
    segments: Iterable[ReferenceSegment], speech: Sequence[Interval]
) -> tuple[list[ReferenceSegment], list[ReferenceSegment]]:
    """Narrow the times of segments to where somebody speaks.

    Subtitles come early and stay long, to be read; the times of a reference are those of the first and last audible
    moment. No time is widened.

    Args:
        segments: With or without times.
        speech: The stretches of speech, in order.

    Returns:
        All segments in the order of their starts, and those in whose time nobody speaks, which stay as they are.
    """
    trimmed, silent = [], []
    for segment in segments:
        if segment.start is not None and segment.end is not None:
            heard = [span for span in speech if span.start < segment.end and span.end > segment.start]
            if heard:
                start, end = max(segment.start, heard[0].start), min(segment.end, heard[-1].end)
                segment = segment.model_copy(update={"start": round(start, 3), "end": round(end, 3)})
            else:
                silent.append(segment)
        trimmed.append(segment)
    return sorted(trimmed, key=lambda segment: segment.start or 0.0), silent


def _wrong(sentence: str) -> InputError:
    return InputError(sentence, code="E_SUBTITLES")


def _decoded(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _wrong(f"{file} cannot be read: {error.strerror}. Correct the name.") from error
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _wrong(f"{file} is neither UTF-8 nor UTF-16; save it as UTF-8.") from error
    if "\0" in text:
        raise _wrong(f"{file} is no text, or UTF-16 without its byte-order mark; save it as UTF-8.")
    return text


def _subtitles(text: str, file: Path) -> list[Cue]:
    import pysubs2

    try:
        read = pysubs2.SSAFile.from_string(INLINE_TIME.sub("", text), keep_unknown_html_tags=True)
    except (ValueError, pysubs2.exceptions.Pysubs2Error) as error:
        raise _wrong(
            f"{file} is in no subtitle format that is known (SRT, WebVTT, ASS ...); a text of one sentence a line is "
            "named .txt."
        ) from error
    cues, texts = [], []
    for event in sorted(read, key=lambda event: event.start):
        if event.is_comment or event.is_drawing:
            continue
        plain = event.plaintext
        if read.format == "vtt":  # pysubs2 adds notes and the next cue's name, which an empty line sets off
            plain = html.unescape(plain.split("\n\n")[0])
        voice = VOICE.search(plain)
        speaker = (voice[1].strip() if voice else event.name.strip()) or None
        lines = [" ".join(line.split()) for line in TAG.sub("", plain).splitlines()]
        texts.append([line for line in lines if line])
        cues.append(Cue("", Interval(event.start / 1000, event.end / 1000), speaker))
    cues = [replace(cue, text=" ".join(lines)) for cue, lines in zip(cues, _unrolled(texts), strict=True) if lines]
    for cue in cues:
        assert cue.time is not None
        if cue.time.duration <= 0:
            raise _wrong(
                f"{file}: the cue {cue.text[:40]!r} at {cue.time.start:g} s ends before it starts; correct it."
            )
    return cues


def _unrolled(texts: list[list[str]]) -> list[list[str]]:
    """Remove the lines that rolling captions repeat: each of their cues begins with the last line of the one before."""
    rolls = [before[-1:] == after[:1] and bool(after) for before, after in pairwise(texts)]
    if sum(rolls) * 2 <= len(rolls):
        return texts
    return [*texts[:1], *(text[1:] if rolled else text for text, rolled in zip(texts[1:], rolls, strict=True))]


def _groups(
    transcript: Sequence[Cue], translation: Sequence[Cue]
) -> tuple[list[tuple[list[Cue], list[Cue]]], list[Cue]]:
    """Return the connected groups of both sides' cues, and the cues of the translation that belong to none."""
    links = _links([cue.time for cue in transcript if cue.time], [cue.time for cue in translation if cue.time])
    group = list(range(len(transcript)))  # of each transcript cue: the first one of its group
    for answered in _by_answer(links).values():
        first = min(group[place] for place in answered)
        merged = {group[place] for place in answered}
        group = [first if own in merged else own for own in group]
    members: dict[int, tuple[list[Cue], dict[int, Cue]]] = {}
    for place, own in enumerate(group):
        members.setdefault(own, ([], {}))[0].append(transcript[place])
    for place, answer in links:
        members[group[place]][1][answer] = translation[answer]
    linked = {answer for _, answer in links}
    groups = [(said, [answers[place] for place in sorted(answers)]) for said, answers in members.values()]
    return groups, [cue for place, cue in enumerate(translation) if place not in linked]


def _by_answer(links: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place, answer in links:
        found.setdefault(answer, []).append(place)
    return found


def _links(said: Sequence[Interval], answers: Sequence[Interval]) -> list[tuple[int, int]]:
    """Return the pairs of cues that belong together, as places in the two lists, which are sorted by their starts."""
    shares: dict[tuple[int, int], float] = {}
    begin = 0  # answers before it have ended
    for place, span in enumerate(said):
        while begin < len(answers) and answers[begin].end <= span.start:
            begin += 1
        for number in range(begin, len(answers)):
            if answers[number].start >= span.end:
                break
            common = span.overlap(answers[number])
            if common > 0:
                shares[place, number] = common / min(span.duration, answers[number].duration)
    links = {pair for pair, share in shares.items() if share >= SHARED}
    matched, answered = {place for place, _ in links}, {number for _, number in links}
    weak = sorted(
        (pair for pair, share in shares.items() if SHARED_LEAST <= share < SHARED), key=lambda pair: -shares[pair]
    )
    for place, number in weak:
        if place not in matched or number not in answered:
            links.add((place, number))
            matched.add(place)
            answered.add(number)
    return sorted(links)


def _segment(said: Sequence[Cue], answers: Sequence[Cue], source: str, target: str) -> ReferenceSegment:
    times = [cue.time for cue in said if cue.time] or [cue.time for cue in answers if cue.time]
    speakers = {cue.speaker for cue in said}
    return ReferenceSegment(
        start=min(time.start for time in times) if times else None,
        end=max(time.end for time in times) if times else None,
        text=_joined(said, source),
        translation=_joined(answers, target) or None,
        speaker=speakers.pop() if len(speakers) == 1 else None,
    )


def _joined(cues: Iterable[Cue], language: str) -> str:
    return ("" if language in UNSPACED else " ").join(cue.text for cue in cues)
