from pathlib import Path

import pytest

from vtlab.metrics.display import (
    ABSENT,
    format_interval,
    format_target,
    format_unit,
    format_value,
    format_verdict,
)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("wer", 0.0, "0.000"),
        ("wer", 0.123456, "0.123"),
        ("wer", 0.0001, "0.0001"),  # not 0
        ("sync_onset_ms", 12.4, "12"),
        ("sync_onset_ms", -0.0, "0"),
        ("peak_rss_mb", 1234.5, "1234"),
        ("voice_mos", 3.456, "3.46"),
        ("loss_tts_bleu", 12.34, "12.3"),  # a loss is in points of BLEU
        ("wer", None, ABSENT),
    ],
)
def test_values_have_the_decimals_of_their_unit(name: str, value: float | None, text: str) -> None:
    assert format_value(name, value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.01235"), (12.3456, "12.35"), (-123456.0, "-123456"), (0.0, "0"), (1e9, "1000000000")],
)
def test_a_value_in_an_unknown_unit_keeps_its_digits(
    value: float, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = 'SumMetric("tempo", "beats/s", "higher", "tempo", counts=lambda unit: None)'
    code = f"from vtlab.metrics.metric import SumMetric\nTEMPO = {metric}\n"
    (tmp_path / "strangers_tempo.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert format_value("strangers_tempo:TEMPO", value) == text


def test_intervals_targets_units_and_verdicts() -> None:
    assert format_value("bleu", 1.25, signed=True) == "+1.2"
    assert format_interval("bleu", -1.0, 2.0, signed=True) == "[-1.0, +2.0]"
    assert format_interval("bleu", None, 2.0) == ABSENT
    assert [format_target(name) for name in ("completeness", "speed_max", "loudness_lufs", "bleu")] == [
        "≥ 1", "≤ 1.3", "-25 … -21", ""
    ]  # fmt: skip
    assert [format_unit(name) for name in ("wer", "sync_onset_ms", "subtitle_cps_p95")] == ["", "ms", "characters/s"]
    assert [format_verdict("completeness", value) for value in (1.0, 0.9)] == ["met", "missed"]
    assert format_verdict("bleu", 30.0) == ""
