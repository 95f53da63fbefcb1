#!/usr/bin/env python3
"""Train variants of a recipe and say what each difference is worth on the val sequences.

    tools/ablate.py configs/ablations.yaml --data ROOT --out runs/ablations --device cuda --workers 14
    tools/ablate.py configs/ablations.yaml --data ROOT --out runs/ablations --only siamfc "siamfc, seed 1"

Start it again after a stop and it goes on: finished runs are not trained again, finished scores not computed
again. `--set steps=200 warmup_steps=20` changes every recipe alike, for a first look; such short runs say little
about long ones.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from siamtrack.api import load
from siamtrack.config import load_yaml, nearest
from siamtrack.data.layout import find_sequences
from siamtrack.errors import ConfigError
from siamtrack.eval.scores import paired_bootstrap, pooled
from siamtrack.eval.sequence_run import run_sequence
from siamtrack.system import write_whole
from siamtrack.train.bookkeeping import StepReport
from siamtrack.train.session import TrainSession, train_from_config


class Lines:
    """Tells of a run in lines: there are too many runs for one bar."""

    def cropping(self, track: str) -> None:
        """Nothing: crops are made once, before the first run."""

    def checking(self, item: str) -> None:
        """Nothing: no verifier is trained here."""

    def left_out(self, lines: list[str]) -> None:
        """Say what is not used."""
        print(*(f"  left out {line}" for line in lines), sep="\n", flush=True)

    def step(self, report: StepReport, total: int) -> None:
        """A line every 100 steps."""
        if (report.step + 1) % 100 == 0:
            parts = "  ".join(f"{key} {value:.3f}" for key, value in report.parts.items())
            print(f"  step {report.step + 1}/{total}  {report.pairs_per_s:.0f} views/s  {parts}", flush=True)


def main() -> None:
    """Train and score every variant, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=None, help="crops; default OUT/crops")
    parser.add_argument("--only", nargs="*", default=None, help="names of variants")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of every recipe, to shorten all alike")
    parser.add_argument("--frames", type=int, default=None, help="first N frames of each val sequence only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=None, help="as for `siamtrack train`")
    args = parser.parse_args()

    plan = load_yaml(args.plan)
    variants: dict[str, dict[str, Any]] = plan["variants"]
    for name in args.only or []:
        if name not in variants:
            raise SystemExit(f"{args.plan}: no variant {name!r}; {nearest(name, variants)}")
    chosen = [name for name in variants if args.only is None or name in args.only]
    overlaps = {}
    for name in chosen:
        folder = args.out / re.sub(r"[^\w.-]+", "-", name)
        print(f"{name}: {folder}", flush=True)
        model = trained(args, folder, variants[name])
        overlaps[name] = scored(args, folder, model, args.data / plan["val"])
    Console(width=120).print(table(overlaps, args))


def trained(args: argparse.Namespace, folder: Path, variant: dict[str, Any]) -> Path:
    """Train a variant, or go on with it; the path of its weights."""
    own = {key: value for key, value in variant.items() if key != "base"}
    recipe = {**load_yaml(args.plan.parent / variant["base"]), **own}
    for word in args.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise SystemExit(f"--set: expected KEY=VALUE, got {word!r}")
        recipe[key] = yaml.safe_load(value)
    path = folder / "recipe.yaml"
    if path.is_file() and load_yaml(path) != recipe:
        raise ConfigError(f"{path} differs from the plan; remove {folder} to train the variant anew, or give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, yaml.safe_dump(recipe, sort_keys=False))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        session = TrainSession(args.data, folder, args.cache or args.out / "crops", args.device, args.workers)
        train_from_config(path, session, Lines())
    return weights


def scored(args: argparse.Namespace, folder: Path, model: Path, val: Path) -> dict[str, np.ndarray]:
    """Overlaps of every val sequence, by name."""
    path = folder / (f"val-{args.frames}.json" if args.frames else "val.json")
    if not path.is_file():
        sequences = find_sequences(val)
        # One pass, as validation does: no score is fitted yet. In float32, so that rows of several machines compare.
        tracker = load(model, args.device, precision="float32", redetect=False)
        runs = [run_sequence(tracker, item, args.frames) for item in track(sequences, "  val")]
        write_whole(path, json.dumps({run.name: run.overlaps.round(5).tolist() for run in runs}))
    return {name: np.array(values) for name, values in json.loads(path.read_text()).items()}


def table(overlaps: dict[str, dict[str, np.ndarray]], args: argparse.Namespace) -> Table:
    """One line a variant, with its difference from the first."""
    first = next(iter(overlaps))
    frames = f"first {args.frames} frames" if args.frames else "full length"
    caption = "Difference of AO from the first line, with the middle 95 % of a bootstrap over sequences. Under 0.01 is noise."
    result = Table("variant", "AO", "SR0.50", "SR0.75", "difference", title=f"val, {frames}", caption=caption)
    for name, found in overlaps.items():
        scores = pooled(found.values())
        difference = ""
        if name != first:
            gain, _, (low, high) = paired_bootstrap(list(found.values()), list(overlaps[first].values()))
            difference = f"{gain:+.3f} ({low:+.3f} to {high:+.3f})"
        result.add_row(name, f"{scores.ao:.3f}", f"{scores.sr50:.3f}", f"{scores.sr75:.3f}", difference)
    return result


if __name__ == "__main__":
    main()
