"""Honest frame rates: N / sum(t), with the median and the 95th percentile."""

from __future__ import annotations

from collections import deque

import numpy as np


class FrameClock:
    """Durations of one kind of work, a number a frame, in memory that does not grow.

    Args:
        warm_up: this many first frames are left out: they pay for lazy initialisation.
        recent: percentiles are taken over so many of the latest frames.
    """

    def __init__(self, warm_up: int = 3, recent: int = 4096) -> None:
        self._skip = warm_up
        self._recent: deque[float] = deque(maxlen=recent)
        self._total_s = 0.0
        self.frames = 0

    def add(self, seconds: float) -> None:
        """Count one frame."""
        if self._skip:
            self._skip -= 1
            return
        self._total_s += seconds
        self.frames += 1
        self._recent.append(seconds)

    @property
    def fps(self) -> float:
        """Frames per second, N / sum(t); 0 before the first counted frame."""
        return self.frames / self._total_s if self._total_s else 0.0

    def summary(self) -> dict[str, float]:
        """Plain data: fps, p50_ms, p95_ms, frames."""
        p50, p95 = np.percentile(self._recent, [50, 95]) * 1e3 if self._recent else (0.0, 0.0)
        return {
            "fps": round(self.fps, 2),
            "p50_ms": round(float(p50), 3),
            "p95_ms": round(float(p95), 3),
            "frames": self.frames,
        }
