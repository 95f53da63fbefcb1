"""`siamtrack data`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli.terminal import Bar, resumed_by_the_same_command

if TYPE_CHECKING:
    from siamtrack.data.sequence import Bad

app = typer.Typer(help="Check a data set, or make its training crops.", no_args_is_help=True, rich_markup_mode=None)

RootArgument = Annotated[Path, typer.Argument(help="A folder of sequences or stills, a .tar of stills, or a COCO .json.")]
KindOption = Annotated[str, typer.Option(help="auto, or a layout: got10k, lasot, trackingnet, vid, videos, coco, voc, tar.")]


@app.command(no_args_is_help=True)
def check(
    root: RootArgument,
    kind: KindOption = "auto",
    fast: Annotated[bool, typer.Option("--fast", help="Labels and files only; no frame is decoded.")] = False,
) -> int:
    """Read a data set and name whatever is wrong with it. Status 1 if anything is.

    Example: siamtrack data check GOT-10k/train --fast
    """
    from siamtrack.data.layout import open_dataset

    dataset = open_dataset(root, kind)
    total = len(dataset.items)
    found = []
    with _ItemBar("checking") as bar:
        for number, (name, bad) in enumerate(dataset.check(fast), 1):
            if bad is not None:
                found.append(bad)
            bar.update(name, number, total)
    _name(found)
    unit = "images" if dataset.stills else "sequences"
    typer.echo(f"{total - len(found)} of {total} {unit} good, {len(found)} bad  ({root}, {dataset.kind})")
    return 1 if found else 0


@app.command(no_args_is_help=True)
def prepare(
    root: RootArgument,
    cache: Annotated[Path, typer.Option(help="Folder for the crops; give the same to `siamtrack train --cache`.")],
    kind: KindOption = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that cut. Default: one a core.")] = None,
) -> int:
    """Cut the training crops of a data set. Bad sequences are named and left out.

    The same command continues a run that was stopped, and tries repaired sequences again.

    Example: siamtrack data prepare GOT-10k/train --cache crops
    """
    from siamtrack.system import usable_cores
    from siamtrack.train.crops import store_path
    from siamtrack.train.prepare import prepare

    with resumed_by_the_same_command("every finished shard"), _ItemBar("cutting") as bar:
        report = prepare(root, cache, kind, workers or usable_cores(), bar.update)
    _name(report.bad)
    typer.echo(
        f"{report.sequences} of {report.sequences + len(report.bad)} good, {len(report.bad)} bad; "
        f"{report.tracks} tracks, {report.crops} crops: {store_path(root, cache, report.kind)}"
    )
    return 0


def _name(found: Iterable[Bad]) -> None:
    for bad in found:
        typer.echo(f"bad: {bad.name}: {bad.reason}")


class _ItemBar(Bar):
    """A bar of items; a log file gets a line every tenth of the way."""

    def __init__(self, verb: str) -> None:
        super().__init__(verb)
        self._verb, self._tenth = verb, 0

    def update(self, name: str, done: int, total: int) -> None:
        """Show that an item is done."""
        self.rows.update(self.row, description=f"{self._verb} {name[:40]}", completed=done, total=total)
        tenth = 10 * done // total
        if tenth > self._tenth:
            self.line(f"{self._verb} {done}/{total}")
        self._tenth = tenth
