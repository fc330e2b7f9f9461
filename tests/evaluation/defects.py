"""Ten defects that dubs have, planted into the sound of a good one.

Each is a plain function: ``plant(dub, strength)`` gives the dub with one defect in its sound, or ``None`` where this
dub has no place for it (no second line to swap with, no silence to invent a line in, no background to lose). Its
record stays as it was, as when a tool does not notice; only what a tool says itself is there, too: the text of an
untranslated line, the place of one that overlaps. Which line it is follows from the clip alone, so that a table can be
made again. ``DEFECTS`` lists them with the
strengths tried and the one that must be found.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab import media
from vtlab.audio import Audio, cut, fade, gain, levels_db, loudness_lufs, mono, resample, stretch
from vtlab.evaluation.dataset import Clip
from vtlab.record import Record, SegmentRecord
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

EDGE_S = 0.03  # taken along on both sides of a line: what is below its audible edge
FADE_S = 0.005  # where a line is cut out of the track: no click
HEARD_DB = -45.0  # a background so far below the whole is none: nobody would miss it
ROOM_S = 0.1  # silence left around an invented line


@dataclass(frozen=True)
class Line:
    """A line of a dub: where it is heard (seconds), what the source says there and what the dub says."""

    id: int
    heard: Interval
    source: Interval
    text: str
    spoken: str


@dataclass(frozen=True, eq=False)
class Sound:
    """A dub's sound in its two parts: ``speech`` of shape ``(n,)``, ``background`` of shape ``(n, channels)``."""

    speech: Samples
    background: Samples
    rate: int

    @property
    def mix(self) -> Audio:
        """What is heard: both parts together, within full scale."""
        return Audio(np.clip(self.background + self.speech[:, None], -1, 1).astype(np.float32), self.rate)

    @property
    def track(self) -> Audio:
        return Audio(self.speech, self.rate)


@dataclass(frozen=True, eq=False)
class Parts:
    """A finished dub, taken apart: ``source`` has the rate of its sound, ``say`` is its voice."""

    clip: Clip
    file: Path
    record: Record
    sound: Sound
    source: Audio
    lines: tuple[Line, ...]
    say: Callable[[str], Audio]

    def choice(self, of: int) -> int:
        """Which of so many, the same one for the same clip."""
        return zlib.crc32(self.clip.id.encode()) % of


# ---------------------------------------------------------------- the ten


def speech_shifted(dub: Parts, seconds: float) -> Parts:
    """All lines late, or early in every second clip."""
    by = round(seconds * dub.sound.rate) * (1 if dub.choice(2) else -1)
    speech = np.roll(dub.sound.speech, by)
    speech[slice(None, by) if by > 0 else slice(by, None)] = 0.0
    return replace(dub, sound=replace(dub.sound, speech=speech))


def line_hurried(dub: Parts, speed: float) -> Parts:
    """One line at ``speed`` times its speed, from where it began."""
    line = dub.lines[dub.choice(len(dub.lines))]
    said = _taken(dub, line)
    hurried = _put(_without(dub.sound, line), stretch(said, speed), line.heard.start - EDGE_S)
    return replace(dub, sound=hurried)


def line_dropped(dub: Parts, count: float) -> Parts | None:
    """Neighbouring lines silent; never all of them."""
    if len(dub.lines) <= count:
        return None
    first = dub.choice(len(dub.lines) - int(count) + 1)
    sound = dub.sound
    for line in dub.lines[first : first + int(count)]:
        sound = _without(sound, line)
    return replace(dub, sound=sound)


def line_untranslated(dub: Parts, count: float) -> Parts | None:
    """The dub's voice says lines in the words of the source, as when a translation did not answer."""
    if len(dub.lines) < count:
        return None
    first = dub.choice(len(dub.lines) - int(count) + 1)
    sound, record = dub.sound, dub.record
    for index in range(first, first + int(count)):
        line = dub.lines[index]
        room = (dub.lines[index + 1].heard.start if index + 1 < len(dub.lines) else _seconds(sound)) - line.heard.start
        said = _as_loud_as(_taken(dub, line), dub.say(line.text))
        said = stretch(said, max(1.0, said.duration / (room - 2 * EDGE_S)))
        sound = _put(_without(sound, line), said, line.heard.start)
        record = _recorded(record, line, translation=line.text, spoken_text=line.text)
    return replace(dub, sound=sound, record=record)


def lines_swapped(dub: Parts, _: float) -> Parts | None:
    """Two neighbours trade places, the two most alike in length: the time they fill stays the same."""
    pairs = list(pairwise(dub.lines))
    if not pairs:
        return None
    first, second = min(pairs, key=lambda pair: abs(pair[0].heard.duration - pair[1].heard.duration))
    sound = _without(_without(dub.sound, first), second)
    sound = _put(sound, _taken(dub, second), first.heard.start - EDGE_S)
    sound = _put(sound, _taken(dub, first), second.heard.end - first.heard.duration - EDGE_S)
    return replace(dub, sound=sound)


