"""Sound that is written."""

import resource
from pathlib import Path

import numpy as np
import pytest

from vtlab import media
from vtlab.errors import Cancelled, ResourceError


@pytest.mark.parametrize(("rate", "made_at"), [(8000, 8000), (37800, 44100), (44100, 44100), (192000, 96000)])
def test_aac_rate(rate: int, made_at: int) -> None:
    assert media.aac_rate(rate) == made_at


def test_aac_is_as_long_as_what_went_in_and_starts_with_it(tmp_path: Path) -> None:
    samples = np.zeros((60_001, 2), np.float32)
    samples[30_000:30_050, 1] = 0.5
    media.write_aac([samples[:17_000], samples[17_000:]], 44100, 2, 128, tmp_path / "a.m4a")
    info = media.probe(tmp_path / "a.m4a")
    assert info.duration_s == pytest.approx(60_001 / 44100, abs=0.001)
    sound = np.concatenate(list(media.decode_blocks(info.path, info.audio[0], 44100, 2, info.duration_s)))
    assert np.flatnonzero(np.abs(sound[:, 1]) > 0.2)[0] == pytest.approx(30_000, abs=10)
    assert np.abs(sound[:, 0]).max() < 0.1


def test_flac_is_exact(tmp_path: Path) -> None:
    samples = (np.arange(-32768, 32768, 3) / 32767).clip(-1, 1).astype(np.float32)
    media.write_flac([samples[:999], samples[999:]], 8000, tmp_path / "a.flac")
    info = media.probe(tmp_path / "a.flac")
    sound = np.concatenate(list(media.decode_blocks(info.path, info.audio[0], 8000, 1, info.duration_s)))[:, 0]
    assert len(sound) == len(samples)
    assert np.abs(sound - samples).max() < 1e-4


def test_a_full_disk_is_said_and_nothing_half_written_stays(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk."""
    noise = np.random.default_rng(1).uniform(-1, 1, (480_000, 2)).astype(np.float32)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(ResourceError, match="full"):
            media.write_aac([noise], 48000, 2, 320, tmp_path / "sound.m4a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    def blocks():  # type: ignore[no-untyped-def]
        yield np.zeros((5000, 1), np.float32)
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        media.write_aac(blocks(), 44100, 1, 64, tmp_path / "a.m4a")
    assert list(tmp_path.iterdir()) == []
