"""`siamtrack.load` and `siamtrack.track`: what most people import."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.backends.select import open_backend
from siamtrack.config import build, nearest, replace
from siamtrack.errors import ConfigError, OldKeyWarning, shown
from siamtrack.frames import Image
from siamtrack.model.weights import Weights, load_weights
from siamtrack.models import BOX_MODELS, DEFAULT_MODEL
from siamtrack.tracking.config import PRESETS, TrackerConfig
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.open_source import open_source


@dataclass(frozen=True)
class Step:
    """One frame of `track`.

    Attributes:
        index: 0-based frame number in the source.
        time_s: the frame's own time in seconds from the start of the source.
        frame: (H, W, 3) BGR uint8.
        result: what the tracker says; for the first frame the given box with score 1.
    """

    index: int
    time_s: float
    frame: Image
    result: TrackResult


def load(
    model: str | Path = DEFAULT_MODEL, device: str = "auto", precision: str = "auto", backend: str = "auto", **overrides: Any
) -> Tracker:
    """A tracker with weights.

    Args:
        model: `siamfc-lite` or `siamfc` (inside the package), or the path of a .safetensors or .pth file.
        device: `auto` (CUDA if PyTorch finds a GPU, else the CPU), `cpu`, `cuda`, `cuda:N`.
        precision: `auto` (float32, on a GPU bfloat16 where it computes in that), `float32`, `bfloat16`, `float16`.
        backend: `auto` (ONNX Runtime on a CPU, PyTorch on CUDA), `onnx`, `torch`, `openvino`; or `onnx:DIR`, `openvino:DIR`
            for graphs that `siamtrack export` wrote.
        **overrides: constants of `TrackerConfig` to change, such as `window_influence=0.2`. `preset="paper"` sets those of
            SiamFC as it was published (`tracking.config.PRESETS`), with `siamfc` and weights of siamfc-pytorch; others given
            beside it are changed after it.

    Raises:
        FileNotFoundError: no such model or file.
        WeightsError: the file does not hold the weights of this network.
        ConfigError: an unknown override or preset, or one of the wrong type or range.
        SiamtrackError: the backend's package is not installed.
        ValueError: unknown device, precision or backend.

    Example:
        >>> tracker = siamtrack.load("siamfc", device="cpu", scale_count=5)     # doctest: +SKIP
    """
    return tracker_from(load_weights(model), device, precision, backend, **overrides)


def tracker_from(
    weights: Weights, device: str = "auto", precision: str = "auto", backend: str = "auto", **overrides: Any
) -> Tracker:
    """A tracker from weights that are loaded already; arguments as for `load`."""
    if "runtime" in overrides:
        warnings.warn("argument 'runtime' is now 'backend'", OldKeyWarning, stacklevel=3)
        backend = overrides.pop("runtime")
    config = config_of(weights, **overrides)
    return Tracker(open_backend(weights, device, precision, backend), config)


def config_of(weights: Weights, preset: str | None = None, **overrides: Any) -> TrackerConfig:
    """The tracker's constants that go with weights, some of them changed; arguments and errors as for `load`."""
    given = {**model_defaults(weights.header.model), **weights.header.tracker}
    if preset is not None:
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ConfigError(f"no preset {shown(preset)}; {nearest(str(preset), PRESETS)}")
        if weights.header.model in BOX_MODELS:
            raise ConfigError(f"preset {preset!r} is for siamfc; {weights.header.model} takes sizes from its box head")
        given |= PRESETS[preset]
    return replace(build(TrackerConfig, given, "weights header", warn=False), "tracker settings", **overrides)


def model_defaults(model: str) -> dict[str, Any]:
    """Tracker constants that go with an architecture, where the weights file names no others."""
    return {"scale_search": "box"} if model in BOX_MODELS else {}


def track(
    source: str | int | Path,
    box: Iterable[float],
    model: str | Path | Tracker = DEFAULT_MODEL,
    start: int = 0,
    **overrides: Any,
) -> Iterator[Step]:
    """Track one target through a source, frame by frame, starting with the given box.

    Args:
        source: a video file, an image folder or glob, a camera, a stream URL, or a pipe; see `video.open_source`.
        box: `(x, y, w, h)` of the target in frame `start`, 0-based pixels.
        model: as for `load`, or a tracker.
        start: 0-based frame to begin at; earlier ones are skipped.
        **overrides: as for `load`.

    Yields:
        A `Step` a frame, the first being the given box.

    Raises:
        FileNotFoundError, SourceError: the source cannot be opened, or breaks off; every frame before was yielded.
        ValueError: the box cannot be used, or overrides were given beside a tracker.
    """
    if isinstance(model, Tracker) and overrides:
        raise ValueError(f"{', '.join(overrides)} given beside a tracker, which has its settings already; give them to load()")
    tracker = model if isinstance(model, Tracker) else load(model, **overrides)
    with open_source(source) as frames, closing(frames.read_ahead(start)) as items:
        for item in items:
            result = tracker.init(item.image, box) if item.index == start else tracker.update(item.image)
            yield Step(item.index, item.time_s, item.image, result)
