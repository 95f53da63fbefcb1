"""`siamtrack batch`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, Signals, counted, interrupt, note
from siamtrack.errors import SiamtrackError
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from rich.progress import TaskID

    from siamtrack.batch.engine import Event
    from siamtrack.batch.target_folder import TargetResult

ROWS = 60
"""Targets that the table on the screen holds; the rest is in summary.csv."""


def batch(
    jobs_path: Annotated[
        Path,
        typer.Argument(
            metavar="JOBS",
            help="A .csv or .jsonl manifest, a folder of videos with box files, or folders of GOT-10k or MOT sequences.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="For results; a run that was stopped continues in it.")],
    video: Annotated[bool, typer.Option("--video", help="Also write overlay.mp4 a video, with all targets.")] = False,
    audio: options.Audio = True,
    labels: Annotated[
        list[str] | None,
        typer.Option(metavar="FORM", help="Also write mot, coco or parquet labels; repeatable."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try targets again that failed before.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Track everything again, whatever is in --out.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Videos at a time. Default: as many as fill the machine.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads per process. Default: its share of the cores.")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", show_default=False, help="local (default), or ray: a cluster, extra `cluster`.")
    ] = "local",
    address: Annotated[str | None, typer.Option(metavar="HOST", help="Ray cluster: auto, HOST:6379, ray://HOST:10001.")] = None,
    model: options.Model = DEFAULT_MODEL,
    redetect: options.Redetect = None,
    preset: options.Preset = None,
    config: options.Config = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
) -> int:
    """Follow many targets in many videos. The same command continues a run that was stopped or killed.

    \b
    A manifest has one target per line. start is the 0-based frame of the box. Optional:
    end, the last frame to track, and direction, which is forward, backward or both:
      video,target,start,x,y,w,h,end,direction
      clips/a.mp4,car,0,120,80,64,48,,
      clips/a.mp4,dog,30,10,20,40,40,250,
      clips/a.mp4,cat,99,10,20,40,40,,both

    \b
    Examples:
      siamtrack batch jobs.csv --out runs/all
      siamtrack batch clips --out runs/clips --video        (clips/NAME.mp4 with clips/NAME.txt: x,y,w,h)
      siamtrack batch MOT17/train --out runs/mot --retry-failed

    \b
    Exit status: 0 all done, 1 some targets failed or the run broke off, 2 it could not begin.
    """
    from siamtrack.batch.driver import batch as run_batch
    from siamtrack.labels.label_forms import check_beside, write_beside

    check_beside(labels or [])
    constants = options.settings_of(config, redetect, preset)
    with Signals(interrupt) as signals, _Bars() as bars:
        run = run_batch(
            jobs_path,
            out,
            engine=engine,
            address=address,
            model=model,
            device=device,
            precision=precision,
            backend=backend,
            workers=jobs,
            threads=threads,
            video=video,
            audio=audio,
            retry_failed=retry_failed,
            force=force,
            on_event=bars.tell,
            **constants,
        )
        problem = None
        try:
            with closing(run):
                for result in run:
                    bars.settled(result)
            if labels and any(result.frames for result in bars.results):
                write_beside(out, labels)
        except KeyboardInterrupt:
            pass
        except SiamtrackError as error:
            if not bars.planned:
                raise
            problem = str(error)
    return _report(bars.results, out, problem, signals.caught)


def _report(results: Sequence[TargetResult], out: Path, problem: str | None, stopped_by: int | None) -> int:
    failed = [result for result in results if result.outcome == "failed"]
    if results:
        _table(results)
        lost = sum(result.lost > 0 for result in results)
        typer.echo(f"{len(results) - len(failed)} done, {len(failed)} failed, {lost} lost for some frames: {out}/summary.csv")
    for result in failed[:ROWS]:
        names = f"{result.video} {result.target}".strip()  # a line that could not be read has none
        note(f"{names}: {result.error}" if names else str(result.error), kind="failed")
    if len(failed) > ROWS:
        note(f"{len(failed) - ROWS} more failed; {out}/summary.csv says why", kind="failed")
    _tell_overlays(results)
    earlier = sum(result.earlier for result in failed)
    if earlier:
        note(f"{earlier} of them failed in an earlier run and were not tried again; --retry-failed does")
    if stopped_by:
        note("stopped; what is done is kept, and the same command goes on")
        return 128 + stopped_by
    if problem is not None:
        note(f"{problem}; what is done is kept, and the same command goes on once it can", kind="error")
        return 1
    return 1 if failed else 0


def _tell_overlays(results: Sequence[TargetResult]) -> None:
    """One line about overlays that this run could not write, or not with all of their sound."""
    from siamtrack.batch.pictures import NO_OVERLAY, OVERLAY_NOTES

    folders = {result.folder.parent for result in results if result.folder is not None and not result.earlier}
    told = sorted(path for folder in folders for name in (NO_OVERLAY, OVERLAY_NOTES) if (path := folder / name).is_file())
    if told:
        count = "an overlay is" if len(told) == 1 else f"{len(told)} overlays are"
        note(f"{count} missing or incomplete: {told[0]} says why" + (", others beside theirs" if len(told) > 1 else ""))


def _table(results: Sequence[TargetResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("video", "target", box=None)
    for name in ("frames", "lost", "fps"):
        table.add_column(name, justify="right")
    table.add_column("outcome")
    for result in results[:ROWS]:
        outcome = f"{result.outcome}{' (earlier)' if result.earlier else ''}"
        fps = f"{result.fps:.1f}" if result.fps else "-"
        table.add_row(result.video, result.target, str(result.frames), str(result.lost), fps, outcome)
    Console(markup=False, highlight=False).print(table)
    if len(results) > ROWS:
        typer.echo(f"... and {len(results) - ROWS} more")


class _Bars(Bar):
    """Progress on stderr: a bar a running video and one over all; a log file gets one line per target instead.

    Attributes:
        results: the targets that are settled.
        planned: whether the batch could begin.
    """

    def __init__(self) -> None:
        super().__init__("all", transient=True)
        self.results: list[TargetResult] = []
        self.planned = False
        self._tasks: dict[str, TaskID] = {}
        self._shares: dict[str, float] = {}
        self._fps: dict[str, float] = {}
        self._ended = self._targets = 0

    def tell(self, event: Event) -> None:
        """Show what happens."""
        from siamtrack.batch.engine import Ended, Planned, Retried, VideoProgress

        if isinstance(event, Planned):
            self.planned, self._targets = True, event.targets
            self.rows.update(self.row, total=event.videos)
            if event.videos:
                todo = f"{event.targets - event.settled} of {counted(event.targets, 'target')} to track"
                videos, threads = counted(event.videos, "video"), counted(event.threads, "thread")
                self._say(f"{todo} in {videos}; {event.workers} at a time, {threads} each")
        elif isinstance(event, VideoProgress):
            if event.video not in self._tasks:
                self._tasks[event.video] = self.rows.add_task(event.video[:40], total=None)
            total = event.total and max(event.total, event.frames)
            text = f"{event.video[:40]}  {event.fps:.1f} fps"
            self.rows.update(self._tasks[event.video], completed=event.frames, total=total, description=text)
            self._shares[event.video], self._fps[event.video] = event.frames / total if total else 0.0, event.fps
        else:
            if event.video in self._tasks:
                self.rows.remove_task(self._tasks.pop(event.video))
            self._shares.pop(event.video, None)
            self._fps.pop(event.video, None)
            self._ended += isinstance(event, Ended)
            if isinstance(event, Retried):
                self._say(f"{event.video}: {event.reason}; it begins again")
        self._show_all()

    def settled(self, result: TargetResult) -> None:
        """Count a target."""
        self.results.append(result)
        if not result.earlier:
            count = f"{len(self.results)}/{self._targets}"
            speed = f"  {result.fps:.1f} fps" if result.fps else ""
            self.line(f"{count}  {result.video}  {result.target}  {result.outcome}  {result.frames} frames{speed}")
        self._show_all()

    def _show_all(self) -> None:
        done = self._ended + sum(self._shares.values())
        text = f"videos, {len(self.results)}/{self._targets} targets  {sum(self._fps.values()):.1f} fps"
        self.rows.update(self.row, completed=done, description=text)

    def _say(self, text: str) -> None:
        if self.shown:
            self.rows.console.print(text, markup=False, highlight=False)
        else:
            note(text)
