import threading
from collections.abc import Iterator

import pytest

from vtlab.prefetch import prefetch


def test_the_same_items_in_order() -> None:
    assert list(prefetch(range(5000), ahead=10)) == list(range(5000))


def test_items_are_made_while_the_reader_is_busy() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    reader = prefetch(items())
    assert next(reader) == 1
    assert made.wait(60)
    assert list(reader) == [2]


def test_an_error_reaches_the_reader() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    reader = prefetch(items())
    assert next(reader) == 1
    with pytest.raises(KeyError, match="lost"):
        next(reader)


def test_a_reader_that_stops_stops_the_maker() -> None:
    asked = []

    def items() -> Iterator[int]:
        for number in range(1_000_000):
            asked.append(number)
            yield number

    reader = prefetch(items(), ahead=5)
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert threading.active_count() < 20
    assert len(asked) < 20
