"""`siamtrack bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, note

if TYPE_CHECKING:
    from siamtrack.eval.speed import Figures, SpeedReport

MODELS = ("siamfc-lite", "siamfc")
"""Measured unless others are named; the first is what the others are compared with."""


def bench(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to measure; may be repeated. A model or weights file, also with settings (siamfc,precision=float32); "
            "cv2:NAME; identity. Default: all models.",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "--runtime", metavar="NAME", help="Each model with each: auto, onnx, torch or openvino."),
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="OpenCV's trackers too, all that are installed.")] = False,
    onnx_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Networks of OpenCV's nano and vit.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="The tracker whose speed counts as 1. Default: the first.")
    ] = None,
    video: Annotated[
        str | None, typer.Option(metavar="FILE", help="Your own video. Default: a rendered clip, 1280x720.")
    ] = None,
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The target in its first frame.")] = None,
    frames: Annotated[int, typer.Option(min=2, help="Frames of each round, after the first.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count; a short one before them warms up.")] = 5,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with. Default: as many as help.")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures.")] = None,
) -> int:
    """Measure speed on this machine. Prints frames per second, time per frame, and memory.

    Three figures each, as frames / seconds: the network alone, the tracker without reading frames, and end to end. All
    trackers see the same frames in this one process, in turns; figures are medians over the rounds, and a ratio is the
    median of the ratios within a round. The rendered clip is in memory, so its end-to-end figure includes no decoding.

    Examples:

        siamtrack bench --backend onnx --backend torch --threads 2

        siamtrack bench --peers --onnx-dir nets --video clip.mp4 --box 120,80,64,48 --json bench.json
    """
    if (video is None) != (box is None):
        raise ValueError("--video and --box go together: a video of yours, and the target in its first frame")
    if json_file is not None and json_file.is_dir():
        raise ValueError(f"{json_file} is a folder; name a file in it")

    from siamtrack.boxes import parse_box
    from siamtrack.eval import speed, speed_clip

    wanted = speed.contenders(model or MODELS, backend or ("auto",), peers, device, precision, onnx_dir)
    labels = [one.name for one in wanted]
    if against is not None and against not in labels:
        from siamtrack.config import nearest

        raise ValueError(f"--against {against!r} is not measured; {nearest(against, labels)}")
    own = None if video is None or box is None else speed_clip.video_clip(video, parse_box(box))
    with Bar("loading", len(wanted) * (rounds + 1), transient=True) as bar:
        report = speed.bench(wanted, own or speed_clip.render_clip(), frames, rounds, against, threads, bar.advance)
    _print(report)
    if json_file is not None:
        speed.write_json(json_file, report)
        typer.echo(f"Figures: {json_file}")
    return 0


def _print(report: SpeedReport) -> None:
    from rich import box as boxes
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120  # whole names in a file
    machine, clip = report.machine, report.clip
    read = "decoded from the file" if clip["decoded"] else "in memory: end to end holds no decoding"
    load = f", load {machine['load']:.1f}" if machine["load"] is not None else ""
    typer.echo(f"{machine['processor']}, {machine['cores']} cores{load}; {machine['threads']} threads")
    typer.echo(f"{clip['name']}, {clip['frames']} frames, {read}; medians of {report.rounds} rounds in turns")
    table = Table(box=boxes.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, column in enumerate(
        ("", "backend", "network", "tracker", "end to end", "p50 ms", "p95 ms", f"x {report.against}", "MB")
    ):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    for one in report.contenders:
        how = " ".join(filter(None, (one.backend, one.precision, one.device if one.device != "cpu" else "")))
        gpu = f" + {one.gpu_memory_mb:.0f} GPU" if one.gpu_memory_mb is not None else ""
        speeds = (_fps(one.network), _fps(one.tracker), _fps(one.end_to_end))
        times = (_ms(one.tracker.p50_ms), _ms(one.tracker.p95_ms))
        table.add_row(one.name, how, *speeds, *times, f"{one.ratio:.2f}", f"{one.memory_mb:.0f}{gpu}")
    console.print(table)
    for name, why in report.left_out.items():
        note(f"{name} left out: {why}")
    if machine["load"] is not None and machine["load"] > 0.5:
        note(
            f"the load was {machine['load']:.1f} before: others compute here too. Ratios hold; frames per second are fewer "
            "than the machine gives when it is idle"
        )


def _fps(figures: Figures | None) -> str:
    return "-" if figures is None else f"{figures.fps:.1f}"


def _ms(ms: float) -> str:
    return f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"
