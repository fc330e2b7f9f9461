import json

import pytest

from vtlab.metrics.cost import costs
from vtlab.record import Record


def record(seconds: float, *stages: tuple[str, float, float]) -> Record:
    data = {
        "vtlab": "0", "created": "", "source_language": "pt", "target_language": "en", "settings": {},
        "source": {"file": "a", "sha256": "", "seconds": seconds, "container": "mp4", "video": None, "audio_stream": 0,
                   "audio_streams": 1, "language": "pt", "language_confidence": None},
        "fingerprint": "", "engines": [], "segments": [], "speech": [], "findings": [],
        "stages": [{"stage": stage, "seconds": wall, "cpu_s": cpu, "load_s": 0.5, "reused": 2, "computed": 1,
                    "from_store": False} for stage, wall, cpu in stages],
        "loudness_lufs": None, "true_peak_dbtp": None, "completeness": 1.0, "degraded": False, "wall_s": 12.0,
        "first_line_s": 3.5, "peak_rss_mb": 700.0, "outputs": [],
    }  # fmt: skip
    return Record.model_validate_json(json.dumps(data))


def test_costs_of_a_record() -> None:
    found = costs(
        record(
            48.0,
            ("audio_extraction", 1.0, 1.5),
            ("transcription", 4.0, 7.0),
            ("translation", 5.0, 8.0),
            ("tts", 9.0, 15.0),
        )
    )
    assert found["time_to_preview_s"] == 3.5
    assert found["wall_s"] == 12 and found["rtf"] == pytest.approx(0.25) and found["peak_rss_mb"] == 700
    assert found["stage_tts_s"] == 9 and found["stage_audio_extraction_s"] == 1
    assert found["cpu_s"] == pytest.approx(1.5 + 15)  # three stages run side by side; each has all of it
    assert found["model_load_s"] == 2 and found["cache_hits"] == 8
    assert "stage_audio_sync_s" not in found


def test_a_record_of_no_length_has_no_real_time_factor() -> None:
    assert "rtf" not in costs(record(0.0))
