"""The loop over a video's frames that `siamtrack track` and `siamtrack batch` share.

It follows any number of targets, each from the frame of its box on: forward, backward, or both ways. If any target goes
backward there are two passes, the backward one first. In each pass the network sees all targets of a frame at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar, get_args

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import FrameDetails, MultiTracker, Tracker
from siamtrack.video.frame_source import Frame, Moment, Seconds, Source, clock, is_passed, is_reached
from siamtrack.video.recorder import FrameTimes, Recorder, timed_update
from siamtrack.video.rows import Row

Name = TypeVar("Name", bound=Hashable)
Direction = Literal["forward", "backward", "both"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True)
class Span:
    """The frames in which a target is followed.

    Attributes:
        start: the frame of its box.
        end: the last frame that is followed; None: the video's last, or frame 0 if it goes backward. For a target that
            goes both ways it is the last frame of the forward pass.
        direction: of `DIRECTIONS`, from `start` on.
    """

    start: Moment = 0
    end: Moment | None = None
    direction: Direction = "forward"

    @property
    def forward(self) -> bool:
        """Whether it goes forward, if not only so."""
        return self.direction != "backward"

    @property
    def backward(self) -> bool:
        """Whether it goes backward, if not only so."""
        return self.direction != "forward"

    def problem(self) -> str | None:
        """Why there is no such span; None if there is, or only the video can tell."""
        if self.end is None or isinstance(self.start, Seconds) != isinstance(self.end, Seconds):
            return None
        start, end = (clock(at) if isinstance(at, Seconds) else str(at) for at in (self.start, self.end))
        if self.forward and self.end < self.start:
            return f"end {end} comes before start {start}; end is the last frame that is tracked"
        if not self.forward and self.end > self.start:
            return f"end {end} comes after start {start}; end is the last frame that is tracked, and this target goes backward"
        return None

    def begins(self, frame: Frame) -> bool:
        """Whether a frame is that of its box; if the start is a time, whether the frame is at or after it."""
        if isinstance(self.start, Seconds):
            return is_reached(self.start, frame.index, frame.time_s)
        return frame.index == self.start

    def is_over(self, frame: Frame, backward: bool) -> bool:
        """Whether a frame comes after its last one."""
        if self.end is None or (backward and self.forward):
            return False
        here = (frame.index, frame.time_s)
        return not is_reached(self.end, *here) if backward else is_passed(self.end, *here)

    def ends(self, frame: Frame, backward: bool) -> bool:
        """Whether a frame is known to be its last one."""
        return frame.index == (0 if backward and (self.forward or self.end is None) else self.end)


@dataclass(frozen=True)
class FrameResults(Generic[Name]):
    """The results of one frame.

    Attributes:
        frame: the frame.
        results: by target; in the forward pass also those of the backward pass.
        backward: whether this is the backward pass.
    """

    frame: Frame
    results: Mapping[Name, TrackResult]
    backward: bool


class TrackingLoop(Generic[Name]):
    """Follows targets through a video once, and gives their results to recorders.

    Args:
        tracker: whose network and constants are used; its own target is not touched.
        source: the video; a file, if any target goes backward.
        spans: in which frames to follow each target, by its name.
        box_of: returns a target's box `(x, y, w, h)` in its first frame.
        recorder_of: opens the files of a target, once its box was accepted.

    Attributes:
        recorders: of the targets that have begun. The caller removes and finishes those that `take_ended` names.
        waiting: targets that have not begun.
        times: frame rates of this run.
    """

    def __init__(
        self,
        tracker: Tracker,
        source: Source,
        spans: Mapping[Name, Span],
        box_of: Callable[[Name, Frame], Box],
        recorder_of: Callable[[Name, Box], Recorder],
    ) -> None:
        self.recorders: dict[Name, Recorder] = {}
        self.waiting = list(spans)
        self.times = FrameTimes()
        self._source, self._spans = source, dict(spans)
        self._box_of, self._recorder_of = box_of, recorder_of
        self._group: MultiTracker[Name] = MultiTracker(tracker.backend, tracker.config)
        self._ended: list[tuple[Name, ValueError | None]] = []
        self._starts: dict[Name, tuple[int, Box]] = {}
        self._turning: list[Name] = []  # done backward; in their first frame they begin again, forward
        self._went_backward: dict[Name, Recorder] = {}
        self._last_details: dict[Name, FrameDetails] = {}
        self._frame_began_s = 0.0

    def take_ended(self) -> list[tuple[Name, ValueError | None]]:
        """Targets that have ended since the last call, each with its error or None."""
        ended, self._ended = self._ended, []
        return ended

    def details(self, name: Name) -> FrameDetails:
        """What made a target's result in the frame that was yielded last."""
        return self._group.details(name) if name in self._group else self._last_details.get(name, FrameDetails())

    def steps(
        self, in_order: bool = False, first: int | None = None, more: Callable[[], bool] = lambda: False
    ) -> Generator[FrameResults[Name], None, None]:
        """Go through the video. The iterator must be closed before the source.

        Args:
            in_order: the forward pass also yields the frames of targets that went backward.
            first: the frame at which the forward pass begins, unless a target needs an earlier one.
            more: asked when no target is left; True lets the forward pass go on.

        Raises:
            SourceError: the forward pass broke off; targets in `recorders` were followed up to there.
        """
        backward = {name: span for name, span in self._spans.items() if span.backward}
        while backward:
            start = max(span.start for span in backward.values())
            try:
                yield from self._pass_backward(start, backward)
                break
            except SourceError as error:
                # A frame that a video does not have is no reason to give up the other targets.
                failed = [name for name in backward if name in self.waiting and backward[name].start == start]
                for name in failed or [name for name in backward if name in self.waiting or name in self._group]:
                    self._end(name, error)
                if not failed:
                    break
                backward = {name: span for name, span in backward.items() if name not in failed}
        tracks = {}
        if in_order:
            tracks = {
                name: FinishedTrack(recorder.rows(), recorder.last_index) for name, recorder in self._went_backward.items()
            }
        yield from self._pass_forward(tracks, first, more)

    def _pass_backward(self, start: Moment, spans: Mapping[Name, Span]) -> Iterator[FrameResults[Name]]:
        with closing(self._source.read_ahead(start, backward=True)) as frames:
            for frame in frames:
                self._end_where(partial(Span.is_over, frame=frame, backward=True), backward=True)
                results = self._update(frame)
                for name in [name for name in self.waiting if name in spans and spans[name].begins(frame)]:
                    results |= self._begin(name, frame)
                self._end_where(partial(Span.ends, frame=frame, backward=True), backward=True)
                yield FrameResults(frame, results, backward=True)
                if not len(self._group) and not any(name in spans for name in self.waiting):
                    break
        self._end_where(lambda _: True, backward=True)

    def _pass_forward(
        self, tracks: Mapping[Name, FinishedTrack], first: int | None, more: Callable[[], bool]
    ) -> Iterator[FrameResults[Name]]:
        moments = [self._spans[name].start for name in self.waiting] + [self._starts[name][0] for name in self._turning]
        moments += [self._went_backward[name].last_index for name in tracks] + ([] if first is None else [first])

        def wanted() -> bool:
            left = self.waiting or self._turning or len(self._group) or not all(track.ended for track in tracks.values())
            return bool(left) or more()

        if not moments or not wanted():
            return
        with closing(self._source.read_ahead(min(moments))) as frames:
            for frame in frames:
                self._end_where(partial(Span.is_over, frame=frame, backward=False), backward=False)
                if not wanted():
                    break
                results = {name: found for name, track in tracks.items() if (found := track.at(frame.index)) is not None}
                results |= self._update(frame)
                for name in [name for name in self.waiting if self._spans[name].begins(frame)]:
                    results |= self._begin(name, frame)
                for name in [name for name in self._turning if self._starts[name][0] == frame.index]:
                    # The same box again, in a frame whose row is written.
                    self._turning.remove(name)
                    results[name] = self._group.add(name, frame.image, self._starts[name][1])
                self._end_where(partial(Span.ends, frame=frame, backward=False), backward=False)
                yield FrameResults(frame, {name: results[name] for name in self._spans if name in results}, backward=False)
                if not wanted():
                    break
        self._end_where(lambda _: True, backward=False)

    def _update(self, frame: Frame) -> dict[Name, TrackResult]:
        """Track the targets that began in earlier frames."""
        if not len(self._group):
            self._frame_began_s = time.perf_counter()
            return {}
        try:
            results, spent_s = timed_update(self._group, frame.image)
        except ValueError as error:  # the size of frames has changed
            for name in self._group.names:
                self._end(name, error)
            return {}
        for name, result in results.items():
            self.recorders[name].add(frame, result)
        before, self._frame_began_s = self._frame_began_s, time.perf_counter()
        self.times.add(*spent_s, self._frame_began_s - before)
        return results

    def _begin(self, name: Name, frame: Frame) -> dict[Name, TrackResult]:
        """Begin a target in its first frame."""
        self.waiting.remove(name)
        try:
            box = self._box_of(name, frame)
            result = self._group.add(name, frame.image, box)
        except ValueError as error:
            self._ended.append((name, error))
            return {}
        self._starts[name] = frame.index, box
        self.recorders[name] = recorder = self._recorder_of(name, box)
        recorder.add(frame, result)
        if self._spans[name].backward:
            self._went_backward[name] = recorder
        return {name: result}

    def _end_where(self, fits: Callable[[Span], bool], backward: bool) -> None:
        """End the current targets whose span fits; in the backward pass, those that go both ways wait for the forward pass."""
        for name in [name for name in self._group.names if fits(self._spans[name])]:
            if backward and self._spans[name].forward:
                self._group.remove(name)
                self._turning.append(name)
            else:
                self._end(name, None)

    def _end(self, name: Name, wrong: ValueError | None) -> None:
        if name in self._group:
            self._last_details[name] = self._group.details(name)
            self._group.remove(name)
        if name in self.waiting:
            self.waiting.remove(name)
        self._ended.append((name, wrong))


class FinishedTrack:
    """Rows of a target, asked for frame by frame; one of them is in memory.

    Args:
        rows: as `read_rows` gives them; read from the first frame on that is asked for.
        start: frame of the first one.

    Attributes:
        ended: whether there is nothing after the last frame asked for.
    """

    def __init__(self, rows: Iterator[Row], start: int) -> None:
        self.ended = False
        self._start, self._rows = start, _readable(rows)
        self._next: Row | None = None

    def at(self, index: int) -> TrackResult | None:
        """The result of a frame; None where there is none. Frames must be asked for in order."""
        if self.ended or index < self._start:
            return None
        found = None
        while not self.ended and (self._next is None or self._next.index <= index):
            found = self._next
            self._next = next(self._rows, None)
            self.ended = self._next is None
        return found.result if found is not None and found.index == index else None


def _readable(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows up to where the file is damaged: what comes after is not drawn."""
    try:
        yield from rows
    except (OSError, ValueError):
        return
