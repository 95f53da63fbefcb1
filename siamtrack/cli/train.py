"""The commands that make models: parsing and printing only, like `siamtrack.cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from siamtrack.cli.options import DeviceOption


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe such as configs/train_siamfc.yaml.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's sources lie in; a verifier's classes or pairs.csv.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command again resumes it.")],
    cache: Annotated[Path | None, typer.Option(help="Folder for the crops, made once. Default: OUT/crops.")] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that load data, for each GPU. Default: its share of the cores; 1 beside a CPU."),
    ] = None,
    stop_after: Annotated[int | None, typer.Option(min=1, help="Stop at this step; resume later.")] = None,
    preview: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the first step's views, as augmented, and stop.")
    ] = None,
) -> int:
    """Train a tracker or a verifier, or go on with a run that stopped. Ends with OUT/model.safetensors.

    Several GPUs: torchrun --nproc-per-node 8 --max-restarts 3 -m siamtrack train RECIPE --data ROOT --out DIR
    """
    from siamtrack.config import load_yaml
    from siamtrack.train.session import Session, preview_from_config, train_from_config
    from siamtrack.verify.training import verifier_from_config

    session = Session(data, out, cache, device, workers, stop_after)
    quiet = os.environ.get("RANK", "0") != "0"
    with _StepBar(quiet) as bar:
        if preview is not None:
            typer.echo(f"Views: {preview_from_config(recipe, session, preview, bar)}")
            return 0
        make = verifier_from_config if load_yaml(recipe).get("model") == "verifier" else train_from_config
        path = make(recipe, session, bar)
    if not quiet:
        typer.echo(f"Weights: {path}")
    return 0


class _StepBar:
    """The training bar of the process that has rank 0: rates, loss and time left. Sources being cropped are shown as text."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._quiet = quiet
        self._task = self._bar.add_task("reading data", total=None)

    def cropping(self, track: str) -> None:
        self._bar.update(self._task, description=f"cropping {track[:40]}", advance=1)

    def checking(self, item: str) -> None:
        self._bar.update(self._task, description=f"opening {item[:40]}", advance=1)

    def left_out(self, lines: list[str]) -> None:
        shown = 5
        for line in lines[:shown]:
            self._bar.console.print(f"siamtrack: note: left out {line}", highlight=False, markup=False, soft_wrap=True)
        if len(lines) > shown:
            self._bar.console.print(f"siamtrack: note: and {len(lines) - shown} more")

    def step(self, report: Any, total: int) -> None:
        parts = "  ".join(f"{key} {value:.3f}" for key, value in report.parts.items())
        # A word on a GPU that is bored: the remedy is the user's.
        waits = f"  waits for data {report.waited:.0%}, try more --workers" if report.waited > 0.1 else ""
        text = f"{report.pairs_per_s:.0f} pairs/s{waits}  lr {report.lr:.1e}  {parts}"
        self._bar.update(self._task, description=text, completed=report.step + 1, total=total)
        if self._bar.disable and not self._quiet and (report.step + 1) % 50 == 0:
            typer.echo(f"step {report.step + 1}/{total}  {text}", err=True)  # a log file gets lines, not a bar

    def __enter__(self) -> _StepBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
