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


def frames(tool: ModuleType, count: int, shift: float = 0.0) -> Any:
    """Frames of two sequences and of their clips, which are five times as many; good by a known law of both features."""
    rng = np.random.default_rng(5)
    features = rng.normal(0, 2, (6 * count, 2))
    kind = np.repeat(["plain", "cut", "black", "leaves", "removed", "occluded"], count)
    # In clips a target is away more often than the features alone would say.
    log_odds = features @ (0.8, 0.4) + np.where(kind == "plain", shift, -shift)
    good = rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    return tool.Frames(features, np.where(good, 0.7, 0.2), np.tile(["one", "two"], 3 * count), kind)


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
    scores = 1 / (1 + np.exp(-(seen.features @ weights + tool.offset_for(seen, np.array(weights)))))
    assert seen.halves() @ scores == pytest.approx(seen.halves() @ seen.good, abs=1e-4)


def test_a_feature_that_is_left_out_weighs_nothing(tool: ModuleType) -> None:
    seen = frames(tool, 200)
    more = tool.Frames(np.column_stack([seen.features, seen.good.astype(float)]), *seen[1:])
    assert [len(list(tool.choices(count))) for count in (2, 3)] == [3, 7]
    weights, _ = tool.fit(more, ("logit", "quality"))
    assert weights[1] == 0
    assert weights[2] > 1


def test_the_share_above_is_of_frames_off_the_target(tool: ModuleType) -> None:
    overlaps = np.concatenate([np.full(100, 0.8), np.zeros(10), np.full(10, 0.3)])
    scores = np.concatenate([np.linspace(0.5, 1, 100), np.full(4, 0.9), np.full(6, 0.1), np.ones(10)])
    seen = tool.Frames(np.zeros((120, 2)), overlaps, np.full(120, "one"), np.full(120, "plain"))
    assert tool.share_above(scores, seen) == pytest.approx(0.4)


def test_a_sequence_is_followed_from_many_starts(tool: ModuleType, tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    write_clip(tmp_path / "one.mp4", 24)
    boxes = (",".join(f"{value:.2f}" for value in rendered_frame(i)[1]) for i in range(24))
    (tmp_path / "one.txt").write_text("\n".join(boxes))
    rows = tool.observe_starts(tmp_path, "one", "siamfc-lite", {"redetect": False})
    assert len(rows) == 2 * 23  # from both ends; later starts leave too few frames
    similarity = np.array([features[3] for features, *_ in rows])
    assert (np.abs(similarity) <= 1 + 1e-6).all()
    assert similarity.mean() > 0.5
