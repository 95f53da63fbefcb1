"""Shares of the network's thread, by a clock that the jobs themselves set: nothing here waits."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest
from made_videos import uncollected

from siamtrack.live.web.turns import LONG_PARTS, LONGEST_S, Turns


class Room:
    """Owners who always have a job waiting, each of its length, and how often each had its turn."""

    def __init__(self, **lengths_s: float) -> None:
        self.now = 0.0
        self.turns = Turns(lambda: self.now, lambda: self.now)
        self.had: Counter[str] = Counter()
        self._lengths_s = lengths_s
        self._eased_s: dict[str, float] = {}
        self._ease_at = float("inf")

    def ease(self, at_s: float, **lengths_s: float) -> None:
        """Jobs have these lengths from some time on."""
        self._ease_at, self._eased_s = at_s, lengths_s

    def run(self, until_s: float) -> Counter[str]:
        until_s += 1.0
        begin, done = threading.Event(), threading.Event()

        def wait() -> None:  # until all are there
            begin.wait(10)
            self.now += 1.0

        self.turns.submit("first", wait)

        def work(owner: str) -> None:
            lengths_s = self._lengths_s if self.now < self._ease_at else {**self._lengths_s, **self._eased_s}
            self.now += lengths_s[owner]
            self.had[owner] += 1
            if self.now < until_s:
                self.turns.submit(owner, work, owner)
            else:
                done.set()

        for owner in self._lengths_s:
            self.turns.submit(owner, work, owner)
        begin.set()
        assert done.wait(10)
        self.turns.shutdown()
        return self.had


def test_jobs_of_one_owner_keep_their_order() -> None:
    turns, done = Turns(), []
    jobs: list[Future[Any]] = [turns.submit("a", done.append, i) for i in range(20)]
    jobs[-1].result(10)
    assert done == list(range(20))
    turns.shutdown()
    with pytest.raises(RuntimeError, match="stopped"):
        turns.submit("a", done.append, 0)


def test_an_error_reaches_the_one_who_waits_and_the_next_job_is_done() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.submit("a", lambda: 1 // 0).result(10)
    assert turns.submit("a", lambda: 7).result(10) == 7
    turns.shutdown()


def test_owners_get_equal_time_whatever_the_length_of_their_jobs() -> None:
    had = Room(short=0.01, middle=0.02).run(12)
    assert had["short"] == pytest.approx(2 * had["middle"], rel=0.1)


def test_whoever_has_a_target_is_not_held_back_for_those_who_have_none() -> None:
    had = Room(idle=0.001, slow=0.1).run(20)
    assert 0.1 * had["slow"] == pytest.approx(10, rel=0.1)


def test_long_jobs_take_a_small_part_while_somebody_has_short_ones() -> None:
    had = Room(short=0.01, long=0.13, longer=0.2).run(60)
    spent = 0.13 * had["long"] + 0.2 * had["longer"]
    assert spent / (0.01 * had["short"]) == pytest.approx(1 / LONG_PARTS, rel=0.25)
    assert had["long"] > 5
    assert had["longer"] > 5


def test_fifty_with_long_jobs_leave_nearly_all_to_one_with_short_ones() -> None:
    had = Room(short=0.02, **{f"long{i}": 0.11 for i in range(50)}).run(60)
    first_s = 50 * 0.11  # nobody knows before their first jobs that they are long
    assert 0.02 * had["short"] > 0.92 * (60 - first_s)
    long = [had[f"long{i}"] for i in range(50)]
    assert min(long) >= max(long) - 1 > 0


def test_whoever_was_held_back_for_long_jobs_has_not_saved_up_time_for_short_ones() -> None:
    room = Room(short=0.01, hog=0.2)
    room.ease(hog=0.01, at_s=30)
    had = room.run(60)
    assert had["hog"] < had["short"] / 2


def test_among_long_ones_none_is_held_back() -> None:
    had = Room(long=0.13, longer=0.2).run(20)
    assert 0.13 * had["long"] + 0.2 * had["longer"] == pytest.approx(20, abs=0.4)


def test_short_jobs_wait_for_no_long_one_that_is_done_aside() -> None:
    now = [0.0]
    turns, hold, done = Turns(lambda: now[0], lambda: now[0], aside=True), threading.Event(), []

    def work(seconds: float) -> None:
        now[0] += seconds
        done.append(seconds)

    for _ in range(3):
        turns.submit("short", work, 0.01).result(10)
    turns.submit("long", work, 0.2).result(10)  # nobody knew
    now[0] += LONGEST_S + 1
    turns.submit("short", work, 0.01).result(10)
    long = turns.submit("long", hold.wait, 10)
    done.clear()
    for _ in range(20):
        turns.submit("short", work, 0.01).result(10)
    assert (len(done), long.done()) == (20, False)
    hold.set()
    turns.shutdown()
    assert long.result() is True


def test_of_a_job_that_failed_nothing_is_kept() -> None:
    class Large:
        """What a job works with."""

    def fail(_: Large) -> None:
        raise ValueError("no")

    turns = Turns()
    with uncollected(Large) as alive:
        assert isinstance(turns.submit("owner", fail, Large()).exception(), ValueError)
        turns.shutdown()
        assert alive() == 0