def lines_overlapping(dub: Parts, seconds: float) -> Parts | None:
    """A line late, so that its end is said over the beginning of the next one; the two that were nearest."""
    pairs = [pair for pair in pairwise(dub.lines) if min(line.heard.duration for line in pair) > seconds]
    if not pairs:
        return None
    first, second = min(pairs, key=lambda pair: pair[1].heard.start - pair[0].heard.end)
    late = second.heard.start - first.heard.end + seconds
    sound = _put(_without(dub.sound, first), _taken(dub, first), first.heard.start + late - EDGE_S)
    times = ("planned_start", "planned_end", "measured_start", "measured_end")
    moved = {name: getattr(_segment(dub, first), name) for name in times}
    moved = {name: None if at is None else at + late for name, at in moved.items()}
    return replace(dub, sound=sound, record=_recorded(dub.record, first, **moved))


def tail_clipped(dub: Parts, seconds: float) -> Parts | None:
    """The end of one line missing."""
    long = [line for line in dub.lines if line.heard.duration > 2 * seconds]
    if not long:
        return None
    line = long[dub.choice(len(long))]
    tail = replace(line, heard=Interval(line.heard.end - seconds, line.heard.end))
    return replace(dub, sound=_without(dub.sound, tail, before_s=0.0))


# what recognisers invent in silence, by the number of words
INVENTED = {
    "en": {1: "Thanks.", 2: "Thank you.", 4: "Thank you for watching.", 6: "Please subscribe to our channel now."},
    "pt": {
        1: "Obrigado.",
        2: "Muito obrigado.",
        4: "Obrigado por nos assistir.",
        6: "Inscreva-se agora no nosso canal.",
    },
}


def line_invented(dub: Parts, words: float) -> Parts | None:
    """Words where neither source nor dub speak, in the longest such silence that holds them."""
    said = dub.say(INVENTED[dub.clip.target_language][int(words)])
    said = _as_loud_as(dub.sound.track, said)
    silent = max(_silences(dub), key=lambda span: span.duration)
    if silent.duration < said.duration + 2 * ROOM_S:
        return None
    sound = _put(dub.sound, said, (silent.start + silent.end - said.duration) / 2)
    return replace(dub, sound=sound)


def background_lost(dub: Parts, decibels: float) -> Parts | None:
    """The background softer by so many decibels (infinite: gone); ``None`` where the source has none to hear."""
    unspoken = [cut(dub.source, span.start, span.end) for span in _silences(dub) if span.duration > 0.3]
    levels = np.concatenate([levels_db(part) for part in unspoken]) if unspoken else np.zeros(0)
    loudness = loudness_lufs(dub.source)
    if loudness is None or len(levels) == 0 or np.median(levels) < loudness + HEARD_DB:
        return None
    background = dub.sound.background * np.float32(10 ** (-decibels / 20))
    return replace(dub, sound=replace(dub.sound, background=background))


def source_left_in(dub: Parts, decibels: float) -> Parts | None:
    """The whole source under the dub, its speech so many decibels (negative) from the dub's."""
    ours, theirs = loudness_lufs(dub.sound.track), loudness_lufs(dub.source)
    if ours is None or theirs is None:
        return None
    leak = gain(dub.source, ours + decibels - theirs).samples.reshape(len(dub.source.samples), -1)
    return replace(dub, sound=replace(dub.sound, background=dub.sound.background + leak))


@dataclass(frozen=True)
class Defect:
    """``says`` what it is; ``strengths`` from the weakest, in ``unit``; the ``nominal`` one must be found."""

    says: str
    plant: Callable[[Parts, float], Parts | None]
    unit: str
    strengths: tuple[float, ...]
    nominal: float


DEFECTS = {
    "shifted": Defect("speech shifted", speech_shifted, "s", (0.1, 0.2, 0.3, 0.5), 0.3),
    "hurried": Defect("one line at × its speed", line_hurried, "×", (1.1, 1.2, 1.3, 1.5), 1.5),
    "dropped": Defect("a line dropped", line_dropped, "lines", (1,), 1),
    "untranslated": Defect("a line left untranslated", line_untranslated, "lines", (1,), 1),
    "swapped": Defect("two lines swapped", lines_swapped, "pair", (1,), 1),
    "overlapping": Defect("two lines overlapping", lines_overlapping, "s", (0.1, 0.2, 0.5), 0.5),
    "clipped": Defect("a clipped tail", tail_clipped, "s", (0.1, 0.2, 0.3, 0.5), 0.5),
    "invented": Defect("a line invented in silence", line_invented, "words", (1, 2, 4), 2),
    "lost": Defect("the background softer", background_lost, "dB", (6, 12, float("inf")), float("inf")),
    "leak": Defect("source speech left in", source_left_in, "dB", (-40, -30, -25, -20, -10), -20),
}


# ---------------------------------------------------------------- taking a dub apart, and writing a planted one


