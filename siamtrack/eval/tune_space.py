"""The space of tracker constants that a search may choose from."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from siamtrack.config import nearest, replace
from siamtrack.errors import ConfigError
from siamtrack.tracking.config import TrackerConfig


@dataclass(frozen=True)
class Range:
    """Any number from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Choices:
    """One of a few values: numbers, strings or bools."""

    values: tuple[Any, ...]


Space = dict[str, Range | Choices]
"""What each constant may be, in the order in which reports show them."""

DEFAULTS = {
    "window_influence": (0.0, 0.6),
    "scale_step": (1.01, 1.08),
    "scale_penalty": (0.9, 1.0),
    "scale_damping": (0.1, 1.0),
    "size_penalty": (0.0, 0.5),
}
BOX_ONLY = ("size_penalty",)
SCALES_ONLY = ("scale_step", "scale_penalty")


def default_space(config: TrackerConfig) -> Space:
    """Ranges of the constants that make a difference under `config`, each wide enough to hold its present value."""
    box = config.scale_search == "box"
    idle = set(SCALES_ONLY if box else BOX_ONLY)
    if not box and config.scale_count == 1:
        idle |= {*SCALES_ONLY, "scale_damping"}
    present = {key: getattr(config, key) for key in DEFAULTS if key not in idle}
    return {key: Range(min(DEFAULTS[key][0], now), max(DEFAULTS[key][1], now)) for key, now in present.items()}


def read_space(values: Mapping[str, Any], config: TrackerConfig, where: str = "space") -> Space:
    """Check a space that a user wrote.

    Args:
        values: key -> list. Two numbers for a constant that is a fraction are a range; any other list is of choices.
        config: the present constants. They must lie in the space, because they are tried first.
        where: the name that error messages give to the mapping.

    Raises:
        ConfigError: an unknown key (the message names the nearest), a value that the tracker would refuse, or a
            present constant outside the space.
    """
    hints = typing.get_type_hints(TrackerConfig)
    space: Space = {}
    for key, listed in values.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(str(key), hints)}")
        if not isinstance(listed, (list, tuple)) or len(listed) < 2:
            raise ConfigError(f"{where}.{key}: expected [low, high] or a list of two or more choices, got {listed!r}")
        checked = tuple(getattr(replace(config, where, **{key: value}), key) for value in listed)
        present = getattr(config, key)
        if hints[key] is float and len(checked) == 2:
            low, high = checked
            if not low < high:
                raise ConfigError(f"{where}.{key}: [{low:g}, {high:g}] is empty; the lower end comes first")
            space[key] = Range(low, high)
            inside = low <= present <= high
        else:
            space[key] = Choices(checked)
            inside = present in checked
        if not inside:
            raise ConfigError(
                f"{where}.{key}: {list(checked)} does not hold the present {present!r}, which is tried first; "
                "widen it, or change the present value"
            )
    if not space:
        raise ConfigError(f"{where}: no constants; give at least one, as KEY: [low, high]")
    return space


def plain_space(space: Space) -> dict[str, list[Any]]:
    """The mapping that `read_space` reads."""
    return {key: [item.low, item.high] if isinstance(item, Range) else list(item.values) for key, item in space.items()}
