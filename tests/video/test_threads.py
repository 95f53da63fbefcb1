from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from siamtrack.video.threads import WriteBehind, read_ahead


def count(upto: int, fail: bool = False) -> Iterator[int]:
    yield from range(upto)
    if fail:
        raise ValueError("broke off")


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("read-ahead", "write-behind")]


def add_all(behind: WriteBehind[int], count: int) -> None:
    for item in range(count):
        behind.add(item)
        time.sleep(0.001)


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(read_ahead(count(50), depth=2)) == list(range(50))
    assert not ours()


def test_an_error_comes_after_everything_before_it() -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="broke off"):
        seen.extend(read_ahead(count(20, fail=True), depth=2))
    assert seen == list(range(20))
    assert not ours()


def test_no_more_is_read_than_may_wait() -> None:
    made = []

    def making() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    items = read_ahead(making(), depth=3)
    next(items)
    time.sleep(0.2)
    assert len(made) <= 5  # one used, three waiting, one that waits for room
    items.close()
    assert not ours()


def test_closing_early_ends_the_thread_before_it_returns() -> None:
    open_ = True

    def guarded() -> Iterator[int]:
        for i in range(1000):
            assert open_, "read after the source was closed"
            yield i

    items = read_ahead(guarded(), depth=2)
    assert next(items) == 0
    items.close()
    open_ = False
    assert not ours()


def test_everything_is_written_in_order_by_another_thread() -> None:
    written: list[tuple[int, str]] = []
    with WriteBehind[int](lambda item: written.append((item, threading.current_thread().name)), depth=2) as behind:
        for item in range(30):
            behind.add(item)
    assert written == [(item, "write-behind") for item in range(30)]
    assert not ours()


def test_a_failed_write_is_raised_and_nobody_waits_for_ever() -> None:
    calls = []

    def write(item: int) -> None:
        calls.append(item)
        raise OSError("disk full")

    behind = WriteBehind[int](write, depth=1)
    with pytest.raises(OSError, match="disk full"):
        add_all(behind, 100)
    with pytest.raises(OSError, match="disk full"):
        behind.close()
    behind.close()
    assert calls == [0]
    assert not ours()


def test_an_error_of_the_caller_is_the_one_that_is_seen() -> None:
    def write(_: int) -> None:
        raise OSError("disk full")

    def use() -> None:
        with WriteBehind[int](write) as behind:
            behind.add(1)
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        use()
    assert not ours()
