"""Which locator a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable

from siamtrack.tracking.box_locator import BoxLocator
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.locator import DeviceLocator
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import Locator
from siamtrack.tracking.scale_locator import ScaleLocator
from siamtrack.tracking.sized_locator import for_every_size


def make_locator(engine: Engine, config: TrackerConfig) -> Locator:
    """`BoxLocator` for `scale_search: box`, else `ScaleLocator`; for runtime `cuda-graph` either as a `DeviceLocator`.

    Where the configuration names several search sizes, there is one of them for each.

    Raises:
        ConfigError: the runtime does not have that scale search.
    """
    kind: Callable[[Engine, TrackerConfig], Locator] = BoxLocator if config.scale_search == "box" else ScaleLocator
    if engine.runtime == "cuda-graph":
        kind = DeviceLocator
    return for_every_size(kind, engine, config)
