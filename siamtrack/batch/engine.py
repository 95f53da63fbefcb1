"""What an engine is, which has the videos of a batch tracked on one machine or many: settings in, events out."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.target_folder import TargetResult
from siamtrack.config import to_plain
from siamtrack.errors import WeightsError
from siamtrack.lock import FolderLock
from siamtrack.system import limit_threads, usable_cores

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

WORKERS_A_GPU = 4
"""Processes that share a GPU, where there are cores for them: most of a frame's time goes by on the CPU."""


@dataclass(frozen=True)
class RunSettings:
    """What every worker must know. Plain data: it can be sent to other processes and machines.

    Attributes:
        out: folder of all results, absolute.
        model: as for `siamtrack.load`; a file's path is absolute.
        constants: the tracker's constants that were given.
        identity: what all results of a batch share: weights, constants, device, precision, backend; nothing is `auto`,
            which machines could understand differently.
        devices: one for each worker in turn, such as `cuda:0`, `cuda:1`.
        workers: processes.
        threads: of network and OpenCV in each. Sums in another order round differently: it goes into run.json.
        video: write overlay.mp4. audio: with the video's sound.
        retries: how often a video is tried again whose worker died.
    """

    out: str
    model: str
    constants: dict[str, Any]
    identity: dict[str, Any]
    devices: tuple[str, ...]
    workers: int = 1
    threads: int = 1
    video: bool = False
    audio: bool = True
    retries: int = 2


def settings_for(
    out: Path, model: str | Path, device: str, precision: str, backend: str, constants: Mapping[str, Any], **more: Any
) -> RunSettings:
    """Say exactly which tracker is meant; nothing is put on a GPU.

    Args:
        out: folder of all results.
        model, device, precision, backend: as for `siamtrack.load`; with `cuda` and several GPUs, all of them are used.
        constants: of the tracker, as they were given.
        **more: fields of `RunSettings`.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: as `siamtrack.load` raises them.
    """
    from siamtrack.api import config_of
    from siamtrack.backends.select import choose_backend
    from siamtrack.model.weights import load_weights

    weights = load_weights(model)
    config = config_of(weights, **constants)
    exact = choose_backend(device, precision, backend)
    identity = {
        "weights_sha256": weights.sha256,
        "tracker": to_plain(config),
        "device": exact.device.partition(":")[0],
        "precision": exact.precision,
        "backend": exact.name,
    }
    name = os.path.abspath(model) if Path(model).is_file() else str(model)
    return RunSettings(str(out), name, dict(constants), identity, _devices(exact.device), **more)


def _devices(device: str) -> tuple[str, ...]:
    """The device, or every GPU where `cuda` names none."""
    if device != "cuda":
        return (device,)
    import torch

    return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))


def make_tracker(settings: RunSettings, device: str) -> Tracker:
    """The tracker of a worker, in a process that has no more threads than it should.

    Raises:
        WeightsError: the weights are not those that the batch began with.
        SiamtrackError, FileNotFoundError, ValueError: as `siamtrack.load` raises them.
    """
    from siamtrack.api import tracker_from
    from siamtrack.model.weights import load_weights

    limit_threads(settings.threads)
    weights = load_weights(settings.model)
    if weights.sha256 != settings.identity["weights_sha256"]:
        raise WeightsError(f"the weights of {settings.model} were replaced while the batch ran; start it again")
    exact = settings.identity
    return tracker_from(weights, device, exact["precision"], exact["backend"], **settings.constants)


def share_machine(videos: int, devices: tuple[str, ...], workers: int | None, threads: int | None) -> tuple[int, int]:
    """Processes, and threads of each, that fill the machine.

    They depend on the jobs and on nothing that changes from run to run: a batch that goes on must not round otherwise.

    Args:
        videos: of the whole batch, finished ones too.
        devices: as in `RunSettings`.
        workers, threads: what the user said, or None.
    """
    cores = usable_cores()
    if workers is None:
        most = max(1, cores // (threads or 1))
        if devices[0] != "cpu":
            most = min(most, WORKERS_A_GPU * len(devices))
        workers = max(1, min(most, videos))
    return workers, threads or max(1, cores // workers)


@dataclass(frozen=True)
class Planned:
    """What is to do; told once.

    Attributes:
        videos: with something to do.
        targets: of the whole batch. settled: how many of them are done or failed already.
        workers, threads: processes, and threads of each.
    """

    videos: int
    targets: int
    settled: int
    workers: int
    threads: int


@dataclass(frozen=True)
class VideoProgress:
    """How far a running video is; told a few times a second.

    Attributes:
        video: its folder's name.
        frames: done. total: to do in all, as the container estimates it; None if unknown.
        fps: frames per second of this video, end to end.
    """

    video: str
    frames: int
    total: int | None
    fps: float


@dataclass(frozen=True)
class Ended:
    """A video (its folder's name) that is finished, or has failed."""

    video: str


@dataclass(frozen=True)
class Retried:
    """A video (its folder's name) that begins again, since its worker died; its finished targets are kept."""

    video: str
    reason: str


Event = Planned | VideoProgress | Ended | Retried
OnEvent = Callable[[Event], None]

Engine = Callable[[Sequence[VideoJob], RunSettings, FolderLock, OnEvent], Generator[TargetResult, None, None]]
"""Has `siamtrack.batch.video_run.run_video` run somewhere for each video with something to do, the longest first. Those who
write into the folder of results hold its lock as well.

It yields a result for each target as soon as it is settled; if a target comes twice, the first result counts. `VideoProgress`,
`Ended` and `Retried` are told in the thread that reads the iterator; closing that ends all workers before it returns. An
OutputError (a result cannot be written) ends all workers, a SiamtrackError says that none can be started."""
