"""The `siamtrack` command: parsing and printing only.

Everything heavy is imported inside the command that needs it, so that `siamtrack --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from siamtrack import __version__
from siamtrack.cli import batch, bench, data, export, labels, live, train, tune, verify
from siamtrack.cli import eval as eval_command
from siamtrack.cli.options import (
    ConfigOption,
    DeviceOption,
    ModelOption,
    PrecisionOption,
    RedetectOption,
    RuntimeOption,
    note,
    tracker_of,
)
from siamtrack.cli.signals import Signals
from siamtrack.errors import OldKeyWarning, SiamtrackError
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.video.results import RunSummary
    from siamtrack.video.run import Progress

app = typer.Typer(
    name="siamtrack",
    help="Point at anything in a video, and it is followed.",
    epilog="Start with: siamtrack demo. Weights are inside the package: nothing is downloaded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Entry point: errors that a user can mend are one line on stderr and status 2, never a traceback."""
    show = warnings.showwarning
    warnings.showwarning = lambda text, kind, *place: note(str(text)) if kind is OldKeyWarning else show(text, kind, *place)
    try:
        code = app(standalone_mode=False)
        sys.exit(code or 0)
    except (SiamtrackError, FileNotFoundError, ValueError) as error:
        if os.environ.get("SIAMTRACK_DEBUG"):
            raise
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        # typer carries its own copy of click: a usage error is known by what it can do, not by its class.
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message())


@app.command(no_args_is_help=True)
def track(
    source: Annotated[str, typer.Argument(help="Video file, image folder or glob, camera index, or stream URL.")],
    out: Annotated[Path, typer.Option(help="Folder for boxes.csv, boxes.txt, run.json (and overlay.mp4).")],
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="The target in the first frame, 0-based pixels.")] = None,
    select: Annotated[bool, typer.Option("--select", help="Draw the box in a window instead.")] = False,
    start: Annotated[int, typer.Option(min=0, help="Frame to begin at, counting from 0.")] = 0,
    video: Annotated[bool, typer.Option("--video", help="Also write overlay.mp4 with the box drawn.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window while tracking; q stops.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="In overlay and window also: search regions, look-alikes, what the score is made of."),
    ] = False,
    model: ModelOption = DEFAULT_MODEL,
    config: ConfigOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    runtime: RuntimeOption = "auto",
    redetect: RedetectOption = True,
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

    from siamtrack.video.run import run
    from siamtrack.video.source import open_source

    with open_source(source) as frames:
        tracker, about = tracker_of(model, config, device, precision, runtime, redetect)
        total = frames.frame_count - start if frames.frame_count else None
        with _Bar(total) as bar:

            def watch(progress: Progress) -> bool:
                bar.update(progress)
                return not bar.stopped and (not show or window.show(progress.overlay()))

            summary = run(tracker, frames, out, chosen, start, video=video, debug=debug, watch=watch, about=about)
        if show:
            window.close()
    return _report(summary, out, bar.stopped)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("siamtrack-demo"),
    clip: Annotated[
        str, typer.Option(help="carphone (a talking head) or bikes (a cyclist, hidden by passing cars).")
    ] = "carphone",
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
) -> int:
    """Track a real clip end to end: an overlay video and a contact sheet. Needs the extra `demo`, no network."""
    from siamtrack.config import nearest
    from siamtrack.demo import CLIPS, clip_path, run_demo

    if clip not in CLIPS:
        raise ValueError(f"no demo clip {clip!r}; {nearest(clip, CLIPS)}")
    path = clip_path(CLIPS[clip].file)
    typer.echo(f"Following {CLIPS[clip].target} in {path.name}.")
    tracker, _ = tracker_of(model, None, device, "auto")
    with _Bar(CLIPS[clip].stop - CLIPS[clip].start) as bar:
        summary = run_demo(tracker, out, clip, bar.update)
    code = _report(summary, out, bar.stopped)
    typer.echo(f"Watch it:      {out / 'overlay.mp4'}")
    typer.echo(f"At a glance:   {out / 'contact_sheet.png'}")
    return code


app.command()(live.live)
app.command(no_args_is_help=True)(batch.batch)
app.command("export-labels", no_args_is_help=True)(labels.export_labels)
app.command(no_args_is_help=True)(export.export)
app.add_typer(data.app, name="data")
app.command(no_args_is_help=True)(train.train)
app.command(no_args_is_help=True)(tune.tune)
app.command(no_args_is_help=True)(verify.verify)
app.command("eval", no_args_is_help=True)(eval_command.evaluate)
app.command()(bench.bench)


@app.command()
def doctor() -> int:
    """Versions, device, precision, and what is missing with how to get it. Status 1 if tracking cannot work."""
    from rich.console import Console
    from rich.table import Table

    from siamtrack.doctor import examine

    findings = examine()
    table = Table("", "what", "found", "to do")
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], finding.what, finding.found, finding.to_do)
    Console().print(table)
    return 0 if all(finding.ok is not False for finding in findings) else 1


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"siamtrack {__version__}")
        raise typer.Exit


def _report(summary: RunSummary, out: Path, stopped_by: int | None) -> int:
    if summary.stopped_at is not None:
        note(
            f"an earlier run in {out} stopped after frame {summary.stopped_at}; "
            f"its rows are kept in {out / 'boxes.stopped.csv'}"
        )
    lost = f", {summary.lost} of them LOST" if summary.lost else ""
    typer.echo(f"{summary.frames} frames{lost}: {out / 'boxes.csv'}")
    figures = {name: f"{values['fps']:.1f}" for name, values in summary.fps.items()}
    typer.echo(f"fps: network {figures['network']}, tracker {figures['tracker']}, end to end {figures['end_to_end']}")
    if stopped_by:
        return 128 + stopped_by
    if summary.ended == "interrupted":
        return 0
    if summary.ended != "done":
        note(f"{summary.ended}; the results of {summary.frames} frames are kept in {out}", kind="error")
        return 2
    return 0


def _fail(text: str) -> NoReturn:
    note(text, kind="error")
    sys.exit(2)


class _Bar:
    """A progress bar on stderr. SIGINT and SIGTERM end the run after the present frame, with its results written."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = [BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]:.1f} fps"), TimeRemainingColumn()]
        console = Console(stderr=True)
        self._bar = RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("frames", total=total, fps=0.0)
        self._signals = Signals()

    @property
    def stopped(self) -> int | None:
        """The signal that ended the run."""
        return self._signals.caught

    def update(self, progress: Progress) -> bool:
        self._bar.update(self._task, advance=1, fps=progress.fps)
        return self.stopped is None

    def __enter__(self) -> _Bar:
        self._signals.__enter__()
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._signals.__exit__()


if __name__ == "__main__":
    main()
