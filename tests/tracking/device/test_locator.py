from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import iou
from siamtrack.errors import ConfigError
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.locator import BATCHES, DeviceLocator, padded
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.locator import Exemplar, Sighting
from siamtrack.tracking.locators import make_locator
from siamtrack.tracking.placement import pick_precision, pick_runtime
from siamtrack.tracking.sized_locator import for_every_size
from siamtrack.tracking.target import Target
from siamtrack.tracking.tracker import Tracker

SEARCH = 159
"""A smaller search region than the usual 255 px: tests take a third of the time, and it is one more size."""

BOXES = [rendered_frame(0)[1], (2.0, 3.0, 50.0, 40.0), (140.0, 90.0, 30.0, 60.0), (200.0, 150.0, 40.0, 44.0), (60, 30, 99, 80)]


class DeviceTracker(Tracker):
    """A tracker by the device's way, on whichever device the engine is."""

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        super().__init__(engine, config)
        self._locator = for_every_size(DeviceLocator, engine, config)


class DeviceGroup(MultiTracker[int]):
    """Likewise."""

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        super().__init__(engine, config)
        self._locator = for_every_size(DeviceLocator, engine, config)


def eager(model: str, **overrides: object) -> Tracker:
    return siamtrack.load(model, device="cpu", precision="float32", runtime="eager", search_size=SEARCH, **overrides)


@pytest.fixture(scope="module")
def box() -> Tracker:
    return eager("siamfc-box")


@pytest.fixture(scope="module")
def scale() -> Tracker:
    return eager("siamfc")


@pytest.fixture(scope="module")
def lite() -> Tracker:
    """A light model as training begins it: untrained, but it must be asked in the same way."""
    torch.manual_seed(0)
    net = Siamese(model="siamfc-lite").eval()
    return Tracker(
        Engine(net, "cpu", "float32", "eager"), TrackerConfig(scale_search="box", scale_damping=0.3, search_size=SEARCH)
    )


def enlarged(i: int, by: int) -> tuple[np.ndarray, tuple[float, ...]]:
    frame, box = rendered_frame(i)
    return (cv2.resize(frame, None, fx=by, fy=by) if by > 1 else frame), tuple(by * value for value in box)


def assert_same_sightings(tracker: Tracker, locator: DeviceLocator, count: int, by: int = 1) -> None:
    """Of the same view both see the same, at every frame of the clip: within 0.05 px, 1e-3 of the size and 0.01 in value."""
    host = make_locator(tracker.engine, tracker.config)
    frame, box = enlarged(0, by)
    target = Target(frame, box, tracker.config)
    exemplar = locator.learn(target.exemplar_view(frame))
    for i in range(1, count):
        view = target.search_views(enlarged(i, by)[0])[0]
        (expected,) = host.find([exemplar], [view])
        (found,) = locator.find([exemplar], [view])
        assert_near(found, expected)
        target.follow([expected])


def assert_near(found: Sighting, expected: Sighting, pixels: float = 0.05, growth: float = 1e-3, value: float = 0.01) -> None:
    assert found.center_xy == pytest.approx(expected.center_xy, abs=pixels)
    assert found.growth_wh == pytest.approx(expected.growth_wh, abs=growth)
    assert (found.value, found.gap) == pytest.approx((expected.value, expected.gap), abs=value, rel=value)


@pytest.mark.parametrize("name", ["box", "scale"])
def test_it_sees_what_the_host_sees(name: str, request: pytest.FixtureRequest) -> None:
    tracker = request.getfixturevalue(name)
    assert_same_sightings(tracker, DeviceLocator(tracker.engine, tracker.config), 12)


def test_a_target_that_must_be_averaged_is_seen_as_well(box: Tracker) -> None:
    assert_same_sightings(box, DeviceLocator(box.engine, box.config), 5, by=4)


def test_a_backbone_that_pads_is_asked_in_the_same_way(lite: Tracker) -> None:
    assert lite.engine.padded
    assert_same_sightings(lite, DeviceLocator(lite.engine, lite.config), 5)


