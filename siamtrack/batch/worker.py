"""A worker of the local engine: a process that is sent videos line by line, and answers line by line.

It ends by itself when its input closes, and so when its driver is gone, however that came about.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from siamtrack.batch.engine import Progress
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.settings import RunSettings, make_tracker
from siamtrack.config import build, to_plain
from siamtrack.errors import OutputError

GRACE_S = 3.0
"""How long a worker whose driver is gone may take to come to the end of a frame."""

TELL_S = 0.25
"""Time between two words about progress."""


def main() -> NoReturn:
    """Serve until the input closes. The first line has settings and device, each one after it a video."""
    channel = _Channel()
    inbox = _Inbox()
    first = inbox.next()
    if first is not None:
        settings = build(RunSettings, first["settings"], "settings")
        try:
            _serve(channel, inbox, settings, first["device"])
        except OutputError as error:
            channel.send({"kind": "full", "error": str(error)})
        except Exception as error:  # told to the driver, which ends the run
            channel.send({"kind": "refused", "error": f"{type(error).__name__}: {error}"})
    channel.close()
    # Not sys.exit: it would wait for the thread that still reads, and tear torch down piece by piece.
    os._exit(0)


def _serve(channel: _Channel, inbox: _Inbox, settings: RunSettings, device: str) -> None:
    import cv2
    import torch

    from siamtrack.batch.video_run import run_video

    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    tracker = make_tracker(settings, device)
    channel.send({"kind": "ready"})
    while (message := inbox.next()) is not None:
        video = build(VideoJob, message["video"], "video")
        for result in run_video(video, settings, tracker, channel.progress, inbox.closed.is_set):
            channel.send({"kind": "result", **asdict(result), "folder": str(result.folder)})
        if not inbox.closed.is_set():
            channel.send({"kind": "finished"})


def pack(video: VideoJob) -> dict[str, Any]:
    """A job as the worker takes it."""
    return {"video": to_plain(video)}


class _Channel:
    """What the driver reads. Whatever else prints to standard output goes to standard error from now on."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._told = 0.0

    def send(self, message: Mapping[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(message).encode() + b"\n")
            self._stream.flush()
        except OSError:
            os._exit(1)  # nobody listens; raised, it would look like a fault of the video

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            self.send({"kind": "progress", **asdict(progress)})

    def close(self) -> None:
        self._stream.close()


class _Inbox:
    """Lines of standard input, read in a thread of their own, so that its end is noticed in the middle of a video."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """The next line; None when there will be none."""
        return self._lines.get()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self._lines.put(json.loads(line))
        self.closed.set()
        self._lines.put(None)
        time.sleep(GRACE_S)
        os._exit(1)
