from __future__ import annotations

import math

import pytest
import torch
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import Box
from siamtrack.errors import ConfigError
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.locator import Exemplar
from siamtrack.tracking.memory import ExemplarMemory
from siamtrack.tracking.result import State, TrackResult

CONFIG = TrackerConfig(memory_share=0.4, memory_score=0.7, memory_frames=3, memory_looks=2)
SURE = TrackResult(Box(0, 0, 9, 9), 0.9, State.TRACKING)


def exemplar(value: float) -> Exemplar:
    return Exemplar(torch.full((1, 1, 2, 6, 6), value), torch.full((1, 2, 4, 4), -value), torch.tensor([[60.0, 40.0]]))


def looks_after(memory: ExemplarMemory, result: TrackResult, frames: int) -> int:
    """How many looks are taken while the same is said of some frames."""
    taken = []
    for _ in range(frames):
        memory.note(result, lambda: taken.append(1) or exemplar(2.0))
    return len(taken)


def test_the_first_exemplar_keeps_its_share_and_the_oldest_look_goes() -> None:
    memory = ExemplarMemory(exemplar(1.0), CONFIG)
    for value, expected in ((2.0, 1.4), (3.0, 0.6 + 0.4 * 2.5), (5.0, 0.6 + 0.4 * 4)):
        look = exemplar(value)
        for _ in range(CONFIG.memory_frames):
            memory.note(SURE, lambda look=look: look)
        assert torch.allclose(memory.exemplar.embedding, torch.tensor(expected))
        assert torch.allclose(memory.exemplar.kernel, torch.tensor(-expected))
        assert memory.exemplar.embedding.is_contiguous()
        assert torch.equal(memory.exemplar.size_wh, torch.tensor([[60.0, 40.0]]))


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (SURE, True),
        (TrackResult(SURE.box, 0.69, State.TRACKING), False),
        (TrackResult(SURE.box, 0.9, State.UNCERTAIN), False),
        (TrackResult(SURE.box, 0.9, State.LOST), False),
    ],
)
def test_only_a_sure_look_is_wanted(result: TrackResult, wanted: bool) -> None:
    memory = ExemplarMemory(exemplar(1.0), CONFIG)
    assert [looks_after(memory, result, frames) for frames in (2, 1, 2, 1)] == [0, wanted, 0, wanted]


def test_without_a_share_nothing_is_wanted() -> None:
    memory = ExemplarMemory(exemplar(1.0), TrackerConfig())
    assert looks_after(memory, SURE, 100) == 0


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_the_first_frame_cannot_lose_its_share(share: float) -> None:
    with pytest.raises(ConfigError, match="leave the first frame a share"):
        siamtrack.load("siamfc-lite", memory_share=share)


@pytest.mark.parametrize("model", ["siamfc", "siamfc-lite"])
def test_a_tracker_remembers_alone_and_in_a_group_alike(model: str) -> None:
    settings = {"memory_share": 0.4, "memory_score": 0.1, "memory_frames": 2, "tracking_score": 0.1, "doubt_score": 0.1}
    tracker = siamtrack.load(model, device="cpu", runtime="eager", lost_score=0.0, **settings)
    group = MultiTracker[str](tracker.engine, tracker.config)
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    group.add("one", frame, box)
    assert tracker._followed is not None
    memory = tracker._followed.memory
    first = memory.exemplar
    for i in range(1, 6):
        frame, _ = rendered_frame(i)
        assert group.update(frame)["one"] == tracker.update(frame)
        assert (memory.exemplar is first) == (i < 2)
    assert not torch.equal(memory.exemplar.embedding, first.embedding)
