"""One run: a source through a tracker into result files. The command line, the demo and tests all call this."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from siamtrack.boxes import Box, check_box
from siamtrack.errors import DataError, OutputError, SourceError
from siamtrack.frames import Image
from siamtrack.lock import FolderLock
from siamtrack.outside import read_json
from siamtrack.system import write_whole
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.frame_source import Frame, Source
from siamtrack.video.names import make_next, name_problem, stem_of, usable_name
from siamtrack.video.outputs import FILES, PLOT, OutputFiles, Outputs, Progress
from siamtrack.video.overlay import SeenTarget
from siamtrack.video.plot import draw_plot
from siamtrack.video.recorder import Recorder, RunSummary, conditions
from siamtrack.video.rows import BOXES_CSV, PARTIAL_CSV
from siamtrack.video.tracking_loop import FrameResults, Span, TrackingLoop

RESULTS = (BOXES_CSV, "boxes.txt", "run.json")
RUNS = Path("runs")
"""Where folders of runs go that were given none."""

WHOLE, BOXES_ONLY = Span(), Outputs()
"""`run` tracks the whole source and writes no videos, unless it is told otherwise."""

GivenBox = Sequence[float] | Callable[[Image], Box]


def run(
    tracker: Tracker,
    source: Source,
    out: str | Path,
    box: GivenBox,
    span: Span = WHOLE,
    outputs: Outputs = BOXES_ONLY,
    watch: Callable[[Progress], bool] = lambda _: True,
    about: Mapping[str, Any] | None = None,
) -> RunSummary:
    """`run_targets` of one target: its files lie in `out` itself."""
    return run_targets(tracker, source, out, {"": box}, span, outputs, watch, about)[0]


def run_targets(
    tracker: Tracker,
    source: Source,
    out: str | Path | None,
    boxes: Mapping[str, GivenBox],
    span: Span,
    outputs: Outputs,
    watch: Callable[[Progress], bool],
    about: Mapping[str, Any] | None,
) -> list[RunSummary]:
    """Track one target or several through a source and write the files of each: boxes.csv, boxes.txt, run.json.

    Whatever ends the run, the results of all frames before are written: a source that breaks off, a frame
    that cannot be used, an interrupt. Only a killed process leaves `boxes.partial.csv` instead. An overlay that cannot be
    written is told of in the summary's notes. Results of an earlier run in the folder are removed.

    Args:
        tracker, source: what follows, and where frames come from.
        out: folder of one target's results; several have a folder each in it. None: `runs/NAME`, or the next free number.
        boxes: by the targets' names, `(x, y, w, h)` in the first frame of `span`, or a function that asks for it.
        span: frames in which they are followed.
        outputs: what else is to be written.
        watch: called after every frame; returning False ends the run as interrupted.
        about: more plain data for run.json (model, weights' sha256).

    Returns:
        How it ended for each target.

    Raises:
        SiamtrackError, ValueError: nothing could be tracked at all (bad source, bad box, folder not writable or in use).
    """
    wrong = span.problem()
    if wrong is not None:
        raise ValueError(wrong)
    outputs.check()
    ended, endings = "done", dict[str, str]()
    with ExitStack() as stack:
        folder = _RunFolder(stack, source, None if out is None else Path(out), list(boxes), outputs)
        shared = {"source": source.name, **conditions(tracker), **(about or {})}
        if span.direction != "forward":
            shared["direction"] = span.direction
        checked: dict[str, Box] = {}

        def box_of(name: str, frame: Frame) -> Box:
            if not checked:  # all before any: a run that cannot begin leaves no folder behind
                checked.update(_checked_boxes(boxes, frame))
            return checked[name]

        def recorder_of(name: str, box: Box) -> Recorder:
            named = {"target": name} if name else {}
            return stack.enter_context(Recorder(folder.of(name), {**shared, **named, "box": list(box)}, loop.times))

        loop: TrackingLoop[str] = TrackingLoop(tracker, source, dict.fromkeys(boxes, span), box_of, recorder_of)
        try:
            for step in stack.enter_context(closing(loop.steps(outputs.in_order))):
                endings |= _endings(loop)
                if not step.results:
                    continue
                progress = _progress(step, loop, list(boxes), outputs.debug)
                folder.files.add(progress)
                if not watch(progress):
                    ended = "interrupted"
                    break
            endings |= _endings(loop)
        except (SourceError, ValueError, KeyboardInterrupt) as error:
            # Nothing tracked yet: the caller's mistake. Later: the source's end came early, and results are kept.
            if not loop.recorders:
                raise
            ended = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        if not loop.recorders:
            raise SourceError(f"{source.name} gave no frame to begin with; nothing was tracked")
        folder.files.close()
        notes = [*source.notes, *folder.files.notes]
        summaries = [
            recorder.finish(endings.get(name, ended), source.counts, notes) for name, recorder in loop.recorders.items()
        ]
        return [_plotted(summary) for summary in summaries] if outputs.plot else summaries


def _progress(step: FrameResults[str], loop: TrackingLoop[str], names: Sequence[str], debug: bool) -> Progress:
    """The progress after a frame with results."""
    numbered = enumerate(names, 1)
    seen = tuple(SeenTarget(name, i, step.results[name], label=name) for i, name in numbered if name in step.results)
    details = {target.name: loop.details(target.name) for target in seen} if debug else {}
    return Progress(step.frame, seen, loop.times.fps, len(names) > 1, details, step.backward)


def _endings(loop: TrackingLoop[str]) -> dict[str, str]:
    """How targets ended that did so too early.

    Raises:
        SourceError, ValueError: one could not be begun.
    """
    early = {name: error for name, error in loop.take_ended() if error is not None}
    for name, error in early.items():
        if name not in loop.recorders:
            raise error
    return {name: str(error) for name, error in early.items()}


def _checked_boxes(boxes: Mapping[str, GivenBox], frame: Frame) -> dict[str, Box]:
    """The boxes as they were given.

    Raises:
        ValueError: one cannot be used in the frame.
    """
    found = {name: box(frame.image) if callable(box) else Box(*box) for name, box in boxes.items()}
    for name, box in found.items():
        try:
            check_box(box, (frame.image.shape[1], frame.image.shape[0]))
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if len(found) > 1 else str(error)) from error
    return found


class _RunFolder:
    """The folder of a run, which it gets when it begins.

    Args:
        stack: on which its lock and its files are put.
        source, names, outputs: of the run.
        out: the folder, or None: see `run_targets`.
    """

    def __init__(self, stack: ExitStack, source: Source, out: Path | None, names: Sequence[str], outputs: Outputs) -> None:
        self._stack, self._source, self._out = stack, source, out
        self._names, self._outputs = names, outputs
        self._folders: dict[str, Path] = {}

    def of(self, name: str) -> Path:
        """The folder of a target's results.

        Raises:
            OutputError: the run's folder cannot be made or cleared, or another run is writing into it.
        """
        if not self._folders:
            self._begin()
        return self._folders[name]

    def _begin(self) -> None:
        out = self._out or make_next(RUNS / usable_name(stem_of(self._source.name)))
        self._stack.enter_context(FolderLock(out))
        several = len(self._names) > 1
        self._folders = {name: out / name if several else out for name in self._names}
        _clear(out)
        if several:
            listing = {"source": self._source.name, "targets": list(self._names)}
            write_whole(out / "run.json", json.dumps(listing, indent=2) + "\n")
        self.files = OutputFiles(out, self._folders, self._source, self._outputs)
        self._stack.enter_context(closing(self.files))


def _clear(out: Path) -> None:
    """Remove what an earlier run has left: other targets' results, an overlay with other boxes. Nobody else's files.

    Raises:
        OutputError: a file cannot be removed.
    """
    if not any((out / name).is_file() for name in (*RESULTS, PARTIAL_CSV)):
        return
    earlier: Any = None
    with suppress(DataError, FileNotFoundError):
        earlier = read_json(out / "run.json")
    listed = earlier.get("targets") if isinstance(earlier, dict) else None
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    folders = [out / name for name in names if name_problem(name) is None]
    try:
        for folder in (out, *folders):
            for name in (*RESULTS, *FILES):  # rows of a run that was killed stay, and are told of
                (folder / name).unlink(missing_ok=True)
        for folder in folders:
            with suppress(OSError):  # others' files may be in it
                folder.rmdir()
    except OSError as error:
        raise OutputError(f"{error.filename} cannot be removed ({error.strerror}); give another --out") from error


def _plotted(summary: RunSummary) -> RunSummary:
    """A summary, with its plot drawn, or a note why there is none."""
    try:
        write_whole(summary.folder / PLOT, draw_plot(summary.folder / BOXES_CSV))
    except (OutputError, DataError, FileNotFoundError) as error:
        return replace(summary, notes=(*summary.notes, f"there is no {PLOT}: {error}"))
    return summary
