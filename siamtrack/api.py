"""`siamtrack.load`, `load_multi` and `track`: what most people import."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

from siamtrack.backends.select import open_backend
from siamtrack.boxes import Box, four_numbers
from siamtrack.config import build, nearest, replace
from siamtrack.errors import ConfigError, OldKeyWarning, shown
from siamtrack.model.weights import Weights, load_weights
from siamtrack.models import BOX_MODELS, DEFAULT_MODEL
from siamtrack.outside import whole
from siamtrack.results import RunResults, Steps
from siamtrack.tracking.config import PRESETS, TrackerConfig
from siamtrack.tracking.tracker import MultiTracker, Tracker
from siamtrack.video.source import open_source


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

    Examples:
        >>> tracker = siamtrack.load("siamfc", device="cpu", scale_count=5)     # doctest: +SKIP
    """
    return tracker_from(load_weights(model), device, precision, backend, **overrides)


def load_multi(
    model: str | Path = DEFAULT_MODEL, device: str = "auto", precision: str = "auto", backend: str = "auto", **overrides: Any
) -> MultiTracker[Any]:
    """A tracker of any number of targets, with weights; arguments and errors as for `load`.

    Examples:
        >>> group = siamtrack.load_multi()                              # doctest: +SKIP
        >>> group.add("car", first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> group.update(next_frame)["car"].box                         # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """
    tracker = load(model, device, precision, backend, **overrides)
    return MultiTracker(tracker.backend, tracker.config)


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
    given = dict(weights.header.tracker)
    if preset is not None:
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ConfigError(f"no preset {shown(preset)}; {nearest(str(preset), PRESETS)}")
        if weights.header.model in BOX_MODELS:
            raise ConfigError(f"preset {preset!r} is for siamfc; {weights.header.model} takes sizes from its box head")
        given |= PRESETS[preset]
    return replace(build(TrackerConfig, given, "weights header", warn=False), "tracker settings", **overrides)


@overload
def track(
    source: str | int | Path,
    box: Iterable[float],
    model: str | Path | Tracker = ...,
    start: int = ...,
    save: None = ...,
    overlay: bool = ...,
    **overrides: Any,
) -> Steps: ...
@overload
def track(
    source: str | int | Path,
    box: Iterable[float],
    model: str | Path | Tracker = ...,
    start: int = ...,
    *,
    save: str | Path,
    overlay: bool = ...,
    **overrides: Any,
) -> RunResults: ...


def track(
    source: str | int | Path,
    box: Iterable[float],
    model: str | Path | Tracker = DEFAULT_MODEL,
    start: int = 0,
    save: str | Path | None = None,
    overlay: bool = False,
    **overrides: Any,
) -> Steps | RunResults:
    """Track one target through a source, starting with the given box: frame by frame, or at once into a folder.

    What is wrong with the arguments is told by the call itself. Where the source breaks off later, the iterator raises
    SourceError after every frame before; with `save` that is a warning, and the results before are kept.

    Args:
        source: a video file, an image folder or glob, a camera, a stream URL, or a pipe; see `video.source`.
        box: `(x, y, w, h)` of the target in frame `start`, 0-based pixels.
        model: as for `load`, or a tracker.
        start: 0-based frame to begin at; earlier ones are skipped.
        save: a folder for boxes.csv, boxes.txt and run.json, as `siamtrack track` writes them. All frames are then tracked
            before this returns; what comes live, until it is interrupted.
        overlay: with `save`: also write overlay.mp4, with the box drawn.
        **overrides: as for `load`.

    Returns:
        Without `save` an iterator of `Step`s, one a frame, the first being the given box; each is tracked when it is asked
        for, and memory does not grow. With `save` the results of all frames, which are a sequence of the same.

    Raises:
        FileNotFoundError, SourceError: the source cannot be opened, or has no frame `start`.
        ValueError: a box or start that cannot be used; overrides beside a tracker, or `overlay` without `save`.
        OutputError: the folder cannot be written.
        ConfigError, WeightsError, SiamtrackError: as for `load`.

    Examples:
        >>> for step in siamtrack.track("clip.mp4", (120, 80, 64, 48)):             # doctest: +SKIP
        ...     print(step.index, step.result.box, step.result.score)
        >>> results = siamtrack.track("clip.mp4", (120, 80, 64, 48), save="runs/clip")      # doctest: +SKIP
        >>> results[7].plot().shape                                                 # doctest: +SKIP
        (360, 640, 3)
    """
    if isinstance(model, Tracker) and overrides:
        raise ValueError(f"{', '.join(overrides)} given beside a tracker, which has its settings already; give them to load()")
    if overlay and save is None:
        raise ValueError("overlay=True without save: there is no folder to write it to; give save=FOLDER, or step.plot()")
    first, given = whole(start, "start", least=0), Box(*four_numbers(box))
    frames = open_source(source)
    try:
        if isinstance(model, Tracker):
            tracker, about = model, {}
        else:
            weights = load_weights(model)
            tracker, about = tracker_from(weights, **overrides), {"model": str(model), "weights_sha256": weights.sha256}
    except BaseException:
        frames.close()
        raise
    if save is None:
        return Steps(tracker, frames, given, first)
    from siamtrack.video.outputs import Outputs
    from siamtrack.video.run import run
    from siamtrack.video.tracking_loop import Span  # what writes videos takes a while to import

    with frames:
        summary = run(tracker, frames, save, given, Span(first), Outputs(video=overlay), about=about)
    if summary.ended != "done":
        message = f"{frames.name}: {summary.ended}; the results of the {summary.frames} frames before are in {summary.folder}"
        warnings.warn(message, stacklevel=2)
    return RunResults(summary.folder)
