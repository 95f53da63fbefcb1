"""How a batch is run: model, device, processes. Plain data, so that it can be sent to other processes and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siamtrack.config import to_plain
from siamtrack.errors import WeightsError
from siamtrack.system import usable_cores

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

WORKERS_A_GPU = 4
"""Processes that share a GPU, where there are cores for them: most of a frame's time goes by on the CPU."""


@dataclass(frozen=True)
class RunSettings:
    """What every worker must know.

    Attributes:
        out: folder of all results, absolute.
        model: as for `siamtrack.load`; a file's path is absolute.
        constants: the tracker's constants that were given.
        identity: what the results of a batch share, as `identify` makes it.
        devices: one for each worker in turn, such as `cuda:0`, `cuda:1`.
        precision, runtime: never `auto`, which machines could understand differently.
        workers: processes.
        threads: of torch and OpenCV in each. Sums in another order round differently: it goes into run.json.
        video: write overlay.mp4.
        retries: how often a video is tried again whose worker died.
    """

    out: str
    model: str
    constants: dict[str, Any]
    identity: dict[str, Any]
    devices: tuple[str, ...]
    precision: str
    runtime: str
    workers: int = 1
    threads: int = 1
    video: bool = False
    retries: int = 2


@dataclass(frozen=True)
class Identified:
    """A tracker as it is on this machine: `RunSettings.identity`, `devices`, `precision` and `runtime`."""

    identity: dict[str, Any]
    devices: tuple[str, ...]
    precision: str
    runtime: str


def identify(model: str, device: str, precision: str, runtime: str, constants: Mapping[str, Any]) -> Identified:
    """Say exactly which tracker is meant; nothing is put on a GPU.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: as `siamtrack.load` raises them.
    """
    import torch

    from siamtrack.api import config_of
    from siamtrack.model.weights import load_weights
    from siamtrack.tracking.placement import place

    weights = load_weights(model)
    config = config_of(weights, **constants)
    exact = place(weights.net.backbone.dense, device, precision, runtime)
    several = exact.device.type == "cuda" and exact.device.index is None
    devices = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count())) if several else (str(exact.device),)
    identity = {
        "weights_sha256": weights.sha256,
        "tracker": to_plain(config),
        "device": exact.device.type,
        "precision": exact.precision,
        "runtime": exact.runtime,
    }
    return Identified(identity, devices, exact.precision, exact.runtime)


def make_tracker(settings: RunSettings, device: str) -> Tracker:
    """The tracker of a worker.

    Raises:
        WeightsError: the weights are not those that the batch began with.
        SiamtrackError, FileNotFoundError, ValueError: as `siamtrack.load` raises them.
    """
    from siamtrack.api import tracker_from
    from siamtrack.model.weights import load_weights

    weights = load_weights(settings.model)
    if weights.sha256 != settings.identity["weights_sha256"]:
        raise WeightsError(f"the weights of {settings.model} were replaced while the batch ran; start it again")
    return tracker_from(weights, device, settings.precision, settings.runtime, **settings.constants)


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
