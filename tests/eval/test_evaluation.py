import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from got10k.experiments import ExperimentOTB

from siamtrack.boxes import iou
from siamtrack.errors import DataError
from siamtrack.eval.evaluation import Evaluation, TrackerRuns, about_run, success_line, trackers_of
from siamtrack.eval.sequence_run import SequenceRun
from siamtrack.eval.store import ResultStore


def random_run(seed: int, frames: int) -> SequenceRun:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([rng.uniform(0, 60, (frames, 2)), rng.uniform(10, 30, (frames, 2))], axis=1)
    boxes = truth + rng.normal(0, 6, truth.shape)
    truth[3] = 0  # absent
    seconds = rng.uniform(0.01, 0.05, frames - 1)
    return SequenceRun(f"s{seed}", boxes, truth, (100, 100), seconds, np.ones(frames))


def by_hand(item: SequenceRun) -> list[tuple[float, float]]:
    """(overlap, centre error) of the frames that count, one after the other, no arrays."""
    found = []
    for index in range(1, len(item.truth_xywh)):
        if item.truth_xywh[index][2] <= 0 or (item.cover is not None and item.cover[index] == 0):
            continue
        corners = []
        for x, y, w, h in (item.boxes_xywh[index], item.truth_xywh[index]):
            left, top = min(max(x, 0), 100), min(max(y, 0), 100)
            corners.append((left, top, left + min(w, 100 - left), top + min(h, 100 - top)))
        (al, at, ar, ab), (bl, bt, br, bb) = corners
        inner = max(0, min(ar, br) - max(al, bl)) * max(0, min(ab, bb) - max(at, bt))
        outer = (ar - al) * (ab - at) + (br - bl) * (bb - bt) - inner
        (ax, ay, aw, ah), (bx, by, bw, bh) = item.boxes_xywh[index], item.truth_xywh[index]
        found.append((inner / outer, math.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2)))
    return found


def test_figures_equal_those_counted_by_hand() -> None:
    parts = [random_run(0, 30), random_run(1, 9)]
    tracker = TrackerRuns("t", tuple(parts))
    counted = [by_hand(item) for item in parts]
    pooled = [overlap for part in counted for overlap, _ in part]
    assert (tracker.scores.frames, tracker.scores.sequences) == (28 + 7, 2)
    assert tracker.scores.ao == pytest.approx(sum(pooled) / len(pooled))
    assert tracker.scores.sr50 == pytest.approx(sum(value > 0.5 for value in pooled) / len(pooled))
    assert tracker.scores.sr75 == pytest.approx(sum(value > 0.75 for value in pooled) / len(pooled))
    assert tracker.success[[0, 30, 50, 100]] == pytest.approx(
        [sum(value > threshold for value in pooled) / len(pooled) for threshold in (0, 0.3, 0.5, 1)]
    )
    means = [sum(overlap for overlap, _ in part) / len(part) for part in counted]
    assert tracker.scores.sequence_ao == pytest.approx(sum(means) / 2)


def test_otbs_figures_are_its_toolkits() -> None:
    # Boxes stick out of the frame here and there, and the first frame, which is given, counts.
    parts = [random_run(0, 30), random_run(1, 9)]
    toolkit = object.__new__(ExperimentOTB)
    toolkit.nbins_iou, toolkit.nbins_ce = 21, 51
    curves = []
    for item in parts:
        item.boxes_xywh[0] = item.truth_xywh[0]
        there = item.truth_xywh[:, 2] > 0
        curves.append(toolkit._calc_curves(*toolkit._calc_metrics(item.boxes_xywh[there], item.truth_xywh[there])))
    success, precision = (np.mean(each, axis=0) for each in zip(*curves, strict=True))
    found = TrackerRuns("t", tuple(parts))
    assert found.success_auc == pytest.approx(success.mean())
    assert found.precision == pytest.approx(precision)


def test_frames_without_cover_do_not_count() -> None:
    whole = random_run(0, 12)
    cover = np.full(12, 8.0)
    cover[[5, 7]] = 0
    part = dataclasses.replace(whole, cover=cover)
    assert np.flatnonzero(~part.counted).tolist() == [0, 3, 5, 7]  # the first was given, 3 is absent, 5 and 7 are hidden
    assert part.overlaps == pytest.approx([overlap for overlap, _ in by_hand(part)])
    assert part.center_errors[1:] == pytest.approx([error for _, error in by_hand(part)])
    assert len(part.otb_overlaps) == len(part.overlaps) + 1
    assert len(whole.overlaps) == 10
    # The cover of the given frame is nobody's business.
    cover[0] = 0
    assert len(dataclasses.replace(whole, cover=cover).overlaps) == 8


def test_perfect_and_hopeless_boxes() -> None:
    truth = np.tile([10.0, 10.0, 20.0, 20.0], (5, 1))
    right = SequenceRun("s", truth, truth, (100, 100), np.zeros(0), np.ones(5))
    best = TrackerRuns("best", (right,))
    assert (best.scores.ao, best.scores.sr75, best.precision[0]) == (1.0, 1.0, 1.0)
    # Above a threshold of 1 there is nothing: OTB's area ends at 20/21.
    assert best.success_auc == pytest.approx(20 / 21)
    worst = TrackerRuns("worst", (dataclasses.replace(right, boxes_xywh=truth + np.array([60, 0, 0, 0])),))
    assert (worst.scores.ao, worst.success_auc, worst.success[0], worst.precision[50]) == (0.0, 0.0, 0.0, 0.0)
    assert iou(worst.runs[0].boxes_xywh, truth).max() == 0


