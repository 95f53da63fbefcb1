"""`siamtrack track`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, Signals, note
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.video.results import RunSummary
    from siamtrack.video.run import Progress


def track(
    source: Annotated[
        str,
        typer.Argument(help="Video or image file, image folder or glob, camera (0, /dev/video0), stream URL, or - for a pipe."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for boxes.csv, boxes.txt, run.json (and overlay.mp4).")],
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The target in the first frame, 0-based pixels.")] = None,
    select: Annotated[bool, typer.Option("--select", help="Draw the box in a window instead.")] = False,
    start: Annotated[int, typer.Option(min=0, help="Frame to begin at, counting from 0.")] = 0,
    video: Annotated[bool, typer.Option("--video", help="Also write overlay.mp4 with the box drawn.")] = False,
    audio: options.Audio = True,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window while tracking; q stops.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="In overlay and window also: search regions, and what the score is made of."),
    ] = False,
    model: options.Model = DEFAULT_MODEL,
    config: options.Config = None,
    preset: options.Preset = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    redetect: options.Redetect = None,
    hwaccel: options.Hwaccel = None,
) -> int:
    """Follow one target through a video.

    Example: siamtrack track clip.mp4 --box 120,80,64,48 --out runs/clip --video
    """
    from siamtrack.boxes import parse_box
    from siamtrack.video import window

    if (box is None) == (not select):
        raise ValueError("say where the target is with one of --box X,Y,W,H and --select")
    chosen = parse_box(box) if box is not None else window.select_box
    if show or select:
        window.require_display("leave --show and --select out, and use --box and --video" if show else "give --box X,Y,W,H")

    from siamtrack.video.open_source import open_source
    from siamtrack.video.run import run

    with open_source(source, hwaccel) as frames:
        tracker, about = options.tracker_of(model, config, device, precision, backend, redetect, preset)
        total = frames.frame_count - start if frames.frame_count else None
        with Signals(frames.interrupt) as signals, Bar(total=total, transient=True) as bar:

            def watch(progress: Progress) -> bool:
                bar.advance(f"{progress.fps:.1f} fps")
                return signals.caught is None and (not show or window.show(progress.overlay()))

            summary = run(tracker, frames, out, chosen, start, video=video, audio=audio, debug=debug, watch=watch, about=about)
        if show:
            window.close()
    return print_summary(summary, signals.caught)


def print_summary(summary: RunSummary, stopped_by: int | None) -> int:
    """Print how a run ended; the exit status.

    Args:
        summary: of the run. stopped_by: the signal that ended it.
    """
    out = summary.folder
    if summary.stopped_at is not None:
        note(
            f"an earlier run in {out} stopped after frame {summary.stopped_at}; "
            f"its rows are kept in {out / 'boxes.stopped.csv'}"
        )
    lost = f", {summary.lost} of them LOST" if summary.lost else ""
    typer.echo(f"{summary.frames} frames{lost}: {out / 'boxes.csv'}")
    figures = {name: f"{values['fps']:.1f}" for name, values in summary.fps.items()}
    typer.echo(f"fps: network {figures['network']}, tracker {figures['tracker']}, end to end {figures['end_to_end']}")
    for line in summary.notes:
        note(line)
    if stopped_by:
        return 128 + stopped_by
    if summary.ended in ("done", "interrupted"):
        return 0
    note(f"{summary.ended}; the results of {summary.frames} frames are kept in {out}", kind="error")
    return 2