def taken_apart(clip: Clip, dub: Path, record: Record, speech_track: Path, say: Callable[[str], Audio]) -> Parts:
    """A finished dub in its parts: what is not the speech track in its mix is background.

    The mix is the track under one gain, and background: the gain is that which leaves least of the track. Raises
    ``ValueError`` where more is left than a codec leaves: then the parts do not belong together.
    """
    mix = decoded(dub)
    speech = resample(mono(decoded(speech_track)), mix.rate).samples
    length = min(len(mix.samples), len(speech))
    sound, speech = mix.samples[:length].reshape(length, -1), speech[:length]
    speaks = np.abs(speech) > 1e-4
    level = float(np.vdot(sound.mean(axis=1)[speaks], speech[speaks]) / np.vdot(speech[speaks], speech[speaks]))
    speech = (speech * level).astype(np.float32)
    background = sound - speech[:, None]
    left = float(np.vdot(background.mean(axis=1)[speaks], speech[speaks]) / np.vdot(speech, speech))
    if not 0.05 < level < 20 or abs(left) > 0.01:
        raise ValueError(f"{speech_track} is not the speech of {dub}: make both anew")
    source = resample(decoded(clip.path), mix.rate).samples[:length]
    source = np.pad(source, [(0, length - len(source))] + [(0, 0)] * (source.ndim - 1))
    lines = [
        Line(
            segment.id,
            Interval(segment.measured_start or segment.planned_start, segment.measured_end or segment.planned_end),
            Interval(segment.start, segment.end),
            segment.text,
            segment.spoken_text,
        )
        for segment in record.segments
        if segment.engine is not None and any(letter.isalnum() for letter in segment.spoken_text)
    ]
    lines.sort(key=lambda line: line.heard.start)
    return Parts(clip, dub, record, Sound(speech, background, mix.rate), Audio(source, mix.rate), tuple(lines), say)


def decoded(path: Path) -> Audio:
    """The first sound of a file, at its own rate, on the file's clock."""
    info = media.probe(path)
    stream = info.audio[0]
    channels = min(stream.channels, 2)
    blocks = list(media.decode_blocks(path, stream, stream.rate, channels, info.duration_s))
    samples = np.concatenate(blocks)
    return Audio(samples[:, 0] if channels == 1 else samples, stream.rate)


def write_mix(dub: Parts, out: Path, kbps: int | None = None) -> Path:
    """The dub's sound as it is heard, to ``out`` with an ending of its own: encoded to AAC, or FLAC (mono)."""
    mix = dub.sound.mix
    if kbps is None:
        return media.write_flac([mono(mix).samples], mix.rate, out.with_suffix(".flac"))
    return media.write_aac([mix.samples], mix.rate, mix.channels, kbps, out.with_suffix(".m4a"))


def write_track(dub: Parts, out: Path) -> Path:
    """The speech alone, as FLAC."""
    return media.write_flac([np.clip(dub.sound.speech, -1, 1)], dub.sound.rate, out)


# ---------------------------------------------------------------- on the parts of a sound


def _span(sound: Sound, start: float, end: float) -> slice:
    return slice(max(0, round(start * sound.rate)), max(0, min(round(end * sound.rate), len(sound.speech))))


def _taken(dub: Parts, line: Line) -> Audio:
    """The sound of a line, with a little on both sides, faded."""
    around = _span(dub.sound, line.heard.start - EDGE_S, line.heard.end + EDGE_S)
    return fade(Audio(dub.sound.speech[around], dub.sound.rate), FADE_S)


def _without(sound: Sound, line: Line, before_s: float = EDGE_S) -> Sound:
    """The sound with silence for speech where the line is."""
    speech = sound.speech.copy()
    speech[_span(sound, line.heard.start - before_s, line.heard.end + EDGE_S)] = 0.0
    return replace(sound, speech=speech)


def _put(sound: Sound, said: Audio, at: float) -> Sound:
    """The sound with something said on top, from ``at`` seconds; what would sound after its end is lost."""
    speech = sound.speech.copy()
    first = max(0, round(at * sound.rate))
    samples = resample(said, sound.rate).samples[: len(speech) - first]
    speech[first : first + len(samples)] += samples
    return replace(sound, speech=speech)


def _segment(dub: Parts, line: Line) -> SegmentRecord:
    return next(segment for segment in dub.record.segments if segment.id == line.id)


def _recorded(record: Record, line: Line, **changed: object) -> Record:
    """The record with other words or times of a line."""
    segments = [segment.model_copy(update=changed) if segment.id == line.id else segment for segment in record.segments]
    return record.model_copy(update={"segments": segments})


def _as_loud_as(model: Audio, said: Audio) -> Audio:
    wanted, found = loudness_lufs(model), loudness_lufs(said)
    return said if wanted is None or found is None else gain(said, wanted - found)


def _seconds(sound: Sound) -> float:
    return len(sound.speech) / sound.rate


def _silences(dub: Parts) -> Sequence[Interval]:
    """Where neither the source speaks nor the dub."""
    spoken = sorted(
        [*(line.heard for line in dub.lines), *(Interval(*span) for span in dub.record.speech)],
        key=lambda span: span.start,
    )
    silent, end = [], 0.0
    for span in spoken:
        if span.start > end:
            silent.append(Interval(end, span.start))
        end = max(end, span.end)
    return [*silent, Interval(end, max(end, _seconds(dub.sound)))]
