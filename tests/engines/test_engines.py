"""Engines by name, by dotted path, and by the entry points of packages that are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from dubbing import PEOPLE, Dubbing

from vtlab.doctor import engine_reports, explain_settings
from vtlab.engines import KINDS, check_engines, engine_class, engine_options, list_options, table
from vtlab.engines.pool import EnginePool
from vtlab.engines.tts import TtsEngine
from vtlab.errors import EngineError, SettingsError
from vtlab.settings import Settings, settings_from_dict

MODULE = '''
import numpy as np

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.tts import Voice
from vtlab.settings import Section


class ToneOptions(Section):
    pitch_hz: float = 220.0


class Tone:
    """A voice that hums each letter, and knows nothing of vtlab's base classes."""

    Options = ToneOptions
    licence = "MIT"
    rates = (0.5, 2.0)
    seconds_per_unit = 0.06

    @classmethod
    def status(cls, options):
        return Status(True, ("en",))

    @classmethod
    def voices(cls, options, language):
        return (Voice("hum", language, "neutral"),) if language == "en" else ()

    @classmethod
    def weights(cls, options, voice):
        return ()

    def __init__(self, options, threads):
        self.pitch_hz = options.pitch_hz

    def units(self, text, voice):
        return float(len(text))

    def speak(self, text, voice, rate):
        times = np.arange(round(0.06 * len(text) / rate * 16000)) / 16000
        return Audio(0.3 * np.sin(2 * np.pi * self.pitch_hz * times).astype(np.float32), 16000)


class Mute:
    Options = ToneOptions
    licence = "MIT"
