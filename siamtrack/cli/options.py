"""Options that several commands share, and the tracker that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[str, typer.Option(metavar="MODEL", show_default=False, help="siamfc-lite (default), siamfc, or a file.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", show_default=False, help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(metavar="TYPE", show_default=False, help="auto, float32, bfloat16 or float16.")]
Backend = Annotated[
    str,
    typer.Option(
        "--backend",
        "--runtime",
        metavar="NAME",
        show_default=False,
        help="auto, onnx, torch, openvino; onnx:DIR: exported graphs.",
    ),
]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="YAML of constants, as configs/siamfc-lite.yaml.")]
Preset = Annotated[str | None, typer.Option(metavar="NAME", help="paper: SiamFC as published, with --model siamfc.")]
Redetect = Annotated[
    bool | None,
    typer.Option(
        "--redetect/--no-redetect",
        help="Search the whole frame for a LOST target. Default: as the constants say.",
    ),
]
BenchmarkRedetect = Annotated[
    bool,
    typer.Option(
        "--redetect/--no-redetect",
        help="Whether our trackers search the whole frame for a LOST target, which the benchmarks do not intend.",
    ),
]

Audio = Annotated[
    bool,
    typer.Option("--audio/--no-audio", show_default=False, help="Overlays with the source's sound, or without it."),
]

Hwaccel = Annotated[str | None, typer.Option(metavar="NAME", help="Decoding device: cuda, qsv, ... Default: the CPU.")]


def tracker_of(
    model: str,
    config: Path | None,
    device: str,
    precision: str,
    backend: str = "auto",
    redetect: bool | None = None,
    preset: str | None = None,
) -> tuple[Any, dict[str, Any]]:
    """The tracker that the options describe, and what run.json says of its weights."""
    from siamtrack.api import tracker_from
    from siamtrack.model.weights import load_weights

    weights = load_weights(model)
    tracker = tracker_from(weights, device, precision, backend, **settings_of(config, redetect, preset))
    return tracker, {"model": model, "weights_sha256": weights.sha256}


def warm_up(tracker: Any) -> None:
    """Track a target once, so that nothing is loaded or compiled while the first real one waits."""
    import numpy as np

    frame = np.zeros((240, 320, 3), np.uint8)
    tracker.init(frame, (140, 100, 40, 40))
    tracker.update(frame)


def settings_of(config: Path | None, redetect: bool | None = None, preset: str | None = None) -> dict[str, Any]:
    """The tracker's constants that the options change; the command line has the last word."""
    from siamtrack.config import load_yaml

    given = {"preset": preset, "redetect": redetect}
    return {**(load_yaml(config) if config else {}), **{key: value for key, value in given.items() if value is not None}}
