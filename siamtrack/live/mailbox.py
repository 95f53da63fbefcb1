"""A mailbox with one slot, between a thread that makes items and a thread that takes them."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot for the newest item.

    A queue of frames is a queue of delay: a consumer that is slower than its producer would fall behind for ever.
    With one slot it is never behind by more than what it is working on.

    Nothing here polls; who waits, sleeps until something happens.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slot: tuple[T] | None = None
        self._closed = False
        self._error: BaseException | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Items that `put` replaced before anybody took them."""
        with self._changed:
            return self._dropped

    def put(self, item: T) -> bool:
        """Leave an item at once, in place of the one before if that is still there.

        Returns:
            False if the mailbox is closed: the item was not taken in, and none will be.
        """
        with self._changed:
            if self._closed:
                return False
            self._dropped += self._slot is not None
            self._slot = (item,)
            self._changed.notify_all()
            return True

    def put_wait(self, item: T) -> bool:
        """Wait until the slot is free, then leave an item there. Nothing is ever replaced.

        Returns:
            False if the mailbox is closed, or was closed meanwhile: the item was not taken in.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._slot is None)
            # Within the same lock, so nobody fills the slot in between.
            return self.put(item)

    def take(self, timeout_s: float | None = None) -> T | None:
        """The newest item, waited for if there is none yet.

        Args:
            timeout_s: seconds to wait at most; None waits for ever.

        Returns:
            The item; None, now and ever after, once the mailbox is closed and what was left is taken.

        Raises:
            TimeoutError: nothing came in time.
            BaseException: the error that the mailbox was closed with, once what was left is taken.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._slot is not None, timeout_s):
                raise TimeoutError(f"nothing came within {timeout_s} s; take again, or wait for longer")
            if self._slot is not None:
                (item,) = self._slot
                self._slot = None
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def close(self, error: BaseException | None = None) -> None:
        """End the exchange and wake everybody who waits; what lies in the slot can still be taken.

        Only the first call counts: whoever closed first gave the reason.

        Args:
            error: what `take` raises after the last item, in place of returning None.
        """
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
                self._changed.notify_all()
