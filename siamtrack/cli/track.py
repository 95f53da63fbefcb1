"""`siamtrack track`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, Signals, counted, note
from siamtrack.machine import require_display
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.boxes import Box
    from siamtrack.frames import Image
    from siamtrack.video.outputs import Outputs, Progress
    from siamtrack.video.recorder import RunSummary
    from siamtrack.video.run import GivenBox
    from siamtrack.video.source import Source
    from siamtrack.video.tracking_loop import Span

MOST_SPANS = 20
"""Times at which a target was LOST that are printed; boxes.csv has all."""


def track(
    source: Annotated[
        str,
        typer.Argument(help="Video or image file, image folder or glob, camera (0), stream URL, or - for a pipe."),
    ],
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H", help="Target in frame --start, 0-based px; repeatable."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name of each target; repeatable. Default: target-1, ...")
    ] = None,
    box_format: Annotated[
        str, typer.Option(metavar="FORM", show_default=False, help="xywh or xyxy; eight numbers are four corners.")
    ] = "xywh",
    select: Annotated[bool, typer.Option("--select", help="Draw the box in a window instead.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: the next free of runs/NAME, runs/NAME-2, ...")
    ] = None,
    start: Annotated[
        str, typer.Option(metavar="WHEN", show_default=False, help="Frame of the box: 75, 3s, 1:02.5. Default: 0.")
    ] = "0",
    end: Annotated[str | None, typer.Option(metavar="WHEN", help="Last frame to track.")] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Track from --start back to the first frame, or --end.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Track from --start in both directions.")] = False,
    video: Annotated[bool, typer.Option("--video", help="Also write overlay.mp4 with the boxes drawn.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Also write plot.png: score and state over time.")] = False,
    crops: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also write an image of the target per frame.")] = None,
    follow_video: Annotated[
        bool, typer.Option("--follow-video", help="Also write follow.mp4: a steady crop around it.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window; q stops.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Draw search regions and the parts of the score.")] = False,
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
      siamtrack track clip.mp4 --select --start 1:02.5 --both --plot
      siamtrack track 0 --box 9,9,40,40 --name cat --box 90,9,40,40 --name dog

    \b
    Writes boxes.csv, boxes.txt and run.json into OUT; for several targets into OUT/NAME.
    """
    names, given = _targets(box or [], name or [], box_format, select)
    span = _span(start, end, backward, both)
    if show or select:
        from siamtrack.live.window.track_window import TrackWindow

        require_display("leave --show and --select out, and use --box and --video" if show else "give --box X,Y,W,H")

    from siamtrack.video.outputs import Outputs
    from siamtrack.video.run import run_targets
    from siamtrack.video.source import open_source

    outputs = Outputs(video, audio, debug, plot, crops, follow_video)
    with open_source(source, hwaccel) as frames:
        tracker, about = options.tracker_of(model, config, device, precision, backend, redetect, preset)
        with Signals(frames.interrupt) as signals, ExitStack() as stack:
            if show or select:
                options.warm_up(tracker)
            window = stack.enter_context(closing(TrackWindow())) if show or select else None
            bar = stack.enter_context(Bar(total=_total(frames, span, outputs), transient=True))

            def ask(image: Image) -> Box:
                assert window is not None
                return window.ask_box(image, lambda: signals.caught is not None)

            def watch(progress: Progress) -> bool:
                bar.advance(f"{progress.fps:.1f} fps")
                return signals.caught is None and (not show or window is None or window.show(progress.overlay()))

            boxes: dict[str, GivenBox] = dict.fromkeys(names, ask)
            if not select:
                boxes.update(zip(names, given, strict=True))
            try:
                summaries = run_targets(tracker, frames, out, boxes, span, outputs, watch, about)
            except KeyboardInterrupt:
                if signals.caught is None:
                    raise
                note("stopped before a frame was tracked")
                return 128 + signals.caught
    return print_summary(summaries, signals.caught)


def _targets(boxes: Sequence[str], names: Sequence[str], form: str, select: bool) -> tuple[Sequence[str], Sequence[Box]]:
    """The targets' names and boxes; with `select` there is one name and no box."""
    from siamtrack.boxes import parse_box
    from siamtrack.video.names import name_problem

    if bool(boxes) == select:
        raise ValueError("say where the target is with one of --box X,Y,W,H and --select")
    given = [parse_box(text, form) for text in boxes]
    count = len(given) or 1
    if names and len(names) != count:
        raise ValueError(f"{len(names)} --name for {count} targets; give each a name, or none")
    if not names:
        names = [f"target-{number}" for number in range(1, count + 1)] if count > 1 else [""]
    for name in names:
        problem = name_problem(name) if name or count > 1 else None
        if problem is not None:
            raise ValueError(f"--name {name!r} cannot name a folder: it {problem}")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError(f"two targets have one name in {', '.join(names)}; names must differ, upper and lower case aside")
    return names, given


def _span(start: str, end: str | None, backward: bool, both: bool) -> Span:
    from siamtrack.video.frame_source import parse_moment
    from siamtrack.video.tracking_loop import Span

    if backward and both:
        raise ValueError("--backward is a part of --both; give one of them")
    first = parse_moment(start)
    if (backward or both) and first == 0:
        raise ValueError(
            f"{'--backward' if backward else '--both'} goes back from the frame of the box; say which with --start"
        )
    return Span(first, None if end is None else parse_moment(end), "backward" if backward else "both" if both else "forward")


def _total(source: Source, span: Span, outputs: Outputs) -> int | None:
    """Number of frames to track, if it is known."""
    from siamtrack.video.frame_source import Seconds

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
    fps = {name: values["fps"] for name, values in summaries[0].fps.items()}
    if all(fps.values()):  # the first frames, which pay for what is loaded, are not counted
        typer.echo(f"fps: network {fps['network']:.1f}, tracker {fps['tracker']:.1f}, end to end {fps['end_to_end']:.1f}")
    for line in dict.fromkeys(line for summary in summaries for line in summary.notes):
        note(line)
    if stopped_by:
        return 128 + stopped_by
    early = [summary for summary in summaries if summary.ended not in ("done", "interrupted")]
    for summary in early:
        note(f"{summary.ended}; the results of {counted(summary.frames, 'frame')} are kept in {summary.folder}", kind="error")
    return 2 if early else 0


def _print_target(summary: RunSummary, several: bool) -> None:
    from siamtrack.video.frame_source import clock
    from siamtrack.video.plot import lost_spans

    out = summary.folder
    if summary.stopped_at is not None:
        note(
            f"an earlier run in {out} stopped after frame {summary.stopped_at}; "
            f"its rows are kept in {out / 'boxes.stopped.csv'}"
        )
    lost = f", {summary.lost} of them LOST" if summary.lost else ""
    typer.echo(f"{counted(summary.frames, 'frame')}{lost}: {out / 'boxes.csv'}")
    if not summary.lost:
        return
    found = lost_spans(out / "boxes.csv")
    for span in islice(found, MOST_SPANS):
        times = clock(span.from_s) if span.first == span.last else f"{clock(span.from_s)} to {clock(span.to_s)}"
        frames = f"frame {span.first}" if span.first == span.last else f"frames {span.first} to {span.last}"
        typer.echo(f"{f'{out.name}: ' if several else ''}LOST {times} ({frames})")
    more = sum(1 for _ in found)
    if more:
        typer.echo(f"... and {more} times more")
