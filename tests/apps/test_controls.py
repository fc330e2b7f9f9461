from __future__ import annotations

from typing import Any

import pytest

from vtlab.apps.controls import _describe_range, apply_controls, make_controls
from vtlab.errors import SettingsError
from vtlab.events import STAGES
from vtlab.settings import Settings, settings_from_dict

OTHER = {
    "initialization": {"threads": 2, "memory_budget_mb": 4000},
    "transcription": {
        "options": {"faster_whisper": {"model": "tiny.en", "beam_size": 3}},
        "voice_activity": {"threshold": 0.4},
        "max_segment_s": 9,
    },
    "translation": {"engines": ["opus_mt", "firefox"], "glossary": "terms.yaml", "pivot": None},
    "tts": {"voice": "pf_dora", "voice_gender": "female", "speakers": {"ana": "pf_dora"}},
    "video_combination": {"background": "none", "burn_subtitles": True},
}


@pytest.mark.parametrize("data", [{}, OTHER], ids=["default", "other"])
def test_controls_hold_the_settings_they_were_made_of(data: dict[str, Any]) -> None:
    settings = settings_from_dict(data)
    values = {stage: make_controls(stage, getattr(settings, stage)).value for stage in STAGES}
    assert apply_controls(Settings(), values) == settings


def test_a_control_has_the_bounds_and_choices_of_its_setting() -> None:
    controls = make_controls("audio_sync", Settings().audio_sync).elements
    assert (controls["loudness_lufs"].start, controls["loudness_lufs"].stop) == (-40, -10)
    assert controls["keep_speech_track"].value is False
    assert list(make_controls("video_combination", Settings().video_combination).elements["background"].options) == [
        "duck",
        "none",
    ]
    assert "reference" in make_controls("transcription", Settings().transcription).elements["engine"].options


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("tts", {"engines": "[piper"}, "'tts.engines'"),
        ("tts", {"engines": ""}, "'tts.engines'"),
        ("translation", {"candidates": 0}, "'translation.candidates'"),
        ("transcription", {"voice_activity": {"threshold": 2}}, "'transcription.voice_activity.threshold'"),
        ("transcription", {"options": {"faster_whisper": {"beam_size": 0}}}, r"options\.faster_whisper\.beam_size'"),
    ],
)
def test_what_is_wrong_is_named(section: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        apply_controls(Settings(), {section: values})


def test_engines_have_their_own_options() -> None:
    section = settings_from_dict({"tts": {"options": {"piper": {"noise_scale": 0.0}}}}).tts
    piper = make_controls("tts", section).elements["options"].elements["piper"]
    assert {"voices", "noise_scale"} <= set(piper.elements)
    base = settings_from_dict({"tts": {"options": {"piper": {"noise_scale": 0.0}}}})
    turned = apply_controls(base, {"tts": {"options": {"piper": {"noise_w_scale": 0.5}, "espeak": {}}}})
    # what was said stays said, what nobody touched stays unsaid
    assert turned.tts.options == {"piper": {"noise_scale": 0.0, "noise_w_scale": 0.5}}


@pytest.mark.parametrize(
    ("section", "setting", "said"),
    [("audio_sync", "loudness_lufs", "from -40 to -10"), ("audio_sync", "gap_s", "from 0"), ("tts", "voice", "")],
)
def test_ranges_are_told(section: str, setting: str, said: str) -> None:
    assert _describe_range(type(getattr(Settings(), section)).model_fields[setting]) == said


def test_text_is_read_as_yaml() -> None:
    made = apply_controls(Settings(), {"tts": {"engines": "kokoro, espeak", "speakers": "{ana: pf_dora}"}})
    assert made.tts.speakers == {"ana": "pf_dora"}
    assert made.tts.engines == ("kokoro", "espeak")
