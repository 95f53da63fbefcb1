"""What signals mean to a command that has something to finish."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Signals:
    """SIGINT and SIGTERM end a command with its results written, instead of the process without them.

    Args:
        raising: raise KeyboardInterrupt in the main thread, for a loop that asks nobody whether to go on.

    Attributes:
        caught: the signal's number, once there was one.
    """

    def __init__(self, raising: bool = False) -> None:
        self.caught: int | None = None
        self._raising = raising

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        if self._raising:
            raise KeyboardInterrupt

    def __enter__(self) -> Signals:
        self._before: dict[int, Callable[..., Any] | int | None] = {
            number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
