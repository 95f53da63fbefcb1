"""The commands that make models: parsing and printing only, like `siamtrack.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe such as configs/train_siamfc.yaml.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's source paths are relative to.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command again resumes it.")],
    cache: Annotated[Path | None, typer.Option(help="Folder for the crops, made once. Default: OUT/crops.")] = None,
    device: DeviceOption = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data.")] = 1,
    stop_after: Annotated[int | None, typer.Option(min=1, help="Stop at this step; resume later.")] = None,
) -> int:
    """Train a model, or go on with a run that stopped. Ends with OUT/model.safetensors."""
    from siamtrack.train.session import train_from_config

    with _StepBar() as bar:
        path = train_from_config(recipe, data, out, cache, device, workers, stop_after, bar)
    typer.echo(f"Weights: {path}")
    return 0


class _StepBar:
    """The training bar: rates, loss and time left. Sources being cropped are shown as text."""

    def __init__(self) -> None:
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
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading data", total=None)

    def cropping(self, track: str) -> None:
        self._bar.update(self._task, description=f"cropping {track[:40]}", advance=1)

    def step(self, report: Any, total: int) -> None:
        parts = "  ".join(f"{key} {value:.3f}" for key, value in report.parts.items())
        text = f"{report.pairs_per_s:.0f} pairs/s  lr {report.lr:.1e}  {parts}"
        self._bar.update(self._task, description=text, completed=report.step + 1, total=total)
        if self._bar.disable and (report.step + 1) % 50 == 0:
            typer.echo(f"step {report.step + 1}/{total}  {text}", err=True)  # a log file gets lines, not a bar

    def __enter__(self) -> _StepBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
