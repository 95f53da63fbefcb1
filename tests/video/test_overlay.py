from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.overlay import PALETTE, SeenTarget, color_of, draw_targets

GRAY = np.full((240, 320, 3), 90, np.uint8)


def seen(state: State = State.TRACKING, box: Box = Box(100, 80, 60, 50), number: int = 1) -> SeenTarget:  # noqa: B008
    trail = tuple((box.x - step, box.y + 20) for step in range(30, -1, -3))
    return SeenTarget(f"target-{number}", number, TrackResult(box, 0.7, state), trail)


def share_of_lower_side(state: State) -> float:
    """How much of the box's lower side is drawn in the target's colour."""
    line = draw_targets(GRAY, [seen(state)])[130, 102:158].astype(int)
    return float((abs(line - np.array(color_of(1))).max(axis=1) < 40).mean())


def test_the_frame_itself_is_not_drawn_on() -> None:
    before = GRAY.copy()
    assert (draw_targets(GRAY, [seen()]) != before).any()
    np.testing.assert_array_equal(GRAY, before)


def test_solid_dashed_and_dotted_tell_the_states_apart() -> None:
    assert share_of_lower_side(State.TRACKING) > 0.95
    assert 0.5 < share_of_lower_side(State.UNCERTAIN) < 0.8
    assert 0.2 < share_of_lower_side(State.LOST) < 0.5


def test_neighbouring_targets_have_colours_of_their_own() -> None:
    assert len({color_of(number) for number in range(1, 8)}) == len(PALETTE) == 7
    assert color_of(8) == color_of(1)


def test_labels_of_targets_on_one_spot_do_not_cover_each_other() -> None:
    boxes = [Box(100, 80, 60, 50), Box(102, 82, 60, 50), Box(104, 79, 55, 52), Box(96, 84, 66, 44)]
    targets = [seen(box=box, number=number) for number, box in enumerate(boxes, 1)]
    alone = [draw_targets(GRAY, [target]) for target in targets]
    drawn = draw_targets(GRAY, targets)
    for target, single in zip(targets, alone, strict=True):
        above = single[: int(target.result.box.y) - 4]  # there is nothing but its label
        assert colored(drawn, target) >= colored(above, target) > 500


def colored(picture: np.ndarray, target: SeenTarget) -> int:
    """Pixels of a target's colour."""
    return int((abs(picture.astype(int) - target.bgr).max(axis=2) < 5).sum())


def test_a_target_can_have_the_colour_of_another_number() -> None:
    painted = draw_targets(GRAY, [replace(seen(), color=3)])
    np.testing.assert_array_equal(painted, draw_targets(GRAY, [replace(seen(number=3), label="1")]))


@pytest.mark.parametrize("share", [(0, 0, 1, 1), (0.97, 0.96, 0.03, 0.04), (0, 0, 0.1, 0.1), (0, 0.5, 0.01, 0.01)])
@pytest.mark.parametrize("shape", [(240, 320), (2160, 3840), (24, 32)])
def test_boxes_anywhere_on_frames_of_any_size_can_be_drawn(share: tuple[float, ...], shape: tuple[int, int]) -> None:
    frame = np.zeros((*shape, 3), np.uint8)
    box = Box(*np.multiply(share, (shape[1], shape[0]) * 2).tolist())
    drawn = draw_targets(frame, [seen(box=box), seen(State.LOST, box, 12)])
    assert drawn.shape == frame.shape
    assert drawn.any()
