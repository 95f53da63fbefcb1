"""`siamtrack train`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, resumed_by_the_same_command
from siamtrack.errors import needs


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe: a YAML file, or the name of one in configs/, such as smoke.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's sources lie in; a verifier's classes or pairs.csv.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command again resumes it.")],
    cache: Annotated[Path | None, typer.Option(help="Folder for the crops, made once. Default: OUT/crops.")] = None,
    device: options.Device = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that load data, for each GPU. Default: its share of the cores; 1 on a CPU."),
    ] = None,
    stop_after: Annotated[int | None, typer.Option(min=1, help="Stop at this step; resume later.")] = None,
    preview: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the first step's crops, augmented, and stop.")
    ] = None,
) -> int:
    """Train a tracker or a verifier. Writes OUT/model.safetensors. The same command continues a run that was stopped.

    Several GPUs: torchrun --nproc-per-node 8 --max-restarts 3 -m siamtrack train RECIPE --data ROOT --out DIR
    """
    from siamtrack.config import find_recipe, load_yaml

    if find_spec("torch") is None:
        raise needs("train", "training needs PyTorch")
    from siamtrack.train.session import TrainSession, preview_from_config, train_from_config
    from siamtrack.verify.training import verifier_from_config

    path = find_recipe(recipe)
    session = TrainSession(data, out, cache, device, workers, stop_after)
    quiet = os.environ.get("RANK", "0") != "0"
    kept = resumed_by_the_same_command("every checkpoint", silent=quiet or preview is not None)
    with kept, _StepBar("reading data", silent=quiet) as bar:
        if preview is not None:
            typer.echo(f"Views: {preview_from_config(path, session, preview, bar)}")
            return 0
        make = verifier_from_config if load_yaml(path).get("model") == "verifier" else train_from_config
        weights = make(path, session, bar)
    if not quiet:
        typer.echo(f"Weights: {weights}")
    return 0


class _StepBar(Bar):
    """The training bar of the process that has rank 0: rates, loss and time left. Sources being cropped are shown as text."""

    def cropping(self, track: str) -> None:
        """A source is being cropped."""
        self.advance(f"cropping {track[:40]}")

    def checking(self, item: str) -> None:
        """An item is being opened."""
        self.advance(f"opening {item[:40]}")

    def left_out(self, lines: list[str]) -> None:
        """Name what cannot be used."""
        shown = 5
        for line in lines[:shown]:
            self.rows.console.print(f"siamtrack: note: left out {line}", highlight=False, markup=False, soft_wrap=True)
        if len(lines) > shown:
            self.rows.console.print(f"siamtrack: note: and {len(lines) - shown} more")

    def step(self, report: Any, total: int) -> None:
        """Show a training step's figures."""
        parts = "  ".join(f"{key} {value:.3f}" for key, value in report.parts.items())
        # A GPU that waits for data is told of: the remedy is the user's.
        waits = f"  waits for data {report.waited:.0%}, try more --workers" if report.waited > 0.1 else ""
        text = f"{report.pairs_per_s:.0f} pairs/s{waits}  lr {report.lr:.1e}  {parts}"
        self.rows.update(self.row, description=text, completed=report.step + 1, total=total)
        if (report.step + 1) % 50 == 0:
            self.line(f"step {report.step + 1}/{total}  {text}")
