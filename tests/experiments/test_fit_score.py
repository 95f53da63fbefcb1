from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FEATURES = ("value", "gap")


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/lost/fit_score")


def frames(tool: ModuleType, count: int, shift: float = 0.0) -> Any:
    """Frames of two sequences and of their clips, which are five times as many; good by a known law of both features."""
    rng = np.random.default_rng(5)
    evidence = rng.normal(0, 2, (6 * count, 2))
    kind = np.repeat(["plain", "cut", "black", "leaves", "removed", "occluded"], count)
    # In clips a target is away more often than the evidence alone would say.
    log_odds = evidence @ (0.8, 0.4) + np.where(kind == "plain", shift, -shift)
    good = rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    return tool.Frames(evidence, np.where(good, 0.7, 0.2), np.tile(["one", "two"], 3 * count), kind)


def test_weights_are_those_of_the_law_and_the_offset_lies_between_sequences_and_clips(tool: ModuleType) -> None:
    weights, offset = tool.fit(frames(tool, 4000), FEATURES)
    assert weights == pytest.approx((0.8, 0.4), rel=0.2)  # the ridge pulls towards nothing
    assert offset == pytest.approx(0, abs=0.05)
    _, offset = tool.fit(frames(tool, 4000, shift=1.0), FEATURES)
    assert offset == pytest.approx(0, abs=0.1)  # by the frames alone, five of six being of clips, it would be -0.7


def test_the_sequences_as_they_are_count_as_much_as_all_clips(tool: ModuleType) -> None:
    seen = frames(tool, 100)
    halves = seen.halves()
    assert halves.sum() == pytest.approx(1)
    assert halves[seen.kind == "plain"].sum() == pytest.approx(0.5)
    plain = seen.of(seen.kind == "plain")
    assert plain.halves() == pytest.approx(np.full(100, 0.01))


@pytest.mark.parametrize("weights", [(0.8, 0.4), (2.0, -1.0), (0.0, 0.0)])
def test_the_offset_makes_scores_right_on_the_whole(tool: ModuleType, weights: tuple[float, float]) -> None:
    seen = frames(tool, 500, shift=0.7)
    scores = 1 / (1 + np.exp(-(seen.evidence @ weights + tool.offset_for(seen, np.array(weights)))))
    assert seen.halves() @ scores == pytest.approx(seen.halves() @ seen.good, abs=1e-4)
