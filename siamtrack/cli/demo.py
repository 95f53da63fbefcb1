"""`siamtrack demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, Signals
from siamtrack.cli.track import print_summary
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.video.outputs import Progress


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("siamtrack-demo"),
    clip: Annotated[
        str, typer.Option(help="bikes (a cyclist, hidden by passing cars) or carphone (a talking head).")
    ] = "bikes",
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = "auto",
) -> int:
    """See it work: a cyclist is followed in a real clip.

    Writes an overlay video and a contact sheet. Needs the extra `demo`, no network.
    """
    from siamtrack.config import nearest
    from siamtrack.demo import CLIPS, clip_path, run_demo

    if clip not in CLIPS:
        raise ValueError(f"no demo clip {clip!r}; {nearest(clip, CLIPS)}")
    path = clip_path(CLIPS[clip].file)
    typer.echo(f"Following {CLIPS[clip].target} in {path.name}.")
    tracker, _ = options.tracker_of(model, None, device, "auto")
    with Signals() as signals, Bar(total=CLIPS[clip].stop - CLIPS[clip].start, transient=True) as bar:

        def watch(progress: Progress) -> bool:
            bar.advance(f"{progress.fps:.1f} fps")
            return signals.caught is None

        summary = run_demo(tracker, out, clip, watch)
    code = print_summary([summary], signals.caught)
    typer.echo(f"Watch it:      {out / 'overlay.mp4'}")
    typer.echo(f"At a glance:   {out / 'contact_sheet.png'}")
    return code
