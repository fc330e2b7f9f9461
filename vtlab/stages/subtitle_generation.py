"""Stage 7: subtitles in both languages: whole sentences, two lines of 42, time enough to read.

The limits are those of the field's style guides (BBC, Netflix): 17 characters a second, one to seven seconds, two
frames between cues. A cue may stay into the silence after its segment; it never covers the next one. A wide character
(an ideograph) counts as two, on the line and in reading: 21 a line and 8.5 a second, near what Chinese guides ask.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from vtlab.errors import VtlabError
from vtlab.events import Finding, Severity
from vtlab.media import MediaInfo, SubtitleTrack
from vtlab.segments import Cue, PlacedSegment, Segment
from vtlab.settings import SubtitleSettings
from vtlab.text.sentences import count_columns

STAGE = "subtitle_generation"
VERSION = 3

# what SubRip and WebVTT players take for markup; anything else in angle brackets is text
TAG = re.compile(
    r"</?(?:i|b|u|s|c|v|rt|ruby|lang|font|span|br)(?:\.[^<>]*|\s[^<>]*=[^<>]*)?/?>|<(?:v|lang)\s[^<>]*>|\{\\[^}]*\}",
    re.IGNORECASE,
)
FRAME_S = 0.04  # of a sound without a picture
LEAST_S = 0.5  # a cue stays this long even where the next one then comes a little later
MERGED_GAP_S = 0.5  # cues further apart than this are not shown as one
SLOW_COLUMNS = 20  # a segment is not cut into cues shorter than this only because it is spoken slowly
CLOCK_MS = 100 * 3600 * 1000  # SubRip's clock has two digits for hours
CLAUSE_ENDS = ",;:.!?…、，；：。！？"
# words that lean on the next one: a line does not break after them
NO_LINE_END = frozenset(
    ("a", "an", "the", "of", "to", "in", "on", "and", "or",
     "o", "os", "as", "um", "uma", "de", "do", "da", "e", "em", "no", "na", "que", "com", "para")
)  # fmt: skip
NO_LINE_START = frozenset("、。，．！？：；」』）】〉》・ー…,.!?:;)]}»”’%")
NO_LINE_STOP = frozenset("「『（【〈《([{«“‘")
UNSPACED_BLOCKS = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u3040", "\u9fff"),
                   ("\uff00", "\uffef"), ("\U00020000", "\U0003ffff"))  # fmt: skip


def generate(
    placed: Sequence[PlacedSegment],
    languages: tuple[str, str],
    settings: SubtitleSettings,
    info: MediaInfo,
    folder: Path,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> list[SubtitleTrack]:
    """Write the subtitles of a dub in both languages, as SubRip and WebVTT, and return the four files.

    Args:
        placed: The segments at their places.
        languages: Source and target.
        settings: Limits on lines and reading speed.
        info: The video, for its frame rate and length.
        folder: Where the files go: ``pt.srt``, ``pt.vtt``, ``en.srt``, ``en.vtt``.
        on_finding: Gets what a reader would mind.

    Examples:
        >>> from vtlab import media
        >>> from vtlab.audio import silence
        >>> from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment
        >>> from vtlab.settings import SubtitleSettings
        >>> from vtlab.stages import subtitle_generation
        >>> segment = Segment(0, 1.0, 2.5, "Bom dia.")
        >>> translated = TranslatedSegment(segment, "Good morning.", "en", "mine")
        >>> spoken = SpokenSegment(translated, "Good morning.", silence(1.2, 16000))
        >>> placed = PlacedSegment(spoken, 1.0, 2.2, spoken.audio)
        >>> info = media.probe(Path("talk.mp4"))
        >>> tracks = subtitle_generation.generate([placed], ("pt", "en"), SubtitleSettings(), info, Path())
        >>> print(tracks[2].path.read_text().strip())
        1
        00:00:01,000 --> 00:00:02,200
        Good morning.
    """
    frame_s = float(1 / info.video.fps) if info.video else FRAME_S
    segments = [segment.spoken.source.source for segment in placed]
    tracks = []
    for language, cues in (
        (languages[0], source_cues(segments, settings, frame_s, info.duration_s)),
        (languages[1], target_cues(placed, settings, frame_s, info.duration_s)),
    ):
        for finding in check(cues, settings, language):
            on_finding(finding)
        for suffix in (".srt", ".vtt"):
            path = write_subtitles(cues, folder / f"{language}{suffix}")
            tracks.append(SubtitleTrack(language, path))
    return tracks


def source_cues(
    segments: Sequence[Segment], settings: SubtitleSettings, frame_s: float, duration_s: float
) -> list[Cue]:
    """Return the subtitles of the source, timed by its words."""
    cues = []
    for segment in segments:
        parts = _parts(_clean(segment.text), segment.duration, settings)
        cues += _time_parts(parts, segment.start, segment.end, [(word.text, word.start) for word in segment.words])
    return _space_out(cues, settings, frame_s, duration_s)


def target_cues(
    placed: Sequence[PlacedSegment], settings: SubtitleSettings, frame_s: float, duration_s: float
) -> list[Cue]:
    """Return the subtitles of the dub, timed by where it speaks; a silent segment is shown where its source is."""
    cues = []
    for segment in placed:
        spoken, source = segment.spoken, segment.spoken.source.source
        start, end = (segment.start, segment.end) if segment.end > segment.start else (source.start, source.end)
        parts = _parts(_clean(spoken.text or spoken.source.text), end - start, settings)
        cues += _time_parts(parts, start, end, [])
    return _space_out(cues, settings, frame_s, duration_s)


def check(cues: Sequence[Cue], settings: SubtitleSettings, language: str) -> list[Finding]:
    """Return what a reader would mind: too fast, too long a line, too short a cue."""
    findings = []
    for number, cue in enumerate(cues):
        seconds = cue.end - cue.start
        cps = count_columns(cue.text) / seconds if seconds > 0 else float("inf")
        longest = max(map(count_columns, cue.text.split("\n")))
        for code, value, limit, bad in (
            ("reading_speed", cps, settings.max_cps, cps > settings.max_cps * 1.05),
            ("line_chars", longest, settings.max_line_chars, longest > settings.max_line_chars),
            ("cue_short", seconds, settings.min_duration_s, seconds < settings.min_duration_s - 0.01),
        ):
            if bad:
                message = f"Cue {number + 1} ({language}): {code.replace('_', ' ')} {value:.1f}, limit {limit:g}."
                findings.append(Finding(STAGE, code, Severity.INFO, message, None, float(value), float(limit)))
    return findings


def write_subtitles(cues: Sequence[Cue], path: Path) -> Path:
    """Write SubRip (``.srt``) or WebVTT (``.vtt``), UTF-8, times rounded to whole milliseconds; return ``path``.

    Times before 0 become 0; a cue that would last no millisecond lasts a second, or up to the next one.

    Raises:
        VtlabError: ``E_SUBTITLES``: a cue ends after 99:59:59.999, which these files cannot say.
    """
    import pysubs2

    file = pysubs2.SSAFile()
    starts = [max(0, round(cue.start * 1000)) for cue in cues]
    for index, cue in enumerate(cues):
        start, end = starts[index], round(cue.end * 1000)
        if end <= start:
            following = starts[index + 1] if index + 1 < len(cues) else start + 1000
            end = min(start + 1000, following) if following > start else start + 1000
        if end >= CLOCK_MS:
            raise VtlabError(f"A subtitle ends after 100 hours: {path.suffix} files cannot say so.", code="E_SUBTITLES")
        # SubRip has no escape, and players take what stands between angle brackets for a tag
        text = html.escape(cue.text, quote=False) if path.suffix == ".vtt" else re.sub(r"<([^<>]*)>", r"‹\1›", cue.text)
        file.append(pysubs2.SSAEvent(start, end, text.replace("\n", r"\N")))
    file.save(str(path), encoding="utf-8", format_="vtt" if path.suffix == ".vtt" else "srt")
    return path


# ---------------------------------------------------------------- text


def _clean(text: str) -> str:
    """Return the text as a cue may hold it: no line breaks, tags or marks that the formats take for their own."""
    text = TAG.sub("", text.replace(r"\N", " "))
    text = text.replace("-->", "→").replace("{", "(").replace("}", ")").replace("\\", "/")
    return " ".join(text.split())


def _parts(text: str, seconds: float, settings: SubtitleSettings) -> list[str]:
    """Return the text in as few cues as hold it, cut at clauses, each broken into lines."""
    room = settings.max_lines * settings.max_line_chars
    pieces = _pieces(text, settings.max_line_chars)
    wide = count_columns(text)
    slow = min(math.ceil(seconds / settings.max_duration_s), wide // SLOW_COLUMNS)
    for count in range(max(1, math.ceil(wide / room), slow), len(pieces)):
        cues = [_lines(group, settings) for group in _balance(pieces, count, room)]
        if all(len(lines) <= settings.max_lines for lines in cues):
            return ["\n".join(lines) for lines in cues if lines]
    return [_join([piece]) for piece in pieces if piece.strip()]


def _pieces(text: str, width: int) -> list[str]:
    """Return what may not be broken, each with the space after it: words, or characters of a script without spaces.

    Marks stay with the letter they stand on, closing punctuation with what it closes. Longer than a line is cut.
    """
    pieces: list[str] = []
    for character in text:
        if (
            pieces
            and not _may_break(pieces[-1], character)
            and (count_columns(pieces[-1] + character) <= width or character.isspace())
        ):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _may_break(before: str, character: str) -> bool:
    if character.isspace() or unicodedata.category(character)[0] == "M" or character in NO_LINE_START:
        return False
    if before[-1].isspace():
        return True
    return before[-1] not in NO_LINE_STOP and (_unspaced(character) or _unspaced(before[-1]))


def _unspaced(character: str) -> bool:
    """Return whether lines may break beside this character: Han, kana, Thai, Lao, Burmese, Khmer."""
    return any(first <= character <= last for first, last in UNSPACED_BLOCKS)


def _join(pieces: Sequence[str]) -> str:
    return "".join(pieces).strip()


def _balance(pieces: Sequence[str], count: int, width: int) -> list[list[str]]:
    """Return ``count`` groups of pieces of like length, at most ``width``, cut after clauses that end nearby."""
    groups: list[list[str]] = []
    rest = list(pieces)
    for left in range(count, 1, -1):
        lengths = list(accumulate(count_columns(piece) + piece[-1:].isspace() for piece in rest))
        ideal = lengths[-1] / left

        def cost(
            cut: int,
            rest: Sequence[str] = rest,
            lengths: Sequence[int] = lengths,
            ideal: float = ideal,
            left: int = left,
        ) -> float:
            first, others = lengths[cut - 1], lengths[-1] - lengths[cut - 1]
            too_wide = max(0, first - width - 1) + max(0, others - (left - 1) * (width + 1))
            return abs(first - ideal) / ideal + _break_cost(rest[cut - 1]) + too_wide

        best = min(range(1, len(rest) - left + 2), key=cost)
        groups.append(rest[:best])
        rest = rest[best:]
    return [*groups, rest]


def _break_cost(word: str) -> float:
    if word.rstrip()[-1:] in CLAUSE_ENDS:
        return -0.3
    return 0.3 if word.strip().lower() in NO_LINE_END else 0.0


def _lines(pieces: Sequence[str], settings: SubtitleSettings) -> list[str]:
    """Return one line where it fits, else two or more of like length."""
    text = _join(pieces)
    width = settings.max_line_chars
    if count_columns(text) <= width:
        return [text] if text else []
    for count in range(2, len(pieces)):
        lines = [_join(group) for group in _balance(pieces, count, width)]
        if all(count_columns(line) <= width for line in lines):
            return lines
    return [_join([piece]) for piece in pieces]


# ---------------------------------------------------------------- time


def _time_parts(parts: Sequence[str], start: float, end: float, words: Sequence[tuple[str, float]]) -> list[Cue]:
    """Return cues for the parts of a segment: cut at word times where they match, else by share of the characters."""
    total = sum(map(count_columns, parts)) or 1
    edges = [start]
    columns = 0
    for part in parts[:-1]:
        columns += count_columns(part)
        at = start + (end - start) * columns / total
        if words:
            heard = 0
            all_words = sum(count_columns(text) for text, _ in words) or 1
            for text, begins in words:
                if heard / all_words >= columns / total - 0.005:
                    at = begins
                    break
                heard += count_columns(text)
        edges.append(min(max(at, edges[-1]), end))
    edges.append(end)
    return [Cue(edges[i], edges[i + 1], part) for i, part in enumerate(parts)]


def _space_out(cues: Sequence[Cue], settings: SubtitleSettings, frame_s: float, duration_s: float) -> list[Cue]:
    """Return cues in order, apart, long enough to read where the silence after them allows it."""
    gap = settings.gap_frames * frame_s
    waiting = deque(sorted((cue for cue in cues if cue.text), key=lambda cue: cue.start))
    out: list[Cue] = []
    while waiting:
        cue = waiting.popleft()
        start = max(0.0, cue.start, out[-1].end + gap if out else 0.0)
        following = waiting[0].start - gap if waiting else duration_s
        wanted = max(cue.end, start + settings.min_duration_s, start + count_columns(cue.text) / settings.max_cps)
        end = min(wanted, max(following, start + LEAST_S), start + settings.max_duration_s)
        end = min(end, max(duration_s, start + frame_s))
        short = end - start < settings.min_duration_s
        if short and out and (merged := _merge(out[-1], replace(cue, start=start, end=end), settings)):
            out[-1] = merged
        elif short and waiting and (merged := _merge(replace(cue, start=start), waiting[0], settings)):
            waiting[0] = merged
        else:
            out.append(replace(cue, start=start, end=end))
    return out


def _merge(first: Cue, second: Cue, settings: SubtitleSettings) -> Cue | None:
    """Return two cues as one, where a cue holds both and no pause lies between them; else ``None``."""
    lines = _lines(_pieces(f"{first.text} {second.text}".replace("\n", " "), settings.max_line_chars), settings)
    if (
        len(lines) > settings.max_lines
        or second.start - first.end > MERGED_GAP_S
        or second.end - first.start > settings.max_duration_s
    ):
        return None
    return Cue(first.start, max(first.end, second.end), "\n".join(lines))
