"""A worker of the local engine: a fresh interpreter that is sent videos line by line, and answers line by line.

Not `multiprocessing`: its workers import the program that started them, which a script without a `__main__` guard does not
survive, and a queue that they share stays locked if one is killed at the wrong moment.

A worker ends by itself when its input closes, and so when its driver is gone, however that came about.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, Any, NoReturn

from siamtrack.batch.engine import RunSettings, VideoProgress, make_tracker
from siamtrack.batch.jobs import VideoJob
from siamtrack.config import build, to_plain
from siamtrack.errors import OutputError

GRACE_S = 3.0
"""How long a worker whose driver is gone may take to come to the end of a frame."""

TELL_S = 0.25
"""Seconds between two reports of progress, at least."""

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); from siamtrack.batch.worker import main; main()"
)
"""The modules are found where the driver found them, in a notebook as well."""

_TAIL_BYTES = 4000

Messages = queue.Queue[tuple["WorkerProcess", dict[str, Any] | None]]
"""What workers say, by whom; None when a worker will say nothing more."""


class WorkerProcess:
    """The driver's side: a process, and three pipes of its own.

    Args:
        settings: of the batch.
        device: on which it tracks.
        messages: where what it says is put.
        keep: file descriptors that it holds open (a lock).

    Attributes:
        video: what it is working on; None before and after.
        ready: whether it has loaded the model.
    """

    def __init__(self, settings: RunSettings, device: str, messages: Messages, keep: Sequence[int] = ()) -> None:
        self.video: VideoJob | None = None
        self.ready = False
        options: dict[str, Any] = {"pass_fds": tuple(keep)}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        threads, pipe = str(settings.threads), subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        with _interrupts_held():
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM], stdin=pipe, stdout=pipe, stderr=pipe, env=environment, **options
            )
        self._tail = bytearray()
        self._stderr = _start(self._drain, self._process.stderr)
        self._send([str(path) for path in sys.path])
        self._send({"settings": to_plain(settings), "device": device})
        self._listener = _start(self._listen, self._process.stdout, messages)

    def give(self, video: VideoJob) -> None:
        """Have it work on a video."""
        self.video = video
        self._send(to_plain(video))

    def stop(self) -> None:
        """Ask it to end after the present frame."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, and until all that it said is among the messages; one that takes longer is killed."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(1.0)

    def how_it_died(self) -> str:
        """The end of a worker that was not asked to end, as half a sentence. Waits for it."""
        self.wait(5.0)
        self._stderr.join(1.0)
        code = self._process.returncode
        if code < 0:
            number = -code
            name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
            return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        lines = bytes(self._tail).decode(errors="replace").strip().splitlines()
        return f"its process ended with status {code}" + (f": {lines[-1].strip()[:300]}" if lines else "")

    def _send(self, message: Any) -> None:
        # A dead worker is noticed by `_listen`.
        with suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()

    def _listen(self, stream: IO[bytes], messages: Messages) -> None:
        with stream:
            for line in stream:
                # A killed process may leave half a line, and libraries may print before they can be stopped.
                with suppress(ValueError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        messages.put((self, message))
        messages.put((self, None))

    def _drain(self, stream: IO[bytes]) -> None:
        """Keep the last bytes of its standard error."""
        with stream:
            while chunk := stream.read1(4096):  # type: ignore[attr-defined]
                self._tail += chunk
                del self._tail[:-_TAIL_BYTES]


def _start(target: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process that Ctrl-C does not reach: its driver decides what an interrupt means."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# What follows runs in the worker.


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
    from siamtrack.batch.video_run import run_video  # the input is watched already while this loads

    tracker = make_tracker(settings, device)
    channel.send({"kind": "ready"})
    while (message := inbox.next()) is not None:
        video = build(VideoJob, message, "video")
        for result in run_video(video, settings, tracker, channel.progress, inbox.closed.is_set):
            channel.send({"kind": "result", **asdict(result), "folder": str(result.folder)})
        if not inbox.closed.is_set():
            channel.send({"kind": "finished"})


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

    def progress(self, progress: VideoProgress) -> None:
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
        _start(self._read)

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
