from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.errors import SiamtrackError
from siamtrack.eval.peers import OpenCVTracker
from siamtrack.eval.scores import overlaps, pooled


def test_overlap_leaves_out_the_first_frame_and_absent_targets() -> None:
    truth = [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0], [0, 0, 10, 10]]
    boxes = [[50, 50, 1, 1], [0, 0, 10, 10], [0, 0, 10, 10], [5, 0, 10, 10]]
    assert overlaps(boxes, truth, (100, 100)).tolist() == pytest.approx([1, 1 / 3])


def test_boxes_are_clipped_to_the_frame() -> None:
    assert overlaps([[0] * 4, [90, 0, 20, 10]], [[0] * 4, [90, 0, 10, 10]], (100, 100)).tolist() == [1.0]


def test_numbers_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="1 boxes, 2 labels"):
        overlaps([[0, 0, 1, 1]], [[0, 0, 1, 1]] * 2, (10, 10))


def test_scores_pool_all_frames() -> None:
    scores = pooled([np.array([1.0, 0.6, 0.5]), np.array([0.1])])
    assert (scores.ao, scores.sr50, scores.sr75) == pytest.approx((0.55, 0.5, 0.25))
    assert str(scores) == "AO 0.550  SR0.50 0.500  SR0.75 0.250  mean of sequences 0.400  (2 sequences, 4 frames)"
    assert pooled([]).frames == 0


def test_average_overlap_equals_the_got10k_toolkits() -> None:
    from got10k.utils.metrics import rect_iou

    rng = np.random.default_rng(0)
    # Beyond every border, too: the toolkit moves in what sticks out on the left or above, and cuts the rest.
    truth, boxes = (np.concatenate([rng.uniform(-40, 120, (400, 2)), rng.uniform(5, 60, (400, 2))], 1) for _ in range(2))
    toolkit = rect_iou(boxes[1:].copy(), truth[1:].copy(), bound=(100, 100))
    assert overlaps(boxes, truth, (100, 100)) == pytest.approx(toolkit, abs=1e-6)


def test_an_opencv_tracker_behind_our_two_calls() -> None:
    tracker = OpenCVTracker("mil")
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    assert iou(tracker.update(rendered_frame(1)[0]), rendered_frame(1)[1]) > 0.4
    assert tracker.score == 1  # it has no score: found, or not


def test_missing_opencv_trackers_say_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SiamtrackError, match=r"backbone\.onnx"):
        OpenCVTracker("nano", tmp_path)
    with pytest.raises(SiamtrackError, match="did you mean 'csrt'"):
        OpenCVTracker("csr")
    monkeypatch.delattr(cv2, "TrackerCSRT_create", raising=False)
    monkeypatch.delattr(cv2, "legacy", raising=False)
    with pytest.raises(SiamtrackError, match="cv2:csrt is not in this OpenCV; it is in opencv-contrib-python"):
        OpenCVTracker("csrt")
