from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/lost/reliability")


rows = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.77, 1.0]), st.booleans()), min_size=2, max_size=40)


@given(rows)
def test_auroc_counts_the_pairs_in_order(tool: ModuleType, pairs: list[tuple[float, bool]]) -> None:
    scores, good = (np.array(column) for column in zip(*pairs, strict=True))
    wins = [(a > b) + 0.5 * (a == b) for a in scores[good] for b in scores[~good]]
    assert tool.auroc(scores, good) == pytest.approx(np.mean(wins)) if wins else math.isnan(tool.auroc(scores, good))


def test_scores_that_mean_what_they_say_have_no_error(tool: ModuleType) -> None:
    scores, good = np.repeat([0.25, 0.75], 8), np.array([1, 1, 0, 0, 0, 0, 0, 0] + [1] * 6 + [0, 0], bool)
    assert tool.calibration_error(scores, good) == pytest.approx(0)
    assert tool.calibration_error(np.full(16, 0.9), good) == pytest.approx(0.4)


def test_bins_hold_every_frame_once_and_empty_ones_are_left_out(tool: ModuleType) -> None:
    found = tool.reliability(np.array([0.0, 0.04, 0.96, 1.0]), np.array([False, False, True, True]))
    assert [tuple(one) for one in found] == [(0.5, 0.02, 0.0), (0.5, 0.98, 1.0)]