def test_tracks_of_their_own_stay_together(box: Tracker) -> None:
    ours, frame = DeviceTracker(box.engine, box.config), rendered_frame(0)
    assert ours.init(*frame) == box.init(*frame)
    for i in range(1, 8):
        frame = rendered_frame(i)
        # A box that is off by a rounding shifts the next crop: sightings agree far more closely than tracks.
        assert iou(ours.update(frame[0]).box, box.update(frame[0]).box) > 0.8


def test_search_regions_of_several_sizes_show_the_target_at_one_scale() -> None:
    lite = siamtrack.load(
        "siamfc-lite", device="cpu", precision="float32", runtime="eager", search_size=255, search_sizes=[191, 255]
    )
    ours, frame = DeviceTracker(lite.engine, lite.config), rendered_frame(0)
    assert ours.init(*frame) == lite.init(*frame)
    for i in range(1, 6):
        frame = rendered_frame(i)
        assert iou(ours.update(frame[0]).box, lite.update(frame[0]).box) > 0.9


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_run_through_the_same_code(precision: str, box: Tracker) -> None:
    half = siamtrack.load("siamfc-box", device="cpu", precision=precision, runtime="eager", search_size=SEARCH)
    ours = DeviceTracker(half.engine, half.config)
    for each in (ours, box):
        each.init(*rendered_frame(0))
    frame = rendered_frame(1)[0]
    assert iou(ours.update(frame).box, box.update(frame).box) > 0.9


def learned(tracker: Tracker, locator: DeviceLocator) -> tuple[list[Target], list[Exemplar]]:
    frame = rendered_frame(0)[0]
    targets = [Target(frame, box, tracker.config) for box in BOXES]
    return targets, [locator.learn(target.exemplar_view(frame)) for target in targets]


@pytest.mark.parametrize("name", ["box", "scale"])
def test_a_target_is_seen_among_others_as_alone(name: str, request: pytest.FixtureRequest) -> None:
    tracker = request.getfixturevalue(name)
    locator = DeviceLocator(tracker.engine, tracker.config)
    targets, exemplars = learned(tracker, locator)
    frame = rendered_frame(1)[0]
    views = [target.search_views(frame)[0] for target in targets]
    together = locator.find(exemplars, views)  # five of eight slots
    alone = [locator.find([exemplar], [view])[0] for exemplar, view in zip(exemplars, views, strict=True)]
    for found, expected in zip(together, alone, strict=True):
        assert_near(found, expected, 1e-3, 1e-5, 1e-3)


