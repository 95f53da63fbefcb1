"""Training a verifier: from a recipe and labelled items to a weights file that states its thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.config import to_plain
from siamtrack.data.labelled import DISSIMILAR, Classes, Pairs, open_labelled
from siamtrack.errors import ConfigError
from siamtrack.model.siamese import InputSpec
from siamtrack.model.siblings import Siblings
from siamtrack.model.towers import AlexNetTower
from siamtrack.model.weights import load_weights
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.log import StepReport
from siamtrack.train.loop import train
from siamtrack.train.task import Task, Validate
from siamtrack.train.verifier_data import ItemBatches, ItemReader, Split, split, without_broken
from siamtrack.train.verifier_objective import PARTS, VerifierObjective
from siamtrack.train.verifier_recipe import VerifierRecipe
from siamtrack.verify.episodes import sample_pairs
from siamtrack.verify.inputs import as_batch
from siamtrack.verify.metrics import Roc, calibrate, roc
from siamtrack.verify.weights import OperatingPoint, VerifierHeader, make_network, save_verifier

MAX_ITEMS = 4000
MAX_PAIRS = 40_000
"""Enough for a false-accept rate of one in a thousand; held-out items beyond are not looked at."""

RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def train_verifier(
    recipe: VerifierRecipe,
    data: Path,
    out: Path,
    device: str = "cpu",
    workers: int = 1,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    checking: Callable[[str], None] = lambda _: None,
    left_out: Callable[[list[str]], None] = lambda _: None,
    group: Group = ALONE,
) -> Path:
    """Train on a folder of classes or a CSV of pairs, measure thresholds on what was held out, and write the weights.

    Args:
        recipe: what to compute. data: the folder or the CSV. out: folder of the run.
        device, workers, stop_after, report, group: as for `loop.train`.
        checking: called with the name of every item that is opened once before the first step.
        left_out: called with a line for everything that is not used, if there is any, before the first step.

    Returns:
        The path of `model.safetensors`. `left_out.txt` beside it names every item that was not used, and why.

    Raises:
        ConfigError, DataError, FileNotFoundError, SiamtrackError: as the parts raise them.
    """
    found = open_labelled(data)
    usable, broken = without_broken(found, recipe.tower, checking)
    parts = split(usable, recipe.holdout, recipe.seed)
    if isinstance(parts.train, Pairs) and recipe.loss == "triplet":
        raise ConfigError(f"{data} lists pairs; triplets need a folder a class. Take loss: contrastive or logistic")
    unused = [*found.left_out, *broken]
    if group.is_main:
        out.mkdir(parents=True, exist_ok=True)
        (out / "left_out.txt").write_text("".join(f"{line}\n" for line in unused), encoding="utf-8")
        if unused:
            left_out(unused)
    task = verifier_task(recipe, parts.train, group)
    net = cast(Siblings, train(task, out, device, workers, stop_after, report, verifier_validation(recipe, parts.test), group))
    path = out / "model.safetensors"
    if group.is_main:
        save_verifier(path, net, _header(recipe, net, parts, data))
    group.barrier()
    return path


def verifier_task(recipe: VerifierRecipe, data: Classes | Pairs, group: Group = ALONE) -> Task:
    """The network, loss and batches of a recipe.

    Raises:
        ConfigError: the batch cannot be shared evenly, or the tower is not for this kind of item.
        FileNotFoundError, WeightsError: the weights to start from cannot be loaded.
    """
    torch.manual_seed(recipe.seed)
    net = make_network(VerifierHeader(tower=recipe.tower, similarity=recipe.similarity, normalise=recipe.normalise))
    backbone: tuple[torch.nn.Module, ...] = ()
    if isinstance(net.tower, AlexNetTower):
        backbone = (net.tower.backbone,)
        if recipe.init:
            given = load_weights(recipe.init).net
            if given.input_spec != InputSpec():
                raise ConfigError(f"init {recipe.init}: was trained on {given.input_spec}, this tower sees {InputSpec()}")
            net.tower.backbone.load_state_dict(given.backbone.state_dict(), strict=False)  # the tower ends at conv4
        for name in recipe.frozen:
            getattr(net.tower.backbone, name).requires_grad_(False)
    return Task(recipe, net, VerifierObjective(net, recipe), ItemBatches(data, recipe, group), PARTS, backbone)


def verifier_validation(recipe: VerifierRecipe, data: Classes | Pairs) -> Validate:
    """A function that measures how well a network tells held-out items apart: area under the ROC curve, equal error rate."""

    def validate(net: Siblings) -> dict[str, float]:
        curve = roc(*held_out_distances(net, recipe, data))
        return {"auc": curve.auc, "eer": curve.eer()[0]}

    return validate


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
    vectors = embed_items(net, ItemReader(data, recipe.tower), used)
    one, other = vectors[places[: len(first)]], vectors[places[len(first) :]]
    with torch.inference_mode():
        return net.similarity.distance(one, other).double().numpy(), same


@torch.inference_mode()
def embed_items(net: Siblings, read: ItemReader, items: NDArray[np.int64], batch: int = 64) -> torch.Tensor:
    """Embeddings (n, D) of items, by a network on the CPU."""
    parts = [net.embed(*as_batch([read(int(k)) for k in items[at : at + batch]])) for at in range(0, len(items), batch)]
    return torch.cat(parts)


def _header(recipe: VerifierRecipe, net: Siblings, parts: Split, data: Path) -> VerifierHeader:
    # What is written is what is measured: the file holds float16.
    rounded = make_network(VerifierHeader(tower=recipe.tower, similarity=recipe.similarity, normalise=recipe.normalise))
    rounded.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in net.state_dict().items()})
    distances, same = held_out_distances(rounded.eval(), recipe, parts.test)
    curve, fit = roc(distances, same), calibrate(distances, same)
    header = VerifierHeader(
        tower=recipe.tower,
        similarity=recipe.similarity,
        normalise=recipe.normalise,
        slope=fit.slope,
        midpoint=fit.midpoint,
        operating_points=operating_points(curve, int((~same).sum())),
    )
    scores = {"auc": curve.auc, "eer": curve.eer()[0], "pairs": len(same), "held_out": parts.held_out}
    return replace(
        header, training={"data": data.name, "recipe": to_plain(recipe), "scores": scores, "torch": torch.__version__}
    )


def operating_points(curve: Roc, different: int) -> tuple[OperatingPoint, ...]:
    """Thresholds for the usual false-accept rates, as far as so many different pairs can tell them."""
    points = []
    for rate in RATES:
        if rate * different >= 1:
            threshold = curve.threshold_at(rate)
            points.append(OperatingPoint(rate, threshold, curve.true_accept_at(rate)))
    return tuple(points)
