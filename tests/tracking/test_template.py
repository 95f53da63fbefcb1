from __future__ import annotations

import math

import numpy as np
import pytest
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import Box
from siamtrack.errors import ConfigError, OldKeyWarning
from siamtrack.tracking import template as module
from siamtrack.tracking.network import Exemplar
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.template import UPDATE_FRAMES, Template
from siamtrack.tracking.tracker import MultiTracker

SURE = TrackResult(Box(0, 0, 9, 9), 0.9, State.TRACKING)


def exemplar(value: float) -> Exemplar:
    ones = np.ones((2, 6, 6), np.float32)
    return Exemplar(value * ones, -value * ones[..., :4, :4], np.array([60.0, 40.0], np.float32))


def due_after(template: Template, result: TrackResult, frames: int) -> int:
    """How many updates are due while the same is said of some frames."""
    due = 0
    for _ in range(frames):
        if template.count_frame(result):
            template.update(exemplar(2.0))
            due += 1
    return due


def test_the_first_exemplar_keeps_its_share_and_the_oldest_update_goes() -> None:
    template = Template(exemplar(1.0), 0.4)
    for value, expected in ((2.0, 1.4), (3.0, 0.6 + 0.4 * 2.5), (5.0, 0.6 + 0.4 * 10 / 3), (7.0, 0.6 + 0.4 * 5)):
        template.update(exemplar(value))
        blended = template.exemplar
        assert blended.kernel is not None
        assert blended.embedding == pytest.approx(expected, rel=1e-6)
        assert blended.kernel == pytest.approx(-expected, rel=1e-6)
        assert blended.size_wh.tolist() == [60, 40]


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (SURE, True),
        (TrackResult(SURE.box, 0.84, State.TRACKING), False),
        (TrackResult(SURE.box, 0.9, State.UNCERTAIN), False),
        (TrackResult(SURE.box, 0.9, State.LOST), False),
    ],
)
def test_only_a_sure_frame_updates_and_not_too_often(result: TrackResult, wanted: bool) -> None:
    template = Template(exemplar(1.0), 0.4)
    before = UPDATE_FRAMES - 1
    assert [due_after(template, result, frames) for frames in (before, 1, before, 1)] == [0, wanted, 0, wanted]


def test_without_a_weight_nothing_is_updated() -> None:
    assert due_after(Template(exemplar(1.0), 0.0), SURE, 100) == 0


@pytest.mark.parametrize(
    ("weight", "why"), [(-0.1, "leave the first frame a share"), (1.0, "leave the first frame a share"), (math.nan, "finite")]
)
def test_the_first_frame_cannot_lose_its_share(weight: float, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        siamtrack.load("siamfc-lite", update_weight=weight)


def test_the_weight_is_still_read_by_its_old_name() -> None:
    with pytest.warns(OldKeyWarning, match="update_weight"):
        assert siamtrack.load("siamfc-lite", memory_share=0).config.update_weight == 0


@pytest.mark.parametrize("model", ["siamfc", "siamfc-lite"])
def test_a_template_is_updated_alone_and_in_a_group_alike(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPDATE_FRAMES", 2)
    monkeypatch.setattr(module, "UPDATE_SCORE", 0.1)
    settings = {"update_weight": 0.4, "tracking_score": 0.1, "doubt_score": 0.1, "lost_score": 0.0}
    tracker = siamtrack.load(model, device="cpu", **settings)
    group = MultiTracker[str](tracker.backend, tracker.config)
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    group.add("one", frame, box)
    template = group._targets["one"].template
    first = template.exemplar
    for i in range(1, 6):
        frame, _ = rendered_frame(i)
        assert group.update(frame)["one"] == tracker.update(frame)
        assert (template.exemplar is first) == (i < 2)
    assert not np.array_equal(template.exemplar.embedding, first.embedding)
