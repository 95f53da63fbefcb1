"""What signals mean to a command that has something to finish."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Signals:
    """SIGINT and SIGTERM end a command with its results written, instead of the process without them.

    Args:
        act: called when one comes, in the main thread.

    Attributes:
        caught: the signal's number, once there was one.
    """

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.caught: int | None = None
        self._act = act

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        self._act()

    def __enter__(self) -> Signals:
        self._before: dict[int, Callable[..., Any] | int | None] = {
            number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def interrupt() -> None:
    """What `Signals` does for a loop that asks nobody whether to go on."""
    raise KeyboardInterrupt
