"""Sound on the picture's clock."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_files import CASES, TONE, ffmpeg, heard

from vtlab import media
from vtlab.errors import InputError


def test_a_little_damage_is_silent_and_counted(made: Callable[[str], Path], tmp_path: Path) -> None:
    ffmpeg("-i", made("plain.mkv"), "-c", "copy", "-bsf:a", "noise=amount='between(n,60,62)'", tmp_path / "little.mkv")
    info = media.probe(tmp_path / "little.mkv")
    damaged: list[int] = []
    speech = media.decode_speech(info.path, info.audio[0], info.duration_s, damaged.append)
    assert len(damaged) == 1
    assert 1 <= damaged[0] <= 3
    assert np.abs(speech.samples[24000:32000]).max() > 0.1  # what follows is heard, in its place
    assert len(speech.samples) == round(info.duration_s * 16000)


def test_much_damage_is_refused(made: Callable[[str], Path], tmp_path: Path) -> None:
    ffmpeg("-i", made("plain.mkv"), "-c", "copy", "-bsf:a", "noise=amount='gt(n,30)'", tmp_path / "much.mkv")
    info = media.probe(tmp_path / "much.mkv")
    with pytest.raises(InputError, match="damaged") as raised:
        media.decode_speech(info.path, info.audio[0], info.duration_s)
    assert raised.value.code == "E_UNREADABLE"


@pytest.mark.parametrize("name", ["delayed_audio.mp4", "delayed_audio.mkv"])
def test_sound_that_starts_late_keeps_its_place(name: str) -> None:
    """Case delayed-audio."""
    info = media.probe(CASES / name)
    assert info.duration_s == pytest.approx(9.7, abs=0.1)
    assert info.audio[0].start_s == pytest.approx(2.5, abs=0.03)
    first, last = heard(CASES / name)
    assert first == pytest.approx(2.9, abs=0.02)
    assert last == pytest.approx(8.891, abs=0.03)
    blocks = list(media.decode_blocks(info.path, info.audio[0], 44100, 1, info.duration_s))
    sound = np.concatenate(blocks)[:, 0]
    assert len(sound) == round(info.duration_s * 44100)
    assert np.flatnonzero(np.abs(sound) > 0.02)[0] / 44100 == pytest.approx(2.9, abs=0.02)


def test_the_clock_of_a_transport_stream(made: Callable[[str], Path], tmp_path: Path) -> None:
    """It starts at 1.4 s; sound that starts two seconds after the picture still does."""
    plain = made("plain.mp4")
    ffmpeg(
        "-itsoffset", "2", "-i", plain, "-i", plain, "-map", "1:v", "-map", "0:a", "-c", "copy", tmp_path / "late.ts"
    )
    assert heard(tmp_path / "late.ts")[0] == pytest.approx(2.0, abs=0.03)


def test_holes_stay_holes(tmp_path: Path, made: Callable[[str], Path]) -> None:
    path = tmp_path / "hole.mkv"
    ffmpeg("-i", made("plain.mkv"), "-bsf:a", "noise=drop='between(pts*tb,1,2)'", "-c", "copy", path)
    info = media.probe(path)
    for samples, rate in (
        (media.decode_speech(path, info.audio[0], info.duration_s).samples, 16000),
        (np.concatenate(list(media.decode_blocks(path, info.audio[0], 48000, 1, info.duration_s, 0.7)))[:, 0], 48000),
    ):
        assert np.abs(samples[round(1.1 * rate) : round(1.95 * rate)]).max() < 1e-3
        assert np.abs(samples[round(2.1 * rate) : round(2.2 * rate)]).max() > 0.1
        assert np.flatnonzero(np.abs(samples) > 0.02)[-1] / rate == pytest.approx(4.0, abs=0.03)


def test_channels_that_cancel_are_heard() -> None:
    """Case out-of-phase."""
    levels = []
    for name in ("out_of_phase.mp4", "out_of_phase_mono.mp4"):
        info = media.probe(CASES / name)
        samples = media.decode_speech(info.path, info.audio[0], info.duration_s).samples
        levels.append(float(np.sqrt(np.mean(samples**2))))
    assert levels[0] == pytest.approx(levels[1], rel=0.05)


def test_the_centre_of_surround_sound_leads(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=f=440:r=48000:d=2,pan=5.1|FC=c0", tmp_path / "centre.flac")
    info = media.probe(tmp_path / "centre.flac")
    assert info.audio[0].channels == 6
    samples = media.decode_speech(info.path, info.audio[0], info.duration_s).samples
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.125 / np.sqrt(2), rel=0.02)  # as loud as it was
    (block,) = media.decode_blocks(info.path, info.audio[0], 48000, 2, info.duration_s)
    assert block.shape == (96000, 2)
    assert np.abs(block).max() > 0.05


def test_one_part_out_of_phase_among_others_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "interview.wav"
    ffmpeg(
        "-f", "lavfi", "-i", "aevalsrc=sin(2764*t)|if(between(t\\,4\\,8)\\,-0.98\\,1)*sin(2764*t):s=16000:d=12", path
    )
    info = media.probe(path)
    samples = media.decode_speech(path, info.audio[0], info.duration_s).samples
    assert np.abs(samples).reshape(24, -1).max(axis=1).min() > 0.9


@pytest.mark.parametrize("loud", ["FL", "FC", "BR"])
def test_speech_in_any_channel_of_six_is_heard_and_none_clips(tmp_path: Path, loud: str) -> None:
    channels = "|".join(f"{name}={7.9 if name == loud else 0.01}*c0" for name in ("FL", "FR", "FC", "LFE", "BL", "BR"))
    ffmpeg(*TONE, "-af", f"pan=5.1|{channels}", tmp_path / "surround.flac")
    info = media.probe(tmp_path / "surround.flac")
    samples = media.decode_speech(info.path, info.audio[0], info.duration_s).samples
    assert np.abs(samples).max() <= 1.0
    if loud != "BR":  # what comes from behind beside a silent front is no dialogue
        assert np.sqrt(np.mean(samples**2)) > 0.3


@pytest.mark.parametrize("rate", [8000, 11025, 96000, 192000])
def test_rates(tmp_path: Path, rate: int) -> None:
    ffmpeg("-f", "lavfi", "-i", f"sine=f=440:r={rate}:d=1.5", tmp_path / "a.flac")
    info = media.probe(tmp_path / "a.flac")
    assert info.audio[0].rate == rate
    samples = media.decode_speech(info.path, info.audio[0], info.duration_s).samples
    assert len(samples) == pytest.approx(24000, abs=2)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) / 1.5 == pytest.approx(440, abs=1)


def test_blocks_are_the_same_sound_whatever_their_size(made: Callable[[str], Path]) -> None:
    info = media.probe(made("plain.avi"))
    whole = np.concatenate(list(media.decode_blocks(info.path, info.audio[0], 22050, 2, info.duration_s, 100)))
    parts = list(media.decode_blocks(info.path, info.audio[0], 22050, 2, info.duration_s, 0.313))
    assert {len(part) for part in parts[:-1]} == {round(0.313 * 22050)}
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == round(info.duration_s * 22050)
