"""Many targets followed in one video, each from the frame of its box on: forward, backward, or both ways.

This is the one loop of `siamtrack track` and `siamtrack batch`: a pass backward through the frames, if any target goes so,
then one forward. In each, all targets share a batch of the network a frame.
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
    """In which frames a target is followed.

    Attributes:
        start: the frame of its box.
        end: the last frame that is followed; None: the video's last, or frame 0 where it goes backward. For a target that
            goes both ways it ends the way forward.
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
        """Whether a frame is that of its box; of a time, whether it is there or behind it."""
        if isinstance(self.start, Seconds):
            return is_reached(self.start, frame.index, frame.time_s)
        return frame.index == self.start

    def is_over(self, frame: Frame, backward: bool) -> bool:
        """Whether a frame lies behind its last one."""
        if self.end is None or (backward and self.forward):
            return False
        here = (frame.index, frame.time_s)
        return not is_reached(self.end, *here) if backward else is_passed(self.end, *here)

    def ends(self, frame: Frame, backward: bool) -> bool:
        """Whether a frame is known to be its last one."""
        return frame.index == (0 if backward and (self.forward or self.end is None) else self.end)


@dataclass(frozen=True)
class Step(Generic[Name]):
    """What is known of a frame.

    Attributes:
        frame: the frame.
        results: of the targets in it; in the pass forward also those of the pass backward.
        backward: whether this is the pass backward.
    """

    frame: Frame
    results: Mapping[Name, TrackResult]
    backward: bool


class Follow(Generic[Name]):
    """Follows targets through a video once, and has their rows written.

    Args:
        tracker: whose network and constants are used; its own target is not touched.
        source: the video; one that goes backward is a file.
        spans: the targets.
        box_of: says a target's box in its first frame, `(x, y, w, h)`.
        recorder_of: opens the files of a target whose box can be used.

    Attributes:
        recorders: of targets that were begun. Whoever is told by `take_done` that one has ended takes its recorder out.
        waiting: targets that were not begun.
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
        self._done: list[tuple[Name, ValueError | None]] = []
        self._starts: dict[Name, tuple[int, Box]] = {}
        self._turned: list[Name] = []
        self._found: dict[Name, Recorder] = {}
        self._last_details: dict[Name, FrameDetails] = {}
        self._began = 0.0

    def take_done(self) -> list[tuple[Name, ValueError | None]]:
        """Targets that have ended since the last call, and what was wrong with them, if anything was."""
        done, self._done = self._done, []
        return done

    def details(self, name: Name) -> FrameDetails:
        """What lay behind a target's result in the step that was yielded last."""
        return self._group.details(name) if name in self._group else self._last_details.get(name, FrameDetails())

    def steps(
        self, in_order: bool = False, first: int | None = None, more: Callable[[], bool] = lambda: False
    ) -> Generator[Step[Name], None, None]:
        """Go through the video. The iterator must be closed before the source.

        Args:
            in_order: all frames of targets come in the pass forward, even if these go backward.
            first: a frame with which that pass begins, if no target makes it begin earlier.
            more: asked when no target is left; True lets the pass forward go on.

        Raises:
            SourceError: the pass forward broke off; targets in `recorders` were followed up to there.
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
            tracks = {name: FinishedTrack(recorder.rows(), recorder.last_index) for name, recorder in self._found.items()}
        yield from self._pass_forward(tracks, first, more)

    def _pass_backward(self, start: Moment, spans: Mapping[Name, Span]) -> Iterator[Step[Name]]:
        with closing(self._source.read_ahead(start, backward=True)) as frames:
            for frame in frames:
                self._end_those(partial(Span.is_over, frame=frame, backward=True), backward=True)
                results = self._update(frame)
                for name in [name for name in self.waiting if name in spans and spans[name].begins(frame)]:
                    results |= self._begin(name, frame)
                self._end_those(partial(Span.ends, frame=frame, backward=True), backward=True)
                yield Step(frame, results, backward=True)
                if not len(self._group) and not any(name in spans for name in self.waiting):
                    break
        self._end_those(lambda _: True, backward=True)

    def _pass_forward(
        self, tracks: Mapping[Name, FinishedTrack], first: int | None, more: Callable[[], bool]
    ) -> Iterator[Step[Name]]:
        moments = [self._spans[name].start for name in self.waiting] + [self._starts[name][0] for name in self._turned]
        moments += [self._found[name].last_index for name in tracks] + ([] if first is None else [first])

        def wanted() -> bool:
            left = self.waiting or self._turned or len(self._group) or not all(track.ended for track in tracks.values())
            return bool(left) or more()

        if not moments or not wanted():
            return
        with closing(self._source.read_ahead(min(moments))) as frames:
            for frame in frames:
                self._end_those(partial(Span.is_over, frame=frame, backward=False), backward=False)
                if not wanted():
                    break
                results = {name: found for name, track in tracks.items() if (found := track.at(frame.index)) is not None}
                results |= self._update(frame)
                for name in [name for name in self.waiting if self._spans[name].begins(frame)]:
                    results |= self._begin(name, frame)
                for name in [name for name in self._turned if self._starts[name][0] == frame.index]:
                    # The same box again, in a frame whose row is written.
                    self._turned.remove(name)
                    results[name] = self._group.add(name, frame.image, self._starts[name][1])
                self._end_those(partial(Span.ends, frame=frame, backward=False), backward=False)
                yield Step(frame, {name: results[name] for name in self._spans if name in results}, backward=False)
                if not wanted():
                    break
        self._end_those(lambda _: True, backward=False)

    def _update(self, frame: Frame) -> dict[Name, TrackResult]:
        """Find all targets that were begun in frames before."""
        if not len(self._group):
            self._began = time.perf_counter()
            return {}
        try:
            results, spent_s = timed_update(self._group, frame.image)
        except ValueError as error:  # the size of frames has changed
            for name in self._group.names:
                self._end(name, error)
            return {}
        for name, result in results.items():
            self.recorders[name].add(frame, result)
        before, self._began = self._began, time.perf_counter()
        self.times.add(*spent_s, self._began - before)
        return results

    def _begin(self, name: Name, frame: Frame) -> dict[Name, TrackResult]:
        """Learn a target in its first frame."""
        self.waiting.remove(name)
        try:
            box = self._box_of(name, frame)
            result = self._group.add(name, frame.image, box)
        except ValueError as error:
            self._done.append((name, error))
            return {}
        self._starts[name] = frame.index, box
        self.recorders[name] = recorder = self._recorder_of(name, box)
        recorder.add(frame, result)
        if self._spans[name].backward:
            self._found[name] = recorder
        return {name: result}

    def _end_those(self, which: Callable[[Span], bool], backward: bool) -> None:
        """End targets that are followed now, or let them turn round."""
        for name in [name for name in self._group.names if which(self._spans[name])]:
            if backward and self._spans[name].forward:
                self._group.remove(name)
                self._turned.append(name)
            else:
                self._end(name, None)

    def _end(self, name: Name, wrong: ValueError | None) -> None:
        if name in self._group:
            self._last_details[name] = self._group.details(name)
            self._group.remove(name)
        if name in self.waiting:
            self.waiting.remove(name)
        self._done.append((name, wrong))


class FinishedTrack:
    """Rows of a target, asked for frame by frame; one of them is in memory.

    Args:
        rows: as `read_rows` gives them; read from the first frame on that is asked for.
        start: frame of the first one.

    Attributes:
        ended: whether there is nothing behind the last frame asked for.
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
    """Rows up to where the file is damaged: what is behind is not drawn."""
    try:
        yield from rows
    except (OSError, ValueError):
        return
