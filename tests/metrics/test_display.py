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
