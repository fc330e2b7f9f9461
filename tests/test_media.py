"""Files as the world makes them: cut, damaged, odd, pointing elsewhere; made here by ffmpeg, small."""

import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vtlab import media
from vtlab.errors import Cancelled, EngineError, InputError, ResourceError, VtlabError

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


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file of ``FORMATS`` by its name, made once."""
    folder = tmp_path_factory.mktemp("formats")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            ffmpeg(*FORMATS[name], path)
        return path

    return make


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


# ---------------------------------------------------------------- what is refused


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.mp4").code == "E_NO_FILE"
    assert refused(tmp_path).code == "E_NO_FILE"
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4").code == "E_EMPTY"
    (tmp_path / "text.mp4").write_text("Minutes of the meeting.\n" * 100)
    assert "text file" in str(refused(tmp_path / "text.mp4"))
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(50_000))
    assert refused(tmp_path / "noise.mp4").code == "E_UNREADABLE"
    (tmp_path / "zeros.mkv").write_bytes(bytes(50_000))
    assert refused(tmp_path / "zeros.mkv").code == "E_UNREADABLE"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(tmp_path / "pipe.mp4").code == "E_NO_FILE"  # and does not wait for a writer


@pytest.mark.parametrize("share", [0.4, 0.9, 0.98])
@pytest.mark.parametrize(
    "name",
    [name for name in FORMATS if name not in ("plain.ts", "later.mkv", "fragments.mp4")],
)
def test_a_file_that_is_cut_off_is_refused(
    made: Callable[[str], Path], tmp_path: Path, name: str, share: float
) -> None:
    if share == 0.98 and name in ("plain.flv", "plain.flac", "plain.mp3"):
        pytest.skip("these lose 0.1 s then, and have no sizes that would tell")
    data = made(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    assert refused(path).code == "E_UNREADABLE"


def test_sound_of_aiff_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    ffmpeg(*TONE, tmp_path / "whole.aiff")
    content = (tmp_path / "whole.aiff").read_bytes()
    (tmp_path / "cut.aiff").write_bytes(content[: len(content) // 2])
    assert refused(tmp_path / "cut.aiff").code == "E_UNREADABLE"


def test_no_sound_is_refused(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, "-c:v", "mpeg4", tmp_path / "mute.mp4")
    assert refused(tmp_path / "mute.mp4").code == "E_NO_AUDIO"


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.m3u8", "playlist_http.m3u8", "concat.mp4"])
def test_playlists_are_refused_and_nobody_is_called(name: str) -> None:
    """Case disguised-playlist."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 8123))
        server.listen()
        server.setblocking(False)
        assert refused(CASES / "disguised_playlist" / name).code == "E_PLAYLIST"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_a_playlist_points_at_opens_itself() -> None:
    assert media.probe(CASES / "disguised_playlist" / "neighbour.ts").duration_s > 4


def test_the_demuxer_of_playlists_is_shut_too(tmp_path: Path) -> None:
    """Where the first bytes do not betray one: a byte-order mark and a comment before it."""
    shutil.copy(CASES / "disguised_playlist" / "neighbour.ts", tmp_path)
    for text in ("\ufeff# list\nffconcat version 1.0\nfile neighbour.ts\n", "file neighbour.ts\n", "\0#EXTM3U\n"):
        (tmp_path / "odd.mp4").write_text(text)
        assert refused(tmp_path / "odd.mp4").code in ("E_PLAYLIST", "E_UNREADABLE")


def test_references_inside_mp4_are_not_followed(made: Callable[[str], Path], tmp_path: Path) -> None:
    """Sound that lies in another file by a data reference (ISO 14496-12, 8.7.2), which players may follow."""
    import av

    data = made("plain.mp4").read_bytes()
    (tmp_path / "other.mp4").write_bytes(data)
    at = data.index(b"mdat")
    size = int.from_bytes(data[at - 4 : at])
    emptied = data[: at + 4] + bytes(size - 8) + data[at - 4 + size :]
    path = tmp_path / "points.mp4"
    path.write_bytes(pointing_at("other.mp4", emptied))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        assert np.abs(next(container.decode(audio=0)).to_ndarray()).max() >= 0  # the reference is a good one
    info = media.probe(path)
    with pytest.raises(InputError, match="nothing that can be decoded"):
        media.decode_speech(path, info.audio[0], info.duration_s)


