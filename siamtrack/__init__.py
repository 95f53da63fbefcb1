"""siamtrack: point at anything in a video, and it is followed.

    import siamtrack

    tracker = siamtrack.load()
    tracker.init(frame, (x, y, w, h))
    result = tracker.update(frame)

    for step in siamtrack.track("clip.mp4", box=(x, y, w, h)):
        print(step.index, step.result.box, step.result.score)

Importing this module is light: torch is imported by the first call that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siamtrack.errors import (
    ConfigError,
    DataError,
    DisplayError,
    OutputError,
    SiamtrackError,
    SourceError,
    WeightsError,
)

if TYPE_CHECKING:
    from siamtrack.api import Step, load, track
    from siamtrack.batch.driver import batch
    from siamtrack.boxes import Box
    from siamtrack.tracking.config import TrackerConfig
    from siamtrack.tracking.result import State, TrackResult
    from siamtrack.tracking.tracker import MultiTracker, Tracker
    from siamtrack.verify.verifier import Verifier

__version__ = "0.13.0"

_HOMES = {
    "load": "siamtrack.api",
    "track": "siamtrack.api",
    "Step": "siamtrack.api",
    "batch": "siamtrack.batch.driver",
    "Box": "siamtrack.boxes",
    "State": "siamtrack.tracking.result",
    "Tracker": "siamtrack.tracking.tracker",
    "MultiTracker": "siamtrack.tracking.tracker",
    "TrackerConfig": "siamtrack.tracking.config",
    "TrackResult": "siamtrack.tracking.result",
    "Verifier": "siamtrack.verify.verifier",
}

__all__ = [
    "Box",
    "ConfigError",
    "DataError",
    "DisplayError",
    "MultiTracker",
    "OutputError",
    "SiamtrackError",
    "SourceError",
    "State",
    "Step",
    "TrackResult",
    "Tracker",
    "TrackerConfig",
    "Verifier",
    "WeightsError",
    "__version__",
    "batch",
    "load",
    "track",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'siamtrack' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
