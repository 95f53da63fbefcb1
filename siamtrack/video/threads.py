"""Decoding and encoding in threads of their own, so that the tracker waits for neither. Order and errors stay as they were."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

DEPTH = 4
"""Frames that may wait: enough to bridge a slow one, and 25 MB at 1080p."""

POLL_S = 0.2
"""Seconds between two looks at whether a wait was interrupted."""

LEAVE_S = 1.0
"""Seconds that a thread may take to end; what blocks for longer is inside a driver or a server's silence, and is left."""

T = TypeVar("T")


class _End:
    """The last thing in a queue, with the error that ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(
    items: Iterator[T],
    depth: int = DEPTH,
    interrupted: Callable[[], bool] = lambda: False,
    leave: Callable[[threading.Thread], object] = lambda _: None,
) -> Generator[T, None, None]:
    """The same items, made in another thread while earlier ones are being used.

    However the caller ends, by its own error or by closing this iterator, the thread has ended before it goes on: what
    the items are read from may then be closed. A thread that waits inside a driver or on a silent server cannot be
    ended; after `LEAVE_S` it is left.

    Args:
        items: what to read.
        depth: items that may wait.
        interrupted: asked while no item comes; True raises KeyboardInterrupt.
        leave: called with the thread when no more items are wanted, to let a read that waits come to its end.

    Raises:
        Whatever `items` raises, after everything that came before.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    stop = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not _put(waiting, item, stop):
                    return
        except BaseException as caught:  # it is raised again, where the items are used
            error = caught
        _put(waiting, _End(error), stop)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = waiting.get(timeout=POLL_S)
            except queue.Empty:
                if interrupted():
                    raise KeyboardInterrupt from None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        leave(thread)
        thread.join(LEAVE_S)


def wait_for(make: Callable[[], T], drop: Callable[[T], object]) -> T:
    """What a call returns that may block inside a driver: made in another thread, so that a signal ends the waiting.

    Args:
        make: the call. drop: gets what it returns when nobody waits for it any more.

    Raises:
        Whatever `make` raises, or the signal's handler.
    """
    made: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    lock = threading.Lock()
    left = False

    def work() -> None:
        try:
            result = make()
        except BaseException as error:  # it is raised again, where the result is waited for
            made.put((None, error))
            return
        with lock:
            if left:
                drop(result)
            else:
                made.put((result, None))

    try:
        threading.Thread(target=work, name="opening", daemon=True).start()
        while True:
            with suppress(queue.Empty):
                result, error = made.get(timeout=POLL_S)
                break
    except BaseException:
        with lock:
            left = True
        raise
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


class WriteBehind(Generic[T]):
    """Hands items to `write` in another thread, in order.

    Args:
        write: called with each item. If it fails once it is not called again.
        depth: items that may wait before `add` does.
    """

    def __init__(self, write: Callable[[T], None], depth: int = DEPTH) -> None:
        self._write = write
        self._waiting: queue.Queue[T | _End] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)
        self._thread.start()

    def add(self, item: T) -> None:
        """Queue an item.

        Raises:
            What `write` raised for an earlier one.
        """
        if self._error is not None:
            raise self._error
        self._waiting.put(item)

    def close(self) -> None:
        """Wait until everything is written. May be called again.

        Raises:
            What `write` raised.
        """
        if self._thread.is_alive():
            self._waiting.put(_End(None))
            self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            if self._error is not None:
                continue  # whoever adds must never wait for room
            try:
                self._write(item)
            except BaseException as error:  # it is raised again in `add` or `close`
                self._error = error


def _put(waiting: queue.Queue[T | _End], item: T | _End, stop: threading.Event) -> bool:
    """Put an item as soon as there is room; False if nobody wants it any more."""
    while not stop.is_set():
        with suppress(queue.Full):
            waiting.put(item, timeout=0.05)
            return True
    return False
