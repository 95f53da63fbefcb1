"""The command that measures speed: parsing and printing only, like `siamtrack.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siamtrack.cli.options import DeviceOption, PrecisionOption, note

if TYPE_CHECKING:
    from siamtrack.eval.speed import Figures
    from siamtrack.eval.speed_report import SpeedReport

MODELS = ("siamfc-lite", "siamfc-box", "siamfc")
"""Measured unless others are named; the first is what the others are compared with."""

_MOST_TARGETS, _MOST_FRAMES, _MOST_PIXELS = 256, 1_000_000, 8192


def bench(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to measure; may be repeated. A model or weights file, also with settings (siamfc,precision=float32); "
            "plain (three float32 search crops, nothing optimised); cv2:NAME; identity. Default: all models.",
        ),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Each model with each: auto, eager, compile, onnx, openvino, cuda-graph, or fastest. May be repeated.",
        ),
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="OpenCV's trackers too, all that are installed.")] = False,
    onnx_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Networks of OpenCV's nano and vit.")] = None,
    against: Annotated[str | None, typer.Option(metavar="NAME", help="Whose speed is 1. Default: the first.")] = None,
    video: Annotated[
        str | None, typer.Option(metavar="FILE", help="A video of yours. Default: a rendered clip, 1280x720.")
    ] = None,
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The target in its first frame.")] = None,
    frames: Annotated[int, typer.Option(min=2, help="Of each round, after the first.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count; a short one before them warms up.")] = 5,
    threads: Annotated[int | None, typer.Option(min=1, help="To compute with. Default: as PyTorch chooses.")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    profile: Annotated[bool, typer.Option("--profile", help="Where the microseconds of a frame go.")] = False,
    targets: Annotated[str, typer.Option(metavar="N,N,...", help="Time against targets, as 1,2,4,8,16,32,64.")] = "",
    sizes: Annotated[
        str, typer.Option(metavar="SIZE,...", help="Time against frame size: 240p,480p,720p,1080p,4K or WxH.")
    ] = "",
    lengths: Annotated[str, typer.Option(metavar="N,N,...", help="Time and memory against length, as 100,1000,20000.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw all figures.")] = None,
) -> int:
    """Measure speed on this machine: frames per second, memory, and what bounds them.

    Three figures each, as frames / seconds: the network alone, the tracker without reading frames, and end to end. All
    trackers see the same frames in this one process, in turns; figures are medians over the rounds, and a ratio is the
    median of the ratios within a round. A rendered clip lies in memory, so that end to end holds no decoding there.

    The roofline says how much of the machine's measured peak (multiplications, memory) the network reaches; where search
    regions differ in size, at least.

    Examples:

        siamtrack bench --runtime eager --runtime onnx --threads 2

        siamtrack bench --peers --onnx-dir nets --video clip.mp4 --box 120,80,64,48 --json bench.json

        siamtrack bench --model siamfc-lite --profile --targets 1,4,16,64 --lengths 100,1000,20000 --plot bench.png
    """
    counts = _numbers(targets, "--targets", _MOST_TARGETS)
    marks = _numbers(lengths, "--lengths", _MOST_FRAMES)
    if (video is None) != (box is None):
        raise ValueError("--video and --box go together: a video of yours, and the target in its first frame")
    for path in filter(None, (json_file, plot)):
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it")
    if plot is not None and plot.suffix.lower() != ".png":
        raise ValueError(f"--plot {plot} does not end in .png, which is the form that is written")

    from siamtrack.boxes import parse_box
    from siamtrack.eval.speed_clip import render_clip, video_clip
    from siamtrack.eval.speed_contender import entries
    from siamtrack.eval.speed_report import Plan, write_json
    from siamtrack.eval.speed_report import bench as measure

    wanted = entries(model or MODELS, runtime or ("auto",), peers)
    labels = [entry.label for entry in wanted]
    if against is not None and against not in labels:
        from siamtrack.config import nearest

        raise ValueError(f"--against {against!r} is not measured; {nearest(against, labels)}")
    chosen = _sizes(sizes)
    clip = video_clip(video, parse_box(box)) if video is not None and box is not None else render_clip()
    plan = Plan(
        wanted, clip, frames, rounds, against, threads, device, precision, onnx_dir, profile, counts, chosen, marks
    )  # fmt: skip
    with _Bar() as bar:
        report = measure(plan, bar.expect, bar.step)
    _print(report)
    if json_file is not None:
        write_json(json_file, report)
        typer.echo(f"Figures: {json_file}")
    if plot is not None:
        from siamtrack.eval.speed_plot import write_plot

        write_plot(plot, report)
        typer.echo(f"Picture: {plot}")
    return 0


def _numbers(text: str, option: str, most: int) -> list[int]:
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if not (word.isascii() and word.isdecimal()) or not 1 <= int(word) <= most:
            raise ValueError(f"{option} {word!r} is not a whole number from 1 to {most}; write it like 1,2,4,8")
        found.append(int(word))
    return found


def _sizes(text: str) -> dict[str, tuple[int, int]]:
    from siamtrack.eval.speed_clip import SIZES

    names = {name.lower(): name for name in SIZES}
    found = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        width, _, height = word.lower().partition("x")
        if word.lower() in names:
            found[names[word.lower()]] = SIZES[names[word.lower()]]
        elif (
            width.isdecimal()
            and height.isdecimal()
            and 64 <= min(int(width), int(height)) <= max(int(width), int(height)) <= _MOST_PIXELS
        ):
            found[word.lower()] = (int(width), int(height))
        else:
            raise ValueError(
                f"--sizes {word!r} is none of {', '.join(SIZES)}, nor WxH from 64 to {_MOST_PIXELS}, such as 640x360"
            )
    return found


def _print(report: SpeedReport) -> None:
    from rich import box as boxes
    from rich.console import Console
    from rich.table import Table

    from siamtrack.eval.frame_profile import PARTS

    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file has room for whole names
    machine, clip = report.machine, report.clip

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, title_justify="left", box=boxes.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for place, column in enumerate(columns):
            made.add_column(column, justify="right" if place else "left", overflow="fold")
        return made

    read = "decoded from the file" if clip["decoded"] else "in memory: end to end holds no decoding"
    load = f", load {machine.load:.1f}" if machine.load is not None else ""
    typer.echo(f"{machine.processor}, {machine.cores} cores{load}; {machine.threads} threads")
    typer.echo(f"{clip['name']}, {clip['frames']} frames, {read}; medians of {report.rounds} rounds in turns")
    fps = table(
        "", "", "runtime", "network", "tracker", "end to end", "p50 ms", "p95 ms", "p99 ms", f"x {report.against}", "MB"
    )
    for one in report.contenders:
        how = " ".join(filter(None, (one.runtime, one.precision, one.device if one.device != "cpu" else "")))
        ms = one.tracker
        gpu = f" + {one.gpu_memory_mb:.0f} GPU" if one.gpu_memory_mb is not None else ""
        cells = [_fps(one.network), _fps(one.tracker), _fps(one.end_to_end)]
        cells += [_short(ms.p50_ms), _short(ms.p95_ms), _short(ms.p99_ms), f"{one.ratio:.2f}", f"{one.memory_mb:.0f}{gpu}"]
        fps.add_row(one.name, how, *cells)
    console.print(fps)
    for peak, gflops in machine.peak_gflops.items():
        typer.echo(f"peak here: {gflops:.0f} GFLOP/s {peak}, {machine.bandwidth_gb_s:.1f} GB/s")
    for roof in report.rooflines:
        typer.echo(
            f"roofline {roof.contender}: {roof.gmacs:.2f} G multiply-adds a frame, {roof.gflops:.0f} GFLOP/s "
            f"({100 * roof.of_peak:.0f} % of the {roof.precision} peak), {roof.gb_s:.1f} GB/s "
            f"({100 * roof.of_bandwidth:.0f} %); bound by {roof.bound}"
        )
    if report.profiles:
        parts = table("Where a frame goes", "us (share)", *(one.contender for one in report.profiles))
        for part, words in PARTS.items():
            parts.add_row(words, *(f"{one.us[part]:.0f} ({100 * one.shares[part]:.1f} %)" for one in report.profiles))
        parts.add_row("whole frame", *(f"{one.total_us:.0f}" for one in report.profiles))
        console.print(parts)
    for title, curves in (("Targets", report.targets), ("Frame size", report.sizes)):
        if curves:
            costs = table(title, "ms a frame, p50 (p95)", *(curve.contender for curve in curves))
            for points in zip(*(curve.points for curve in curves), strict=True):
                costs.add_row(points[0].label, *(f"{_short(one.p50_ms)} ({_short(one.p95_ms)})" for one in points))
            console.print(costs)
    if report.lengths:
        long = table(
            "Length", "frames", *(f"{curve.contender} {what}" for curve in report.lengths for what in ("s", "ms", "MB"))
        )
        for marks in zip(*(curve.points for curve in report.lengths), strict=True):
            cells = [text for one in marks for text in (f"{one.total_s:.1f}", _short(one.ms), f"{one.memory_mb:.1f}")]
            long.add_row(f"{marks[0].frames:,}", *cells)
        console.print(long)
    for absent in report.left_out:
        note(f"{absent.name} left out: {absent.why}")
    if machine.load is not None and machine.load > 0.5:
        note(
            f"the load was {machine.load:.1f} before: others compute here too. Ratios hold; frames per second are fewer than "
            "the machine gives when it is idle"
        )


def _fps(figures: Figures | None) -> str:
    return "-" if figures is None else f"{figures.fps:.1f}"


def _short(ms: float) -> str:
    return f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


class _Bar:
    """A progress bar on stderr, where somebody looks."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        columns: list[Any] = [BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
        self._bar = RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("")

    def expect(self, stage: str, steps: int) -> None:
        self._bar.reset(self._task, total=steps, description=stage)

    def step(self, done: str) -> None:
        self._bar.update(self._task, advance=1, description=done)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
