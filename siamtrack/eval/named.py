"""Trackers by the names that people give them on a command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from siamtrack.api import tracker_from
from siamtrack.config import parse_yaml
from siamtrack.errors import ConfigError, shown
from siamtrack.eval.peers import BoxTracker, IdentityTracker, OnnxTracker, OpenCVTracker
from siamtrack.model.weights import Weights, load_weights
from siamtrack.tracking.tracker import Tracker

PLACE = ("device", "precision", "backend")
"""Settings that say where a tracker runs, beside its constants."""


def tracker_by_name(
    name: str,
    settings: Iterable[str] = (),
    onnx_dir: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    redetect: bool | None = None,
) -> BoxTracker:
    """A tracker from its name.

    Args:
        name: `cv2:csrt` and so on for OpenCV's; `onnx:` with one of `PEER_NETWORKS`; `identity`, whose box never
            moves; else a model's name or file, which may be followed by settings of its own:
            `siamfc,scale_count=5,precision=float32`.
        settings: `KEY=VALUE` for every tracker of our own; its own come after them.
        onnx_dir: folder of the ONNX files of `cv2:nano`, `cv2:vit` and `onnx:...`, or the folder above each one's own.
        device, precision, backend: of our own trackers, as for `siamtrack.load`, where settings do not name another.
        redetect: whether our own trackers look for a LOST target in the whole frame, where settings do not say; benchmarks
            mean False. None: as the constants say.

    Raises:
        SiamtrackError, FileNotFoundError: as `OpenCVTracker`, `OnnxTracker` and `siamtrack.load` do.
        ConfigError: as `read_settings` does.
    """
    if is_ours(name):
        return our_tracker(name, settings, device, precision, backend, redetect)[0]
    if name == "identity":
        return IdentityTracker()
    if name.startswith("onnx:"):
        return OnnxTracker(name.removeprefix("onnx:"), onnx_dir)
    return OpenCVTracker(name.removeprefix("cv2:"), onnx_dir)


def is_ours(name: str) -> bool:
    """Whether a name means a model or a weights file, rather than a peer or `identity`."""
    return name != "identity" and not name.startswith(("cv2:", "onnx:"))


def our_tracker(
    name: str,
    settings: Iterable[str] = (),
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    redetect: bool | None = None,
) -> tuple[Tracker, Weights]:
    """A tracker of our own from its name, and its weights; arguments and errors as for `tracker_by_name`."""
    model, *own = name.split(",")
    given = {"device": device, "precision": precision, "backend": backend, **read_settings([*settings, *own])}
    if redetect is not None:
        given.setdefault("redetect", redetect)
    weights = load_weights(model)
    return tracker_from(weights, **given | {key: str(given[key]) for key in PLACE}), weights


def read_settings(items: Iterable[str]) -> dict[str, Any]:
    """Constants from `KEY=VALUE` texts; values are read as YAML does, the last one of a key counts.

    Raises:
        ConfigError: a text without `=`, or a value that is not YAML.
    """
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
