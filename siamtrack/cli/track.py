"""`siamtrack track`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, Signals, note
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.boxes import Box
    from siamtrack.video.follow import Span
    from siamtrack.video.outputs import Outputs, Progress
    from siamtrack.video.results import RunSummary
    from siamtrack.video.source import Source

LOSSES = 20
"""Times at which a target was LOST that are printed; boxes.csv has all."""


def track(
    source: Annotated[
        str,
        typer.Argument(help="Video or image file, image folder or glob, camera (0), stream URL, or - for a pipe."),
    ],
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H", help="A target in frame --start, 0-based pixels; repeat it for more targets."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="What the target is called; repeat it as --box. Default: target-1, ...")
    ] = None,
    box_format: Annotated[str, typer.Option(help="xywh, or xyxy: two corners. Eight numbers are four corners.")] = "xywh",
    select: Annotated[bool, typer.Option("--select", help="Draw the box in a window instead.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. Default: runs/NAME, the next free number.")] = None,
    video: Annotated[bool, typer.Option("--video", help="Also write overlay.mp4 with the boxes drawn.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Also write plot.png: score and state over time.")] = False,
    follow_video: Annotated[
        bool, typer.Option("--follow-video", help="Also write follow.mp4: a steady crop around the target.")
    ] = False,
    crops: Annotated[Path | None, typer.Option(help="New folder for an image of the target in each frame.")] = None,
    start: Annotated[str, typer.Option(metavar="WHEN", help="Frame of the box: 75 (counting from 0), or 3s, 1:02.5.")] = "0",
    end: Annotated[str | None, typer.Option(metavar="WHEN", help="Last frame that is tracked, in the same forms.")] = None,
    backward: Annotated[bool, typer.Option("--backward", help="From --start back to the first frame, or to --end.")] = False,
    both: Annotated[bool, typer.Option("--both", help="From --start both ways.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window while tracking; q stops.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Draw search regions, too, and what the score is made of.")] = False,
    audio: options.Audio = True,
    model: options.Model = DEFAULT_MODEL,
    redetect: options.Redetect = None,
    preset: options.Preset = None,
    config: options.Config = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    hwaccel: options.Hwaccel = None,
) -> int:
    """Follow one target or several through a video.

    \b
    Examples:
      siamtrack track clip.mp4 --box 120,80,64,48 --video
      siamtrack track clip.mp4 --box 120,80,64,48 --name car --box 10,20,40,40 --name dog --out runs/both
      siamtrack track clip.mp4 --select --start 1:02.5 --both --plot

    \b
    The folder gets boxes.csv, boxes.txt, run.json, or with several targets a folder of them for each.
    """
    from siamtrack.video import window

    boxes = _targets(box or [], name or [], box_format, select)
    span = _span(start, end, backward, both)
    if show or select:
        window.require_display("leave --show and --select out, and use --box and --video" if show else "give --box X,Y,W,H")

    from siamtrack.video.open_source import open_source
    from siamtrack.video.outputs import Outputs
    from siamtrack.video.run import run_targets

    outputs = Outputs(video, audio, debug, plot, crops, follow_video)
    with open_source(source, hwaccel) as frames:
        tracker, about = options.tracker_of(model, config, device, precision, backend, redetect, preset)
        with Signals(frames.interrupt) as signals, Bar(total=_total(frames, span, outputs), transient=True) as bar:

            def watch(progress: Progress) -> bool:
                bar.advance(f"{progress.fps:.1f} fps")
                return signals.caught is None and (not show or window.show(progress.overlay()))

            summaries = run_targets(tracker, frames, out, boxes, span, outputs, watch, about)
        if show:
            window.close()
    return print_summary(summaries, signals.caught)


def _targets(boxes: Sequence[str], names: Sequence[str], form: str, select: bool) -> Mapping[str, Box | Callable[..., Box]]:
    """The boxes by the targets' names, or a function that asks for one."""
    from siamtrack.boxes import parse_box
    from siamtrack.video import window
    from siamtrack.video.folder_names import name_problem

    if bool(boxes) == select:
        raise ValueError("say where the target is with one of --box X,Y,W,H and --select")
    given: Sequence[Box | Callable[..., Box]] = [window.select_box] if select else [parse_box(text, form) for text in boxes]
    if names and len(names) != len(given):
        raise ValueError(f"{len(names)} --name for {len(given)} targets; give each a name, or none")
    if not names:
        names = [f"target-{number}" for number in range(1, len(given) + 1)] if len(given) > 1 else [""]
    for name in names:
        problem = name_problem(name) if name or len(given) > 1 else None
        if problem is not None:
            raise ValueError(f"--name {name!r} cannot name a folder: it {problem}")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError(f"two targets have one name in {', '.join(names)}; names must differ, upper and lower case aside")
    return dict(zip(names, given, strict=True))


