"""Training a verifier: from a recipe and labelled items to a weights file that states its thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.backends.select import pick_device
from siamtrack.config import build, load_yaml, to_plain
from siamtrack.data.labelled import DISSIMILAR, Classes, Pairs, open_labelled
from siamtrack.errors import ConfigError, DataError
from siamtrack.model.weights import load_weights
from siamtrack.models import InputSpec
from siamtrack.train.distributed import ALONE, Group, joined
from siamtrack.train.session import TrainSession, Watcher, run_task
from siamtrack.train.task import Task
from siamtrack.verify.batches import ItemBatches, check_kind
from siamtrack.verify.header import OperatingPoint, TowerSpec, VerifierHeader
from siamtrack.verify.items import tower_input
from siamtrack.verify.metrics import calibrate, roc, sample_pairs
from siamtrack.verify.network import AlexNetTower, Siblings, embed_items, make_network, save_verifier
from siamtrack.verify.pair_losses import PARTS, VerifierObjective
from siamtrack.verify.verifier_recipe import VerifierRecipe

MAX_ITEMS = 4000
MAX_PAIRS = 40_000
"""Enough for a false-accept rate of one in a thousand; held-out items beyond are left out."""

RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


class Split(NamedTuple):
    """Data to train on, and data held out to measure thresholds on.

    Attributes:
        held_out: `classes`, `items` (too few classes to hold some out: each gives some of its items) or `pairs`.
    """

    train: Classes | Pairs
    test: Classes | Pairs
    held_out: str


def split(data: Classes | Pairs, share: float, seed: int) -> Split:
    """Hold out a share of the classes, of the items where there are fewer than ten classes, or of the listed pairs.

    Raises:
        DataError: what remains on one side is too little to learn from, or to measure on.
    """
    rng = np.random.default_rng([seed, 1])
    if isinstance(data, Pairs):
        order = rng.permutation(len(data.label))
        count = max(1, round(share * len(order)))
        parts = [data.subset(np.sort(order[count:])), data.subset(np.sort(order[:count]))]
        for part, what in zip(parts, ("train on", "hold out"), strict=True):
            if not ((part.label < DISSIMILAR).any() and (part.label >= DISSIMILAR).any()):
                raise DataError(f"{data.root}: {len(order)} pairs leave none of one kind to {what}; list more pairs")
        return Split(parts[0], parts[1], "pairs")
    counts = np.bincount(data.classes)
    if len(counts) >= 10:
        order = rng.permutation(len(counts))
        held = np.zeros(len(counts), np.bool_)
        held[order[: max(2, round(share * len(counts)))]] = True
        test = held[data.classes]
        name = "classes"
    else:
        test = np.zeros(len(data.classes), np.bool_)
        for k in range(len(counts)):
            own = rng.permutation(np.flatnonzero(data.classes == k))
            # Two of each make a pair to measure on, two a pair to learn from.
            test[own[: max(2, round(share * len(own))) if len(own) >= 4 else 0]] = True
        name = "items"
    for chosen, what in ((~test, "train on"), (test, "hold out")):
        sizes = np.bincount(data.classes[chosen], minlength=len(counts))
        if (sizes > 0).sum() < 2 or not (sizes > 1).any():
            raise DataError(
                f"{data.root}: {len(counts)} classes of {counts.min()} to {counts.max()} items leave too little to {what}; "
                "ten classes, or four items in each of two, are enough"
            )
    return Split(data.subset(~test), data.subset(test), name)


def without_broken(
    data: Classes | Pairs, spec: TowerSpec, watch: Callable[[str], None] = lambda _: None
) -> tuple[Classes | Pairs, list[str]]:
    """What is left of items that can be read, each opened once, with all their pairs, and a line for each that is left out.

    Raises:
        ConfigError: the tower is not for this kind of item. DataError: too little is left.
    """
    check_kind(data, spec)
    good = np.ones(len(data.items), np.bool_)
    reasons: list[str] = []
    for k, path in enumerate(data.items):
        watch(path.name)
        try:
            tower_input(path, spec)
        except (DataError, FileNotFoundError) as error:
            good[k] = False
            reasons.append(str(error))
    if good.all():
        return data, []
    rest = data.subset(np.flatnonzero(good[data.first] & good[data.second])) if isinstance(data, Pairs) else data.subset(good)
    if not len(rest.label if isinstance(rest, Pairs) else rest.items):
        raise DataError(f"{data.root}: none of {len(data.items)} items can be read; the first: {reasons[0]}")
    return rest, reasons


def verifier_from_config(recipe_path: Path, session: TrainSession, watcher: Watcher) -> Path:
    """`train_verifier` by a YAML recipe."""
    return train_verifier(build(VerifierRecipe, load_yaml(recipe_path), str(recipe_path)), session, watcher)


def train_verifier(recipe: VerifierRecipe, session: TrainSession, watcher: Watcher) -> Path:
    """Train on a folder of classes or a CSV of pairs, measure thresholds on what was held out, and write the weights.

    Under torchrun, one call in each process.

    Args:
        recipe: what to compute.
        session: data, folder of the run, device.
        watcher: hears of every item that is opened before the first step, of what is left out, and of every step.

    Returns:
        The path of `model.safetensors`. `left_out.txt` beside it names every item that was not used, and why.

    Raises:
        ConfigError, DataError, FileNotFoundError, SiamtrackError: as the parts raise them.
    """
    device, data, out = pick_device(session.device), session.data, session.out
    with joined(device) as group:
        found = open_labelled(data)
        usable, broken = without_broken(found, recipe.tower, watcher.checking)
        parts = split(usable, recipe.holdout, recipe.seed)
        if isinstance(parts.train, Pairs) and recipe.loss == "triplet":
            raise ConfigError(f"{data} lists pairs; triplets need a folder a class. Take loss: contrastive or logistic")
        unused = [*found.left_out, *broken]
        if group.is_main:
            out.mkdir(parents=True, exist_ok=True)
            (out / "left_out.txt").write_text("".join(f"{line}\n" for line in unused), encoding="utf-8")
            if unused:
                watcher.left_out(unused)

        def validate(net: Siblings) -> dict[str, float]:
            curve = roc(*held_out_distances(net, recipe, parts.test))
            return {"auc": curve.auc, "eer": curve.eer()[0]}

        net = run_task(verifier_task(recipe, parts.train, group), session, device, watcher, validate, group)
        path = out / "model.safetensors"
        if group.is_main:
            save_verifier(path, net, _measured_header(recipe, net, parts, data.name))
        group.barrier()
    return path


def verifier_task(recipe: VerifierRecipe, data: Classes | Pairs, group: Group = ALONE) -> Task[Siblings]:
    """The network, loss and batches of a recipe.

    Raises:
        ConfigError: the batch cannot be shared evenly, or the tower is not for this kind of item.
        FileNotFoundError, WeightsError: the weights to start from cannot be loaded.
    """
    torch.manual_seed(recipe.seed)
    net = make_network(recipe.header())
    backbone: tuple[torch.nn.Module, ...] = ()
    if isinstance(net.tower, AlexNetTower):
        backbone = (net.tower.backbone,)
        if recipe.init:
            given = load_weights(recipe.init).net
            if given.input_spec != InputSpec():
                raise ConfigError(f"init {recipe.init}: was trained on {given.input_spec}, this tower takes {InputSpec()}")
            net.tower.backbone.load_state_dict(given.backbone.state_dict(), strict=False)  # the tower ends at conv4
        for name in recipe.frozen:
            getattr(net.tower.backbone, name).requires_grad_(False)
    return Task(recipe, net, VerifierObjective(net, recipe), ItemBatches(data, recipe, group), PARTS, backbone)


def held_out_distances(
    net: Siblings, recipe: VerifierRecipe, data: Classes | Pairs
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Distances (P,) of held-out pairs, and whether each is a pair of the same."""
    if isinstance(data, Pairs):
        rows = np.arange(len(data.label))[:MAX_PAIRS]
        first, second, same = data.first[rows], data.second[rows], data.label[rows] < DISSIMILAR
    else:
        rng = np.random.default_rng([recipe.seed, 2])
        some = np.sort(rng.permutation(len(data.items))[:MAX_ITEMS])
        first, second, same = sample_pairs(data.classes[some], MAX_PAIRS, rng)
        first, second = some[first], some[second]
    used, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    vectors = embed_items(net, [data.items[k] for k in used], recipe.tower)
    one, other = vectors[places[: len(first)]], vectors[places[len(first) :]]
    with torch.inference_mode():
        return net.similarity.distance(one, other).double().numpy(), same


def _measured_header(recipe: VerifierRecipe, net: Siblings, parts: Split, data: str) -> VerifierHeader:
    """The header of trained weights: thresholds, calibration and scores on what was held out."""
    # What is written is what is measured: the file holds float16.
    rounded = make_network(recipe.header())
    rounded.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in net.state_dict().items()})
    distances, same = held_out_distances(rounded.eval(), recipe, parts.test)
    curve, fit = roc(distances, same), calibrate(distances, same)
    scores = {"auc": curve.auc, "eer": curve.eer()[0], "pairs": len(same), "held_out": parts.held_out}
    return replace(
        recipe.header(),
        slope=fit.slope,
        midpoint=fit.midpoint,
        operating_points=tuple(
            OperatingPoint(rate, curve.threshold_at(rate), curve.true_accept_at(rate))
            for rate in RATES
            if rate * curve.different_pairs >= 1  # fewer cannot tell so low a rate
        ),
        training={"data": data, "recipe": to_plain(recipe), "scores": scores, "torch": torch.__version__},
    )
