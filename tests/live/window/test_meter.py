from __future__ import annotations

import pytest

from siamtrack.live.window.meter import RECENT, Meter


def test_rate_and_age() -> None:
    meter = Meter()
    assert (meter.fps, meter.latency_ms) == (0.0, None)
    for i in range(1, 101):
        meter.add(i / 20, i / 20 + 0.08)
    assert meter.fps == pytest.approx(20)
    assert meter.latency_ms == pytest.approx(80)


def test_only_the_latest_count() -> None:
    meter = Meter()
    for i in range(1, 101):
        meter.add(i, i + 2)
    for i in range(1, RECENT + 1):
        meter.add(200 + i / 10, 200 + i / 10 + 0.5)
    assert meter.fps == pytest.approx(10)
    assert meter.latency_ms == pytest.approx(500)


def test_a_pause_does_not_count() -> None:
    meter = Meter()
    for i in range(10):
        meter.add(i / 10, i / 10 + 0.01)
    meter.restart(100.0)
    assert (meter.fps, meter.latency_ms) == (0.0, None)
    meter.add(1.0, 100.1)  # lay waiting through the pause
    assert meter.latency_ms is None
    meter.add(100.15, 100.2)
    assert meter.fps == pytest.approx(10)
    assert meter.latency_ms == pytest.approx(50)
