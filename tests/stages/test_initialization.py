from __future__ import annotations

from pathlib import Path

import pytest

from vtlab.errors import LanguageError, ResourceError, SettingsError
from vtlab.settings import settings_from_dict
from vtlab.stages.initialization import check_pair, check_room, target_language


def test_target_language() -> None:
    assert target_language(settings_from_dict({"source_language": "pt", "target_language": "en"})) == "en"
    with pytest.raises(SettingsError, match="--to"):
        target_language(settings_from_dict({}))
    with pytest.raises(LanguageError, match=r"in English already \(en\)"):
        target_language(settings_from_dict({"source_language": "en", "target_language": "en"}))
    check_pair(None, "en")


def test_room_for_the_result_and_the_store(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"0" * 1000)
    check_room(video, 60, tmp_path / "not yet" / "there", tmp_path)
    with pytest.raises(ResourceError, match="MB are needed"):
        check_room(video, 1e9, tmp_path, tmp_path)
    with pytest.raises(ResourceError, match=r"a\.mp4 is a file"):
        check_room(video, 60, video / "out", tmp_path)
