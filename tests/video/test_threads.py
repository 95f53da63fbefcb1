from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from siamtrack.video import threads
from siamtrack.video.source import Frame, Source
from siamtrack.video.threads import WriteBehind, read_ahead, wait_for


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


class Stalled(Source):
    """Two frames, then nothing until `more` is set."""

    name, fps, frame_count = "stalled", 25.0, None

    def __init__(self) -> None:
        self.more, self.closed = threading.Event(), threading.Event()

    def read(self, start: int = 0) -> Iterator[Frame]:
        for index in (0, 1):
            yield Frame(index, index / 25, np.zeros((4, 4, 3), np.uint8))
        self.more.wait()
        assert not self.closed.is_set(), "read after the source was closed"

    def close(self) -> None:
        self.closed.set()


def test_a_wait_for_a_frame_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LEAVE_S", 0.05)
    with Stalled() as source:
        frames = source.read_ahead()
        assert [next(frames).index, next(frames).index] == [0, 1]
        source.interrupt()
        with pytest.raises(KeyboardInterrupt):
            next(frames)
    # A read that blocks is left, and the source closed behind it.
    assert not source.closed.is_set()
    source.more.set()
    assert source.closed.wait(10)


def test_frames_that_came_are_given_before_an_interruption() -> None:
    with Stalled() as source:
        source.interrupt()
        frames = source.read_ahead()
        assert [next(frames).index, next(frames).index] == [0, 1]
        source.more.set()
        frames.close()
    assert source.closed.is_set()


def test_what_is_made_elsewhere_is_waited_for() -> None:
    assert wait_for(lambda: threading.current_thread().name, pytest.fail) == "opening"
    with pytest.raises(FileNotFoundError, match="none"):
        wait_for(Path("none").stat, pytest.fail)


def test_nobody_waits_behind_a_signal_and_what_came_too_late_is_dropped() -> None:
    go, dropped = threading.Event(), queue.SimpleQueue[int]()

    def make() -> int:
        signal.raise_signal(signal.SIGINT)
        go.wait()
        return 7

    # Where tests are started in the background, SIGINT is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_for(make, dropped.put)
    finally:
        signal.signal(signal.SIGINT, before)
    go.set()
    assert dropped.get(timeout=10) == 7


def test_everything_is_written_in_order_by_another_thread() -> None:
    written: list[tuple[int, str]] = []
    behind = WriteBehind[int](lambda item: written.append((item, threading.current_thread().name)), depth=2)
    add_all(behind, 30)
    behind.close()
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
