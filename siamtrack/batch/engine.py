"""What an engine is: it has the videos of a batch tracked, on one machine or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from siamtrack.config import nearest
from siamtrack.errors import ConfigError

if TYPE_CHECKING:
    from siamtrack.batch.jobs import VideoJob
    from siamtrack.batch.lock import FolderLock
    from siamtrack.batch.settings import RunSettings
    from siamtrack.batch.target_folder import TargetResult

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Planned:
    """What is to do, told once.

    Attributes:
        videos: to go through.
        targets: of the whole batch. settled: how many of them are, by earlier runs or because they cannot be used.
        workers, threads: processes, and threads of each.
    """

    videos: int
    targets: int
    settled: int
    workers: int
    threads: int


@dataclass(frozen=True)
class Progress:
    """How far a running video is; told a few times a second.

    Attributes:
        video: its folder's name.
        frames: done. total: to do in all, None if nobody knows; containers only estimate it.
        fps: frames per second of this video, end to end.
    """

    video: str
    frames: int
    total: int | None
    fps: float


@dataclass(frozen=True)
class Ended:
    """A video that will not be worked on any more, for better or worse."""

    video: str


@dataclass(frozen=True)
class Retried:
    """A video whose worker died, and which begins again; its finished targets are kept.

    Attributes:
        video: its folder's name. reason: how the worker died.
    """

    video: str
    reason: str


Event = Planned | Progress | Ended | Retried
OnEvent = Callable[[Event], None]


class Engine(Protocol):
    """Runs `video_run.run_video` for every video, somewhere."""

    def run(self, videos: Sequence[VideoJob], settings: RunSettings, on_event: OnEvent) -> Iterator[TargetResult]:
        """Have videos tracked.

        Args:
            videos: the ones with something to do, the longest first.
            settings: what every worker must know.
            on_event: is told `Progress`, `Ended` and `Retried`, in the thread that reads the iterator.

        Yields:
            One result for each target that was not settled before, as soon as it is; a target may come twice, and then
            the first counts. When the iterator is closed, all workers are ended before that returns.

        Raises:
            OutputError: a result cannot be written; all workers are ended.
            SiamtrackError: no worker can be started.
        """


def make_engine(name: str, lock: FolderLock, address: str | None = None) -> Engine:
    """The engine of a name.

    Args:
        name: one of `ENGINES`.
        lock: on the folder of results; a local engine's processes must hold it as long as they write.
        address: of a Ray cluster.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "local":
        from siamtrack.batch.local import LocalEngine

        return LocalEngine(lock)
    if name == "ray":
        from siamtrack.batch.ray_engine import RayEngine

        return RayEngine(address)
    raise ConfigError(f"no engine {name!r}; {nearest(name, ENGINES)}")
