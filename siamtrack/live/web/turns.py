"""Whose turn it is: one thread runs the network for all sessions, and each gets its share of the thread's time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

LONG_S, LONG_TIMES = 0.03, 5.0
"""A job is long that takes so many seconds, and so many times what another owner's takes."""

TRIVIAL_S = 0.002
"""Beside shorter ones no job is long: frames without a target are no measure of how long one with a target may take. Not so
where long ones are done aside."""

LONG_PARTS, LONGEST_S = 14.0, 4.0
"""After a long job the thread is kept from the next one for so many times as long, at most so many seconds: a job cannot be
interrupted, and so long ones would cost those who have short ones picture after picture, whatever their share is."""

ACTIVE_S = 0.5
"""An owner without a job for so long asks for no share."""

FORGET_S = 60.0


@dataclass
class _Owner:
    """Who has jobs: those that wait, the time spent on earlier ones, how long the last ones took, when the last ended, and
    whether one is being done."""

    jobs: deque[tuple[Future[Any], Callable[[], Any]]] = field(default_factory=deque)
    spent_s: float = 0.0
    length_s: float = 0.0
    ended_at: float = float("-inf")
    busy: bool = False


class Turns:
    """Runs jobs one after another in a thread: of those who wait, the one on whom the least time was spent is next.

    Args:
        clock: monotonic seconds.
        worked: seconds that the calling thread has worked: what other programs take of the processor is nobody's fault.
        aside: do long jobs in another thread while there are short ones, which wait for none of them then.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        worked: Callable[[], float] = time.thread_time,
        aside: bool = False,
    ) -> None:
        self._clock, self._worked = clock, worked
        self._changed = threading.Condition()
        self._owners: dict[object, _Owner] = {}
        self._spent_s = 0.0  # of the owner whose turn it was last: who comes from a rest begins there
        self._no_long_before = float("-inf")
        self._closing = False
        self._trivial_s = 0.0 if aside else TRIVIAL_S
        takes: list[Callable[[bool], bool]] = [lambda is_long: not is_long, bool] if aside else [lambda _: True]
        self._threads = [threading.Thread(target=self._run, args=(one,), name="turns", daemon=True) for one in takes]
        for thread in self._threads:
            thread.start()

    def submit(self, owner: object, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have a job done in its turn.

        Args:
            owner: on whose time; jobs of one owner are done in the order of the calls. Kept for a minute: no large object.
            work, arguments: what to call.

        Raises:
            RuntimeError: it was shut down.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise RuntimeError("no job is taken any more; the server was stopped")
            mine = self._owners.setdefault(owner, _Owner())
            if not mine.jobs:
                mine.spent_s = max(mine.spent_s, self._spent_s)
            mine.jobs.append((future, lambda: work(*arguments)))
            self._changed.notify_all()
        return future

    async def run(self, owner: object, work: Callable[..., T], *arguments: Any) -> T:
        """As `submit`, and wait for what it gives."""
        return await asyncio.wrap_future(self.submit(owner, work, *arguments))

    def shutdown(self) -> None:
        """Do all jobs that wait, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, takes: Callable[[bool], bool]) -> None:
        while (owner := self._next(takes)) is not None:
            self._do(owner, *owner.jobs[0])  # what it worked with is not kept while the thread waits
            with self._changed:
                owner.jobs.popleft()
                owner.busy = False
                self._changed.notify_all()

    def _do(self, owner: _Owner, future: Future[Any], work: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        before, result, problem = self._worked(), None, None
        try:
            result = work()
        except BaseException as error:  # whatever it was goes to the one who waits for it
            problem = error
        self._account(owner, self._worked() - before)
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)
        del future, work, problem  # an error holds this call, which must not hold it

    def _account(self, owner: _Owner, took_s: float) -> None:
        with self._changed:
            owner.ended_at, owner.length_s = self._clock(), max(took_s, owner.length_s / 2)
            self._spent_s = owner.spent_s
            owner.spent_s += took_s
            since = owner.ended_at - FORGET_S
            self._owners = {key: one for key, one in self._owners.items() if one.jobs or one.ended_at > since}
            if owner.length_s > self._long_s():
                self._no_long_before = owner.ended_at + min(LONG_PARTS * took_s, LONGEST_S)

    def _next(self, takes: Callable[[bool], bool]) -> _Owner | None:
        """The owner whose turn it is, waited for; None when it was shut down and nothing is left.

        Args:
            takes: whether jobs are done here that are long, or are not.
        """
        with self._changed:
            while True:
                waiting = sorted(
                    (one for one in self._owners.values() if one.jobs and not one.busy),
                    key=lambda one: (one.spent_s, one.ended_at),
                )
                if self._closing and not any(one.jobs for one in self._owners.values()):
                    return None
                wait_s = self._no_long_before - self._clock()
                long_s = float("inf") if self._closing else self._long_s()
                for one in waiting:
                    is_long = one.length_s > long_s
                    if takes(is_long) and (not is_long or wait_s <= 0):
                        for held in waiting[: waiting.index(one)]:
                            if held.length_s > long_s:  # nobody saves up what he was kept from
                                held.spent_s = one.spent_s
                        one.busy = True
                        return one
                self._changed.wait((min(wait_s, ACTIVE_S) if wait_s > 0 else ACTIVE_S) if waiting else None)

    def _long_s(self) -> float:
        """Jobs are long that take more seconds: beside those of others who had one lately."""
        since = self._clock() - ACTIVE_S
        active = (one.length_s for one in self._owners.values() if one.jobs or one.ended_at > since)
        return max(LONG_S, LONG_TIMES * min((length for length in active if length > self._trivial_s), default=float("inf")))
