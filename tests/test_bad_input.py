"""What a user can get wrong.

Each row ends with exit code 2 and one sentence that names the file, the cause and the cure, before any model is loaded,
and leaves nothing behind.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dubbing import PEOPLE

from vtlab import __main__, media
from vtlab.cli import terminal
from vtlab.engines.pool import EnginePool

CASES = Path(__file__).parent / "cases"
FOX = PEOPLE / "fox_pt.flac"
VIDEO = PEOPLE / "sentences_pt.mp4"
PLAYLIST_PORT = 8123

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of engines that were loaded."""
    kinds: list[str] = []
    borrow = EnginePool.borrow

    def told(self: EnginePool, key: tuple[str, ...], build: Callable[[], object]) -> object:
        kinds.append(key[0])
        return borrow(self, key, build)

    monkeypatch.setattr(EnginePool, "borrow", told)
    return kinds


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """``vtlab dub`` in this process, within an empty folder: exit code, stdout, last line of stderr."""
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "store"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vtlab", "dub", *map(str, arguments)])
        code = __main__._run()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err.splitlines()[-1]

    yield call
    terminal.stopped.clear()


def ffmpeg(*arguments: object) -> None:
    subprocess.run([media.ffmpeg_binary(), "-v", "error", "-y", *map(str, arguments)], check=True)


def sound(source: str, seconds: float = 4) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        ffmpeg("-f", "lavfi", "-i", source, "-t", seconds, folder / "sound.flac")
        return folder / "sound.flac"

    return make


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def folder(within: Path) -> Path:
    (within / "folder.mp4").mkdir()
    return within / "folder.mp4"


def without_sound(within: Path) -> Path:
    ffmpeg("-i", VIDEO, "-an", "-c:v", "copy", "-t", "2", within / "mute.mp4")
    return within / "mute.mp4"


