"""Previews: which lines, how long, and what is in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from live_sessions import CASES, box_order

from serve.worker.preview import EarlyPreview, cut_pieces, preview_span, render
from vtlab import media
from vtlab.audio import Audio
from vtlab.segments import Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import Settings, settings_from_dict

RATE = 22050
BURNED = settings_from_dict({"video_combination": {"burn_subtitles": True}})


def line(number: int, start: float, end: float, *, silent: bool = False) -> SpokenSegment:
    """A line that is a tone as long as its source."""
    source = Segment(number, start, end, f"Line {number}.")
    count = 0 if silent else round((end - start) * RATE)
    tone = np.sin(np.arange(count) * 2 * np.pi * 300 / RATE).astype(np.float32) * 0.3
    translated = TranslatedSegment(source, f"Linha {number}.", "pt", "test")
    return SpokenSegment(translated, f"Linha {number}.", Audio(tone, RATE), engine="test", voice="test")


@pytest.mark.parametrize(
    ("lines", "following", "span"),
    [
        ([], line(0, 1, 3), None),
        ([line(0, 1, 5)], line(1, 6, 8), None),  # too short yet
        ([line(0, 1, 5), line(1, 6, 11)], line(2, 12, 14), (0.0, 11.5)),
        ([line(0, 1, 5), line(1, 6, 11)], line(2, 11.05, 14), (0.0, 11)),  # not into the next line
        ([line(0, 40, 44), line(1, 45, 52)], line(2, 60, 62), (39.0, 52.5)),  # the speech comes late
        ([line(0, 1, 5), line(1, 6, 9)], line(2, 100, 102), None),  # … and goes on late: the silence is not shown
        ([line(0, 1, 20), line(1, 20, 50)], line(2, 50, 52), (0.0, 30.0)),  # endless lines are cut
        ([line(0, 1, 20, silent=True)], line(1, 30, 31), None),  # nothing to hear
    ],
)
def test_preview_ends_after_a_line(
    lines: list[SpokenSegment], following: SpokenSegment, span: tuple[float, float] | None
) -> None:
    assert preview_span(lines, following) == (None if span is None else pytest.approx(span))


@pytest.mark.parametrize(
    ("settings", "clip", "start", "end"),
    [
        (BURNED, "long_pause.mp4", 0.0, 10.5),
        (Settings(), "long_pause.mp4", 5.0, 16.0),
        (BURNED, "odd_size.webm", 0.0, 5.0),
        (BURNED, "sound.m4a", 0.0, 8.0),
    ],
)
def test_preview_plays_in_a_browser(settings: Settings, clip: str, start: float, end: float, tmp_path: Path) -> None:
    source = CASES / clip
    if clip == "sound.m4a":
        source = tmp_path / clip
        second = np.zeros((48000, 1), np.float32)
        media.write_aac([second] * 10, 48000, 1, 96, source)
    total = media.probe(source).duration_s
    lines = [line(0, start + 0.2, start + 2.0), line(1, start + 2.5, min(end, total) - 0.2)]
    made = render(source, settings, lines, start, end, tmp_path, lambda: None)
    info = media.probe(made)
    assert info.duration_s == pytest.approx(min(end, total) - start, abs=0.15)
    assert info.audio[0].codec == "aac"
    if clip == "sound.m4a":
        assert info.video is None
    else:
        assert info.video is not None
        assert (info.video.codec, info.video.pixel_format) == ("h264", "yuv420p")
        assert info.video.height <= media.PREVIEW_HEIGHT
    order = box_order(made)
    assert order.index("moov") < order.index("mdat")
    heard = media.decode_speech(made, info.audio[0], info.duration_s)
    at = round(0.5 * heard.rate)
    assert np.abs(heard.samples[at : at + heard.rate]).max() > 0.001


def test_preview_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    ready: list[Path] = []
    out = tmp_path / "out" / "x_early_preview.mp4"

    def preview(video: Path) -> EarlyPreview:
        return EarlyPreview(video, Settings(), out, tmp_path / "early", lambda: None, ready.append)

    broken = preview(tmp_path / "missing.mp4")
    with broken.join_at_exit():
        broken.add(line(0, 0.5, 5))
        broken.finish()
    assert broken.problem is not None
    assert "missing.mp4" in broken.problem
    assert ready == []
    assert not out.exists()

    made = preview(CASES / "long_pause.mp4")
    with made.join_at_exit():
        for spoken in (line(0, 0.5, 5), line(1, 6, 11), line(2, 20, 22)):
            made.add(spoken)
        made.finish()
    assert (made.problem, ready) == (None, [out])
    assert not (tmp_path / "early").exists()
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert media.probe(out).duration_s == pytest.approx(11.5, abs=0.15)

    again = preview(CASES / "long_pause.mp4")  # an earlier attempt has made it
    with again.join_at_exit():
        again.add(line(0, 0.5, 5))
        again.finish()
    assert ready == [out, out]  # who asks again is told of it again


def test_pieces_are_thirty_seconds_and_start_where_they_should(tmp_path: Path) -> None:
    names = cut_pieces(CASES / "late_speech.mp4", tmp_path / "previews", lambda: None)
    assert names == ["seg_001", "seg_002"]
    assert sorted(path.name for path in (tmp_path / "previews").iterdir()) == ["seg_001.mp4", "seg_002.mp4"]
    lengths = [media.probe(tmp_path / "previews" / f"{name}.mp4").duration_s for name in names]
    assert lengths == [pytest.approx(30.0, abs=1.1), pytest.approx(13.5, abs=1.1)]  # a picture a second
