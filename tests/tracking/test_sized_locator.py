from __future__ import annotations

from pathlib import Path

import pytest
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import iou
from siamtrack.errors import ConfigError
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.locators import make_locator
from siamtrack.tracking.target import Target
from siamtrack.tracking.tracker import Tracker

SIZES = [159, 175, 191]


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return siamtrack.load("siamfc-lite", device="cpu", runtime="eager", search_size=175, search_sizes=SIZES)


def test_views_of_several_sizes_are_found_each_as_alone_and_in_their_order(tracker: Tracker) -> None:
    frame, box = rendered_frame(0)
    locator = make_locator(tracker.engine, tracker.config)
    targets = [Target(frame, (box[0] + dx, *box[1:]), tracker.config) for dx in (0, 2, 4, 6)]
    exemplars = [locator.learn(target.exemplar_view(frame)) for target in targets]
    views = []
    for target, steps in zip(targets, (0.0, 30.0, 3.0, 0.0), strict=True):
        target._steps_px = (steps,)
        views += target.search_views(rendered_frame(1)[0])
    assert [view.size for view in views] == [159, 191, 175, 159]
    together = locator.find(exemplars, views)
    assert together == [locator.find([one], [view])[0] for one, view in zip(exemplars, views, strict=True)]
    # The scale at which the target is seen is the same in all of them.
    assert len({round(view.side / view.size / (targets[i].search_side / 175), 9) for i, view in enumerate(views)}) == 1


def test_no_frame_waits_for_a_graph_whatever_size_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMTRACK_CACHE", str(tmp_path))
    tracker = siamtrack.load(
        "siamfc-lite", device="cpu", precision="float32", runtime="onnx", search_size=175, search_sizes=SIZES
    )
    kept = sorted(path.name for path in (tmp_path / "graphs").iterdir())
    assert [name for name in kept if name.endswith("embed-box.onnx")]
    assert len([name for name in kept if name.endswith("embed-box.onnx")]) == len(SIZES)
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    assert tracker._followed is not None
    for steps in (0.0, 3.0, 30.0):
        tracker._followed.target._steps_px = (steps,)
        tracker.update(frame)
    made = {path.name for path in (tmp_path / "graphs").iterdir()} - set(kept)
    assert all(name.endswith("kernel.onnx") for name in made)


def test_a_target_is_followed_through_changes_of_size_alone_and_in_a_group(tracker: Tracker) -> None:
    group = MultiTracker[str](tracker.engine, tracker.config)
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    group.add("one", frame, box)
    for i in range(1, 8):
        frame, truth = rendered_frame(i)
        result = tracker.update(frame)
        assert iou(result.box, truth) > 0.4
        assert group.update(frame)["one"] == result


@pytest.mark.parametrize("sizes", [[191], [191, 175], [175, 190], [175, 175]])
def test_sizes_that_cannot_be_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ConfigError, match="search_size"):
        siamtrack.load("siamfc-lite", search_size=175, search_sizes=sizes)