def pointing_at(name: str, mp4: bytes) -> bytes:
    """The MP4 with its last track's data in another file beside it, by an alias as QuickTime writes it."""
    record = name.encode()
    alias = bytes(14) + b"\4disk".ljust(28, b"\0") + bytes(12) + bytes([len(record)]) + record.ljust(63, b"\0")
    alias += bytes(16) + b"\0\1\0\1" + bytes(16)  # the levels from and to the folder that both are in
    alias += b"\0\2" + (len(record) + 1).to_bytes(2) + b"/" + record + bytes((len(record) + 1) % 2) + b"\xff\xff\0\0"
    entry = (8 + len(alias)).to_bytes(4) + b"alis" + alias
    own = b"\0\0\0\x0curl \0\0\0\1"
    at = mp4.rindex(own)
    data = bytearray(mp4)
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        box = data.rindex(parent, 0, at) - 4
        data[box : box + 4] = (int.from_bytes(data[box : box + 4]) + len(entry) - len(own)).to_bytes(4)
    return bytes(data[:at]) + entry + bytes(data[at + len(own) :])


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


# ---------------------------------------------------------------- what is opened


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats(made: Callable[[str], Path], name: str) -> None:
    path = made(name)
    info = media.probe(path)
    assert info.duration_s == pytest.approx(4.0, abs=0.06)
    assert info.audio[0].start_s == pytest.approx(0.0, abs=0.05)
    assert (info.video is None) == (path.suffix in (".wav", ".flac", ".mp3"))
    if info.video is not None:
        assert (info.video.width, info.video.height) == (64, 48)
        assert float(info.video.fps) == pytest.approx(25, abs=0.2)
        assert media.count_frames(path) == 100
    first, last = heard(path)
    assert first < 0.06
    assert last > 3.9


def test_subtitles_longer_than_the_film_do_not_make_it_cut_off(tmp_path: Path) -> None:
    late = tmp_path / "late.srt"
    late.write_text("1\n00:00:01,000 --> 00:00:02,000\nsoon\n\n2\n00:00:29,000 --> 00:00:30,000\nlate\n\n")
    for name, codec, seconds in (("a.mkv", "srt", 30), ("a.mp4", "mov_text", 4)):
        film = tmp_path / name
        ffmpeg(*PICTURE, *TONE, "-i", late, "-c:s", codec, film)
        assert media.probe(film).duration_s == pytest.approx(seconds, abs=0.1)


def test_length_of_streams_without_a_header_is_counted(tmp_path: Path) -> None:
    """Their bit rate says nothing: the first half here is silence, which takes few bytes."""
    path = tmp_path / "sound.aac"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=if(lt(t\\,6)\\,0\\,random(0)-0.5):s=44100:d=12", "-c:a", "aac", path)
    assert media.probe(path).duration_s == pytest.approx(12, abs=0.05)


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac"])
def test_a_cover_picture_is_no_video(tmp_path: Path, suffix: str) -> None:
    ffmpeg(*PICTURE, "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg(*TONE, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v",
           "attached_pic", tmp_path / f"song.{suffix}")  # fmt: skip
    info = media.probe(tmp_path / f"song.{suffix}")
    assert info.video is None
    assert media.count_frames(info.path) == 0
    assert info.duration_s == pytest.approx(4.0, abs=0.06)


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


@pytest.mark.parametrize(("rate", "made_at"), [(8000, 8000), (37800, 44100), (44100, 44100), (192000, 96000)])
def test_aac_rate(rate: int, made_at: int) -> None:
    assert media.aac_rate(rate) == made_at


def test_the_stream_is_chosen_by_number_language_and_flag() -> None:
    """Case two-languages."""
    info = media.probe(CASES / "two_languages.mkv")
    assert [(audio.language, audio.default) for audio in info.audio] == [("es", False), ("en", True)]
    assert info.subtitles
    assert media.choose_audio(info, None, None).index == 1
    assert media.choose_audio(info, None, "es").index == 0
    assert media.choose_audio(info, None, "fr").index == 1
    assert media.choose_audio(info, 0, "en").index == 0
    with pytest.raises(InputError, match="no audio stream number 2"):
        media.choose_audio(info, 2, None)


def test_frames_that_an_edit_list_hides_are_not_counted(made: Callable[[str], Path], tmp_path: Path) -> None:
    ffmpeg("-ss", "1.3", "-i", made("plain.mp4"), "-c", "copy", tmp_path / "trimmed.mp4")
    assert media.count_frames(tmp_path / "trimmed.mp4") == 67


