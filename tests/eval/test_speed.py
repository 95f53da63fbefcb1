"""Speed is measured on what it should be; how fast anything is, is no test's business."""

from __future__ import annotations

import json
import mmap
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamtrack.boxes import Box, iou
from siamtrack.errors import SiamtrackError
from siamtrack.eval.peers import IdentityTracker
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed import (
    Contender,
    Loaded,
    bench,
    compare,
    contenders,
    figures,
    run_round,
    warm_up,
    write_json,
)
from siamtrack.eval.speed_clip import RenderedClip, render_clip, video_clip
from siamtrack.machine import forget_peak, peak_mb, resident_mb
from siamtrack.tracking.tracker import Tracker

SMALL = (160, 120)


@pytest.fixture(scope="module")
def rendered() -> RenderedClip:
    return render_clip((320, 240), targets=3)


class Counting(IdentityTracker):
    """Counts its frames, and takes a millisecond for each."""

    updates = 0

    def update(self, frame: np.ndarray) -> Box:
        self.updates += 1
        time.sleep(0.001)
        return super().update(frame)


def test_a_rendered_clip_is_made_of_its_seed_and_has_no_end() -> None:
    clip, again, other = render_clip(SMALL, 4), render_clip(SMALL, 4), render_clip(SMALL, 4, seed=1)
    frames = list(clip.read(70))
    assert len(frames) == 70
    assert len(clip.ring) == 32
    assert frames[0].shape == (120, 160, 3)
    assert all(np.array_equal(one, two) for one, two in zip(frames, again.read(70), strict=True))
    assert not np.array_equal(frames[0], next(other.read(1)))
    assert np.array_equal(frames[31 + 5], frames[31 - 5])  # backward again
    assert not np.array_equal(frames[0], frames[1])
    for a in range(4):
        assert sum(iou(clip.boxes[a], box) > 0 for box in clip.boxes) == 1


def test_the_target_lies_in_its_box(tracker: Tracker) -> None:
    clip = render_clip((640, 360))
    images = clip.read(12)
    tracker.init(next(images), clip.box)
    boxes = [tracker.update(image).box for image in images]
    assert iou(boxes[-1], clip.box) < 0.9  # it moves
    plain, moved = clip.ring[0].astype(int), clip.ring[11].astype(int)
    rows, columns = np.nonzero(np.abs(plain - moved).sum(axis=2))
    x, y = columns.max() - boxes[-1].w / 2, rows.max() - boxes[-1].h / 2  # the patch went to the right
    assert abs(boxes[-1].center_xy[0] - x) < 8
    assert abs(boxes[-1].center_xy[1] - y) < 12


def test_large_frames_take_bounded_memory() -> None:
    assert sum(frame.nbytes for frame in render_clip((3840, 2160)).ring) <= 100e6


def test_too_many_targets_for_a_frame() -> None:
    with pytest.raises(ValueError, match="64 targets in frames of 64x64"):
        render_clip((64, 64), 64)


def test_a_video_is_read_anew_each_time(clip: Path) -> None:
    found = video_clip(str(clip), Box(60, 80, 40, 50))
    assert found.size_wh == (320, 240)
    assert [len(list(found.read(count))) for count in (5, 100, 5)] == [5, 20, 5]
    with pytest.raises(ValueError, match="outside the 320x240 frame"):
        video_clip(str(clip), Box(900, 80, 40, 50))


def test_figures_are_frames_by_seconds() -> None:
    found = figures([0.1] * 94 + [0.3] * 6)
    assert found.fps == pytest.approx(100 / 11.2)
    assert found.p50_ms == pytest.approx(100)
    assert found.p95_ms == pytest.approx(300)


def test_a_round_counts_frames_and_tells_three_figures(rendered: RenderedClip, tracker: Tracker) -> None:
    counting = Counting()
    found, frames = run_round(counting, rendered, 7)
    assert (frames, counting.updates) == (7, 7)
    assert found.network is None
    assert found.tracker.fps >= found.end_to_end.fps
    assert found.tracker.p50_ms >= 1
    ours, _ = run_round(tracker, rendered, 3)
    assert ours.network is not None
    assert ours.network.fps > ours.tracker.fps > ours.end_to_end.fps


