from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from rendered import rendered_frame

from siamtrack.eval.onnx_peers import PEER_NETWORKS, PeerMaps


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/scale_response")


def a_pair() -> tuple[tuple[NDArray[np.uint8], NDArray[np.float64]], ...]:
    return tuple((frame, np.array(box, np.float64)) for frame, box in (rendered_frame(i) for i in (0, 3)))


class Blind:
    """A network that says the same sides in pixels of its crop, whatever it is shown."""

    exemplar_size, search_size, constants = 100, 200, (0.0, 0.0, 0.0)

    def exemplar_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return size_wh

    def search_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return 4 * size_wh[0], 4 * size_wh[1]

    def learn(self, exemplar: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros(0, np.float32)

    def find(self, template: NDArray[np.float32], search: NDArray[np.uint8]) -> PeerMaps:
        corners = np.array([-25, -25, 25, 25], np.float32)  # a quarter of the crop: the size that the tracker believes
        return PeerMaps(np.zeros((16, 16), np.float32), np.broadcast_to(corners[:, None, None], (4, 16, 16)))


def test_a_network_that_sees_no_scale_has_the_factors_inverse(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEER_NETWORKS, "blind", lambda _: Blind())
    sides = tool.network("onnx:blind", None)
    assert [sides(a_pair(), factor) for factor in (0.5, 1.0, 2.0)] == pytest.approx([2.0, 1.0, 0.5])


def test_our_network_sees_some_scale(tool: ModuleType) -> None:
    sides = tool.network("siamfc-lite", None)
    smaller, right, larger = (sides(a_pair(), factor) for factor in (0.65, 1.0, 1.5))
    assert right == pytest.approx(1, abs=0.25)
    assert right < smaller < 1 / 0.65 * 1.1
    assert right + 0.05 > larger > 1 / 1.5 * 0.9  # the three are the same where all of the scale is seen


def test_pairs_are_near_each_other_and_show_the_target(tool: ModuleType) -> None:
    frames = [np.full((4, 4, 3), index, np.uint8) for index in range(40)]
    boxes = np.tile([1.0, 1.0, 2.0, 2.0], (40, 1))
    boxes[10:20] = 0
    found = [(int(one[0, 0, 0]), int(other[0, 0, 0])) for (one, _), (other, _) in tool.pairs(frames, boxes, 30, 5)]
    assert all(abs(one - other) <= 5 for one, other in found)
    assert not {index for pair in found for index in pair} & set(range(10, 20))
    assert found == [(int(a[0, 0, 0]), int(b[0, 0, 0])) for (a, _), (b, _) in tool.pairs(frames, boxes, 30, 5)]