def test_blocks_are_the_same_sound_whatever_their_size(made: Callable[[str], Path]) -> None:
    info = media.probe(made("plain.avi"))
    whole = np.concatenate(list(media.decode_blocks(info.path, info.audio[0], 22050, 2, info.duration_s, 100)))
    parts = list(media.decode_blocks(info.path, info.audio[0], 22050, 2, info.duration_s, 0.313))
    assert {len(part) for part in parts[:-1]} == {round(0.313 * 22050)}
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == round(info.duration_s * 22050)


# ---------------------------------------------------------------- what is written


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


# ---------------------------------------------------------------- ffmpeg


class Endless:
    """An ffmpeg call that never ends, in the form that ``run_ffmpeg`` takes."""

    def get_args(self) -> list[str]:
        return ["-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"]


class Broken:
    def get_args(self) -> list[str]:
        return ["-f", "lavfi", "-i", "no_such_source", "-f", "null", "-"]


def children() -> list[str]:
    import psutil

    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.name() for child in running if "ffmpeg" in child.name()]


def test_ffmpeg_dies_with_the_run(tmp_path: Path) -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            assert children()
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        media.run_ffmpeg(Endless(), 60, checkpoint, tmp_path)
    assert children() == []


def test_ffmpeg_dies_at_its_time_limit(tmp_path: Path) -> None:
    with pytest.raises(VtlabError, match="longer than 0 s"):
        media.run_ffmpeg(Endless(), 0.3, lambda: None, tmp_path)
    assert children() == []


def test_the_last_words_of_ffmpeg_are_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(VtlabError, match="no_such_source") as raised:
        media.run_ffmpeg(Broken(), 60, lambda: None, tmp_path)
    assert raised.value.code == "E_FFMPEG"


def test_no_ffmpeg_where_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTLAB_FFMPEG", str(tmp_path / "ffmpeg"))
    with pytest.raises(EngineError, match="VTLAB_FFMPEG"):
        media.run_ffmpeg(Broken(), 60, lambda: None, tmp_path)


# ---------------------------------------------------------------- mux


def muxed(path: Path, out: Path, folder: Path) -> media.MediaInfo:
    """The file with silence as its dub and one subtitle."""
    info = media.probe(path)
    silent = np.zeros((round(info.duration_s * 44100), 1), np.float32)
    sound = media.write_aac([silent], 44100, 1, 64, folder / "dub.m4a")
    (folder / "en.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,500\nGood evening, <everyone>\n\n",
        encoding="utf-8",
    )
    tracks = [media.SubtitleTrack("en", folder / "en.srt")]
    media.mux(info, sound, out, language="pt", subtitles=tracks, folder=folder)
    return media.probe(out)


@pytest.mark.parametrize(
    ("name", "codec", "out"),
    [
        ("a.avi", "mpeg4", "out.mp4"),
        ("b.avi", "libx264", "out.mp4"),
        ("a.ts", "libx264", "out.mp4"),
        ("a.flv", "libx264", "out.mp4"),
        ("a.mpg", "mpeg2video", "out.mp4"),
        ("a.webm", "libvpx", "out.mkv"),
        ("a.wmv", "wmv2", "out.mkv"),
    ],
)
def test_pictures_of_all_containers_are_copied(tmp_path: Path, name: str, codec: str, out: str) -> None:
    """AVI and program streams leave out times that the muxers want."""
    path = tmp_path / name
    rate = "44100" if path.suffix == ".flv" else "48000"
    ffmpeg(*PICTURE, *TONE, "-ar", rate, "-c:v", codec, "-g", "12", path)
    info = media.probe(path)
    made = muxed(path, tmp_path / out, tmp_path)
    assert info.video is not None
    assert made.video is not None
    assert made.video.codec == info.video.codec
    assert media.count_frames(tmp_path / out) == media.count_frames(path) == 100
    assert made.duration_s == pytest.approx(info.duration_s, abs=0.06)
    assert (len(made.audio), len(made.subtitles)) == (1, 1)


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    shutil.copy(CASES / "odd_names_plain.mp4", path)
    muxed(path, path.with_suffix(".pt.mp4"), tmp_path)
    assert media.count_frames(path) == media.count_frames(path.with_suffix(".pt.mp4")) == 36
