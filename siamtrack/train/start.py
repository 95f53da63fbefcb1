"""The network that a run starts from."""

from __future__ import annotations

import torch

from siamtrack.errors import ConfigError
from siamtrack.model.backbone import AlexNet
from siamtrack.model.filters import plant_edges
from siamtrack.model.lite import LiteNet
from siamtrack.model.siamese import Siamese, default_input
from siamtrack.model.weights import load_weights
from siamtrack.train.lite0 import NAME as LITE0
from siamtrack.train.lite0 import start_from_lite0
from siamtrack.train.recipe import Recipe


def start_network(recipe: Recipe) -> Siamese:
    """A network with random weights, or with those of `recipe.init` wherever it has them.

    Raises:
        ConfigError: the weights to start from were trained on another kind of input.
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
        if given.input_spec != net.input_spec:
            raise ConfigError(f"init {recipe.init}: was trained on {given.input_spec}, the recipe wants {net.input_spec}")
        net.load_state_dict(given.state_dict(), strict=False)
    if recipe.edge_filters and isinstance(net.backbone, AlexNet):
        plant_edges(net.backbone, recipe.edge_filters, torch.Generator().manual_seed(recipe.seed))
    for name in recipe.frozen:
        # Norms go on following their input: only what a gradient would change is frozen.
        getattr(net.backbone, name).requires_grad_(False)
    return net
