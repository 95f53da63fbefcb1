#!/usr/bin/env python3
"""What losses and distances are worth for one-shot recognition, beside raw pixels and an untrained network.

    experiments/glyphs/one_shot.py glyphs --recipe configs/train_verifier.yaml --out runs/glyphs --fonts
    experiments/glyphs/one_shot.py crops/train --test crops/val --recipe configs/train_objects.yaml --out runs/objects --ways 10

Trains the recipe once for every loss and distance, and scores each on classes that none of them saw. With `--fonts`
(a folder made by render_glyphs.py) the fonts of the test were not seen either, and every episode shows one
font's characters and asks for a character of another font, the way Omniglot asks. Finished runs are kept: started
again, it goes on. Ends with OUT/report.png and OUT/scores.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from episodes import OneShot, one_shot
from numpy.typing import NDArray
from one_shot_chart import draw
from rich.console import Console
from rich.table import Table

from siamtrack.config import build, load_yaml
from siamtrack.data.labelled import Classes, open_classes
from siamtrack.system import replace_file
from siamtrack.train.loop import train
from siamtrack.verify.header import Metric, TowerSpec
from siamtrack.verify.items import tower_input
from siamtrack.verify.metrics import Roc, roc, sample_pairs
from siamtrack.verify.network import Similarity, embed_items
from siamtrack.verify.training import verifier_task
from siamtrack.verify.verifier_recipe import VerifierRecipe

LOSSES = ("contrastive", "triplet", "logistic")
MARGINS = {"contrastive": 1.0, "triplet": 0.3, "logistic": 1.0}


class Parts(NamedTuple):
    """What is trained on, what is tested on, and the font of each tested item (None: not asked for)."""

    train: Classes
    test: Classes
    fonts: NDArray[np.int64] | None


class Scores(NamedTuple):
    """How well one way of comparing tells the tested items apart."""

    curve: Roc
    shot: OneShot


def main() -> None:
    """Train and score every combination, then print the table and draw the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--test", type=Path, default=None, help="a folder of classes to test on; default: some of DATA")
    parser.add_argument("--fonts", action="store_true", help="hold out fonts as well as classes")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ways", type=int, default=20)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=None, help="shorten every run")
    parser.add_argument("--losses", nargs="*", default=LOSSES)
    parser.add_argument("--similarities", nargs="*", default=get_args(Metric))
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    recipe = build(VerifierRecipe, load_yaml(args.recipe), str(args.recipe))
    if args.steps:
        recipe = replace(recipe, steps=args.steps)

    parts = by_fonts(open_classes(args.data), recipe) if args.fonts else by_classes(args, recipe)
    print(f"train: {len(parts.train.items)} items of {len(parts.train.names)} classes; ", end="")
    print(f"test: {len(parts.test.items)} items of {len(parts.test.names)} classes", flush=True)
    vectors = pixels(parts.test.items, recipe.tower)
    rows = {"raw pixels": scores(Similarity("euclidean", vectors.shape[1]).distance_matrix, vectors, parts, args)}
    untrained = verifier_task(recipe, parts.train).net.eval()
    vectors = embed_items(untrained, parts.test.items, recipe.tower)
    rows["untrained network"] = scores(untrained.similarity.distance_matrix, vectors, parts, args)
    for loss in args.losses:
        for similarity in args.similarities:
            if (loss, similarity) == ("contrastive", "correlation"):
                continue  # contrastive needs distances from 0 up
            name = f"{loss}, {similarity}"
            chosen = replace(recipe, loss=loss, similarity=similarity, margin=MARGINS[loss])
            net = train(verifier_task(chosen, parts.train), args.out / name.replace(", ", "-"), workers=args.workers)
            vectors = embed_items(net, parts.test.items, recipe.tower)
            rows[name] = scores(net.similarity.distance_matrix, vectors, parts, args)
            print(line(name, rows[name]), flush=True)
    Console(width=120).print(table(rows, args))
    title = f"{args.ways}-way one-shot, {len(parts.test.names)} classes never trained on"
    replace_file(args.out / "report.png", draw(rows, args.ways, title))
    replace_file(args.out / "scores.json", json.dumps({name: plain(row) for name, row in rows.items()}, indent=1).encode())


def by_classes(args: argparse.Namespace, recipe: VerifierRecipe) -> Parts:
    """Test on a folder of its own, or on the recipe's share of the classes."""
    data = open_classes(args.data)
    if args.test is not None:
        return Parts(data, open_classes(args.test), None)
    held = np.isin(data.classes, held_out(len(data.names), recipe))
    return Parts(data.subset(~held), data.subset(held), None)


def by_fonts(data: Classes, recipe: VerifierRecipe) -> Parts:
    """Test on classes and on font families of which none is trained on."""
    families = dict(row.split("\t")[:2] for row in (data.root / "fonts.txt").read_text(encoding="utf-8").splitlines())
    names = sorted(set(families.values()))
    family = np.array([names.index(families[path.stem]) for path in data.items])
    slugs = sorted(families)
    font = np.array([slugs.index(path.stem) for path in data.items])
    held_class = np.isin(data.classes, held_out(len(data.names), recipe))
    held_font = np.isin(family, held_out(len(names), recipe))
    test = held_class & held_font
    return Parts(data.subset(~held_class & ~held_font), data.subset(test), font[test])


def held_out(count: int, recipe: VerifierRecipe) -> NDArray[np.int64]:
    """The recipe's share of `count` things, drawn by its seed."""
    return np.random.default_rng([recipe.seed, 3]).permutation(count)[: max(2, round(recipe.holdout * count))]


def pixels(items: Sequence[Path], spec: TowerSpec) -> torch.Tensor:
    """Every item as a vector of length 1 of its own pixels less their mean."""
    flat = torch.stack([torch.from_numpy(tower_input(item, spec)).float().flatten() for item in items])
    return torch.nn.functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


@torch.inference_mode()
def scores(
    matrix: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], vectors: torch.Tensor, parts: Parts, args: argparse.Namespace
) -> Scores:
    """Episodes and pairs, the same ones for every row of the table."""
    distance = torch.cat([matrix(block, vectors) for block in vectors.split(256)]).double().numpy()
    rng = np.random.default_rng(0)
    shot = one_shot(distance, parts.test.classes, args.ways, args.episodes, rng=rng, domain=parts.fonts)
    first, second, same = sample_pairs(parts.test.classes, 20_000, rng)
    return Scores(roc(distance[first, second], same), shot)


def line(name: str, row: Scores) -> str:
    """One row of the table as text."""
    (low, high), eer = row.shot.interval, row.curve.eer()[0]
    return f"{name:26s} one-shot {row.shot.accuracy:.3f} ({low:.3f} to {high:.3f})  AUC {row.curve.auc:.4f}  EER {eer:.3f}"


def table(rows: dict[str, Scores], args: argparse.Namespace) -> Table:
    """All rows."""
    result = Table("", "one-shot accuracy", "95 %", "AUC", "EER", title=f"{args.ways}-way 1-shot, {args.episodes} episodes")
    for name, row in rows.items():
        low, high = row.shot.interval
        result.add_row(
            name, f"{row.shot.accuracy:.3f}", f"{low:.3f} to {high:.3f}", f"{row.curve.auc:.4f}", f"{row.curve.eer()[0]:.3f}"
        )
    return result


def plain(row: Scores) -> dict[str, Any]:
    """A row as plain data."""
    return {"one_shot": row.shot.accuracy, "interval": row.shot.interval, "auc": row.curve.auc, "eer": row.curve.eer()[0]}


if __name__ == "__main__":
    main()
