"""The laboratory of speed measures what it should; how fast anything is, is no test's business."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from siamtrack.boxes import Box
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import IdentityTracker
from siamtrack.eval.speed_clip import RenderedClip, render_clip
from siamtrack.model.weights import load_weights
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.tracker import Tracker

Import = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def rendered() -> RenderedClip:
    return render_clip((320, 240), targets=3)


@pytest.fixture(scope="module")
def plain_recipe(import_tool: Import) -> ModuleType:
    return import_tool("experiments/speed/plain_recipe")


@pytest.fixture(scope="module")
def roofline(import_tool: Import) -> ModuleType:
    return import_tool("experiments/speed/roofline")


class Slow(IdentityTracker):
    """Takes a millisecond for each frame."""

    def update(self, frame: np.ndarray) -> Box:
        time.sleep(0.001)
        return super().update(frame)


def test_the_plain_recipe_finds_what_the_paper_s_form_finds(plain_recipe: ModuleType, rendered: RenderedClip) -> None:
    plain = plain_recipe.make("cpu")
    assert (plain.backend.name, plain.backend.precision) == ("plain", "float32")
    reference, _ = TrackerSpec("siamfc", (), None, "cpu", "float32", "torch").ours()
    images = list(rendered.read(4))
    for one in (plain, reference):
        one.init(images[0], rendered.box)
    for image in images[1:]:
        assert plain.update(image).box == pytest.approx(reference.update(image).box, abs=0.05)


def test_work_of_known_layers(roofline: ModuleType) -> None:
    layer = nn.Conv2d(4, 8, 3, groups=2, bias=False)
    found = roofline.counted([layer], lambda: layer(torch.zeros(2, 4, 10, 10)))
    assert found.multiply_adds == 2 * 8 * 8 * 8 * (4 // 2) * 9
    assert found.values == 2 * 4 * 100 + 2 * 8 * 64 + 8 * 2 * 9
    dense = nn.Linear(5, 7)
    assert roofline.counted([dense], lambda: dense(torch.zeros(3, 5))).multiply_adds == 3 * 5 * 7


def test_work_of_a_frame_grows_with_the_crops(roofline: ModuleType) -> None:
    net, config = load_weights("siamfc").net, TrackerConfig(scale_count=1)
    one = roofline.count_work(net, config).multiply_adds
    # conv1 to conv5 of AlexNet on 255 px, its pools of stride 2 between, and one correlation.
    layers = [(123, 96, 3, 11), (57, 256, 48, 5), (26, 384, 256, 3), (24, 384, 192, 3), (22, 256, 192, 3)]
    by_hand = sum(side**2 * out * into * kernel**2 for side, out, into, kernel in layers) + 17**2 * 6**2 * 256
    assert one == by_hand
    assert roofline.count_work(net, replace(config, scale_count=3)).multiply_adds == 3 * one
    lite, box = load_weights("siamfc-lite").net, replace(config, search_size=191, scale_count=3)
    with_head = roofline.count_work(lite, box)
    assert with_head == roofline.count_work(lite, replace(box, scale_count=1))  # its box head spares it the other crops
    graphs = roofline.make_graphs(lite)
    crop = torch.zeros(1, 191, 191, 3, dtype=torch.uint8)
    assert with_head.multiply_adds > roofline.counted([graphs["embed"]], lambda: graphs["embed"](crop)).multiply_adds > 1e8
    small = roofline.count_work(net, replace(config, search_size=191, search_sizes=())).multiply_adds
    assert roofline.count_work(net, replace(config, search_sizes=(191, 255))).multiply_adds == small < one


def test_a_network_under_the_roof(roofline: ModuleType) -> None:
    work = roofline.Work(multiply_adds=3_000_000_000, values=40_000_000)
    machine = roofline.Machine({"float32": 100.0}, 10.0)
    found = roofline.under_roof("siamfc", "int8", work, 0.1, machine)
    assert (found.precision, found.gflops) == ("float32", pytest.approx(60))
    assert found.of_peak == pytest.approx(0.6)
    assert found.of_bandwidth == pytest.approx(0.16)
    assert (found.bound, found.of_limit) == ("compute", found.of_peak)
    narrow = roofline.under_roof("siamfc", "float32", work, 0.1, replace(machine, bandwidth_gb_s=0.01))
    assert (narrow.bound, narrow.of_limit) == ("memory", narrow.of_bandwidth)


def test_peaks_are_work_by_the_best_time(roofline: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    clock = iter([0.0, 4.0, 10.0, 12.0, 20.0, 23.0])  # three tries of 4, 2 and 3 seconds
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    assert roofline._best(lambda: ran.append(1), torch.device("cpu"), 3) == 2.0
    assert len(ran) == 4  # the first is left out
    monkeypatch.setattr(roofline, "_best", lambda work, *_: work() is None or 0.5)
    assert roofline.bandwidth_gb_s(torch.device("cpu"), megabytes=4) == pytest.approx(2 * 4e6 / 0.5 / 1e9)


@pytest.mark.parametrize(
    ("product_s", "convolution_s", "gflops"), [(1.0, 1e9, 2 * 96**3 / 1e9), (1e9, 1.0, 2 * 62**2 * 16**2 * 9 / 1e9)]
)
def test_the_peak_is_of_what_is_faster_here(
    product_s: float, convolution_s: float, gflops: float, roofline: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([product_s, convolution_s])
    monkeypatch.setattr(roofline, "_best", lambda *_: next(seconds))
    assert roofline.peak_gflops(torch.device("cpu"), torch.float32, side=96) == pytest.approx(gflops)


def test_costs_of_targets_sizes_and_lengths(rendered: RenderedClip, tracker: Tracker, import_tool: Import) -> None:
    tool = import_tool("experiments/speed/costs")
    targets = tool.cost_of_targets(tracker, rendered, [3, 1], 4, 1)
    assert [(cost.at, cost.label) for cost in targets] == [(1, "1"), (3, "3")]
    with pytest.raises(ValueError, match="4 targets, but the clip has 3"):
        tool.cost_of_targets(tracker, rendered, [4], 4, 1)
    slow = Slow()
    sizes = tool.cost_of_sizes(slow, {"320x240": rendered, "small": render_clip((160, 120))}, 3, 2)
    assert [(cost.at, cost.label) for cost in sizes] == [(160 * 120, "small"), (320 * 240, "320x240")]
    assert all(cost.p95_ms >= cost.p50_ms >= 1 for cost in sizes)
    lengths = tool.cost_of_lengths(slow, rendered, [100, 40])
    assert [point.frames for point in lengths] == [20, 40, 100]
    assert [point.total_s for point in lengths] == sorted(point.total_s for point in lengths)
    assert all(point.ms >= 1 and point.memory_mb > 10 for point in lengths)
    assert [point.frames for point in tool.cost_of_lengths(slow, rendered, [5])] == [5]


def test_a_step_leaves_out_the_steps_inside_it(import_tool: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = import_tool("experiments/speed/frame_profile")
    now = [0.0]

    class Inner:
        def work(self) -> None:
            now[0] += 2

    class Outer:
        def work(self) -> None:
            now[0] += 1
            Inner().work()
            Inner().work()

    monkeypatch.setattr(tool, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    before = Outer.work
    with tool.clocks({"outer": (Outer, "work"), "inner": (Inner, "work")}) as seconds:
        Outer().work()
        Inner().work()
    assert seconds == {"outer": 1.0, "inner": 6.0}
    assert Outer.work is before


@pytest.mark.parametrize("name", ["siamfc", "siamfc-lite"])
def test_every_step_of_a_frame_has_its_time(name: str, rendered: RenderedClip, import_tool: Import) -> None:
    tool = import_tool("experiments/speed/frame_profile")
    tracker, _ = TrackerSpec(name, (), None, "cpu", "float32").ours()
    found = tool.profile(tracker, rendered, 4)
    assert list(found) == [*tool.STEPS, "everything else"]
    assert all(found[step] > 0 for step in tool.STEPS)