'''
ENTRY_POINTS = """[vtlab.engines.tts]
tone = tonelab.voice:Tone
broken = tonelab.nothing:Voice
piper = tonelab.voice:Tone
"""


@pytest.fixture
def tonelab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that announces engines, as pip leaves it."""
    (tmp_path / "tonelab").mkdir()
    (tmp_path / "tonelab" / "__init__.py").touch()
    (tmp_path / "tonelab" / "voice.py").write_text(MODULE)
    installed = tmp_path / "tonelab-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tonelab\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("tonelab", "tonelab.voice"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.usefixtures("tonelab")
def test_an_installed_package_gives_its_engine_a_short_name() -> None:
    assert table("tts")["tone"] == "tonelab.voice:Tone"
    assert table("tts")["piper"] == "vtlab.engines.tts.piper:Piper"  # vtlab's own names stay
    assert "tone" not in table("translation")
    reports = {report.name: report for report in engine_reports(Settings()) if report.kind == "tts"}
    assert reports["tone"].ready
    assert [option.key for option in reports["tone"].options] == ["tts.options.tone.pitch_hz"]
    assert not reports["broken"].ready
    assert "there is no module 'tonelab.nothing'" in str(reports["broken"].problem)


@pytest.mark.usefixtures("tonelab")
@pytest.mark.parametrize("name", ["tone", "tonelab.voice:Tone"])
def test_its_options_are_validated_under_every_name_it_has(name: str) -> None:
    assert engine_options("tts", name, {name: {"pitch_hz": 440}}).model_dump() == {"pitch_hz": 440.0}
    for options, said in (
        ({"pitch": 440}, "pitch'. Did you mean 'pitch_hz'?"),
        ({"pitch_hz": "high"}, "valid number"),
        ({"pitch_hz": float("nan")}, "finite number"),
    ):
        settings = settings_from_dict({"tts": {"options": {name: options}}})  # not even used
        with pytest.raises(SettingsError) as raised:
            check_engines(settings)
        assert said in str(raised.value)
        assert f"tts.options.{name}" in str(raised.value)


@pytest.mark.usefixtures("tonelab")
def test_a_dub_by_an_announced_engine(pool: EnginePool, tmp_path: Path) -> None:
    dubbing = Dubbing(tmp_path / "store", tmp_path / "out", pool, PEOPLE / "fox_pt.flac", ("pt", "en"))
    made = dubbing.run(tts={"engines": ["tone"], "options": {"tone": {"pitch_hz": 330}}})
    assert {(line.engine, line.voice) for line in made.record.segments} == {("tone", "hum")}
    (run,) = [run for run in made.record.engines if run.stage == "tts"]
    assert run.options == {"pitch_hz": 330.0}
    assert made.record.completeness == 1


@pytest.mark.usefixtures("tonelab")
def test_an_engine_is_given_the_optional_members_it_lacks_and_told_the_others() -> None:
    tone = engine_class("tts", "tone")
    assert (tone.network, tone.parallel, tone.max_chars) == (TtsEngine.network, TtsEngine.parallel, TtsEngine.max_chars)
    assert tone.find_voice("hum", "en") is None
    with pytest.raises(EngineError, match="lacks rates, seconds_per_unit, speak, status, units, voices, weights: see"):
        engine_class("tts", "tonelab.voice:Mute")


def test_every_engine_of_vtlab_explains_its_options() -> None:
    for kind in KINDS:
        for name in table(kind):
            assert [option.key for option in list_options(kind, name, {}) if not option.description] == []


def test_engines_are_found_by_name_in_every_kind_and_by_path() -> None:
    assert [report.kind for report in engine_reports(Settings(), "reference")] == ["transcription", "translation"]
    (espeak,) = engine_reports(Settings(), "vtlab.engines.tts.espeak:Espeak")
    assert espeak.kind == "tts"
    assert "tts.options.vtlab.engines.tts.espeak:Espeak.wpm" in [option.key for option in espeak.options]
    with pytest.raises(EngineError, match=r"no engine 'peper'\. Did you mean 'piper'"):
        engine_reports(Settings(), "peper")


def test_settings_are_explained_with_the_options_of_engines() -> None:
    settings = settings_from_dict({"tts": {"options": {"espeak": {"wpm": 170}}}})
    rows = {setting.key: setting for setting in explain_settings(settings)}
    wpm = rows["tts.options.espeak.wpm"]
    assert (wpm.value, wpm.default, wpm.type) == (170, 165, "whole number, >= 100, <= 225")
    assert "transcription.voice_activity.options" in rows
    keys = list(rows)
    assert keys.index("tts.options") < keys.index("tts.options.piper.voices") < keys.index("tts.voice")


@pytest.mark.parametrize(
    ("sections", "error", "said"),
    [
        ({"tts": {"options": {"pipr": {}}}}, EngineError, "Unknown tts engine 'pipr'. Did you mean 'piper'?"),
        ({"tts": {"engines": ["piper", "espaek"]}}, EngineError, "Did you mean 'espeak'?"),
        ({"translation": {"engines": ["firefox", "opus"]}}, EngineError, "Did you mean 'opus_mt'?"),
        ({"translation": {"options": {"nllb": {"modle": "x"}}}}, SettingsError, "Did you mean 'model'?"),
        (
            {"transcription": {"voice_activity": {"options": {"silero": {"x": 1}}}}},
            SettingsError,
            "'transcription.voice_activity.options.silero.x'",
        ),
        ({"tts": {"options": {"vtlab.engines.tts.edge:Edge": {"proxi": "x"}}}}, SettingsError, "Did you mean 'proxy'?"),
        ({"tts": {"options": {"nobody.knows:It": {}}}}, EngineError, "no module 'nobody.knows'"),
    ],
)
def test_mistakes_are_told_before_any_work(
    sections: dict[str, dict[str, object]], error: type[Exception], said: str, pool: EnginePool, tmp_path: Path
) -> None:
    dubbing = Dubbing(tmp_path / "store", tmp_path / "out", pool, tmp_path / "not even a video", ("pt", "en"))
    with pytest.raises(error) as raised:
        dubbing.run(**sections)
    assert said in str(raised.value)
