from vtlab.engines.pool import EnginePool


def test_an_engine_is_built_once() -> None:
    pool, built = EnginePool(), []
    for _ in range(3):
        pool.get(("tts", "piper"), lambda: built.append(1) or "engine")
    assert built == [1]


def test_above_the_budget_the_least_recently_used_goes_first_and_the_recogniser_last() -> None:
    pool = EnginePool()
    for key in (("transcription", "whisper"), ("tts", "piper"), ("translation", "firefox"), ("tts", "kokoro")):
        pool.get(key, lambda: object())
    pool.get(("tts", "piper"), lambda: object())
    pool.budget_mb = 1  # this process is larger than that, so all must go
    assert pool.trim() == [
        ("translation", "firefox"),
        ("tts", "kokoro"),
        ("tts", "piper"),
        ("transcription", "whisper"),
    ]
    assert pool.loaded() == []


def test_within_the_budget_nothing_goes() -> None:
    pool = EnginePool(budget_mb=10**9)
    pool.get(("tts", "piper"), lambda: object())
    assert pool.trim() == []
    assert pool.loaded() == [("tts", "piper")]
