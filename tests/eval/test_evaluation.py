import dataclasses
import math

import numpy as np
import pytest

from siamtrack.boxes import iou
from siamtrack.eval.evaluation import Evaluation, Outcome, TrackerOutcome


def random_outcome(seed: int, frames: int) -> Outcome:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([rng.uniform(0, 60, (frames, 2)), rng.uniform(10, 30, (frames, 2))], axis=1)
    boxes = truth + rng.normal(0, 6, truth.shape)
    truth[3] = 0  # absent
    seconds = rng.uniform(0.01, 0.05, frames - 1)
    return Outcome(f"s{seed}", boxes, truth, (100, 100), seconds, np.ones(frames))


def by_hand(item: Outcome) -> list[tuple[float, float]]:
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
    parts = [random_outcome(0, 30), random_outcome(1, 9)]
    tracker = TrackerOutcome("t", tuple(parts))
    counted = [by_hand(item) for item in parts]
    pooled = [overlap for part in counted for overlap, _ in part]
    assert (tracker.scores.frames, tracker.scores.sequences) == (28 + 7, 2)
    assert tracker.scores.ao == pytest.approx(sum(pooled) / len(pooled))
    assert tracker.scores.sr50 == pytest.approx(sum(value > 0.5 for value in pooled) / len(pooled))
    assert tracker.scores.sr75 == pytest.approx(sum(value > 0.75 for value in pooled) / len(pooled))
    assert tracker.success[[0, 30, 50, 100]] == pytest.approx(
        [sum(value > threshold for value in pooled) / len(pooled) for threshold in (0, 0.3, 0.5, 1)]
    )
    # OTB's: the mean over sequences, however long each is.
    areas = [sum(sum(value > step / 20 for value, _ in part) / len(part) for step in range(21)) / 21 for part in counted]
    assert tracker.success_auc == pytest.approx(sum(areas) / 2)
    for error in (0, 5, 20, 50):
        shares = [sum(distance <= error for _, distance in part) / len(part) for part in counted]
        assert tracker.precision[error] == pytest.approx(sum(shares) / 2)


def test_frames_without_cover_do_not_count() -> None:
    whole = random_outcome(0, 12)
    cover = np.full(12, 8.0)
    cover[[5, 7]] = 0
    part = dataclasses.replace(whole, cover=cover)
    assert np.flatnonzero(~part.counted).tolist() == [2, 4, 6]  # frame 3 is absent, 5 and 7 are hidden; the first is not there
    assert part.overlaps == pytest.approx([overlap for overlap, _ in by_hand(part)])
    assert part.center_errors == pytest.approx([error for _, error in by_hand(part)])
    assert len(whole.overlaps) == 10
    # The cover of the given frame is nobody's business.
    cover[0] = 0
    assert len(dataclasses.replace(whole, cover=cover).overlaps) == 8


def test_perfect_and_hopeless_boxes() -> None:
    truth = np.tile([10.0, 10.0, 20.0, 20.0], (5, 1))
    right = Outcome("s", truth, truth, (100, 100), np.zeros(0), np.ones(5))
    best = TrackerOutcome("best", (right,))
    assert (best.scores.ao, best.scores.sr75, best.precision[0]) == (1.0, 1.0, 1.0)
    # Above a threshold of 1 there is nothing: OTB's area ends at 20/21.
    assert best.success_auc == pytest.approx(20 / 21)
    worst = TrackerOutcome("worst", (dataclasses.replace(right, boxes_xywh=truth + np.array([60, 0, 0, 0])),))
    assert (worst.scores.ao, worst.success_auc, worst.success[0], worst.precision[50]) == (0.0, 0.0, 0.0, 0.0)
    assert iou(worst.outcomes[0].boxes_xywh, truth).max() == 0


def test_fps_is_frames_over_seconds() -> None:
    parts = [random_outcome(0, 30), random_outcome(1, 9)]
    seconds = sum(float(item.seconds.sum()) for item in parts)
    assert TrackerOutcome("t", tuple(parts)).fps == pytest.approx((29 + 8) / seconds)
    silent = dataclasses.replace(parts[0], seconds=np.zeros(0))
    assert math.isnan(TrackerOutcome("t", (silent,)).fps)


def test_a_sequence_of_which_no_frame_counts_does_not_spoil_the_others() -> None:
    good = random_outcome(0, 30)
    hidden = dataclasses.replace(random_outcome(1, 9), cover=np.zeros(9))
    alone, both = TrackerOutcome("t", (good,)), TrackerOutcome("t", (good, hidden))
    assert both.success_auc == alone.success_auc
    assert np.array_equal(both.precision, alone.precision)
    assert both.scores.ao == alone.scores.ao


def test_trackers_are_ranked_by_their_protocols_figure() -> None:
    # Long and bad, short and perfect: a mean over frames and one over sequences disagree.
    long, short = random_outcome(0, 40), random_outcome(1, 8)
    perfect = dataclasses.replace(short, boxes_xywh=short.truth_xywh)
    item = TrackerOutcome("t", (long, perfect))
    assert Evaluation("d", "s", (item,)).rank(item) == item.scores.ao
    assert Evaluation("d", "s", (item,), protocol="otb").rank(item) == item.success_auc != item.scores.ao