def _span(start: str, end: str | None, backward: bool, both: bool) -> Span:
    from siamtrack.video.follow import Span
    from siamtrack.video.moment import parse_moment

    if backward and both:
        raise ValueError("--backward is a part of --both; give one of them")
    first = parse_moment(start)
    if (backward or both) and first == 0:
        raise ValueError(
            f"{'--backward' if backward else '--both'} goes back from the frame of the box; say which with --start"
        )
    return Span(first, None if end is None else parse_moment(end), "backward" if backward else "both" if both else "forward")


def _total(source: Source, span: Span, outputs: Outputs) -> int | None:
    """Frames to go, as far as anyone can know."""
    from siamtrack.video.moment import Seconds

    def frame(moment: float) -> int:
        return round(moment * source.fps) if isinstance(moment, Seconds) else int(moment)

    start = frame(span.start)
    back = start + 1 - (frame(span.end) if span.end is not None and not span.forward else 0) if span.backward else 0
    again = back if outputs.in_order else 0  # for what is written in the order of time
    if not span.forward:
        return back + again
    last = [frame(span.end)] if span.end is not None else []
    last += [source.frame_count - 1] if source.frame_count else []
    return max(0, min(last) + 1 - start) + back + again if last else None


def print_summary(summaries: Sequence[RunSummary], stopped_by: int | None) -> int:
    """Print how a run ended; the exit status.

    Args:
        summaries: of the run's targets. stopped_by: the signal that ended it.
    """
    for summary in summaries:
        _print_target(summary, several=len(summaries) > 1)
    figures = {name: f"{values['fps']:.1f}" for name, values in summaries[0].fps.items()}
    typer.echo(f"fps: network {figures['network']}, tracker {figures['tracker']}, end to end {figures['end_to_end']}")
    for line in dict.fromkeys(line for summary in summaries for line in summary.notes):
        note(line)
    if stopped_by:
        return 128 + stopped_by
    early = [summary for summary in summaries if summary.ended not in ("done", "interrupted")]
    for summary in early:
        note(f"{summary.ended}; the results of {summary.frames} frames are kept in {summary.folder}", kind="error")
    return 2 if early else 0


def _print_target(summary: RunSummary, several: bool) -> None:
    from siamtrack.video.moment import clock
    from siamtrack.video.rows import losses

    out = summary.folder
    if summary.stopped_at is not None:
        note(
            f"an earlier run in {out} stopped after frame {summary.stopped_at}; "
            f"its rows are kept in {out / 'boxes.stopped.csv'}"
        )
    lost = f", {summary.lost} of them LOST" if summary.lost else ""
    typer.echo(f"{summary.frames} frames{lost}: {out / 'boxes.csv'}")
    if not summary.lost:
        return
    found = losses(out / "boxes.csv")
    for loss in islice(found, LOSSES):
        times = clock(loss.from_s) if loss.first == loss.last else f"{clock(loss.from_s)} to {clock(loss.to_s)}"
        frames = f"frame {loss.first}" if loss.first == loss.last else f"frames {loss.first} to {loss.last}"
        typer.echo(f"{f'{out.name}: ' if several else ''}LOST {times} ({frames})")
    more = sum(1 for _ in found)
    if more:
        typer.echo(f"... and {more} times more")
