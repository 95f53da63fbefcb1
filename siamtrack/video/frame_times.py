"""How long frames take: frame rates of a run, and the clock beside a tracker's update."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol, TypeVar

import numpy as np

from siamtrack.frames import Image
from siamtrack.tracking.network import Network

Found = TypeVar("Found", covariant=True)

FIGURES = ("network", "tracker", "end_to_end")


class FrameTimes:
    """Frame rates of a run, N / sum(t), with the median and the 95th percentile, in memory that does not grow.

    Args:
        warm_up: this many first frames are left out: they pay for lazy initialisation.
        recent: percentiles are taken over so many of the latest frames.
    """

    def __init__(self, warm_up: int = 3, recent: int = 4096) -> None:
        self._skip = warm_up
        self._recent: deque[tuple[float, float, float]] = deque(maxlen=recent)
        self._total_s = np.zeros(len(FIGURES))
        self._frames = 0

    def add(self, network_s: float, tracker_s: float, end_to_end_s: float) -> None:
        """Count one frame: seconds of the network, of the tracker with the network, and of everything."""
        if self._skip:
            self._skip -= 1
            return
        self._frames += 1
        self._recent.append((network_s, tracker_s, end_to_end_s))
        self._total_s += self._recent[-1]

    @property
    def fps(self) -> float:
        """Frames per second, everything included; 0 before the first counted frame."""
        return self._frames / float(self._total_s[2]) if self._total_s[2] else 0.0

    def summary(self) -> dict[str, dict[str, float]]:
        """Plain data, for each of `FIGURES`: fps, p50_ms, p95_ms, frames."""
        percentiles = np.percentile(self._recent, [50, 95], axis=0) * 1e3 if self._recent else np.zeros((2, len(FIGURES)))
        return {
            name: {
                "fps": round(self._frames / total_s, 2) if total_s else 0.0,
                "p50_ms": round(p50, 3),
                "p95_ms": round(p95, 3),
                "frames": self._frames,
            }
            for name, total_s, p50, p95 in zip(FIGURES, self._total_s.tolist(), *percentiles.tolist(), strict=True)
        }


class _Tracking(Protocol[Found]):
    """A `Tracker` or a `MultiTracker`."""

    @property
    def backend(self) -> Network: ...

    def update(self, frame: Any, /) -> Found: ...


def timed_update(tracker: _Tracking[Found], image: Image) -> tuple[Found, tuple[float, float]]:
    """A tracker's `update`, and the seconds that its network took, and all of it: for `FrameTimes.add`."""
    network_s, began = tracker.backend.network_s, time.perf_counter()
    found = tracker.update(image)
    return found, (tracker.backend.network_s - network_s, time.perf_counter() - began)
