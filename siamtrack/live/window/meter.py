"""How fast pictures come to the screen, and how old they are then."""

from __future__ import annotations

from collections import deque

RECENT = 30
"""Pictures over which both figures are taken: enough to stand still, few enough to follow."""


class Meter:
    """Rate and age of the pictures shown lately. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._shown: deque[float] = deque(maxlen=RECENT)
        self._ages: deque[float] = deque(maxlen=RECENT)
        self._since = 0.0

    def add(self, captured_at: float, shown_at: float) -> None:
        """Count a picture."""
        self._shown.append(shown_at)
        # A frame that lay waiting through a pause is old by the user's wish.
        if captured_at >= self._since:
            self._ages.append(shown_at - captured_at)

    def restart(self, now: float) -> None:
        """Forget what was: it was interrupted, so it says nothing of what comes."""
        self._shown.clear()
        self._ages.clear()
        self._since = now

    @property
    def fps(self) -> float:
        """Pictures per second; 0 as long as nobody can know."""
        span = self._shown[-1] - self._shown[0] if len(self._shown) > 1 else 0.0
        return (len(self._shown) - 1) / span if span else 0.0

    @property
    def latency_ms(self) -> float | None:
        """Mean age; None as long as nobody can know."""
        return 1000 * sum(self._ages) / len(self._ages) if self._ages else None
