from __future__ import annotations

import pytest
from rendered import rendered_frame

import siamtrack
from siamtrack.model.weights import shipped_models
from siamtrack.tracking.tracker import MultiTracker, Tracker

BOXES = {"target": rendered_frame(0)[1], "corner": (2.0, 3.0, 50.0, 40.0), "middle": (140.0, 90.0, 30.0, 60.0)}


@pytest.fixture(params=shipped_models())
def each(request: pytest.FixtureRequest) -> Tracker:
    return siamtrack.load(request.param, device="cpu", precision="float32")


def test_a_group_of_one_is_a_tracker_to_the_last_bit(each: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(each.backend, each.config)
    first = rendered_frame(0)[0]
    assert group.add("target", first, BOXES["target"]) == each.init(first, BOXES["target"])
    for index in range(1, 6):
        frame = rendered_frame(index)[0]
        assert group.update(frame) == {"target": each.update(frame)}


def test_many_targets_are_followed_as_each_alone_to_the_last_bit(each: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(each.backend, each.config)
    first = rendered_frame(0)[0]
    for name, box in BOXES.items():
        group.add(name, first, box)
    together = [group.update(rendered_frame(index)[0]) for index in range(1, 6)]
    for name, box in BOXES.items():
        each.init(first, box)
        assert [each.update(rendered_frame(index)[0]) for index in range(1, 6)] == [results[name] for results in together]


def test_targets_come_and_go(tracker: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(tracker.backend, tracker.config)
    frames = [rendered_frame(index)[0] for index in range(4)]
    assert group.update(frames[0]) == {}
    group.add("a", frames[0], BOXES["target"])
    group.add("b", frames[1], BOXES["corner"])
    assert list(group.update(frames[2])) == group.names == ["a", "b"]
    group.remove("a")
    assert list(group.update(frames[3])) == ["b"]
    assert "a" not in group
    with pytest.raises(KeyError):
        group.remove("a")


def test_the_network_sees_one_batch_a_frame(tracker: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(tracker.backend, tracker.config)
    first = rendered_frame(0)[0]
    for name, box in BOXES.items():
        group.add(name, first, box)
    before = tracker.backend.network_calls
    group.update(rendered_frame(1)[0])
    assert tracker.backend.network_calls - before == 1


def test_a_target_drawn_again_is_learned_anew(tracker: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(tracker.backend, tracker.config)
    first = rendered_frame(0)[0]
    group.add("a", first, BOXES["corner"])
    group.add("a", first, BOXES["target"])
    assert len(group) == 1
    assert group.update(first)["a"].box.x == pytest.approx(BOXES["target"][0], abs=4)


def test_a_bad_box_or_frame_changes_nothing(tracker: Tracker) -> None:
    group: MultiTracker[str] = MultiTracker(tracker.backend, tracker.config)
    first = rendered_frame(0)[0]
    group.add("a", first, BOXES["target"])
    with pytest.raises(ValueError, match="box"):
        group.add("a", first, (900, 900, 10, 10))
    with pytest.raises(ValueError, match="one size"):
        group.update(first[:100])
    assert group.update(first)["a"].box.x == pytest.approx(BOXES["target"][0], abs=4)
