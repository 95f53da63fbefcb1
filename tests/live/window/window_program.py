"""A program with a live window, for tests that drive it from outside: SOURCE OUT [X,Y,W,H ...]."""

from __future__ import annotations

import sys
from pathlib import Path

import siamtrack
from siamtrack.boxes import parse_box
from siamtrack.live.capture import Capture
from siamtrack.live.session import Session
from siamtrack.live.window.window import LiveWindow
from siamtrack.video.source import open_source
from siamtrack.video.window import require_display


def main(source: str, out: str, *boxes: str) -> None:
    require_display("set DISPLAY")
    tracker = siamtrack.load("siamfc-box", device="cpu", precision="float32")
    with Capture(lambda: open_source(source)) as capture:
        session = Session(tracker.engine, tracker.config, Path(out), source=capture.name, fps=capture.fps)
        ended = "error"
        try:
            ended = LiveWindow(capture, session, [parse_box(box) for box in boxes]).run()
        finally:
            session.close(ended)
    print(ended, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