def test_fps_is_frames_over_seconds() -> None:
    parts = [random_run(0, 30), random_run(1, 9)]
    seconds = sum(float(item.seconds.sum()) for item in parts)
    assert TrackerRuns("t", tuple(parts)).fps == pytest.approx((29 + 8) / seconds)
    silent = dataclasses.replace(parts[0], seconds=np.zeros(0))
    assert math.isnan(TrackerRuns("t", (silent,)).fps)


def test_a_sequence_of_which_no_frame_counts_does_not_spoil_the_others() -> None:
    good = random_run(0, 30)
    hidden = dataclasses.replace(random_run(1, 9), cover=np.zeros(9))
    alone, both = TrackerRuns("t", (good,)), TrackerRuns("t", (good, hidden))
    assert both.success_auc == alone.success_auc
    assert np.array_equal(both.precision, alone.precision)
    assert both.scores.ao == alone.scores.ao


def test_trackers_are_ranked_by_their_protocols_figure() -> None:
    # Long and bad, short and perfect: a mean over frames and one over sequences disagree.
    long, short = random_run(0, 40), random_run(1, 8)
    perfect = dataclasses.replace(short, boxes_xywh=short.truth_xywh)
    item = TrackerRuns("t", (long, perfect))
    assert Evaluation("d", "s", (item,)).rank(item) == item.scores.ao
    assert Evaluation("d", "s", (item,), protocol="otb").rank(item) == item.success_auc != item.scores.ao


STANDING = np.tile([20.0, 20.0, 20.0, 20.0], (5, 1))


def standing(name: str, shifts_px: list[float], seconds: float = 0.02) -> SequenceRun:
    """A target that stands still, and a box that lies so many pixels beside it in the frames after the first."""
    boxes = STANDING.copy()
    boxes[1:, 0] += shifts_px
    return SequenceRun(name, boxes, STANDING, (320, 240), np.full(4, seconds) if seconds else np.zeros(0), np.ones(5))


def lines_of(protocol: str) -> list[str]:
    parts = (standing("a", [0, 0, 10, 30]), standing("b", [0, 0, 0, 0]))
    silent = tuple(standing(item.name, [0, 0, 0, 0], seconds=0) for item in parts)
    trackers = (TrackerRuns("ours", parts), TrackerRuns("theirs", silent))
    return success_line(Evaluation("Made up", "all", trackers, protocol=protocol))


def test_a_line_has_the_figures_of_its_protocol() -> None:
    ours, theirs = lines_of("got10k")
    assert ours.split(maxsplit=1) == [
        "ours",
        "Made up all: AO 0.792  SR0.50 0.750  SR0.75 0.750  mean of sequences 0.792  (2 sequences, 8 frames)  50.0 fps",
    ]
    assert theirs.endswith(
        "AO 1.000  SR0.50 1.000  SR0.75 1.000  mean of sequences 1.000  (2 sequences, 8 frames)"
    )  # nobody measured its speed
    ours, theirs = lines_of("otb")
    # Overlaps of `a`, the given box first, are 1, 1, 1, 1/3, 0: above 20, 20, 20, 7, 0 of the 21 thresholds; of `b` all are 1.
    area = ((20 + 20 + 20 + 7) / 21 / 5 + 20 / 21) / 2
    figures = f"success AUC {area:.3f}  precision at 20 px 0.900  (2 sequences, 10 frames)  50.0 fps"
    assert ours.split(maxsplit=1) == ["ours", f"Made up all: {figures}"]
    assert theirs.endswith("success AUC 0.952  precision at 20 px 1.000  (2 sequences, 10 frames)")


def test_small_print_says_where_and_with_what_weights(tmp_path: Path) -> None:
    old = {"tracker": "w.pth", "threads": 2, "device": "cpu", "precision": "bfloat16", "weights_sha256": "ab" * 32}
    new = {**old, "tracker": "v.pth", "precision": "float32", "backend": "onnx", "settings": {"redetect": False}}
    for identity in (old, new, {"tracker": "identity", "threads": 2}):
        ResultStore(tmp_path, str(identity["tracker"])).claim(identity)
    about = about_run(["w.pth", "v.pth", "identity"], tmp_path)
    assert about["w.pth"] == "cpu, bfloat16, eager, weights abababababab"
    assert about["v.pth"] == "cpu, float32, onnx, weights abababababab, re-detection off"
    assert about["threads"] == "2"
    assert "identity" not in about
    assert "torch" in about


def test_whose_results_a_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give a folder that siamtrack eval wrote"):
        trackers_of(tmp_path)
    (tmp_path / "results").mkdir()
    with pytest.raises(DataError, match="holds no tracker's results"):
        trackers_of(tmp_path)
    store = ResultStore(tmp_path, "cv2:mil")
    store.claim({"tracker": "cv2:mil"})
    assert trackers_of(tmp_path) == ["cv2:mil"]
    for text in (json.dumps(["cv2:mil"]), "{}"):
        store.identity_path.write_text(text)
        with pytest.raises(DataError, match=r"tracker\.json does not say which tracker it is of"):
            trackers_of(tmp_path)
        with pytest.raises(DataError, match=r"tracker\.json does not say which tracker it is of"):
            store.claim({"tracker": "cv2:mil"})
