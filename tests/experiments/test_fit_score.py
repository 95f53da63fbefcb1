from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from rendered import rendered_frame

FEATURES = ("logit", "margin")


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/lost/fit_score")


def frames(tool: ModuleType, count: int) -> Any:
    """Frames of two sequences, one five times as long; good by a known law of both features, in the long one less often."""
    rng = np.random.default_rng(5)
    features = np.column_stack([rng.normal(1, 2, (6 * count, 2)), np.zeros((6 * count, 2))])
    sequence = np.repeat(["short", *["long"] * 5], count)
    log_odds = features[:, :2] @ (0.8, 0.4) + np.where(sequence == "short", 0.5, -0.5)
    good = rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    return tool.Frames(features, np.where(good, 0.7, 0.2), sequence, np.zeros(6 * count), np.full(6 * count, "LOST"))


def test_weights_and_offset_are_those_of_the_law_and_a_long_sequence_counts_no_more_than_a_short_one(tool: ModuleType) -> None:
    seen = frames(tool, 4000)
    weights, offset = tool.fit(seen, FEATURES)
    assert weights[:2] == pytest.approx((0.8, 0.4), rel=0.2)  # the ridge pulls towards nothing
    assert offset == pytest.approx(0, abs=0.1)  # by the frames alone, five of six being of the long one, it would be -0.33
    scores = 1 / (1 + np.exp(-(seen.features @ weights + offset)))
    assert seen.weights() @ scores == pytest.approx(seen.weights() @ seen.good, rel=1e-6)


def test_a_feature_that_is_left_out_weighs_nothing(tool: ModuleType) -> None:
    seen = frames(tool, 200)
    seen.features[:, 2] = seen.good
    assert len(list(tool.choices())) == 15
    weights, _ = tool.fit(seen, ("logit", "quality"))
    assert weights[1] == 0
    assert weights[2] > 1


def test_the_share_above_is_of_frames_off_the_target(tool: ModuleType) -> None:
    overlaps = np.concatenate([np.full(100, 0.8), np.zeros(10), np.full(10, 0.3)])
    scores = np.concatenate([np.linspace(0.5, 1, 100), np.full(4, 0.9), np.full(6, 0.1), np.ones(10)])
    states = np.array([*["TRACKING"] * 90, *["LOST"] * 12, *["TRACKING"] * 18])
    seen = tool.Frames(np.zeros((120, 2)), overlaps, np.full(120, "one"), scores, states)
    assert tool.share_above(scores, seen) == pytest.approx(0.4)
    told = tool.as_it_is(seen)
    assert "off the target: 80.0% TRACKING, 20.0% LOST of 10" in told
    assert "good: 90.0% TRACKING, 10.0% LOST of 100" in told


def test_a_sequence_is_followed_from_many_starts(tool: ModuleType, tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    write_clip(tmp_path / "one.mp4", 24)
    boxes = (",".join(f"{value:.2f}" for value in rendered_frame(i)[1]) for i in range(24))
    (tmp_path / "one.txt").write_text("\n".join(boxes))
    rows = tool.observe(tmp_path, "one", "it/one", "siamfc-lite", {"redetect": False}, (0.0, 0.2, 0.4, 0.6))
    assert len(rows) == 2 * 23  # from both ends; later starts leave too few frames
    assert {label for _, _, label, _, _ in rows} == {"it/one"}
    assert {state for *_, score, state in rows if score > 0.95} == {"TRACKING"}
    shape_change = np.array([features[3] for features, *_ in rows])
    assert ((shape_change > 0) & (shape_change < 0.5)).all(), "the head's boxes differ a little from the first frame's shape"
