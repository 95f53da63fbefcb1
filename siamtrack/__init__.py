"""siamtrack: point at anything in a video, and it is followed.

A video, frame by frame, or at once into a folder:

    import siamtrack

    for step in siamtrack.track("clip.mp4", box=(x, y, w, h)):
        print(step.index, step.result.box, step.result.score, step.result.state)

    results = siamtrack.track("clip.mp4", box=(x, y, w, h), save="runs/clip")
    results.to_pandas()

Your own loop, with one target or many:

    tracker = siamtrack.load()
    tracker.init(frame, (x, y, w, h))
    result = tracker.update(next_frame)

    group = siamtrack.load_multi()
    group.add("car", frame, (x, y, w, h))
    group.add("bus", frame, (x, y, w, h))
    group.update(next_frame)["car"].box

Many targets in many videos: `siamtrack.batch`. Boxes are 0-based (x, y, width, height) in pixels; frames are BGR uint8 of shape
(height, width, 3), as OpenCV reads them. What goes wrong is a `siamtrack.SiamtrackError`, a `ValueError` or a
`FileNotFoundError`, and says what to do.

Importing this module takes no time; the parts come when they are asked for.
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
    from siamtrack.api import load, load_multi, track
    from siamtrack.batch.driver import batch
    from siamtrack.boxes import Box
    from siamtrack.results import RunResults, Step, Steps
    from siamtrack.tracking.config import TrackerConfig
    from siamtrack.tracking.result import State, TargetResults, TrackResult
    from siamtrack.tracking.tracker import MultiTracker, Tracker
    from siamtrack.verify.verifier import Verifier

__version__ = "0.13.0"

_HOMES = {
    "load": "siamtrack.api",
    "load_multi": "siamtrack.api",
    "track": "siamtrack.api",
    "RunResults": "siamtrack.results",
    "Step": "siamtrack.results",
    "Steps": "siamtrack.results",
    "batch": "siamtrack.batch.driver",
    "Box": "siamtrack.boxes",
    "State": "siamtrack.tracking.result",
    "TargetResults": "siamtrack.tracking.result",
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
    "RunResults",
    "SiamtrackError",
    "SourceError",
    "State",
    "Step",
    "Steps",
    "TargetResults",
    "TrackResult",
    "Tracker",
    "TrackerConfig",
    "Verifier",
    "WeightsError",
    "__version__",
    "batch",
    "load",
    "load_multi",
    "track",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'siamtrack' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
