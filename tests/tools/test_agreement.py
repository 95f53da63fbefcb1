from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.errors import DataError
from siamtrack.frames import Image

FRAMES = 24
START = Box(10, 10, 20, 20)


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/agreement")


def target(index: int) -> Box:
    """The target moves right by a pixel a frame."""
    return START._replace(x=START.x + index)


def distractor(index: int) -> Box:
    """Something like the target that stands still elsewhere."""
    return Box(60, 60, 20, 20)


class Scripted:
    """Follows a script: `(pass, first frame of the pass, frame) -> box`, where pass 0 is the forward one."""

    def __init__(self, script: Callable[[int, int, int], Box]) -> None:
        self.script = script
        self.starts: list[int] = []
        self.given: list[Box] = []

    def init(self, frame: Image, box: Iterable[float]) -> None:
        self.starts.append(int(frame[0, 0, 0]))
        self.given.append(Box(*box))

    def update(self, frame: Image) -> Box:
        return self.script(len(self.starts) - 1, self.starts[-1], int(frame[0, 0, 0]))


def frames(count: int = FRAMES) -> Iterator[Image]:
    """Frames whose gray value is their number."""
    return (np.full((100, 100, 3), index, np.uint8) for index in range(count))


def labelled(boxes: np.ndarray) -> list[int]:
    return np.flatnonzero(boxes[:, 2] > 0).tolist()


def test_both_passes_on_the_target_label_every_frame(tool: ModuleType) -> None:
    tracker = Scripted(lambda number, start, index: target(index))
    labels = tool.label_clip(tracker, frames(), START, [])
    assert labels.boxes_xywh.tolist() == [list(target(index)) for index in range(FRAMES)]
    assert (labels.closed, labels.kept) == (FRAMES, FRAMES)
    assert tracker.starts == [0, FRAMES - 1]
    assert tracker.given == [START, target(FRAMES - 1)]


def test_frames_where_the_passes_differ_are_unsure(tool: ModuleType) -> None:
    def script(number: int, start: int, index: int) -> Box:
        return distractor(index) if number == 1 and 5 <= index < 9 else target(index)

    labels = tool.label_clip(Scripted(script), frames(), START, [])
    assert labelled(labels.boxes_xywh) == [*range(5), *range(9, FRAMES)]
    assert (labels.boxes_xywh[5:9] == 0).all()
    assert labels.kept == FRAMES - 4


def test_the_overlap_that_is_asked_for_counts(tool: ModuleType) -> None:
    def script(number: int, start: int, index: int) -> Box:
        box = target(index)
        return box._replace(x=box.x + 5) if number == 1 and index else box  # overlap 15 / 25

    assert tool.label_clip(Scripted(script), frames(), START, []).kept == FRAMES
    assert tool.label_clip(Scripted(script), frames(), START, [], min_iou=0.7).kept == 2  # the first, and where it began


@pytest.mark.parametrize(("astray", "closed", "starts"), [(20, 12, [23, 11]), (12, 12, [23, 11]), (7, 6, [23, 11, 5])])
def test_a_target_lost_for_good_is_labelled_up_to_where_the_loop_closes(
    tool: ModuleType, astray: int, closed: int, starts: list[int]
) -> None:
    """From a known frame on the forward pass follows a distractor, and so does each backward pass that begins there."""

    def script(number: int, start: int, index: int) -> Box:
        lost = index >= astray if number == 0 else start >= astray
        return distractor(index) if lost else target(index)

    tracker = Scripted(script)
    labels = tool.label_clip(tracker, frames(), START, [])
    # Both passes agree on the distractor behind that frame; no label may come of it.
    assert labels.closed == closed
    assert labelled(labels.boxes_xywh) == list(range(closed))
    assert tracker.starts == [0, *starts]


def test_where_no_pass_finds_back_the_first_box_alone_is_left(tool: ModuleType) -> None:
    labels = tool.label_clip(Scripted(lambda number, start, index: distractor(index)), frames(), START, [])
    assert labelled(labels.boxes_xywh) == [0]
    assert labels.closed == 1


def test_boxes_are_clipped_and_slivers_are_unsure(tool: ModuleType) -> None:
    def script(number: int, start: int, index: int) -> Box:
        return target(index)._replace(x=100 - 20 + 2 * index - 20) if index > 12 else target(index)  # leaves at frame 20

    labels = tool.label_clip(Scripted(script), frames(), START, [])
    assert labels.closed == 12  # nothing to begin with in the last frame: the box is 0 px wide
    gone = tool.label_clip(
        Scripted(lambda number, start, index: START._replace(x=-18 if index == 3 else 10)), frames(8), START, []
    )
    assert labelled(gone.boxes_xywh) == [0, 1, 2, 4, 5, 6, 7]
    left = tool.label_clip(
        Scripted(lambda number, start, index: START._replace(x=-5 if index else 10)), frames(2), START, [], 0.1
    )
    assert left.boxes_xywh.tolist() == [list(START), [0, 10, 15, 20]]


def test_a_clip_of_one_frame_has_its_label(tool: ModuleType) -> None:
    assert tool.label_clip(Scripted(lambda *_: START), frames(1), START, []).boxes_xywh.tolist() == [list(START)]


def test_what_cannot_be_labelled_is_refused(tool: ModuleType) -> None:
    with pytest.raises(DataError, match="no frames"):
        tool.label_clip(Scripted(lambda *_: START), frames(0), START, [])
    with pytest.raises(ValueError, match="outside the 100x100 frame"):
        tool.label_clip(Scripted(lambda *_: START), frames(), (200, 0, 10, 10), [])


def test_teachers_agree_where_most_of_them_are_near_each_other(tool: ModuleType) -> None:
    near, also, far = (np.tile([x, 20.0, 40.0, 40.0], (4, 1)) for x in (10.0, 14.0, 200.0))
    also[1] = 0  # unsure: one of three is left that agrees with nobody
    far[2] = 12.0, 20.0, 40.0, 40.0
    near[3] = also[3] = 0
    found = tool.agreed([near, also, far])
    assert found.tolist() == [[12, 20, 40, 40], [0, 0, 0, 0], [12, 20, 40, 40], [0, 0, 0, 0]]
    assert tool.agreed([near]).tolist() == near.tolist()
    with pytest.raises(ValueError, match="must label the same frames"):
        tool.agreed([near, near[:2]])
