"""The mix and the file it goes into: levels, lengths, streams, names; small media made here by ffmpeg."""

import json
import shutil
import subprocess
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from vtlab import media
from vtlab.audio import Audio, loudness_lufs
from vtlab.errors import Cancelled, VtlabError
from vtlab.events import Finding
from vtlab.media import Extraction, SubtitleTrack
from vtlab.metrics.sound import true_peak_dbtp
from vtlab.segments import Cue, Interval, PlacedSegment, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import AudioSyncSettings, VideoCombinationSettings
from vtlab.stages.subtitle_generation import write_subtitles
from vtlab.stages.video_combination import MixReport, combine, mix, output_suffix, speech_track

CASES = Path(__file__).parent.parent / "cases"
EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
SYNC = AudioSyncSettings()
SETTINGS = VideoCombinationSettings()
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=12")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
RATE = 48000


def ffmpeg(*arguments: str | Path) -> None:
    command = [media.ffmpeg_binary(), "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def extraction(path: Path, stream: int = 0) -> Extraction:
    info = media.probe(path)
    return Extraction(info, info.audio[stream])


def tone(hz: float, seconds: float, rate: int, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def line(start: float, seconds: float, samples: np.ndarray | None = None, rate: int = 24000) -> PlacedSegment:
    """A line of the dub: noise in syllables, or what is given."""
    if samples is None:
        count = round(seconds * rate)
        syllables = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * np.arange(count) / rate)
        samples = (0.1 * syllables * np.random.default_rng(count).standard_normal(count)).astype(np.float32)
    source = Segment(0, start, start + seconds, "x")
    audio = Audio(samples, rate)
    return PlacedSegment(
        SpokenSegment(TranslatedSegment(source, "x", "en", "test"), "x", audio), start, start + seconds, audio
    )


@pytest.fixture(scope="module")
def hum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s: a hum of 300 Hz left and 500 Hz right throughout; "speech" of 1 kHz, ten times as loud, from 4 s to 6 s."""
    path = tmp_path_factory.mktemp("hum") / "hum.mkv"
    speech = "between(t,4,6)*0.2*sin(2*PI*1000*t)"
    sound = f"aevalsrc='0.02*sin(2*PI*300*t)+{speech}|0.02*sin(2*PI*500*t)+{speech}':s={RATE}:d=12"
    ffmpeg(*PICTURE, "-f", "lavfi", "-i", sound, *H264, "-c:a", "flac", path)
    return path


def mixed(
    source: Extraction,
    placed: Sequence[PlacedSegment],
    speech: Sequence[Interval],
    folder: Path,
    settings: VideoCombinationSettings = SETTINGS,
) -> tuple[np.ndarray, MixReport, list[Finding]]:
    """The mix as decoded, shape ``(n, channels)``."""
    findings: list[Finding] = []
    report = mix(source, placed, speech, SYNC, settings, folder / "mix.m4a", folder, lambda: None, findings.append)
    assert [path.name for path in folder.iterdir()] == ["mix.m4a"]
    return decoded(folder / "mix.m4a"), report, findings


def decoded(path: Path) -> np.ndarray:
    info = media.probe(path)
    stream = info.audio[0]
    return np.concatenate(
        list(media.decode_blocks(path, stream, stream.rate, min(stream.channels, 2), info.duration_s))
    )


def level_db(samples: np.ndarray, hz: float, start: float, end: float, rate: int = RATE) -> float:
    """Amplitude of a sine in the sound, dB."""
    part = samples[round(start * rate) : round(end * rate)]
    window = np.hanning(len(part))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(part)) / rate)
    return 20 * float(np.log10(2 * abs((part * window * wave).sum()) / window.sum() + 1e-12))


# ---------------------------------------------------------------- the mix


def test_background_stays_and_source_speech_goes(hum: Path, tmp_path: Path) -> None:
    source = extraction(hum)
    sound, report, _ = mixed(source, [line(4.0, 2.0)], [Interval(4.0, 6.0)], tmp_path)
    assert sound.shape == (12 * RATE, 2)
    assert report.loudness_lufs == pytest.approx(-23, abs=0.5)
    assert loudness_lufs(Audio(sound, RATE)) == pytest.approx(-23, abs=0.5)
    left, right = sound[:, 0], sound[:, 1]
    gain = level_db(left, 300, 0.5, 3.5) - 20 * np.log10(0.02)
    for start, end in ((0.5, 3.5), (6.6, 11.5)):
        assert level_db(left, 300, start, end) == pytest.approx(20 * np.log10(0.02) + gain, abs=0.5)
        assert level_db(right, 500, start, end) == pytest.approx(20 * np.log10(0.02) + gain, abs=0.5)
        assert level_db(left, 500, start, end) < level_db(left, 300, start, end) - 30  # the stereo image
    quiet, _, _ = mixed(source, [], [Interval(4.0, 6.0)], tmp_path)
    loud_before = 20 * np.log10(0.2) + gain
    assert level_db(quiet[:, 0], 1000, 3.95, 6.05) < loud_before - 50


def test_under_the_dub_the_background_is_low(hum: Path, tmp_path: Path) -> None:
    """Where the dub speaks on after the original has stopped, and comes up again after it."""
    placed = line(4.0, 4.0, tone(2000, 4.0, 24000))
    short = Segment(0, 4.0, 6.0, "x")
    spoken = SpokenSegment(TranslatedSegment(short, "x", "en", "test"), "x", placed.audio)
    sound, _, _ = mixed(
        extraction(hum), [PlacedSegment(spoken, 4.0, 8.0, placed.audio)], [Interval(4.0, 6.0)], tmp_path
    )
    before, under, after = (level_db(sound[:, 0], 300, *span) for span in ((1, 3), (6.5, 7.8), (8.3, 11)))
    assert under == pytest.approx(before - 12, abs=1)
    assert after == pytest.approx(before, abs=0.5)


def test_no_background(hum: Path, tmp_path: Path) -> None:
    settings = VideoCombinationSettings(background="none")
    sound, report, _ = mixed(extraction(hum), [line(4.0, 2.0)], [], tmp_path, settings)
    assert np.abs(sound[: 3 * RATE]).max() < 1e-3
    assert report.loudness_lufs == pytest.approx(-23, abs=0.5)
    assert np.abs(sound[:, 0] - sound[:, 1]).max() < 1e-3


@pytest.mark.parametrize("click", ["one sample", "alternating", "square", "at the edge of a block"])
def test_peaks_stay_below_the_limit(hum: Path, tmp_path: Path, click: str) -> None:
    lines = [line(at, 1.5) for at in (1.0, 4.0, 7.0, 9.0)]
    samples = lines[3].audio.samples
    at = 24000 if click == "at the edge of a block" else 9000  # 10 s
    shapes = {
        "one sample": [0.99],
        "alternating": [0.99, -0.99] * 6,
        "square": np.sign(np.sin(np.arange(200) / 3) + 1e-9),
        "at the edge of a block": np.sign(np.sin(np.arange(600) - 300)),
    }
    samples[at - len(shapes[click]) // 2 :][: len(shapes[click])] = shapes[click]
    sound, report, _ = mixed(extraction(hum), lines, [Interval(4.0, 6.0)], tmp_path)
    peak = true_peak_dbtp(Audio(sound, RATE))
    assert peak is not None
    assert peak < -1
    assert report.true_peak_dbtp == pytest.approx(peak, abs=0.1)
    assert report.loudness_lufs == pytest.approx(-23, abs=0.5)
    assert level_db(sound[:, 0], 300, 0.2, 0.9) == pytest.approx(level_db(sound[:, 0], 300, 2.7, 3.4), abs=0.5)


def test_silence_stays_silent(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=22050:cl=mono", "-t", "1.5", tmp_path / "silence.wav")
    (tmp_path / "work").mkdir()
    sound, report, findings = mixed(extraction(tmp_path / "silence.wav"), [], [], tmp_path / "work")
    assert report == MixReport(None, None)
    assert sound.shape == (33075, 1)
    assert np.abs(sound).max() == 0
    assert findings == []


def test_faint_sound_is_not_blown_up(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=f=500:r=44100:d=2", "-af", "volume=-48dB", "-c:a", "flac", tmp_path / "a.flac")
    (tmp_path / "work").mkdir()
    sound, _, findings = mixed(extraction(tmp_path / "a.flac"), [], [], tmp_path / "work")
    assert level_db(sound[:, 0], 500, 0.2, 1.8, 44100) == pytest.approx(20 * np.log10(0.125) - 48 + 30, abs=0.5)
    assert [finding.code for finding in findings] == ["too_quiet"]


@pytest.mark.parametrize(
    ("rate", "channels", "made_at"), [(8000, 1, 8000), (44100, 2, 44100), (96000, 1, 96000), (192000, 1, 96000)]
)
def test_rate_and_channels_stay(tmp_path: Path, rate: int, channels: int, made_at: int) -> None:
    layout = "mono" if channels == 1 else "stereo"
    ffmpeg("-f", "lavfi", "-i", f"sine=f=500:r={rate}:d=0.5,aformat=channel_layouts={layout}", tmp_path / "a.flac")
    (tmp_path / "work").mkdir()
    sound, report, _ = mixed(extraction(tmp_path / "a.flac"), [line(0.1, 0.3)], [], tmp_path / "work")
    stream = media.probe(tmp_path / "work" / "mix.m4a").audio[0]
    assert (stream.rate, stream.channels) == (made_at, channels)
    assert sound.shape == (made_at // 2, channels)
    assert report.loudness_lufs is not None


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        folder = tmp_path / str(seconds)
        folder.mkdir()
        ffmpeg("-f", "lavfi", "-i", f"sine=r=8000:d={seconds}", folder / "a.wav")
        source = extraction(folder / "a.wav")
        tracemalloc.start()
        mix(source, [], [], SYNC, SETTINGS, folder / "mix.m4a", folder, lambda: None, lambda finding: None)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)  # what is imported once
    assert peak(80) < 1.2 * peak(30)


def test_lines_sound_where_they_are_placed_to_the_sample() -> None:
    click = np.zeros(2400, np.float32)
    click[0] = 1.0
    placed = [line(at, 0.1, click, 24000) for at in (19.95, 0.0, 9.99)]
    track = list(speech_track(placed, 24000, 20.01))
    assert [len(block) for block in track] == [240_000, 240_000, 240]
    assert np.flatnonzero(np.concatenate(track)).tolist() == [0, 239_760, 478_800]


def test_a_mix_that_is_cancelled_leaves_nothing_of_its_sound(hum: Path, tmp_path: Path) -> None:
    calls = 0

    def checkpoint() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        mix(extraction(hum), [], [], SYNC, SETTINGS, tmp_path / "mix.m4a", tmp_path, checkpoint, lambda finding: None)
    assert not (tmp_path / "mix.m4a").exists()


# ---------------------------------------------------------------- the file


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def combined(
    path: Path, work: Path, name: str | None = None, stream: int = 0, **settings: bool
) -> tuple[Path, list[Finding]]:
    """A dub of the file: a click at its middle, two cues in each of two languages."""
    source = extraction(path, stream)
    rate = media.aac_rate(source.stream.rate)
    sound = np.zeros((round(source.duration_s * rate), 1), np.float32)
    sound[len(sound) // 2 :][:100] = 0.5
    media.write_aac([sound], rate, 1, 64, work / "mix.m4a")
    tracks = []
    for language in ("en", "pt"):
        cues = [Cue(0.0, 1.0, "█" * 12 + "\n" + "█" * 12), Cue(1.2, 2.0, "It's <3, 100% 'good': [x]")]
        tracks.append(SubtitleTrack(language, write_subtitles(cues, work / f"{language}.srt")))
    chosen = VideoCombinationSettings(**settings)  # type: ignore[arg-type]
    out = work / ((name or "dub") + output_suffix(source.info, chosen))
    findings: list[Finding] = []
    combine(source, work / "mix.m4a", "pt", tracks, chosen, out, work, lambda: None, findings.append)
    return out, findings


def streams(path: Path) -> list[tuple[str, str | None, str | None]]:
    with av.open(str(path)) as container:
        return [
            (stream.type, stream.codec_context and stream.codec_context.name, stream.metadata.get("language"))
            for stream in container.streams
        ]


def picture_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


SOFT = [("audio", "aac", "por"), ("subtitle", "mov_text", "eng"), ("subtitle", "mov_text", "por")]


@pytest.mark.parametrize(
    ("case", "picture"),
    [
        ("delayed_audio.mp4", "h264"),
        ("delayed_audio.mkv", "h264"),
        ("two_languages.mkv", "h264"),
        ("timecode_track.mov", "h264"),
        ("odd_size.webm", "vp9"),
        ("disguised_playlist/neighbour.ts", "h264"),
    ],
)
def test_the_picture_is_copied(work: Path, case: str, picture: str) -> None:
    out, findings = combined(CASES / case, work)
    assert out.suffix == ".mp4"
    assert [kind[:2] for kind in streams(out)] == [("video", picture), *(kind[:2] for kind in SOFT)]
    assert [kind[2] for kind in streams(out)[1:]] == [kind[2] for kind in SOFT]
    before, after = media.probe(CASES / case), media.probe(out)
    assert before.video is not None
    assert after.video is not None
    assert (after.video.width, after.video.height) == (before.video.width, before.video.height)
    assert media.count_frames(out) == media.count_frames(CASES / case)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.01)
    assert after.audio[0].start_s == 0
    assert findings == []
    loud = np.flatnonzero(np.abs(decoded(out)) > 0.2)
    assert loud[0] == pytest.approx(round(before.duration_s * after.audio[0].rate) // 2, abs=10)


def test_packets_of_the_cases() -> None:
    assert media.count_frames(CASES / "timecode_track.mov") == EXPECTED["timecode-track"]["video_packets"]
    assert media.count_frames(CASES / "odd_size.webm") == EXPECTED["odd-size"]["video_packets"]


def test_copied_packets_are_the_same(work: Path) -> None:
    out, _ = combined(CASES / "odd_size.webm", work)
    assert picture_packets(out) == picture_packets(CASES / "odd_size.webm")


@pytest.mark.parametrize(
    ("codecs", "suffix", "made"),
    [
        (("-c:v", "mpeg4", "-c:a", "libmp3lame"), "avi", (".mp4", "mpeg4")),
        (("-c:v", "ffv1", "-c:a", "flac"), "mkv", (".mkv", "ffv1")),
        (("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"), "webm", (".mkv", "vp8")),
        ((*H264, "-c:a", "aac"), "ts", (".mp4", "h264")),
    ],
)
def test_the_container_holds_the_picture(
    hum: Path, work: Path, codecs: tuple[str, ...], suffix: str, made: tuple[str, str]
) -> None:
    path = work / f"source.{suffix}"
    ffmpeg("-i", hum, "-t", "3", *codecs, path)
    out, findings = combined(path, work)
    assert (out.suffix, streams(out)[0][1]) == made
    assert [kind[0] for kind in streams(out)] == ["video", "audio", "subtitle", "subtitle"]
    assert findings == []
    loud = np.flatnonzero(np.abs(decoded(out)) > 0.2)
    assert loud[0] == pytest.approx(round(media.probe(path).duration_s * RATE) // 2, abs=10)  # no lead-in of AAC


def test_variable_frame_rate_rotation_and_half_a_second(hum: Path, work: Path) -> None:
    changing, turned, short = work / "vfr.mp4", work / "turned.mp4", work / "short.mp4"
    ffmpeg(
        "-i",
        hum,
        "-t",
        "4",
        "-vf",
        "select='not(mod(n,3))+lt(n,50)'",
        "-fps_mode",
        "vfr",
        *H264,
        "-c:a",
        "aac",
        changing,
    )
    ffmpeg("-display_rotation", "90", "-i", changing, "-c", "copy", turned)
    ffmpeg("-i", hum, "-t", "0.5", *H264, "-c:a", "aac", short)
    for path in (changing, turned, short):
        for burn in (False, True):
            out, findings = combined(path, work, burn_subtitles=burn)
            assert media.count_frames(out) == media.count_frames(path)
            assert media.probe(out).duration_s == pytest.approx(media.probe(path).duration_s, abs=0.04)
            assert findings == []
    burned = media.probe(combined(turned, work, burn_subtitles=True)[0]).video
    assert burned is not None
    assert (burned.width, burned.height) == (48, 64)  # upright


def test_hidden_and_undecodable_frames(hum: Path, work: Path) -> None:
    """An edit list that starts late; a recording that starts between two key frames."""
    trimmed, middle = work / "trimmed.mp4", work / "middle.ts"
    ffmpeg("-i", hum, "-t", "5", *H264, "-c:a", "aac", work / "a.mp4")
    ffmpeg("-ss", "1.3", "-i", work / "a.mp4", "-c", "copy", trimmed)
    ffmpeg("-i", work / "a.mp4", "-c", "copy", work / "a.ts")
    data = (work / "a.ts").read_bytes()
    middle.write_bytes(data[188 * (len(data) // 188 // 3) :])
    for path in (trimmed, middle):
        out, findings = combined(path, work)
        assert media.count_frames(out) == media.count_frames(path)
        assert findings == []
    out, findings = combined(trimmed, work, burn_subtitles=True)
    assert findings == []
    out, findings = combined(middle, work, burn_subtitles=True)
    assert {finding.code for finding in findings} <= {"frames_off", "duration_off"}
    assert media.count_frames(out) > 50


def test_burned_in_subtitles_are_seen(work: Path) -> None:
    out, findings = combined(CASES / "odd_size.webm", work, burn_subtitles=True)
    assert findings == []
    video = media.probe(out).video
    assert video is not None
    low, high = EXPECTED["odd-size"]["burned_in_width"], EXPECTED["odd-size"]["burned_in_height"]
    assert low[0] <= video.width <= low[1]
    assert high[0] <= video.height <= high[1]
    assert (video.codec, video.pixel_format) == ("h264", "yuv420p")
    assert media.count_frames(out) == 55

    def white(path: Path, number: int) -> float:
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
            return float((frames[number].to_ndarray(format="gray")[180:240] > 230).mean())

    assert white(out, 5) > white(CASES / "odd_size.webm", 5) + 0.05
    assert white(out, 30) == pytest.approx(white(CASES / "odd_size.webm", 30), abs=0.02)


def test_browsers_get_h264(work: Path) -> None:
    out, _ = combined(CASES / "odd_size.webm", work, browser_safe=True)
    assert (out.suffix, streams(out)[0][1]) == (".mp4", "h264")


@pytest.mark.parametrize("name", [Path(name).stem for name in EXPECTED["odd-names"]["files"]])
@pytest.mark.parametrize("burn", [False, True])
def test_names(work: Path, name: str, burn: bool) -> None:
    """Case odd-names."""
    folder = work / "in"
    folder.mkdir()
    source = folder / f"{name}.mp4"
    shutil.copy(CASES / "odd_names_plain.mp4", source)
    out, findings = combined(source, work, name[:60], burn_subtitles=burn)
    assert findings == []
    assert out.exists()
    assert media.count_frames(out) == 36
    assert list(folder.iterdir()) == [source]
    assert {path.name for path in work.iterdir()} - {"burn.srt"} == {"in", "mix.m4a", "en.srt", "pt.srt", out.name}


def test_a_name_that_begins_with_a_dash_in_the_folder_itself(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(CASES / "odd_names_plain.mp4", work / "-an.mp4")
    monkeypatch.chdir(work)
    out, _ = combined(Path("-an.mp4"), work)
    assert media.count_frames(out) == 36


def test_the_original_sound_as_a_second_track(hum: Path, work: Path) -> None:
    ffmpeg("-itsoffset", "2", "-i", CASES / "odd_names_plain.mp4", "-i", hum, "-map", "1:v", "-map", "0:a", "-t", "5",
           "-c", "copy", work / "late.mkv")  # fmt: skip
    out, _ = combined(work / "late.mkv", work, keep_original_audio=True)
    info = media.probe(out)
    assert [kind[0] for kind in streams(out)] == ["video", "audio", "audio", "subtitle", "subtitle"]
    assert [audio.default for audio in info.audio] == [True, False]
    original = media.decode_speech(out, info.audio[1], info.duration_s).samples
    assert np.flatnonzero(np.abs(original) > 0.02)[0] / 16000 == pytest.approx(2.4, abs=0.05)


def test_sound_without_picture(work: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", work / "a.mp3")
    out, findings = combined(work / "a.mp3", work, burn_subtitles=True)
    assert out.suffix == ".m4a"
    assert [kind[0] for kind in streams(out)] == ["audio"]
    assert findings == []


def test_the_index_comes_first(work: Path) -> None:
    data = combined(CASES / "timecode_track.mov", work)[0].read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_nothing_half_written_remains(work: Path) -> None:
    source = extraction(CASES / "odd_names_plain.mp4")
    (work / "mix.m4a").write_bytes(b"no sound")
    with pytest.raises(VtlabError, match="ffmpeg failed"):
        combine(source, work / "mix.m4a", "pt", [], SETTINGS, work / "dub.mp4", work, lambda: None, lambda _: None)
    assert not (work / "dub.mp4").exists()
    media.write_aac([np.zeros((RATE, 1), np.float32)], RATE, 1, 64, work / "mix.m4a")

    def checkpoint() -> None:
        """Stops the run as soon as ffmpeg has begun its file, however quick the machine is."""
        for _ in range(1000):
            if (work / "dub.mp4").exists():
                raise Cancelled("stopped")
            time.sleep(0.01)

    settings = VideoCombinationSettings(burn_subtitles=True)
    with pytest.raises(Cancelled):
        combine(source, work / "mix.m4a", "pt", [], settings, work / "dub.mp4", work, checkpoint, lambda _: None)
    assert not (work / "dub.mp4").exists()
