"""Planters do what they say: on a made-up dub whose every sample is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation.defects import DEFECTS, EDGE_S, Line, Parts, Sound

from vtlab.audio import Audio, levels_db
from vtlab.evaluation.dataset import Clip
from vtlab.record import Record, SegmentRecord, Source
from vtlab.segments import Interval

RATE = 16_000
HEARD = [(1.0, 2.0), (2.5, 3.7), (5.0, 5.8)]  # seconds; a tone each, of its own pitch
PITCH = [300.0, 500.0, 800.0]
SECONDS = 9.0
SAID_S = 0.5  # all that the made-up voice says lasts as long


def tone(seconds: float, hertz: float) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def dub() -> Parts:
    speech = np.zeros(round(SECONDS * RATE), np.float32)
    for (start, end), hertz in zip(HEARD, PITCH, strict=True):
        speech[round(start * RATE) : round(end * RATE)] = tone(end - start, hertz)
    noise = np.random.default_rng(0).normal(0, 0.01, (len(speech), 1)).astype(np.float32)
    source = speech + noise[:, 0]
    lines = [Line(n, Interval(*heard), Interval(*heard), f"fonte {n}", f"line {n}") for n, heard in enumerate(HEARD)]
    clip = Clip(
        id="made up", file=Path("made.mp4"), source_language="pt", target_language="en", seconds=SECONDS,
        segments=(), licence="CC0-1.0", origin="this test",
    )  # fmt: skip
    record = Record(
        vtlab="0", created="", source_language="pt", target_language="en", settings={}, fingerprint="",
        source=Source(
            file="made.mp4", sha256="", seconds=SECONDS, container="mp4", video=None, audio_stream=0, audio_streams=1,
            language="pt", language_confidence=None,
        ),
        engines=[], segments=[segment(line) for line in lines], speech=list(HEARD), findings=[], stages=[],
        loudness_lufs=None, true_peak_dbtp=None, completeness=1, degraded=False, wall_s=0, peak_rss_mb=0, outputs=[],
    )  # fmt: skip
    parts = Sound(speech, noise, RATE)
    return Parts(
        clip, Path(), record, parts, Audio(source, RATE), tuple(lines), lambda _: Audio(tone(SAID_S, 1e3), RATE)
    )


def segment(line: Line) -> SegmentRecord:
    return SegmentRecord(
        id=line.id, start=line.source.start, end=line.source.end, text=line.text, words=[], speaker=None,
        confidence=None, translation=line.spoken, candidates=[], spoken_text=line.spoken, voice="v", engine="e",
        attempts=1, failed=None, rate=1, speed=1, planned_start=line.heard.start, planned_end=line.heard.end,
        measured_start=line.heard.start, measured_end=line.heard.end,
    )  # fmt: skip


def plant(dub: Parts, name: str, strength: float) -> Parts:
    planted = DEFECTS[name].plant(dub, strength)
    assert planted is not None
    assert len(planted.sound.speech) == len(dub.sound.speech)
    return planted


def spans(sound: Sound) -> list[tuple[float, float]]:
    """Where the speech is louder than −50 dBFS, to 10 ms."""
    loud = np.flatnonzero(np.diff(np.pad(levels_db(sound.track) > -50, 1).astype(int)))
    return [(start / 100, end / 100) for start, end in zip(loud[::2], loud[1::2], strict=True)]


def near(expected: list[tuple[float, float]]) -> list[object]:
    return [pytest.approx(span, abs=0.021) for span in expected]


def test_untouched(dub: Parts) -> None:
    assert spans(dub.sound) == near(HEARD)


def test_shifted(dub: Parts) -> None:
    by = 0.3 if dub.choice(2) else -0.3
    assert spans(plant(dub, "shifted", 0.3).sound) == near([(start + by, end + by) for start, end in HEARD])


def test_hurried(dub: Parts) -> None:
    chosen = dub.choice(3)
    expected = list(HEARD)
    start, end = HEARD[chosen]
    expected[chosen] = (start, start + (end - start) / 1.5)
    assert [start for start, _ in spans(plant(dub, "hurried", 1.5).sound)] == pytest.approx(
        [start for start, _ in expected], abs=0.06
    )
    assert spans(plant(dub, "hurried", 1.5).sound)[chosen][1] == pytest.approx(expected[chosen][1], abs=0.06)


@pytest.mark.parametrize(("count", "left"), [(1, 2), (2, 1)])
def test_dropped(dub: Parts, count: int, left: int) -> None:
    found = spans(plant(dub, "dropped", count).sound)
    assert len(found) == left
    assert all(any(span == near([heard])[0] for heard in HEARD) for span in found)


def test_never_all_dropped(dub: Parts) -> None:
    assert DEFECTS["dropped"].plant(dub, 3) is None


def test_untranslated(dub: Parts) -> None:
    planted = plant(dub, "untranslated", 1)
    changed = [segment for segment in planted.record.segments if segment.spoken_text.startswith("fonte")]
    assert [segment.translation for segment in changed] == [changed[0].text]
    start = HEARD[changed[0].id][0]
    assert (start, start + SAID_S) in [pytest.approx(span, abs=0.021) for span in spans(planted.sound)]


def test_swapped(dub: Parts) -> None:
    # 1.0 and 1.2 s are most alike, as are 1.0 and 0.8 s in no neighbours: the first two trade places
    assert spans(plant(dub, "swapped", 1).sound) == near([(1.0, 2.2), (2.7, 3.7), (5.0, 5.8)])


def test_overlapping(dub: Parts) -> None:
    # the two nearest: the first one ends 0.4 s after the second one begins
    assert spans(plant(dub, "overlapping", 0.4).sound) == near([(1.9, 3.7), (5.0, 5.8)])


def test_clipped(dub: Parts) -> None:
    short = [(start, end - 0.3) for start, end in HEARD]
    found = spans(plant(dub, "clipped", 0.3).sound)
    assert sorted(a == near([b])[0] for a, b in zip(found, HEARD, strict=True)) == [False, True, True]
    assert sum(a == near([b])[0] for a, b in zip(found, short, strict=True)) == 1


def test_invented(dub: Parts) -> None:
    middle = (HEARD[-1][1] + SECONDS) / 2  # of the longest silence, the one at the end
    assert spans(plant(dub, "invented", 2).sound) == near([*HEARD, (middle - SAID_S / 2, middle + SAID_S / 2)])


def test_lost(dub: Parts) -> None:
    assert np.allclose(plant(dub, "lost", 20).sound.background, dub.sound.background / 10)
    assert not plant(dub, "lost", float("inf")).sound.background.any()


def test_no_background_to_lose(dub: Parts) -> None:
    still = Parts(dub.clip, dub.file, dub.record, dub.sound, dub.sound.track, dub.lines, dub.say)
    assert DEFECTS["lost"].plant(still, 6) is None


def test_leak(dub: Parts) -> None:
    left = plant(dub, "leak", -20).sound.background - dub.sound.background
    first = slice(round((HEARD[0][0] + EDGE_S) * RATE), round((HEARD[0][1] - EDGE_S) * RATE))
    ratio = 10 * np.log10(np.mean(left[first] ** 2) / np.mean(dub.sound.speech[first] ** 2))
    assert ratio == pytest.approx(-20, abs=0.2)