def test_more_targets_than_the_largest_batch_take_several(scale: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    locator = DeviceLocator(scale.engine, scale.config)
    targets, exemplars = learned(scale, locator)
    frame = rendered_frame(1)[0]
    views = [target.search_views(frame)[0] for target in targets]
    expected = locator.find(exemplars, views)
    monkeypatch.setattr("siamtrack.tracking.device.locator.BATCHES", (1, 2))
    before = scale.engine.network_calls
    for one, other in zip(locator.find(exemplars, views), expected, strict=True):
        assert_near(one, other, 1e-3, 1e-5, 1e-3)
    assert scale.engine.network_calls - before == 3


def test_views_of_two_frames_are_kept_apart(scale: Tracker) -> None:
    locator = DeviceLocator(scale.engine, scale.config)
    targets, exemplars = learned(scale, locator)
    views = [target.search_views(rendered_frame(i)[0])[0] for i, target in zip((1, 6), targets, strict=False)]
    found = locator.find(exemplars[:2], views)
    alone = [locator.find([exemplar], [view])[0] for exemplar, view in zip(exemplars, views, strict=False)]
    assert found == alone


def test_targets_come_and_go(scale: Tracker) -> None:
    group, host = DeviceGroup(scale.engine, scale.config), MultiTracker[int](scale.engine, scale.config)
    for i in range(6):
        frame = rendered_frame(i)[0]
        for each in (group, host):
            if i in (0, 1, 3):
                each.add(i, frame, BOXES[i])
            if i == 4:
                each.remove(0)  # the others move up
            if i == 5:
                each.add(1, frame, BOXES[4])  # drawn again: learned anew, in the same slot
        found, expected = group.update(frame), host.update(frame)
        assert list(found) == list(expected)
        for name, result in found.items():
            assert result.box == pytest.approx(expected[name].box, abs=0.1)


def test_a_frame_in_the_same_memory_is_uploaded_again_and_of_another_size_as_well(scale: Tracker) -> None:
    ours = DeviceTracker(scale.engine, scale.config)
    frame, box = rendered_frame(0)
    memory = frame.copy()
    ours.init(memory, box)
    scale.init(frame, box)
    for i in (1, 2):
        memory[:] = rendered_frame(i)[0]
        assert ours.update(memory).box == pytest.approx(scale.update(rendered_frame(i)[0]).box, abs=0.05)
    mirrored = rendered_frame(0, (400, 300))[0][:, ::-1]  # a view that runs backwards
    x, y, w, h = rendered_frame(0, (400, 300))[1]
    for each in (ours, scale):
        each.init(mirrored, (400 - x - w, y, w, h))
    assert ours.update(mirrored).box == pytest.approx(scale.update(mirrored).box, abs=0.05)


def test_padded_sizes() -> None:
    assert [padded(count) for count in (1, 2, 3, 5, 64, 65, 128)] == [1, 2, 4, 8, 64, 128, 128]
    assert list(BATCHES) == sorted(BATCHES)


def test_bad_use_is_refused_in_one_line(scale: Tracker, box: Tracker) -> None:
    with pytest.raises(ConfigError, match="scale_search 'search' does not run by CUDA graph; use 'exemplar' or 'box'"):
        DeviceLocator(scale.engine, dataclasses.replace(scale.config, scale_search="search"))
    with pytest.raises(ConfigError, match="needs a model with a box head"):
        DeviceLocator(scale.engine, box.config)
    locator = DeviceLocator(scale.engine, scale.config)
    (target, *_), (exemplar, *_) = learned(scale, locator)
    view = target.search_views(rendered_frame(1)[0])[0]
    assert locator.find([], []) == []
    with pytest.raises(ValueError, match="2 exemplars, 1 views; there must be one a target"):
        locator.find([exemplar, exemplar], [view])
    with pytest.raises(ValueError, match=r"frame is float32 \(240, 320, 3\); it must be uint8"):
        locator.find([exemplar], [dataclasses.replace(view, image=view.image.astype(np.float32))])
    locator.find([exemplar], [view])
    with pytest.raises(ValueError, match="learn all targets of a locator with the same model"):
        locator.find([dataclasses.replace(exemplar, embedding=exemplar.embedding[:, :1])], [view])


def test_runtimes_are_chosen_by_rule(monkeypatch: pytest.MonkeyPatch, scale: Tracker) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert pick_runtime("cuda-graph", cuda, "float16") == "cuda-graph"
    assert pick_runtime("auto", cuda, "float16") == "eager"
    with pytest.raises(ValueError, match="runtime 'cuda-graph' runs on CUDA, not on cpu; use auto"):
        pick_runtime("cuda-graph", cpu, "float32")
    assert pick_precision("auto", cpu, "cuda-graph") == pick_precision("auto", cpu, "eager")
    assert not isinstance(make_locator(scale.engine, scale.config), DeviceLocator)
    monkeypatch.setattr(scale.engine, "runtime", "cuda-graph")
    assert isinstance(make_locator(scale.engine, scale.config), DeviceLocator)


def test_an_engine_of_another_runtime_has_no_graphs_to_run() -> None:
    onnx = siamtrack.load("siamfc", device="cpu", precision="float32", runtime="onnx")
    with pytest.raises(ConfigError, match="runtime 'onnx' has no PyTorch graphs; use eager or cuda-graph"):
        DeviceLocator(onnx.engine, onnx.config)
