"""Files as the world makes them: cut, damaged, odd, pointing elsewhere; made here by ffmpeg, small."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from vtlab import media
from vtlab.errors import InputError

CASES = Path(__file__).parent / "cases"
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=4")
TONE = ("-f", "lavfi", "-i", "sine=f=440:r=48000:d=4")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
MPEG4 = ("-c:v", "mpeg4", "-c:a", "libmp3lame")
FORMATS: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*PICTURE, *TONE, *H264),
    "front.mp4": (*PICTURE, *TONE, *H264, "-movflags", "+faststart"),
    "fragments.mp4": (*PICTURE, *TONE, *H264, "-movflags", "+frag_keyframe+empty_moov"),
    "plain.mkv": (*PICTURE, *TONE, *H264),
    "later.mkv": (*PICTURE, *TONE, *H264, "-output_ts_offset", "3"),
    "plain.webm": (*PICTURE, *TONE, *VP8),
    "plain.avi": (*PICTURE, *TONE, *MPEG4),
    "plain.flv": (*PICTURE, *TONE, "-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "44100"),
    "plain.ts": (*PICTURE, *TONE, *H264),
    "plain.wav": TONE,
    "plain.flac": TONE,
    "plain.mp3": (*TONE, "-c:a", "libmp3lame"),
}


def ffmpeg(*arguments: str | Path) -> None:
    command = [media.ffmpeg_binary(), "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as raised:
        media.probe(path)
    assert str(path) in str(raised.value)
    return raised.value


def heard(path: Path, threshold: float = 0.02) -> tuple[float, float]:
    """Where the first and the last sound is, seconds."""
    info = media.probe(path)
    samples = media.decode_speech(path, info.audio[0], info.duration_s).samples
    assert len(samples) == round(info.duration_s * 16000)
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return loud[0] / 16000, loud[-1] / 16000
