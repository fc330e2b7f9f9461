import pytest
from evaluation.made_up import measurement

from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.registry import choose_headlines


@pytest.fixture(scope="module")
def made() -> Measurement:
    found = measurement(1, segments=12)
    return found.model_copy(update={"absent": {"suber": "needs subtitles", "srt_valid": "needs subtitles"}})


def test_a_metric_of_a_measurement(made: Measurement) -> None:
    wer = made["wer"]
    assert wer.value == made.values["wer"] and wer.unit == "1" and wer.target is None and wer.verdict is None
    assert wer.why_absent is None and (wer.signature or "").startswith("jiwer:")
    assert wer.interval is not None and wer.interval[0] < (wer.value or 0) < wer.interval[1]
    assert made["speed_max"].interval is None  # an extreme
    assert made["speed_max"].target == (None, 1.3)
    assert made["speed_max"].verdict == ((made["speed_max"].value or 0) <= 1.3)
    assert made["suber"].value is None and made["suber"].why_absent == "needs subtitles"
    assert made["peak_rss_mb"].why_absent == "it was not asked for"


def test_a_row_for_each_metric(made: Measurement) -> None:
    frame = made.to_frame()
    assert list(frame.index)[:5] == choose_headlines(made.values)[:5]
    assert set(frame.index) == {*made.values, *made.absent}
    assert frame.loc["wer", "value"] == made.values["wer"]
    assert (frame.loc["wer", "low"], frame.loc["wer", "high"]) == made["wer"].interval
    assert frame.loc["suber", "why_absent"] == "needs subtitles"
    assert frame.loc["completeness", "target"] == "≥ 1"


def test_a_row_for_each_segment(made: Measurement) -> None:
    lines = made.lines()
    assert len(lines) == 12
    first, row = lines.iloc[0], made.segments[0]
    assert (first["start"], first["text"], first["recognised"]) == (row.start, row.text, row.recognised)
    assert first["speed"] == made.dub_segments[0].speed and first["spoken"] == made.dub_segments[0].text
    assert lines["wer"].between(0, 2).all() and lines["wer"].mean() == pytest.approx(made.values["wer"], abs=0.1)
    heard = lines["onset_ms"].dropna()
    assert heard.mean() == pytest.approx(made.values["sync_onset_ms"])


def test_a_notebook_shows_a_table_by_subject(made: Measurement) -> None:
    page = made._repr_html_()
    assert page.index(">text<") < page.index(">sync<") < page.index(">cost<")
    assert "≥ 0.97" in page and "word errors" in page
    assert "srt_valid: needs subtitles" in page or "suber, srt_valid: needs subtitles" in page


def test_json_of_before_is_read(made: Measurement) -> None:
    text = made.model_dump_json()
    assert '"lines":[' in text and '"dub_segments"' not in text
    assert Measurement.model_validate_json(text) == made


def test_a_measurement_of_before_compares_with_one_of_today(made: Measurement) -> None:
    today = {**made.signatures, "tts_wer": "jiwer:4|lines:12|recogniser:whisper-base.0a|beam:5"}
    now = made.model_copy(update={"signatures": today})
    before = now.model_dump_json().replace("|recogniser:", "|ear:")
    assert before != now.model_dump_json() and Measurement.model_validate_json(before) == now
    signature = aggregate([now, Measurement.model_validate_json(before)]).signatures["tts_wer"]
    assert signature.endswith("|recogniser:whisper-base.0a|beam:5") and "/" not in signature
