"""Trackers by the names that people give them on a command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from siamtrack.api import tracker_from
from siamtrack.config import parse_yaml
from siamtrack.errors import ConfigError, shown
from siamtrack.eval.onnx_peers import OnnxTracker
from siamtrack.eval.peers import BoxTracker, IdentityTracker, OpenCVTracker
from siamtrack.model.weights import Weights, load_weights
from siamtrack.tracking.tracker import Tracker

PLACE = ("device", "precision", "backend")
"""Settings that say where a tracker runs, beside its constants."""


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker by its name. It can be sent to other processes, which make the tracker themselves.

    Attributes:
        name: `cv2:csrt` and so on for OpenCV's; `onnx:` with one of `PEER_NETWORKS`; `identity`, whose box never
            moves; else a model's name or file, which may be followed by settings of its own:
            `siamfc,scale_count=5,precision=float32`.
        settings: `KEY=VALUE` for every tracker of our own; its own come after them.
        onnx_dir: folder of the ONNX files of `cv2:nano`, `cv2:vit` and `onnx:...`, or the folder above each one's own.
        device, precision, backend: of our own trackers, as for `siamtrack.load`, where settings do not name another.
        redetect: whether our own trackers look for a LOST target in the whole frame, where settings do not say; benchmarks
            mean False. None: as the constants say.
        threads: of network and OpenCV in each process. Sums in another order round differently, and a track can turn
            on that: the number belongs to the result.
    """

    name: str
    settings: tuple[str, ...] = ()
    onnx_dir: str | Path | None = None
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"
    redetect: bool | None = None
    threads: int = 1

    @property
    def is_ours(self) -> bool:
        """Whether the name means a model or a weights file, rather than a peer or `identity`."""
        return self.name != "identity" and not self.name.startswith(("cv2:", "onnx:"))

    def make(self) -> BoxTracker:
        """The tracker.

        Raises:
            SiamtrackError, FileNotFoundError: as `OpenCVTracker`, `OnnxTracker` and `siamtrack.load` do.
            ConfigError: as `read_settings` does.
        """
        if self.is_ours:
            return self.ours()[0]
        if self.name == "identity":
            return IdentityTracker()
        if self.name.startswith("onnx:"):
            return OnnxTracker(self.name.removeprefix("onnx:"), self.onnx_dir)
        return OpenCVTracker(self.name.removeprefix("cv2:"), self.onnx_dir)

    def ours(self) -> tuple[Tracker, Weights]:
        """A tracker of our own, and its weights; errors as of `make`."""
        model, *own = self.name.split(",")
        given = {key: getattr(self, key) for key in PLACE} | read_settings([*self.settings, *own])
        if self.redetect is not None:
            given.setdefault("redetect", self.redetect)
        weights = load_weights(model)
        return tracker_from(weights, **given | {key: str(given[key]) for key in PLACE}), weights

    def identity(self) -> dict[str, Any]:
        """What two runs must share for their results to belong together; errors as of `make`."""
        found: dict[str, Any] = {"tracker": self.name, "threads": self.threads}
        if self.is_ours:
            tracker, weights = self.ours()
            found["weights_sha256"] = weights.sha256
            found["settings"] = asdict(tracker.config)
            found["device"], found["precision"] = tracker.backend.device.partition(":")[0], tracker.backend.precision
            found["backend"] = tracker.backend.name
        elif self.name != "identity":
            self.make()  # it may be missing from this OpenCV
            found["opencv"] = cv2.__version__
        return found


def read_settings(items: Iterable[str]) -> dict[str, Any]:
    """Constants from `KEY=VALUE` texts, values as in YAML, the last one of a key counts; a ConfigError for any other text."""
    found = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"setting {shown(item)} is not KEY=VALUE; write it like window_influence=0.25")
        try:
            found[key.strip()] = parse_yaml(value, f"setting {shown(item)}")
        except ConfigError as error:
            raise ConfigError(f"setting {shown(item)} has a value that cannot be read; write it as in YAML") from error
    return found
