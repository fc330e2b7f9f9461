import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vtlab import media
from vtlab.errors import InputError
from vtlab.events import Finding
from vtlab.settings import AudioExtractionSettings
from vtlab.stages.audio_extraction import decode_source_speech, extract

CASES = Path(__file__).parent.parent / "cases"
EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))


def extracted(path: Path, language: str | None = None, stream: int | None = None) -> tuple[int, dict[str, Finding]]:
    findings: list[Finding] = []
    made = extract(media.probe(path), AudioExtractionSettings(stream=stream), language, findings.append)
    assert made.duration_s == made.info.duration_s
    return made.stream.index, {finding.code: finding for finding in findings}


@pytest.mark.parametrize(
    ("language", "stream", "taken"), [(None, None, 1), ("es", None, 0), ("en", None, 1), ("en", 0, 0)]
)
def test_which_sound_is_dubbed(language: str | None, stream: int | None, taken: int) -> None:
    """Case two-languages."""
    index, findings = extracted(CASES / "two_languages.mkv", language, stream)
    assert index == taken
    assert f"number {taken} " in findings["stream_chosen"].message
    assert "srt" in findings["subtitles_left_out"].message


def test_one_sound_needs_no_words() -> None:
    assert extracted(CASES / "long_pause.mp4") == (0, {})


def test_a_stream_that_is_not_there() -> None:
    with pytest.raises(InputError, match="no audio stream number 5"):
        extracted(CASES / "two_languages.mkv", stream=5)


def made_speech(path: Path) -> tuple[np.ndarray, dict[str, Finding]]:
    findings: list[Finding] = []
    made = extract(media.probe(path), AudioExtractionSettings(), None, findings.append)
    audio = decode_source_speech(made, findings.append)
    assert audio.rate == 16000
    assert len(audio.samples) == round(made.duration_s * 16000)
    assert audio.samples.dtype == np.float32
    return audio.samples, {finding.code: finding for finding in findings}


@pytest.mark.parametrize(
    ("case", "file"),
    [
        ("delayed-audio", "delayed_audio.mp4"),
        ("delayed-audio", "delayed_audio.mkv"),
        ("out-of-phase", "out_of_phase.mp4"),
        ("timecode-track", "timecode_track.mov"),
        ("odd-size", "odd_size.webm"),
        ("long-pause", "long_pause.mp4"),
    ],
)
def test_speech_is_on_the_clock_of_the_picture(case: str, file: str) -> None:
    samples, _ = made_speech(CASES / file)
    lines = EXPECTED[case]["lines"]
    loud = np.flatnonzero(np.abs(samples) > 0.02) / 16000
    assert loud[0] == pytest.approx(lines[0]["start"], abs=0.03)
    assert loud[-1] == pytest.approx(lines[-1]["end"], abs=0.03)


def tone(folder: Path, effect: str) -> Path:
    path = folder / "tone.flac"
    command = [media.ffmpeg_binary(), "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i",
               "sine=f=440:r=16000:d=2", "-af", effect, str(path)]  # fmt: skip
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize(
    ("effect", "code", "value"),
    [
        ("volume=0", "quiet", None),
        ("volume=-40dB", "quiet", pytest.approx(-58.06, abs=0.3)),
        ("volume=40dB", "clipped", pytest.approx(0.95, abs=0.05)),
        ("volume='if(lt(t,0.5),0,1)':eval=frame", "silence_share", pytest.approx(0.25, abs=0.05)),
    ],
)
def test_checks(tmp_path: Path, effect: str, code: str, value: float | None) -> None:
    _, findings = made_speech(tone(tmp_path, effect))
    assert findings[code].value == value


def test_damage_is_a_finding(tmp_path: Path) -> None:
    plain = CASES / "delayed_audio.mkv"
    command = [media.ffmpeg_binary(), "-nostdin", "-loglevel", "error", "-y", "-i", str(plain), "-c", "copy", "-bsf:a",
               "noise=amount='between(n,60,62)'", str(tmp_path / "damaged.mkv")]  # fmt: skip
    subprocess.run(command, check=True)
    _, findings = made_speech(tmp_path / "damaged.mkv")
    assert 1 <= (findings["damaged"].value or 0) <= 3
