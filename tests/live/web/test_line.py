"""Pictures through lines wide and thin, simulated: each is so many bytes, and waits for those before it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from siamtrack.live.web.client import LEVELS, Line

BYTES = (110_000, 65_000, 35_000, 19_000, 9_000, 5_000)
"""Of a picture of each level."""


@dataclass
class Stretch:
    """What came through a line in the last part of a simulation."""

    fps: float
    delay_s: float
    levels: set[int]


def send(line: Line, bytes_per_s: float, word_s: float, seconds: float = 60.0, fps: float = 30.0) -> Stretch:
    """Send a camera's pictures through a line: the newest whenever the window has room."""
    under_way: list[tuple[float, int, float]] = []  # back at, level, sent at
    free_at, delays, levels = 0.0, [], set()
    for tick in range(round(seconds * 200)):
        now = tick / 200
        while under_way and under_way[0][0] <= now:
            back_at, level, sent_at = under_way.pop(0)
            line.took(level, back_at - sent_at, word_s, back_at)
            if now > seconds - 20:
                delays.append(back_at - sent_at)
                levels.add(level)
        if tick % round(200 / fps) == 0 and len(under_way) < line.most(word_s):
            free_at = max(free_at, now) + BYTES[line.level] / bytes_per_s
            under_way.append((free_at + word_s, line.level, now))
    return Stretch(len(delays) / 20, sum(delays) / len(delays), levels)


@pytest.mark.parametrize("word_s", [0.001, 0.05, 0.15, 0.4])
def test_a_wide_line_carries_every_picture_whatever_its_length(word_s: float) -> None:
    found = send(Line(), 50e6, word_s)
    assert found.levels == {0}
    # At 30 fps a round trip of 0.4 s holds twelve pictures; eight are kept under way at most.
    assert found.fps > (25 if word_s < 0.2 else 16)


def test_a_thin_line_carries_small_pictures_soon() -> None:
    found = send(Line(), 50_000, 0.4)  # 3G
    assert found.fps > 5
    assert found.delay_s < 0.7
    assert min(found.levels) >= 2


def test_a_line_that_gets_wide_again_carries_large_ones_again() -> None:
    line = Line()
    send(line, 50_000, 0.1)
    assert line.level > 2
    line._answered_at = line._quick_since = -1.0  # the simulation's clock begins anew
    line._tried_at = float("-inf")
    assert send(line, 50e6, 0.1, 300).levels == {0}


def test_levels_get_smaller() -> None:
    assert len(BYTES) == len(LEVELS)
    assert sorted(LEVELS, reverse=True) == list(LEVELS)
