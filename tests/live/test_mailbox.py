from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from siamtrack.live.mailbox import Mailbox


@contextmanager
def running(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """A thread that works while the block runs, and has to come to its end soon after it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(10)
    assert not thread.is_alive()


def test_the_newest_replaces_what_nobody_took_and_is_counted() -> None:
    box: Mailbox[int] = Mailbox()
    assert all(box.put(i) for i in range(5))
    assert box.dropped == 4
    assert box.take() == 4
    assert box.put(5)
    assert box.take() == 5
    assert box.dropped == 4


def test_put_wait_never_drops_and_keeps_the_order() -> None:
    box: Mailbox[int] = Mailbox()
    taken: list[int] = []

    def produce() -> None:
        assert all(box.put_wait(i) for i in range(200))
        box.close()

    with running(produce):
        while (item := box.take(10)) is not None:
            taken.append(item)
    assert taken == list(range(200))
    assert box.dropped == 0


def test_a_fast_producer_and_a_slow_consumer_account_for_every_item() -> None:
    box: Mailbox[int] = Mailbox()
    taken: list[int] = []

    def produce() -> None:
        for i in range(2000):
            box.put(i)
        box.close()

    with running(produce):
        while (item := box.take(10)) is not None:
            taken.append(item)
            time.sleep(0.0005)
    assert taken == sorted(taken)
    assert taken[-1] == 1999
    assert len(taken) + box.dropped == 2000


def test_take_waits_no_longer_than_told() -> None:
    box: Mailbox[int] = Mailbox()
    with pytest.raises(TimeoutError, match=r"nothing came within 0\.01 s"):
        box.take(0.01)
    with running(lambda: (time.sleep(0.05), box.put(1))):
        assert box.take(10) == 1


def test_after_close_what_is_left_comes_and_then_the_end() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.close()
    assert not box.put(2)
    assert not box.put_wait(3)
    assert box.take() == 1
    assert box.take() is None
    assert box.take(0) is None
    assert box.dropped == 0


def test_after_close_what_is_left_comes_and_then_the_error() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.close(KeyError("broken"))
    box.close()  # the first reason stays
    assert box.take() == 1
    for _ in range(2):
        with pytest.raises(KeyError, match="broken"):
            box.take()


@pytest.mark.parametrize("error", [None, OSError("gone")])
def test_close_wakes_who_waits_to_take(error: Exception | None) -> None:
    box: Mailbox[int] = Mailbox()
    ends: list[object] = []

    def consume() -> None:
        try:
            ends.append(box.take())
        except OSError as caught:
            ends.append(caught)

    with running(consume), running(consume):
        time.sleep(0.02)
        box.close(error)
    assert ends == [error, error]


def test_close_wakes_who_waits_to_put() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    ends: list[bool] = []
    with running(lambda: ends.append(box.put_wait(2))):
        time.sleep(0.02)
        box.close()
    assert ends == [False]
    assert box.take() == 1
    assert box.take() is None
