"""The driver's side of a worker: a fresh interpreter and three pipes of its own.

Not `multiprocessing`: its workers import the program that started them, which a script without a `__main__` guard does not
survive, and a queue that they share stays locked if one is killed at the wrong moment.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.settings import RunSettings
from siamtrack.batch.worker import pack
from siamtrack.config import to_plain

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); from siamtrack.batch.worker import main; main()"
)
"""The modules are found where the driver found them, in a notebook as well."""

_TAIL_BYTES = 4000

Messages = queue.Queue[tuple["WorkerProcess", dict[str, Any] | None]]
"""What workers say, by whom; None when a worker will say nothing more."""


class WorkerProcess:
    """One worker.

    Args:
        settings: of the batch.
        device: on which it tracks.
        messages: where what it says is put.
        keep: file descriptors that it holds open (a lock).

    Attributes:
        pid: its process.
        video: what it is working on; None before and after.
        ready: whether it has loaded the model.
    """

    def __init__(self, settings: RunSettings, device: str, messages: Messages, keep: Sequence[int] = ()) -> None:
        self.video: VideoJob | None = None
        self.ready = False
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            options["pass_fds"] = tuple(keep)
        threads = str(settings.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        with _interrupts_held():
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                **options,
            )
        self.pid = self._process.pid
        self._tail = bytearray()
        self._complaints = self._thread(_drain, self._process.stderr, self._tail)
        self._send([str(path) for path in sys.path])
        self._send({"settings": to_plain(settings), "device": device})
        self._thread(self._listen, self._process.stdout, messages)

    def give(self, video: VideoJob) -> None:
        """Have it work on a video."""
        self.video = video
        self._send(pack(video))

    def stop(self) -> None:
        """Ask it to end after the present frame."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end; one that takes longer is killed."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def how_it_died(self) -> str:
        """The end of a worker that was not asked to end, as half a sentence. Waits for it."""
        self.wait(5.0)
        self._complaints.join(1.0)
        code = self._process.returncode
        if code < 0:
            number = -code
            name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
            return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        lines = bytes(self._tail).decode(errors="replace").strip().splitlines()
        return f"its process ended with status {code}" + (f": {lines[-1].strip()[:300]}" if lines else "")

    def _send(self, message: Any) -> None:
        # One that is dead is noticed where it is listened to.
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

    def _thread(self, target: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        return thread


def _drain(stream: IO[bytes], tail: bytearray) -> None:
    """Keep the last of what a stream says."""
    with stream:
        while chunk := stream.read1(4096):  # type: ignore[attr-defined]
            tail += chunk
            del tail[:-_TAIL_BYTES]


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
