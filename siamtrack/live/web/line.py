"""What the line to a client takes: how large pictures are, and how many may be under way. `live-line.js` does the same for
those that come from a client."""

from __future__ import annotations

LEVELS = ((1280, 80), (960, 75), (720, 68), (540, 62), (400, 56), (300, 50))
"""Longest side and JPEG quality of pictures, best first; boxes and targets are of the whole frame all the same."""

SLOW_S, QUICK_S = 0.15, 0.06
"""A picture that takes so much longer than a word has waited in a queue, or has not."""

BETTER_S, LONGEST_S = 2.0, 60.0
"""Seconds of quick pictures before larger ones are tried: twice as long after each try that failed, up to the longest."""

MOST, PAUSE_S = 8, 1.0


class Line:
    """The line to one client.

    Attributes:
        level: index in `LEVELS` of the pictures to send.
    """

    def __init__(self) -> None:
        self.level = 0
        self._better_s = BETTER_S
        self._quick_since = self._answered_at = -1.0
        self._tried_at = float("-inf")
        self._between_s = 0.0  # answers

    def most(self, word_s: float) -> int:
        """How many pictures may be under way: as many as the line holds, and one more.

        Args:
            word_s: seconds of a message without a picture, there and back.
        """
        return min(MOST, max(2, 1 + -int(-word_s // max(self._between_s, 1e-3))))

    def took(self, level: int, seconds: float, word_s: float, now: float) -> None:
        """A picture of a level took so long to be answered."""
        between = now - self._answered_at
        if self._answered_at >= 0 and between < PAUSE_S:
            self._between_s = 0.8 * self._between_s + 0.2 * between if self._between_s else between
        self._answered_at = now
        if level != self.level:
            return  # sent before the last change
        if seconds - word_s > SLOW_S:
            if now - self._tried_at < 2 * BETTER_S:
                self._better_s = min(2 * self._better_s, LONGEST_S)
            self.level = min(self.level + 1, len(LEVELS) - 1)
            self._quick_since = now
        elif seconds - word_s > QUICK_S or self._quick_since < 0:
            self._quick_since = now
        elif now - self._quick_since > self._better_s:
            self.level = max(self.level - 1, 0)
            self._quick_since = self._tried_at = now
