from __future__ import annotations

import pytest

from vtlab.engines.choice import choose_listeners
from vtlab.errors import EngineError, SettingsError, WeightsError
from vtlab.settings import settings_from_dict


def test_listeners_come_with_their_weights_and_nothing_loaded() -> None:
    activity, recogniser = choose_listeners(settings_from_dict({}))
    assert (activity.name, recogniser.name) == ("silero", "faster_whisper")
    for choice in (activity, recogniser):
        assert all(len(weights.sha256) == 64 and weights.path.exists() for weights in choice.weights)


@pytest.mark.parametrize(
    ("section", "error", "said"),
    [
        ({"engine": "fasterwhisper"}, EngineError, "Did you mean 'faster_whisper'"),
        ({"engine": "nobody.here:Engine"}, EngineError, "no module 'nobody.here'"),
        ({"options": {"faster_whisper": {"beam": 5}}}, SettingsError, "Did you mean 'beam_size'"),
        ({"options": {"faster_whisper": {"model": "large-v3"}}}, WeightsError, "large-v3"),
    ],
)
def test_what_is_not_here_is_told(section: dict[str, object], error: type[Exception], said: str) -> None:
    settings = settings_from_dict({"initialization": {"offline": True}, "transcription": section})
    with pytest.raises(error, match=said):
        choose_listeners(settings)
