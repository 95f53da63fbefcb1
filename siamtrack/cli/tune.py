"""`siamtrack tune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, resumed_by_the_same_command
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.eval.tune import Trial
    from siamtrack.eval.tune_report import TuneReport


def tune(
    root: Annotated[Path, typer.Argument(help="Labelled sequences: NAME.mp4 with NAME.txt, or the GOT-10k layout.")],
    study: Annotated[
        Path, typer.Option(metavar="FILE.sqlite", help="The search's database; a search that was stopped continues from it.")
    ],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all, those of earlier runs included.")],
    model: Annotated[str, typer.Option(help="A model's name, or a .safetensors, .pth or .pt file.")] = DEFAULT_MODEL,
    only: Annotated[str, typer.Option(metavar="NAMES", help="Sequences to use, separated by commas. Default: all.")] = "",
    subset: Annotated[Path | None, typer.Option(metavar="FILE", help="The same from a file, one name per line.")] = None,
    limit: Annotated[int | None, typer.Option(min=2, help="First N frames of each sequence only.")] = None,
    space: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="KEY: [low, high], or a list of choices, for each constant.")
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a present constant; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of sequences, the sampler and the bootstrap.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json. Default: beside the study.")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
) -> int:
    """Search a tracker's constants by tracking. Says whether any beat the present ones; needs the extra `tune`.

    Example: siamtrack tune data/val --model siamfc --study runs/tune.sqlite --trials 40 --limit 100
    """
    from siamtrack.data.layout import find_sequences
    from siamtrack.data.subset import read_names
    from siamtrack.data.subset import subset as chosen
    from siamtrack.eval import tune as search
    from siamtrack.eval.named import read_settings
    from siamtrack.eval.tune_report import TuneReport, plain_report
    from siamtrack.eval.tune_study import import_optuna
    from siamtrack.system import write_folder

    import_optuna()
    if only and subset:
        raise ValueError("say which sequences with one of --only and --subset, not both")
    names = read_names(subset) if subset else [name.strip() for name in only.split(",") if name.strip()]
    sequences = chosen(find_sequences(root), names)

    from siamtrack.api import tracker_from
    from siamtrack.config import load_yaml
    from siamtrack.model.weights import load_weights
    from siamtrack.tracking.tracker import Tracker

    weights = load_weights(model)
    tracker = tracker_from(weights, device, precision, backend, **{"redetect": False, **read_settings(constants or [])})
    present, network = tracker.config, tracker.backend
    ranges = (
        search.read_space(load_yaml(space), present, str(space)) if space else search.default_space(present, network.has_boxes)
    )
    identity = {"model_sha256": weights.sha256, "precision": network.precision, "backend": network.name}
    with resumed_by_the_same_command("every finished trial"), _TrialBar(trials, len(sequences)) as bar:
        finished = search.tune(
            lambda config: Tracker(network, config), present, ranges, sequences, study, trials, limit, seed, identity, bar.show
        )
    about = {
        **identity,
        "model": model,
        "data": root.resolve().name,
        "subset": only or (subset.name if subset else "all"),
        "sequences": [sequence.name for sequence in sequences],
        "limit": limit,
        "seed": seed,
        "device": network.device,
    }
    report = TuneReport(finished, ranges, about, seed)
    where = f"{about['data']}, subset {about['subset']}, {len(sequences)} sequences, {int(report.present.frames.sum())} frames"
    folder = out or study.with_name(f"{study.stem}-report")
    write_folder(folder, {"report.json": json.dumps(plain_report(report), indent=2) + "\n"})
    _print(report, where)
    typer.echo(f"Report: {folder / 'report.json'}")
    return 0


def _print(report: TuneReport, where: str) -> None:
    from rich.console import Console
    from rich.table import Table

    pruned = len(report.trials) - len(report.complete)
    counts = f"{len(report.trials)} trials: {len(report.complete)} complete, {pruned} given up early"
    top = f"top {len(report.top)} of {len(report.complete)}"
    table = Table("", "present", f"best (trial {report.best.number})", top, title=f"{counts}\n{where}")
    lowest = f"{report.top[-1].ao:.3f} .. {report.best.ao:.3f}"
    table.add_row("AO", f"{report.present.ao:.3f}", f"{report.best.ao:.3f}", lowest, end_section=True)
    for key in report.space:
        values = [report.present.constants[key], report.best.constants[key]]
        spread = " .. ".join(_short(value) for value in dict.fromkeys(report.top_range(key)))
        table.add_row(key, *(_short(value) for value in values), spread)
    Console(markup=False, highlight=False).print(table)
    difference, error, (low, high) = report.gain
    typer.echo(f"AO, {where}: present {report.present.ao:.3f}, best {report.best.ao:.3f}, median {report.median_ao:.3f}")
    typer.echo(
        f"best - present: {difference:+.3f}, standard error {error:.3f} over sequences "
        f"(95 % interval {low:+.3f} to {high:+.3f})"
    )
    typer.echo(report.verdict)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _TrialBar(Bar):
    """A bar over the sequences of all trials; a log file gets one line per trial."""

    def __init__(self, trials: int, sequences: int) -> None:
        super().__init__("sequences", trials * sequences)
        self._trials, self._sequences = trials, sequences
        self._best = 0.0

    def show(self, trial: Trial) -> None:
        """Show how far a trial has come."""
        done = len(trial.frames)
        text = f"trial {trial.number}/{self._trials}  AO so far {trial.ao:.3f}  best {self._best:.3f}"
        self.rows.update(self.row, description=text, completed=(trial.number - 1) * self._sequences + done)
        if done < self._sequences and not trial.pruned:
            return
        if not trial.pruned:
            self._best = max(self._best, trial.ao)
        ending = f"given up after {done} sequences at" if trial.pruned else "AO"
        constants = "  ".join(f"{key} {_short(value)}" for key, value in trial.constants.items())
        self.line(f"trial {trial.number}/{self._trials}  {ending} {trial.ao:.3f}  {constants}")
