from __future__ import annotations

from pathlib import Path

import pytest
from dubbing import Dubbing

from vtlab import media
from vtlab.apps import player
from vtlab.metrics.subtitles import read_subtitles
from vtlab.outputs import Dub


def test_a_long_dub_is_shown_in_parts(
    sentences: tuple[Dubbing, Dub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dub = sentences[1]
    video, subtitles = dub.video, dub.webvtt["en"]
    assert player.count_parts(video) == 1
    monkeypatch.setattr(player, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(player, "PART_S", 10.0)
    assert player.count_parts(video) == 3
    piece, cues = player._cut_part(video, subtitles, 1, tmp_path)
    assert media.probe(piece).duration_s == pytest.approx(10.0, abs=0.3)
    assert cues is not None
    whole = [cue for cue in read_subtitles(subtitles) if cue.end > 10.0 and cue.start < 20.0]
    assert [cue.text for cue in read_subtitles(cues)] == [cue.text for cue in whole]
    assert read_subtitles(cues)[-1].start == pytest.approx(whole[-1].start - 10.0, abs=0.01)
    made = player.show_part(video, subtitles, "en", 2)
    shown: player.Player = made.widget  # type: ignore[attr-defined]  # marimo hands on a widget's own attributes
    assert (shown.kind, shown.language) == ("video", "en")
    assert shown.subtitles.startswith("data:text/vtt;base64,")
    other = tmp_path / "dub.mkv"
    other.write_bytes(bytes(2000))
    assert player.count_parts(other) == 1
    assert "open it in a video player" in player.show_part(other, None, "en").text
