"""Targets that come and go, forward and backward, in one pass each way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import frames_of, rows_of
from rendered import rendered_frame

from siamtrack.boxes import Box, iou
from siamtrack.errors import SourceError
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.frame_source import Moment, Seconds
from siamtrack.video.recorder import Recorder
from siamtrack.video.source import Frame, Source
from siamtrack.video.tracking_loop import Span, TrackingLoop

FRAMES = 12


class Rendered(Source):
    """A file of rendered frames, that notes what was read of it."""

    name, fps, frame_count = "rendered", 25.0, FRAMES

    def __init__(self, broken_at: int = -1) -> None:
        self.passes: list[list[int]] = []
        self._broken_at = broken_at

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        yield from self._frames(range(int(start * 25) if isinstance(start, Seconds) else start, FRAMES))

    def read_backward(self, start: Moment) -> Iterator[Frame]:
        yield from self._frames(range(int(start * 25) if isinstance(start, Seconds) else start, -1, -1))

    def _frames(self, indices: range) -> Iterator[Frame]:
        if not indices or indices[0] >= FRAMES:
            raise SourceError(f"no frame {indices.start}")
        self.passes.append([])
        for index in indices:
            if index == self._broken_at:
                raise SourceError("it breaks off")
            self.passes[-1].append(index)
            yield Frame(index, index / 25, rendered_frame(index)[0])

    def read_ahead(self, start: Moment = 0, backward: bool = False) -> Any:
        yield from self.read_backward(start) if backward else self.read(start)


def follow(
    tracker: Tracker, out: Path, spans: dict[str, Span], broken_at: int = -1, **how: Any
) -> tuple[TrackingLoop[str], list[list[int]], list[Any]]:
    """The run, what was read, and its steps: frame, names, whether backward."""
    source = Rendered(broken_at)
    run = TrackingLoop(
        tracker, source, spans, lambda _, frame: Box(*rendered_frame(frame.index)[1]), lambda name, _: Recorder(out / name)
    )
    steps = []
    for step in run.steps(**how):
        steps.append((step.frame.index, sorted(step.results), step.backward))
        for result in step.results.values():
            assert iou(result.box, rendered_frame(step.frame.index)[1]) > 0.5
    for recorder in run.recorders.values():
        recorder.finish("done")
    return run, source.passes, steps


def test_one_pass_each_way_for_all_targets(tracker: Tracker, tmp_path: Path) -> None:
    spans = {
        "late": Span(6, 8),
        "back": Span(7, 4, "backward"),
        "both": Span(5, 9, "both"),
        "first": Span(0, 1),
    }
    run, passes, steps = follow(tracker, tmp_path, spans)
    assert {name: frames_of(tmp_path / name) for name in spans} == {
        "late": [6, 7, 8],
        "back": [4, 5, 6, 7],
        "both": list(range(10)),
        "first": [0, 1],
    }
    assert passes == [list(range(7, -1, -1)), list(range(10))]
    assert [name for name, error in run.take_ended() if error is None] == ["back", "first", "late", "both"]
    assert steps[0] == (7, ["back"], True)
    rows = rows_of(tmp_path / "both/boxes.csv")
    assert [row["score"] for row in rows].index("1.0000") == 5  # the given box, once
    assert (tmp_path / "both/boxes.txt").read_text().splitlines()[5] == ",".join(rows[5][key] for key in "xywh")


@pytest.mark.parametrize("direction", ["backward", "both"])
def test_what_went_backward_comes_again_in_order(tracker: Tracker, tmp_path: Path, direction: Any) -> None:
    _, passes, steps = follow(tracker, tmp_path, {"a": Span(5, None, direction)}, in_order=True)
    last = 5 if direction == "backward" else FRAMES - 1
    assert steps[6:] == [(index, ["a"], False) for index in range(last + 1)]
    assert frames_of(tmp_path / "a") == passes[1][: last + 1] == list(range(last + 1))


def test_without_need_there_is_no_second_pass(tracker: Tracker, tmp_path: Path) -> None:
    assert follow(tracker, tmp_path, {"a": Span(5, None, "backward")})[1] == [[5, 4, 3, 2, 1, 0]]


def test_times_bound_a_span_as_frames_do(tracker: Tracker, tmp_path: Path) -> None:
    follow(tracker, tmp_path, {"a": Span(Seconds(0.16), Seconds(0.29)), "b": Span(Seconds(0.16), Seconds(0.2))})
    assert frames_of(tmp_path / "a") == [4, 5, 6, 7]
    assert frames_of(tmp_path / "b") == [4, 5]
    follow(tracker, tmp_path, {"c": Span(Seconds(0.16), Seconds(0.08), "backward")})
    assert frames_of(tmp_path / "c") == [2, 3, 4]


def test_a_target_whose_frame_is_not_there_fails_alone(tracker: Tracker, tmp_path: Path) -> None:
    run, _, _ = follow(tracker, tmp_path, {"none": Span(99, None, "backward"), "a": Span(3, None, "both"), "b": Span(10)})
    assert [(name, str(error)) for name, error in run.take_ended() if error] == [("none", "no frame 99")]
    assert frames_of(tmp_path / "a") == list(range(FRAMES))
    assert frames_of(tmp_path / "b") == [10, 11]


def test_what_breaks_off_backward_keeps_what_was_found(tracker: Tracker, tmp_path: Path) -> None:
    spans = {"done": Span(9, 7, "backward"), "both": Span(8, None, "both"), "later": Span(6, 6)}
    run, _, _ = follow(tracker, tmp_path, spans, broken_at=5)
    assert [(name, error and str(error)) for name, error in run.take_ended()] == [
        ("done", None),
        ("both", "it breaks off"),
        ("later", None),
    ]
    assert frames_of(tmp_path / "done") == [7, 8, 9]
    assert frames_of(tmp_path / "both") == [6, 7, 8]
    assert frames_of(tmp_path / "later") == [6]


@pytest.mark.parametrize(
    ("span", "problem"),
    [
        (Span(5, 4), "end 4 comes before start 5"),
        (Span(5, 4, "both"), "end 4 comes before start 5"),
        (Span(5, 6, "backward"), "end 6 comes after start 5"),
        (Span(Seconds(5), Seconds(4.5)), "end 0:04.5 comes before start 0:05.0"),
        (Span(5, 5), None),
        (Span(5, 5, "backward"), None),
        (Span(500, Seconds(1)), None),
    ],
)
def test_spans_that_are_none_are_known(span: Span, problem: str | None) -> None:
    assert (span.problem() or "").startswith(problem or "")
    assert (span.problem() is None) == (problem is None)
