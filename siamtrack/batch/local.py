"""The local engine: processes of this machine, each with a model of its own."""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from siamtrack.batch.engine import Ended, OnEvent, Retried, RunSettings, VideoProgress
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.target_folder import TargetResult, give_up
from siamtrack.batch.worker import Messages, WorkerProcess
from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.lock import FolderLock

STOP_S = 8.0
"""How long workers may take to end when asked; they do so after the present frame."""


def run_local(
    videos: Sequence[VideoJob], settings: RunSettings, lock: FolderLock, on_event: OnEvent
) -> Generator[TargetResult, None, None]:
    """The local `engine.Engine`: hands videos to processes, one at a time each.

    A worker that dies is replaced, and its video begins again with the targets that were not finished. Work is handed
    out while the iterator is being read.
    """
    pool = _Pool(settings, lock.fileno())
    waiting = deque(videos)
    tries: Counter[str] = Counter()
    unready = 0
    try:
        while waiting or pool.busy:
            for worker in pool.idle[: len(waiting)]:
                worker.give(waiting.popleft())
            pool.fill(min(settings.workers, pool.busy + len(waiting)))
            worker, message = pool.next()
            if message is None:
                reason = worker.how_it_died()
                pool.remove(worker)
                video = worker.video
                if not worker.ready:
                    unready += 1
                    if unready > settings.retries:
                        raise SiamtrackError(f"workers cannot be started: {reason}; fewer --jobs take less memory")
                if video is None:
                    continue
                tries[video.name] += 1
                if tries[video.name] <= settings.retries:
                    on_event(Retried(video.name, reason))
                    waiting.appendleft(video)
                else:
                    yield from give_up(settings.out, video, settings.identity, f"{reason}, {tries[video.name]} times")
                    on_event(Ended(video.name))
                continue
            kind = message.pop("kind")
            if kind == "result":
                yield _result_of(message)
            elif kind == "progress":
                on_event(VideoProgress(**message))
            elif kind == "full":
                raise OutputError(message["error"])
            elif kind == "refused":
                raise SiamtrackError(f"a worker cannot go on: {message['error']}")
            else:  # ready, finished
                if worker.video is not None:
                    on_event(Ended(worker.video.name))
                worker.ready, worker.video, unready = True, None, 0
    except KeyboardInterrupt:  # what had ended by then is told of as well
        pool.stop()
        for message in pool.unheard():
            if message.pop("kind") == "result":
                yield _result_of(message)
        raise
    finally:
        pool.stop()


def _result_of(message: dict[str, Any]) -> TargetResult:
    return TargetResult(**{**message, "folder": Path(message["folder"])})


class _Pool:
    """The workers that are alive."""

    def __init__(self, settings: RunSettings, lock: int) -> None:
        self._settings, self._lock = settings, lock
        self._messages: Messages = queue.Queue()
        self._workers: dict[int, WorkerProcess] = {}
        """By place: a worker that takes another's place takes its device."""

    @property
    def busy(self) -> int:
        """Workers with a video."""
        return sum(worker.video is not None for worker in self._workers.values())

    @property
    def idle(self) -> list[WorkerProcess]:
        """Workers that could take a video."""
        return [worker for worker in self._workers.values() if worker.ready and worker.video is None]

    def fill(self, count: int) -> None:
        """Start workers until there are so many that work or soon will."""
        place = 0
        while len(self._workers) - len(self.idle) < count:
            while place in self._workers:
                place += 1
            device = self._settings.devices[place % len(self._settings.devices)]
            self._workers[place] = WorkerProcess(self._settings, device, self._messages, [self._lock])

    def next(self) -> tuple[WorkerProcess, dict[str, Any] | None]:
        """What the next worker says."""
        while True:
            try:
                return self._messages.get(timeout=1.0)  # without a limit it cannot be interrupted on Windows
            except queue.Empty:
                continue

    def unheard(self) -> Iterator[dict[str, Any]]:
        """What workers said and nobody has taken, once they are stopped."""
        while not self._messages.empty():
            _, message = self._messages.get()
            if message is not None:
                yield message

    def remove(self, worker: WorkerProcess) -> None:
        """Forget one that has ended."""
        self._workers = {place: one for place, one in self._workers.items() if one is not worker}

    def stop(self) -> None:
        """End all workers, and wait for it."""
        for worker in self._workers.values():
            worker.stop()
        deadline = time.monotonic() + STOP_S
        for worker in self._workers.values():
            worker.wait(max(0.0, deadline - time.monotonic()))
        self._workers.clear()
