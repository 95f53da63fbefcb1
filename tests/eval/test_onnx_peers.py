from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rendered import rendered_frame

from siamtrack.boxes import Box, iou
from siamtrack.errors import SiamtrackError
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.onnx_peers import PEER_NETWORKS, OnnxTracker, PeerMaps, PeerNetwork, stretched_crop
from siamtrack.eval.peers import box_of

PEERS = Path(__file__).parents[3] / "shared/peers"


class Blob:
    """A network that proposes the bounding box of what is red in its search crop, in every cell."""

    exemplar_size, search_size = 64, 256

    def __init__(self, constants: tuple[float, float, float]) -> None:
        self.constants = constants

    def exemplar_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return size_wh

    def search_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return 4 * size_wh[0], 4 * size_wh[1]

    def learn(self, exemplar: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The exemplar's crop is the box itself, and nothing else.
        assert float((exemplar[..., 2] > 128).mean()) > 0.95
        return np.zeros(0, np.float32)

    def find(self, template: NDArray[np.float32], search: NDArray[np.uint8]) -> PeerMaps:
        rows, columns = np.nonzero(search[..., 2] > 128)
        corners = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32) - 128
        score = np.zeros((16, 16), np.float32)
        score[8, 8] = 1.0
        return PeerMaps(score, np.broadcast_to(corners[:, None, None], (4, 16, 16)))


def red_box(x: int, y: int, w: int, h: int) -> NDArray[np.uint8]:
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[y : y + h, x : x + w, 2] = 255
    return frame


@pytest.fixture
def blob(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], OnnxTracker]:
    def make(damping: float) -> OnnxTracker:
        network: Callable[[str | Path], PeerNetwork] = lambda _: Blob((0.0, 0.0, damping))  # noqa: E731
        monkeypatch.setitem(PEER_NETWORKS, "blob", network)
        return OnnxTracker("blob")

    return make


def test_a_box_comes_back_in_the_frames_pixels_though_crops_are_stretched(blob: Callable[[float], OnnxTracker]) -> None:
    tracker = blob(1.0)
    tracker.init(red_box(100, 80, 60, 24), (100, 80, 60, 24))
    assert iou(tracker.update(red_box(112, 86, 72, 22)), Box(112, 86, 72, 22)) > 0.95
    assert tracker.score == 1


def test_the_size_follows_by_the_damping_and_the_place_at_once(blob: Callable[[float], OnnxTracker]) -> None:
    tracker = blob(0.5)
    tracker.init(red_box(100, 80, 60, 40), (100, 80, 60, 40))
    x, y, w, h = tracker.update(red_box(110, 80, 80, 40))
    assert (x + w / 2, y + h / 2) == pytest.approx((150, 100), abs=1)
    assert (w, h) == pytest.approx((70, 40), abs=1)


def test_a_stretched_crop_keeps_its_middle_and_its_sides() -> None:
    for sides in ((120.0, 60.0), (600.0, 100.0)):
        crop = stretched_crop(red_box(130, 110, 60, 20), (160.0, 120.0), sides, 128, (0.0, 0.0, 0.0))
        rows, columns = np.nonzero(crop[..., 2] > 128)
        assert (columns.max() + 1 - columns.min()) == pytest.approx(128 * 60 / sides[0], abs=2)
        assert (rows.max() + 1 - rows.min()) == pytest.approx(128 * 20 / sides[1], abs=2)
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((64, 64), abs=1)


def test_unknown_peers_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SiamtrackError, match="did you mean 'nanotrackv3'"):
        TrackerSpec("onnx:nanotrack3").make()
    with pytest.raises(SiamtrackError, match=r"backbone\.onnx not found; NanoTrackV3 needs"):
        TrackerSpec("onnx:nanotrackv3", onnx_dir=tmp_path).make()


@pytest.mark.skipif(not PEERS.is_dir(), reason="the peers' ONNX files are not part of the repository")
@pytest.mark.parametrize("name", ["onnx:nanotrackv2", "onnx:nanotrackv3", "onnx:fear_xs", "cv2:nano"])
def test_the_real_peers_follow_the_target(name: str) -> None:
    tracker = TrackerSpec(name, onnx_dir=PEERS).make()
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    overlaps = []
    for index in range(1, 12):
        frame, box = rendered_frame(index)
        overlaps.append(float(iou(box_of(tracker.update(frame)), box)))
    assert np.mean(overlaps) > 0.4
