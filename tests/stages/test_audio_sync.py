from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from vtlab.audio import Audio, loudness_lufs
from vtlab.events import Finding, Severity
from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import AudioSyncSettings
from vtlab.stages.audio_sync import synchronise

HZ = 24000
DEFAULTS = AudioSyncSettings()


def voice(seconds: float, level: float = 0.2) -> Audio:
    """A hum with the ups and downs of speech."""
    time = np.arange(round(seconds * HZ)) / HZ
    hum = np.sin(2 * np.pi * 180 * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
    return Audio((level * hum).astype(np.float32), HZ)


def line(number: int, start: float, end: float, audio: Audio, rate: float = 1.0) -> SpokenSegment:
    source = Segment(number, start, end, "uma linha")
    return SpokenSegment(TranslatedSegment(source, "a line", "en", "firefox"), "a line", audio, rate, "piper", "joe")


def placed(
    lines: Sequence[SpokenSegment], total: float, original: Audio | None = None
) -> tuple[list[PlacedSegment], list[Finding]]:
    findings: list[Finding] = []
    sound = original or Audio(np.zeros(round(total * 16000), np.float32), 16000)
    return synchronise(lines, sound, total, DEFAULTS, findings.append, lambda: None), findings


def test_the_voice_that_spoke_at_the_right_rate_is_not_touched() -> None:
    audio = voice(2.0)
    (only,), findings = placed([line(0, 1.0, 3.0, audio, rate=1.08)], 10)
    assert (only.start, only.stretch) == (1.0, 1.0)
    assert only.speed == pytest.approx(1.08)
    assert len(only.audio.samples) == len(audio.samples)
    assert findings == []


def test_what_the_rate_left_over_is_stretched() -> None:
    (only,), _ = placed([line(0, 1.0, 3.0, voice(2.1))], 10)
    assert only.stretch == pytest.approx(1.05, abs=0.002)
    assert only.audio.duration == pytest.approx(2.0, abs=0.002)
    assert only.heard is not None
    assert only.heard.start == pytest.approx(1.0, abs=0.03)
    assert only.heard.end == pytest.approx(3.0, abs=0.03)


def test_lines_never_overlap_and_none_is_cut() -> None:
    lines = [line(n, 0.5 + 1.05 * n, 1.5 + 1.05 * n, voice(1.6)) for n in range(8)]
    result, findings = placed(lines, 9.2)
    for before, after in pairwise(result):
        assert before.end <= after.start + 1e-6
    assert result[-1].end <= 9.2 + 1e-6
    assert all(one.audio.duration * one.stretch == pytest.approx(1.6, abs=0.01) for one in result)
    rushed = [finding for finding in findings if finding.code == "rushed"]
    assert len(rushed) == 8
    assert all(finding.severity is Severity.WARNING and finding.value is not None for finding in rushed)


def test_a_line_with_nothing_to_say_keeps_its_place() -> None:
    nothing = SpokenSegment(
        TranslatedSegment(Segment(1, 4.0, 5.0, "♪"), "♪", "en", "firefox"), "", Audio(np.zeros(0, np.float32), HZ)
    )
    result, findings = placed([line(0, 1.0, 3.0, voice(2.0)), nothing, line(2, 6.0, 8.0, voice(2.0))], 10)
    assert [(one.start, one.end) for one in result] == [(1.0, 3.0), (4.0, 4.0), (6.0, 8.0)]
    assert findings == []


def test_a_line_far_from_its_source_is_told() -> None:
    lines = [line(0, 1.0, 2.0, voice(4.0)), line(1, 2.1, 3.0, voice(1.0))]
    _, findings = placed(lines, 20)
    late = {finding.segment: finding.value for finding in findings if finding.code == "off_onset"}
    assert late[1] is not None
    assert late[1] > 0.15


def test_lines_have_one_level_and_follow_the_original_half_way() -> None:
    """Voices of very different level; in the original the second line is 8 dB louder than the first."""
    time = np.arange(16000 * 10) / 16000
    tone = 0.05 * np.sin(2 * np.pi * 300 * time)
    tone[5 * 16000 :] *= 10 ** (8 / 20)
    original = Audio(tone.astype(np.float32), 16000)
    lines = [line(0, 1.0, 3.0, voice(2.0, 0.6)), line(1, 6.0, 8.0, voice(2.0, 0.02))]
    (first, second), _ = placed(lines, 10, original)
    one, two = loudness_lufs(first.audio), loudness_lufs(second.audio)
    assert one is not None
    assert two is not None
    assert two - one == pytest.approx(4.0, abs=0.3)


def test_edges_are_faded() -> None:
    (only,), _ = placed([line(0, 1.0, 3.0, voice(2.0))], 10)
    assert abs(only.audio.samples[0]) < 0.001
    assert abs(only.audio.samples[-1]) < 0.001


def test_no_lines() -> None:
    assert placed([], 5.0) == ([], [])