def cut_off(within: Path) -> Path:
    content = VIDEO.read_bytes()
    (within / "cut off.mp4").write_bytes(content[: len(content) * 2 // 3])
    return within / "cut off.mp4"


def nowhere(within: Path) -> Path:
    return within / "nowhere.mp4"


def pipe(within: Path) -> Path:
    os.mkfifo(within / "pipe.mp4")
    return within / "pipe.mp4"


def assert_refused(result: tuple[int, str, str], *said: str) -> None:
    code, out, sentence = result
    assert (code, out) == (2, ""), sentence
    assert sentence.startswith("vtlab: ")
    for part in said:
        assert part.lower() in sentence.lower(), sentence


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (nowhere, ("nowhere.mp4", "does not exist")),
        (folder, ("folder.mp4", "is a folder", "name a video in it")),
        (pipe, ("pipe.mp4", "not a file")),
        (written("empty.mp4", b""), ("empty.mp4", "empty")),
        (written("notes.mp4", b"Shopping: eggs, butter, flour.\n" * 50), ("notes.mp4",)),
        (written("noise.mp4", bytes(range(256)) * 64), ("noise.mp4",)),
        (cut_off, ("cut off.mp4",)),
        (without_sound, ("mute.mp4", "no sound")),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_files_that_cannot_be_dubbed(
    run: Run, tmp_path: Path, loaded: list[str], make: Callable[[Path], Path], said: tuple[str, ...]
) -> None:
    assert_refused(run(make(tmp_path), "--from=pt", "--to=en", "--out=results"), *said)
    assert loaded == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["playlist.mp4", "playlist.m3u8", "playlist_http.m3u8", "concat.mp4"])
def test_files_that_point_elsewhere(run: Run, loaded: list[str], name: str) -> None:
    asked = []
    with socket.create_server(("127.0.0.1", PLAYLIST_PORT)) as server:
        server.settimeout(0.2)
        result = run(CASES / "disguised_playlist" / name, "--from=en", "--to=pt", "--out=results")
        with suppress(TimeoutError):
            asked.append(server.accept())
    assert_refused(result, name, "playlist")
    assert asked == []
    assert loaded == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        sound("anullsrc=r=16000"),
        sound("sine=f=330:r=16000"),
        sound("anoisesrc=c=pink:a=0.2:r=16000:seed=1"),
        sound("anoisesrc=c=white:a=0.001:r=16000:seed=1", 0.5),
    ],
    ids=["silence", "tone", "noise", "half a second"],
)
def test_sound_in_which_nobody_speaks(
    run: Run, tmp_path: Path, loaded: list[str], make: Callable[[Path], Path]
) -> None:
    assert_refused(run(make(tmp_path), "--to=en", "--out=results"), "sound.flac", "nobody speaks")
    assert set(loaded) == {"voice_activity"}
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to=klingon"], ("klingon",)),
        (["--to=en", "--from=portugese"], ("portugese", "did you mean", "portuguese")),
        ([], ("no target language", "--to")),
        (["--to=pt", "--from=pt"], ("Portuguese", "same")),
        (["--to=hy", "--from=pt", "--set=tts.engines=[piper]"], ("Armenian", "piper")),
        (
            ["--to=en", "--from=sw", "--set=initialization.offline=true"],
            ("sw", "en", "pt-en"),
        ),
        (["--to=en", "--set=tts.vioce=joe"], ("tts.vioce", "did you mean 'voice'")),
        (["--to=en", "--set=tts.voice=joo"], ("joo", "joe")),
        (["--to=en", "--set=tts.engines=[pipr]"], ("pipr", "did you mean 'piper'")),
        (["--to=en", "--set=audio_sync.max_speed=0.5"], ("audio_sync.max_speed", "0.5")),
        (["--to=en", "--set=audio_extraction.stream=3"], ("no audio stream number 3",)),
        (["--to=en", "--settings=nowhere.yaml"], ("nowhere.yaml",)),
        (
            [
                "--to=en",
                "--set=transcription.options.faster_whisper.model=large-v3",
                "--set=initialization.offline=true",
            ],
            ("large-v3", "looked in", "to fix this"),
        ),
        (["--to=en", "--set=transcription.options.faster_whisper.model=/nowhere"], ("/nowhere",)),
        (["--to=en", "--set=tts.options.piper.voices=[/nowhere/x.onnx]"], ("/nowhere/x.onnx",)),
        (["--to=en", "--set=translation.glossary=/nowhere.yaml", "--from=pt"], ("glossary /nowhere.yaml",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_settings_that_cannot_be(run: Run, loaded: list[str], arguments: list[str], said: tuple[str, ...]) -> None:
    assert_refused(run(FOX, *arguments, "--out=results"), *said)
    assert loaded == []
    assert list(Path().iterdir()) == []


def test_a_language_that_is_found_to_be_the_target_or_one_that_nobody_translates(run: Run) -> None:
    assert_refused(run(PEOPLE / "jfk_en.flac", "--to=en", "--out=results"), "English already", "same")
    spanish = run(CASES / "late_speech.mp4", "--to=en", "--out=results", "--set=initialization.offline=true")
    assert_refused(spanish, "es-en", "pt-en")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("out", ["/dev/null/results", "taken"])
def test_folders_that_cannot_hold_results(run: Run, loaded: list[str], out: str) -> None:
    Path("taken").write_text("")
    assert_refused(run(FOX, "--to=en", "--from=pt", "--out", out), out.split("/results")[0], "another folder")
    assert loaded == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of that size; root alone may."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        disk = tmp_path / f"disk {size}"
        disk.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip("no disk can be mounted here")
        mounted.append(disk)
        return disk

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("full", ["results", "store"])
def test_a_disk_too_small_is_told_before_any_work(
    run: Run, loaded: list[str], small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    disk = small_disk("1m")
    if full == "store":
        monkeypatch.setenv("VTLAB_STORE", str(disk / "store"))
    out = disk / "results" if full == "results" else "results"
    assert_refused(run(FOX, "--to=en", "--from=pt", "--out", out), str(disk), "free some space")
    assert loaded == []
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("full", ["results", "store"])
def test_a_disk_that_gets_full_is_told_and_a_larger_one_goes_on(
    run: Run, small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    monkeypatch.setattr("vtlab.stages.initialization.check_disk", lambda path, needed_mb: None)
    disk = small_disk("28k")
    if full == "store":
        monkeypatch.setenv("VTLAB_STORE", str(disk / "store"))
    out = disk / "results" if full == "results" else "results"
    arguments = (FOX, "--to=en", "--from=pt", "--set=tts.engines=[piper]")
    assert_refused(run(*arguments, "--out", out), str(disk), "is full")
    if full == "results":
        assert list(out.iterdir()) == []
    else:
        assert not list(Path().glob("*/*"))
        assert not [path for path in disk.rglob("*") if path.name.startswith(".")]
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    code, _, sentence = run(*arguments, "--out", "elsewhere")
    assert code == 0, sentence


def test_no_thread_is_left_by_all_this() -> None:
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("tts", "whisper", "detection", "memory watch"))]
