from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vtlab.audio import Audio
from vtlab.errors import ResourceError
from vtlab.settings import StoreSettings
from vtlab.store.results import Entry, Store, store_folder, to_evict

PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def only_file(store: Store, pattern: str) -> Path:
    (path,) = store.folder.glob(f"*/*/{pattern}")
    return path


@given(parts=st.lists(PARTS, max_size=4))
def test_equal_parts_have_one_key(parts: list[object]) -> None:
    again = json.loads(json.dumps(parts))
    assert Store(Path("a")).key("tts", *parts) == Store(Path("b")).key("tts", *again)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("tts", 1, "a"), ("tts", 2, "a")),
        (("tts", 1, "a"), ("translation", 1, "a")),
        (("tts", ["a"], "b"), ("tts", ["a", "b"])),
        (("tts", 1.0), ("tts", 1.0000000000000002)),
        (("tts", "1"), ("tts", 1)),
        (("tts", None), ("tts",)),
    ],
)
def test_different_parts_have_different_keys(one: tuple[str, object], other: tuple[str, object]) -> None:
    assert Store(Path("a")).key(*one) != Store(Path("a")).key(*other)


def test_a_key_does_not_depend_on_the_order_of_a_mapping() -> None:
    store = Store(Path("a"))
    assert store.key("tts", {"a": 1, "b": 2}) == store.key("tts", {"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("stage", "part", "error"), [("a/b", 1, ValueError), ("tts", float("nan"), ValueError), ("tts", {1}, TypeError)]
)
def test_what_cannot_be_a_key(stage: str, part: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        Store(Path("a")).key(stage, part)


@given(value=PARTS.filter(lambda value: value is not None))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_comes_back_as_it_was(shared: Store, value: object) -> None:
    key = shared.key("translation", value)
    shared.put_json(key, value)
    assert shared.get_json(key) == value


@given(
    samples=arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=20),
        elements=st.floats(width=32),
    ),
    rate=st.sampled_from([8000, 16000, 22050, 48000]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_audio_comes_back_to_the_bit(shared: Store, samples: np.ndarray, rate: int) -> None:
    key = shared.key("tts", samples.tobytes().hex(), list(samples.shape), rate)
    shared.put_audio(key, Audio(samples, rate))
    kept = shared.get_audio(key)
    assert kept is not None
    assert (kept.rate, kept.samples.dtype, kept.samples.shape) == (rate, np.float32, samples.shape)
    assert kept.samples.tobytes() == samples.tobytes()
    kept.samples[...] = 0  # the owner may write to it


def test_a_file_comes_back_with_its_suffix(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "a b.flac"
    source.write_bytes(b"sound")
    key = store.key("audio_sync", 1)
    assert store.get_file(key) is None
    store.put_file(key, source, ".flac")
    kept = store.get_file(key)
    assert kept is not None
    assert kept.suffix == ".flac"
    assert kept.read_bytes() == b"sound"


def test_nothing_is_none_and_none_is_refused(store: Store) -> None:
    key = store.key("tts", 1)
    assert store.get_json(key) is None
    assert store.get_audio(key) is None
    assert store.get_file(key) is None
    with pytest.raises(ValueError, match="None"):
        store.put_json(key, None)


@pytest.mark.parametrize("damage", [b"", b"vtlab-store ", b"x" * 500])
def test_a_damaged_entry_is_deleted_and_counts_as_a_miss(store: Store, damage: bytes) -> None:
    key = store.key("tts", 1)
    store.put_json(key, {"text": "olá"})
    path = only_file(store, "*.json")
    path.write_bytes(damage)
    assert store.get_json(key) is None
    assert not path.exists()


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_flipped_bit_is_seen(shared: Store, at: int, bit: int) -> None:
    key = shared.key("flipped", 1)
    shared.put_audio(key, Audio(np.arange(30, dtype=np.float32), 16000))
    path = only_file(shared, f"{key.partition('/')[2]}.audio")
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)
    assert shared.get_audio(key) is None


@pytest.mark.parametrize("damage", ["gone", "truncated"])
def test_a_damaged_kept_file_is_a_miss(store: Store, tmp_path: Path, damage: str) -> None:
    source = tmp_path / "x.bin"
    source.write_bytes(b"0123456789")
    key = store.key("audio_sync", 1)
    kept = store.put_file(key, source, ".bin")
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(b"01234")
    assert store.get_file(key) is None
    assert list(store.entries()) == []


WRITER = """
import sys
from pathlib import Path
import numpy as np
from vtlab.audio import Audio
from vtlab.store.results import Store

store, me, source = Store(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
for number in range(40):
    key = store.key("translation", number)
    known = store.get_json(key)
    assert known is None or known == [number] * 500, known
    store.put_json(key, [number] * 500)
    key = store.key("tts", number % 10)
    audio = store.get_audio(key)
    assert audio is None or (audio.samples == number % 10).all()
    store.put_audio(key, Audio(np.full(5000, number % 10, np.float32), 16000))
    key = store.key("audio_sync", number % 5)
    kept = store.get_file(key)
    # each process keeps another file: whose it is does not matter, that it is whole does
    assert kept is None or kept.read_bytes().strip(kept.read_bytes()[:1]) == b""
    store.put_file(key, source, ".bin")
"""


def test_eight_processes_share_one_store(store: Store, tmp_path: Path) -> None:
    processes = []
    for me in "abcdefgh":
        source = tmp_path / f"{me}.bin"
        source.write_text(me * 100_000)
        command = [sys.executable, "-c", WRITER, str(store.folder), me, str(source)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert store.get_json(store.key("translation", 7)) == [7] * 500
    assert not list(store.folder.rglob(".*"))


ENDLESS = """
import sys
from pathlib import Path
import numpy as np
from vtlab.audio import Audio
from vtlab.store.results import Store

store = Store(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    store.put_audio(store.key("tts", number % 3), Audio(np.full(400_000, number, np.float32), 16000))
    number += 1
"""


def test_kill_9_leaves_whole_entries_or_none(store: Store) -> None:
    keys = [store.key("tts", number) for number in range(3)]
    for wait_s in (0.01, 0.05, 0.12):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(store.folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for audio in map(store.get_audio, keys):
            assert audio is None or (len(audio.samples) == 400_000 and len(set(audio.samples.tolist())) == 1)
    store.prune(now=time.time() + 2 * 24 * 3600)
    assert not list(store.folder.rglob(".*"))


FULL = """
import resource, signal, sys
from pathlib import Path
from vtlab.errors import ResourceError
from vtlab.store.results import Store

# a limit on file sizes stops a write in its middle as a full disk does
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(Path(sys.argv[1]))
store.put_json(store.key("tts", 1), "small")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
big = Path(sys.argv[2])
for put in (
    lambda: store.put_json(store.key("tts", 2), "x" * 5000),
    lambda: store.put_file(store.key("tts", 3), big, ".x"),
):
    try:
        put()
    except ResourceError as error:
        assert str(store.folder) in str(error) and "prune" in str(error), error
    else:
        raise SystemExit("no error")
assert store.get_json(store.key("tts", 1)) == "small"
assert store.get_json(store.key("tts", 2)) is None
assert store.get_file(store.key("tts", 3)) is None
"""


def test_a_full_disk_leaves_no_partial_file(store: Store, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * 5000)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(store.folder), str(big)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in store.folder.rglob("*") if path.is_file()] == [".json"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    store = Store(tmp_path / "store")
    with pytest.raises(ResourceError, match="VTLAB_STORE"):
        store.put_json(store.key("tts", 1), 1)


def test_entries_and_their_size(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"1" * 1000)
    store.put_json(store.key("translation", 1), "a")
    store.put_file(store.key("audio_sync", 1), source, ".flac")
    by_stage = {entry.stage: entry for entry in store.entries()}
    assert sorted(by_stage) == ["audio_sync", "translation"]
    assert len(by_stage["audio_sync"].files) == 2
    on_disk = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    assert sum(entry.size for entry in by_stage.values()) == on_disk > 1000


def test_prune_by_age_spares_what_was_used(store: Store) -> None:
    old, used = store.key("tts", 1), store.key("tts", 2)
    for key in (old, used):
        store.put_json(key, key)
    for path in store.folder.glob("*/*/*"):
        os.utime(path, (1000, 1000))
    assert store.get_json(used) == used
    assert [entry.digest for entry in store.prune(older_than_s=3600)] == [old.partition("/")[2]]
    assert store.get_json(old) is None
    assert store.get_json(used) == used


def test_clear_leaves_nothing(store: Store) -> None:
    for number in range(3):
        store.put_json(store.key("tts", number), number)
    assert len(store.clear()) == 3
    assert list(store.entries()) == []


def entry(digest: str, size: int, used: float) -> Entry:
    return Entry("tts", digest, (), size, used)


@pytest.mark.parametrize(
    ("older_than_s", "max_bytes", "evicted"),
    [
        (None, None, ""),
        (60, None, "a"),
        (None, 100, ""),
        (None, 70, "a"),
        (None, 69, "ab"),
        (None, 39, "abc"),
        (15, 1000, "ab"),
        (60, 39, "abc"),
    ],
)
def test_what_goes(older_than_s: float | None, max_bytes: int | None, evicted: str) -> None:
    entries = [entry("b", 30, 80), entry("a", 30, 30), entry("c", 40, 90)]
    assert sorted(e.digest for e in to_evict(entries, 100, older_than_s, max_bytes)) == sorted(evicted)


@given(
    entries=st.lists(st.builds(entry, st.uuids().map(str), st.integers(0, 1000), st.floats(0, 1e6)), max_size=20),
    max_bytes=st.integers(0, 10_000),
)
def test_what_stays_fits_and_was_used_last(entries: list[Entry], max_bytes: int) -> None:
    gone = to_evict(entries, now=1e6, max_bytes=max_bytes)
    kept = [e for e in entries if e not in gone]
    assert sum(e.size for e in kept) <= max_bytes
    assert all(k.used >= g.used for k in kept for g in gone)


@pytest.mark.parametrize(
    ("folder", "environment", "expected"),
    [
        (Path("/a"), {"VTLAB_STORE": "/b"}, "/a"),
        (None, {"VTLAB_STORE": "/b", "XDG_CACHE_HOME": "/c"}, "/b"),
        (None, {"XDG_CACHE_HOME": "/c"}, "/c/vtlab/store"),
    ],
)
def test_where_the_store_is(folder: Path | None, environment: dict[str, str], expected: str) -> None:
    assert store_folder(StoreSettings(folder=folder), environment) == Path(expected)


def test_files_of_the_user_are_no_entries(tmp_path: Path) -> None:
    """A folder named by mistake: photos by year and month."""
    store = Store(tmp_path)
    store.put_json(store.key("translation", 1), "kept")
    names = ["picture.jpg", "f" * 64, f"{'f' * 64}.jpg", ".hidden", f"{'f' * 64}.json.bak"]
    (tmp_path / "2024" / "01").mkdir(parents=True)
    for name in names:
        (tmp_path / "2024" / "01" / name).write_text("mine")
        os.utime(tmp_path / "2024" / "01" / name, (0, 0))
    assert [entry.stage for entry in store.entries()] == ["translation"]
    assert len(store.prune(max_bytes=0)) == 1
    assert store.clear() == []
    assert sorted(path.name for path in (tmp_path / "2024" / "01").iterdir()) == sorted(names)