def test_all_run_in_turns_and_ratios_are_of_rounds(rendered: RenderedClip) -> None:
    said: list[str] = []
    ready = [Loaded(name, Counting()) for name in ("one", "two")]
    (first, second), frames = compare(ready, rendered, 4, 3, against="two", watch=said.append)
    assert [line.split(":")[0] for line in said] == ["one", "two", "two", "one", "one", "two"]
    assert second.ratio == 1
    assert len(first.rounds) == 3
    assert frames == 4
    assert first.tracker.fps == sorted(each.tracker.fps for each in first.rounds)[1]
    ratios = sorted(a.tracker.fps / b.tracker.fps for a, b in zip(first.rounds, second.rounds, strict=True))
    assert first.ratio == ratios[1]
    with pytest.raises(ValueError, match="no tracker 'tow' to compare with; did you mean 'two'"):
        compare(ready, rendered, 4, 1, against="tow")


def not_installed() -> IdentityTracker:
    raise SiamtrackError("not in this wheel")


def test_what_is_not_installed_is_named_and_left_out(rendered: RenderedClip) -> None:
    wanted = [Contender("identity", Counting), Contender("cv2:csrt", not_installed, optional=True)]
    ready, left_out = warm_up(wanted, rendered, 3)
    assert [one.name for one in ready] == ["identity"]
    assert ready[0].memory_mb >= 0
    assert left_out == {"cv2:csrt": "not in this wheel"}
    with pytest.raises(SiamtrackError, match="not in this wheel"):
        warm_up([replace(wanted[1], optional=False)], rendered, 3)


def test_contenders_are_models_by_backends() -> None:
    found = contenders(["siamfc", "identity", "cv2:mil"], ["eager", "onnx"], peers=True)
    assert [one.name for one in found[:4]] == ["siamfc (eager)", "siamfc (onnx)", "identity", "cv2:mil"]
    assert [one.name for one in found[4:]] == ["cv2:csrt", "cv2:kcf", "cv2:nano", "cv2:vit"]
    assert all(one.optional for one in found[4:])
    with pytest.raises(ValueError, match="siamfc is asked for twice"):
        contenders(["siamfc", "siamfc"])
    with pytest.raises(ValueError, match="no tracker to measure"):
        contenders([])


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        for own in ((2, 1), (1, 2)):  # also where they are not as many as pay
            torch.set_num_threads(own[0])
            cv2.setNumThreads(own[1])
            with computing_with(1) as used:
                assert (used, torch.get_num_threads(), cv2.getNumThreads()) == (1, 1, 1)
            assert (torch.get_num_threads(), cv2.getNumThreads()) == own
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_the_peak_of_memory() -> None:
    forget_peak()
    before = resident_mb()
    block = mmap.mmap(-1, 64_000_000)  # memory of its own: what was freed before would be handed out again
    block.write(b"\1" * len(block))
    assert resident_mb() >= before + 50
    block.close()
    assert peak_mb() >= before + 50


def test_a_report_says_what_it_is_of_and_is_plain_data(rendered: RenderedClip, tmp_path: Path) -> None:
    wanted = [Contender("one", Counting), Contender("cv2:csrt", not_installed, optional=True)]
    report = bench(wanted, rendered, frames=3, rounds=2, threads=1)
    assert (report.clip["frames"], report.clip["decoded"], report.rounds, report.against) == (3, False, 2, "one")
    assert (report.machine["threads"], report.left_out) == (1, {"cv2:csrt": "not in this wheel"})
    write_json(tmp_path / "new/bench.json", report)
    (plain,) = json.loads((tmp_path / "new/bench.json").read_text())["contenders"]
    assert plain["tracker"]["fps"] == report.contenders[0].tracker.fps
    assert [each["network"] for each in plain["rounds"]] == [None, None]
    with pytest.raises(ValueError, match="no tracker is left to measure"):
        bench(wanted[1:], rendered)
