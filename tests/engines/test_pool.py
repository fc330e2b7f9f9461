from collections.abc import Callable

import pytest

from vtlab import resources
from vtlab.engines.pool import EnginePool

Key = tuple[str, ...]


def used(pool: EnginePool, *keys: Key) -> None:
    for key in keys:
        pool.borrow(key, object)
        pool.give_back(key)


def never() -> object:
    raise AssertionError("it is loaded already")


def test_an_engine_is_built_once() -> None:
    pool, built = EnginePool(), []
    build: Callable[[], object] = lambda: built.append(1) or "engine"  # noqa: E731
    assert [pool.borrow(("tts", "piper"), build) for _ in range(3)] == ["engine"] * 3
    assert built == [1]


def test_one_that_cannot_be_built_is_tried_again() -> None:
    pool = EnginePool()
    with pytest.raises(AssertionError):
        pool.borrow(("tts", "piper"), never)
    assert pool.loaded() == []
    assert pool.borrow(("tts", "piper"), lambda: "engine") == "engine"


def test_above_the_budget_the_least_recently_used_goes_first_and_the_recogniser_last() -> None:
    pool = EnginePool()
    used(pool, ("transcription", "whisper"), ("tts", "piper"), ("translation", "firefox"), ("tts", "kokoro"))
    used(pool, ("tts", "piper"))
    pool.budget_mb = 1  # this process is larger than that, so all must go
    assert pool.unload() == [
        ("translation", "firefox"),
        ("tts", "kokoro"),
        ("tts", "piper"),
        ("transcription", "whisper"),
    ]
    assert pool.loaded() == []


def test_dropping_ends_where_memory_is_well_below_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = EnginePool(budget_mb=1000)
    measured = iter([0, 0, 0, 801, 750, 700])
    monkeypatch.setattr(resources, "rss_mb", lambda: next(measured))
    used(pool, ("tts", "a"), ("tts", "b"), ("tts", "c"))
    assert pool.unload() == [("tts", "a"), ("tts", "b")]


def test_an_engine_in_use_stays() -> None:
    pool = EnginePool(budget_mb=1)
    pool.borrow(("tts", "piper"), object)
    pool.borrow(("tts", "piper"), never)
    pool.give_back(("tts", "piper"))
    assert pool.unload() == []
    pool.give_back(("tts", "piper"))
    assert pool.unload() == [("tts", "piper")]


def test_within_the_budget_nothing_goes() -> None:
    pool = EnginePool(budget_mb=10**9)
    used(pool, ("tts", "piper"))
    assert pool.unload() == []
    assert pool.loaded() == [("tts", "piper")]
