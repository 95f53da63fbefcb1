"""Speed is measured on what it should be; how fast anything is, is no test's business."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from siamtrack.boxes import Box, iou
from siamtrack.errors import SiamtrackError
from siamtrack.eval import roofline
from siamtrack.eval.frame_profile import PARTS, profile
from siamtrack.eval.named import our_tracker
from siamtrack.eval.peers import IdentityTracker
from siamtrack.eval.plain_runtime import PlainEngine
from siamtrack.eval.roofline import Machine, bandwidth_gb_s, count_work, counted, peak_gflops, place
from siamtrack.eval.speed import LeftOut, Ready, compare, figures, run_round, threads, warm_up
from siamtrack.eval.speed_clip import RenderedClip, render_clip, video_clip
from siamtrack.eval.speed_contender import Contender, Entry, entries, make_contender
from siamtrack.eval.speed_cost import cost_of_lengths, cost_of_sizes, cost_of_targets
from siamtrack.eval.speed_memory import forget_peak, peak_mb, resident_mb
from siamtrack.model.weights import load_weights
from siamtrack.system import processor_name
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
    found = figures([0.1] * 98 + [0.3, 0.5])
    assert found.fps == pytest.approx(100 / 10.6)
    assert found.p50_ms == pytest.approx(100)
    assert found.p99_ms > found.p95_ms == pytest.approx(100)


def test_a_round_counts_frames_and_tells_three_figures(rendered: RenderedClip, tracker: Tracker) -> None:
    counting = Counting()
    found, frames = run_round(Contender("counting", counting), rendered, 7)
    assert (frames, counting.updates) == (7, 7)
    assert found.network is None
    assert found.tracker.fps >= found.end_to_end.fps
    assert found.tracker.p50_ms >= 1
    ours, _ = run_round(Contender("ours", tracker), rendered, 3)
    assert ours.network is not None
    assert ours.network.fps > ours.tracker.fps > ours.end_to_end.fps


def test_all_run_in_turns_and_ratios_are_of_rounds(rendered: RenderedClip) -> None:
    said: list[str] = []
    ready = [Ready(Contender(name, Counting()), 1.0, None) for name in ("one", "two")]
    first, second = compare(ready, rendered, 4, 3, against="two", watch=said.append)
    assert [line.split(":")[0] for line in said] == ["one", "two", "two", "one", "one", "two"]
    assert second.ratio == 1
    assert len(first.rounds) == 3
    assert first.frames == 4
    assert first.tracker.fps == sorted(each.tracker.fps for each in first.rounds)[1]
    ratios = sorted(a.tracker.fps / b.tracker.fps for a, b in zip(first.rounds, second.rounds, strict=True))
    assert first.ratio == ratios[1]
    with pytest.raises(ValueError, match="no tracker 'tow' to compare with; did you mean 'two'"):
        compare(ready, rendered, 4, 1, against="tow")


def test_what_is_not_installed_is_named_and_left_out(rendered: RenderedClip) -> None:
    def make(entry: Entry) -> Contender:
        if entry.name == "cv2:csrt":
            raise SiamtrackError("not in this wheel")
        return Contender(entry.label, Counting())

    wanted = [Entry("identity", "auto", False, "identity"), Entry("cv2:csrt", "auto", True, "cv2:csrt")]
    ready, left_out = warm_up(wanted, make, rendered, 3)
    assert [one.contender.name for one in ready] == ["identity"]
    assert ready[0].memory_mb >= 0
    assert left_out == [LeftOut("cv2:csrt", "not in this wheel")]
    with pytest.raises(SiamtrackError, match="not in this wheel"):
        warm_up([replace(wanted[1], optional=False)], make, rendered, 3)


def test_entries_are_models_by_runtimes() -> None:
    found = entries(["siamfc", "plain", "cv2:mil"], ["eager", "onnx"], peers=True)
    assert [entry.label for entry in found[:4]] == ["siamfc (eager)", "siamfc (onnx)", "plain", "cv2:mil"]
    assert [entry.label for entry in found[4:]] == ["cv2:csrt", "cv2:kcf", "cv2:nano", "cv2:vit"]
    assert all(entry.optional for entry in found[4:])
    with pytest.raises(ValueError, match="siamfc is asked for twice"):
        entries(["siamfc", "siamfc"])
    with pytest.raises(ValueError, match="no tracker to measure"):
        entries([])


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    with threads(1) as used:
        assert (used, torch.get_num_threads(), cv2.getNumThreads()) == (1, 1, 1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_the_plain_recipe_finds_what_the_paper_s_form_finds(rendered: RenderedClip) -> None:
    plain = make_contender(Entry("plain", "auto", False, "plain"), "cpu")
    assert plain.engine is not None
    assert (plain.engine.runtime, plain.engine.precision) == ("plain", "float32")
    usual, _ = our_tracker("siamfc", ["scale_search=search", "scale_count=3"], "cpu", "float32", "eager")
    images = list(rendered.read(4))
    for one in (plain.tracker, usual):
        one.init(images[0], rendered.box)
    for image in images[1:]:
        assert plain.tracker.update(image).box == pytest.approx(usual.update(image).box, abs=0.05)


def test_the_plain_recipe_runs_a_box_head_too(rendered: RenderedClip) -> None:
    usual, _ = our_tracker("siamfc-box", (), "cpu", "float32", "eager")
    plain = Tracker(PlainEngine(load_weights("siamfc-box").net, "cpu"), usual.config)
    images = list(rendered.read(3))
    for one in (plain, usual):
        one.init(images[0], rendered.box)
    for image in images[1:]:
        assert plain.update(image).box == pytest.approx(usual.update(image).box, abs=0.05)


def test_work_of_known_layers() -> None:
    layer = nn.Conv2d(4, 8, 3, groups=2, bias=False)
    found = counted([layer], lambda: layer(torch.zeros(2, 4, 10, 10)))
    assert found.multiply_adds == 2 * 8 * 8 * 8 * (4 // 2) * 9
    assert found.values == 2 * 4 * 100 + 2 * 8 * 64 + 8 * 2 * 9
    dense = nn.Linear(5, 7)
    assert counted([dense], lambda: dense(torch.zeros(3, 5))).multiply_adds == 3 * 5 * 7


def test_work_of_a_frame_grows_with_the_crops(tracker: Tracker) -> None:
    net, config = load_weights("siamfc").net, replace(tracker.config, scale_search="exemplar", scale_count=1)
    one = count_work(net, config).multiply_adds
    # conv1 to conv5 of AlexNet on 255 px, its pools of stride 2 between, and one correlation.
    layers = [(123, 96, 3, 11), (57, 256, 48, 5), (26, 384, 256, 3), (24, 384, 192, 3), (22, 256, 192, 3)]
    by_hand = sum(side**2 * out * into * kernel**2 for side, out, into, kernel in layers) + 17**2 * 6**2 * 256
    assert one == by_hand
    assert count_work(net, replace(config, scale_search="search", scale_count=3)).multiply_adds == 3 * one
    assert count_work(net, replace(config, scale_count=3)).multiply_adds == one + 2 * 17**2 * 6**2 * 256
    box, _ = our_tracker("siamfc-box", (), "cpu", "float32", "eager")
    assert count_work(load_weights("siamfc-box").net, box.config).multiply_adds > one
    sizes = replace(config, search_size=191, search_sizes=())
    assert count_work(net, replace(config, search_sizes=(191, 255))).multiply_adds == count_work(net, sizes).multiply_adds < one


def test_a_network_under_the_roof(tracker: Tracker) -> None:
    net = load_weights("siamfc").net
    work = count_work(net, tracker.config)
    contender = Contender("siamfc", tracker, net)
    machine = Machine("any", 2, 2, None, {"float32": 100.0}, 10.0)
    found = place(contender, work, 0.1, machine)
    assert found.gflops == pytest.approx(2 * work.multiply_adds / 0.1 / 1e9)
    assert found.of_peak == pytest.approx(found.gflops / 100)
    assert found.of_bandwidth == pytest.approx(4 * work.values / 0.1 / 10e9)
    assert (found.bound, found.of_limit) == ("compute", found.of_peak)
    narrow = place(contender, work, 0.1, replace(machine, bandwidth_gb_s=0.01))
    assert (narrow.bound, narrow.of_limit) == ("memory", narrow.of_bandwidth)


def test_peaks_are_measured() -> None:
    cpu = torch.device("cpu")
    assert 0.01 < peak_gflops(cpu, torch.float32, side=128, tries=2) < 1e6
    assert 0.01 < bandwidth_gb_s(cpu, megabytes=4, tries=2) < 1e5
    assert processor_name()


@pytest.mark.parametrize(
    ("product_s", "convolution_s", "gflops"), [(1.0, 1e9, 2 * 96**3 / 1e9), (1e9, 1.0, 2 * 62**2 * 16**2 * 9 / 1e9)]
)
def test_the_peak_is_of_what_is_faster_here(
    product_s: float, convolution_s: float, gflops: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([product_s, convolution_s])
    monkeypatch.setattr(roofline, "_best", lambda *_: next(seconds))
    assert peak_gflops(torch.device("cpu"), torch.float32, side=96) == pytest.approx(gflops)


@pytest.mark.parametrize("name", ["siamfc", "siamfc-box"])
def test_shares_of_a_frame_sum_to_the_whole(name: str, rendered: RenderedClip) -> None:
    tracker, _ = our_tracker(name, (), "cpu", "float32", "eager")
    first = tracker.init(rendered.ring[0], rendered.box)
    found = profile(name, tracker, rendered, 6)
    assert found.frames == 5
    assert tuple(found.us) == tuple(PARTS)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert all(value >= 0 for value in found.us.values())
    assert found.shares["network"] > 0.5
    assert all(found.us[part] > 0 for part in ("crop", "network", "choose", "target"))
    # The tracker itself has kept its target, and carries no clocks.
    assert "match" not in vars(tracker.engine)
    assert "find" not in vars(tracker._locator)
    assert tracker._followed is not None
    assert tracker._followed.target.first == first


def test_costs_of_targets_sizes_and_lengths(rendered: RenderedClip, tracker: Tracker) -> None:
    said: list[str] = []
    targets = cost_of_targets("siamfc", tracker, rendered, [3, 1], 4, 1, said.append)
    assert [(cost.at, cost.label) for cost in targets.points] == [(1, "1"), (3, "3")]
    assert len(said) == 2
    with pytest.raises(ValueError, match="4 targets, but the clip has 3"):
        cost_of_targets("siamfc", tracker, rendered, [4], 4, 1)
    quick = Contender("quick", Counting())
    sizes = cost_of_sizes(quick, {"320x240": rendered, "small": render_clip(SMALL)}, 3, 2)
    assert [(cost.at, cost.label) for cost in sizes.points] == [(160 * 120, "small"), (320 * 240, "320x240")]
    assert all(cost.p95_ms >= cost.p50_ms >= 1 for cost in sizes.points)
    lengths = cost_of_lengths(quick, rendered, [100, 40])
    assert [point.frames for point in lengths.points] == [20, 40, 100]
    assert [point.total_s for point in lengths.points] == sorted(point.total_s for point in lengths.points)
    assert all(point.ms >= 1 and point.memory_mb > 10 for point in lengths.points)
    assert [point.frames for point in cost_of_lengths(quick, rendered, [5]).points] == [5]


def test_the_peak_of_memory() -> None:
    forget_peak()
    before = resident_mb()
    block = np.ones(8_000_000)
    assert resident_mb() >= before + 50
    del block
    assert peak_mb() >= before + 50


def test_figures_are_plain_data(rendered: RenderedClip) -> None:
    from dataclasses import asdict

    (outcome,) = compare([Ready(Contender("one", Counting()), 1.0, None)], rendered, 3, 1)
    plain = json.loads(json.dumps(asdict(outcome), allow_nan=False))
    assert plain["tracker"]["fps"] == outcome.tracker.fps
    assert plain["rounds"][0]["network"] is None
