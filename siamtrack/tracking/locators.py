"""Which locator a configuration asks for."""

from __future__ import annotations

from siamtrack.tracking.box_locator import BoxLocator
from siamtrack.tracking.device.locator import DeviceLocator
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import Locator
from siamtrack.tracking.scale_locator import ScaleLocator
from siamtrack.tracking.settings import TrackerConfig


def make_locator(engine: Engine, config: TrackerConfig) -> Locator:
    """`BoxLocator` for `scale_search: box`, else `ScaleLocator`; for runtime `cuda-graph` either as a `DeviceLocator`.

    Raises:
        ConfigError: the runtime does not have that scale search.
    """
    if engine.runtime == "cuda-graph":
        return DeviceLocator(engine, config)
    return (BoxLocator if config.scale_search == "box" else ScaleLocator)(engine, config)
