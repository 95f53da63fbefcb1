"""One run: a source through a tracker into result files. The command line, the demo and tests all call this."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from siamtrack import __version__
from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.frames import Image
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.insight import Insight
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.overlay import draw
from siamtrack.video.results import ResultWriter
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import Frame, Source
from siamtrack.video.threads import WriteBehind
from siamtrack.video.timing import FrameClock


@dataclass(frozen=True)
class Progress:
    """What a run tells after each frame.

    Attributes:
        frame, result: the frame and what the tracker says of it.
        fps: end-to-end frames per second so far.
        insight: what lay behind the result, if the run was asked to show it.
    """

    frame: Frame
    result: TrackResult
    fps: float
    insight: Insight | None = None

    def overlay(self) -> Image:
        """A copy of the frame with the box drawn."""
        return draw(self.frame.image, self.result, f"frame {self.frame.index}", self.insight)


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes:
        frames: frames with a result, the first included.
        lost: how many of them were reported LOST.
        ended: `done`, `interrupted`, or the error that broke it off.
        fps: three figures, each with fps, p50_ms, p95_ms and frames: network, tracker, end_to_end.
        stopped_at: last frame of an unfinished earlier run found in the folder, or None.
    """

    frames: int
    lost: int
    ended: str
    fps: dict[str, dict[str, float]]
    stopped_at: int | None


def run(
    tracker: Tracker,
    source: Source,
    out: str | Path,
    box: Sequence[float] | Callable[[Image], Box],
    start: int = 0,
    stop: int | None = None,
    video: bool = False,
    debug: bool = False,
    watch: Callable[[Progress], bool] = lambda _: True,
    about: dict[str, Any] | None = None,
) -> RunSummary:
    """Track one target through a source and write boxes.csv, boxes.txt, run.json and, if asked, overlay.mp4.

    Whatever ends the run, the results of all frames before are written: a source that breaks off, a frame
    that cannot be used, an interrupt. Only a killed process leaves `boxes.partial.csv` instead.

    Args:
        tracker, source: what follows, and where frames come from.
        out: folder of the results.
        box: the target in frame `start`, or a function that asks for it.
        start, stop: first frame, and the first one not to track; 0-based.
        video: write overlay.mp4 at the source's frame rate.
        debug: overlays also show the search regions, the look-alikes and the evidence of each frame.
        watch: called after every frame; returning False ends the run as interrupted.
        about: more plain data for run.json (model, weights' sha256).

    Raises:
        SiamtrackError, ValueError: nothing could be tracked at all (bad source, bad box, folder not writable).
    """
    clocks = {"network": FrameClock(), "tracker": FrameClock(), "end_to_end": FrameClock()}
    engine = tracker.engine
    lost, ended, first = 0, "done", None
    frame_wh: tuple[int, ...] = (0, 0)
    with ExitStack() as stack:
        writer: ResultWriter | None = None
        sink: VideoSink | None = None
        encoder: WriteBehind[Progress] | None = None
        stopped_at = None
        began = time.perf_counter()
        try:
            for frame in stack.enter_context(closing(source.read_ahead(start))):
                if stop is not None and frame.index >= stop:
                    break
                network_before, tracker_before = engine.network_s, time.perf_counter()
                if writer is None:
                    first = box(frame.image) if callable(box) else Box(*box)
                    result = tracker.init(frame.image, first)
                    frame_wh = frame.image.shape[1::-1]
                    # Only now: a run that cannot begin leaves no folder behind.
                    writer = stack.enter_context(ResultWriter(out))
                    stopped_at = writer.stopped_at
                    if video:
                        sink = stack.enter_context(VideoSink(writer.out / "overlay.mp4", source.fps))
                        encoder = stack.enter_context(WriteBehind(_drawer(sink)))
                else:
                    result = tracker.update(frame.image)
                    clocks["tracker"].add(time.perf_counter() - tracker_before)
                    clocks["network"].add(engine.network_s - network_before)
                writer.add(frame.index, frame.time_s, result)
                lost += result.state is State.LOST
                now = time.perf_counter()
                if writer.frames > 1:
                    clocks["end_to_end"].add(now - began)
                began = now
                progress = Progress(frame, result, clocks["end_to_end"].fps, tracker.insight if debug else None)
                if encoder is not None:
                    encoder.add(progress)
                if not watch(progress):
                    ended = "interrupted"
                    break
        except (SourceError, ValueError) as error:
            # Nothing tracked yet: the caller's mistake. Later: the source's end came early, and results are kept.
            if writer is None:
                raise
            ended = str(error)
        except KeyboardInterrupt:
            if writer is None:
                raise
            ended = "interrupted"
        if writer is None:
            raise SourceError(f"{source.name} gave no frame from {start} on; nothing was tracked")
        if encoder is not None and sink is not None:
            encoder.close()
            sink.close()
        fps = {name: clock.summary() for name, clock in clocks.items()}
        writer.finish(
            {
                "source": source.name,
                "start": start,
                "box": list(first or ()),
                "frame_wh": frame_wh,
                "frames": writer.frames,
                "lost_frames": lost,
                "ended": ended,
                "fps": fps,
                **conditions(engine, tracker.config),
                **(about or {}),
            }
        )
        return RunSummary(writer.frames, lost, ended, fps, stopped_at)


def _drawer(sink: VideoSink) -> Callable[[Progress], None]:
    """Draws and encodes; called in the encoder's thread."""
    return lambda progress: sink.write(progress.overlay())


def conditions(engine: Engine, config: TrackerConfig) -> dict[str, Any]:
    """What run.json tells of how a result came about: device, precision, runtime, threads, constants, versions."""
    return {
        "device": str(engine.device),
        "precision": engine.precision,
        "runtime": engine.runtime,
        "threads": torch.get_num_threads(),
        "tracker": asdict(config),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on."""
    return {
        "siamtrack": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
