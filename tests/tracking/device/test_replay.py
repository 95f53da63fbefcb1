from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.crop import cut_crops, sum_table
from siamtrack.tracking.device.offer import OfferReader
from siamtrack.tracking.device.peak import PeakReader
from siamtrack.tracking.device.replay import Replay
from siamtrack.tracking.device.sampling import FIELDS
from siamtrack.tracking.other_peaks import COUNT as PEAKS

WAITING = ("_local_scalar_dense", "nonzero", "item", "equal", "unique", "masked_select")
"""Operations that bring a value to the host, or whose shape depends on one: a capture ends at them."""


class Watch(TorchDispatchMode):
    """Counts operations, and looks for what a capture does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.crossed: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.seen[name] += 1
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in (*args, result) if isinstance(each, torch.Tensor)]
        if any(each.device.type != "meta" for each in tensors):
            self.crossed.append(name)
        return result


def test_on_a_cpu_a_function_is_just_called() -> None:
    replay: Replay[int] = Replay(lambda key: torch.full((1,), float(key)), torch.device("cpu"))
    assert [replay(key).item() for key in (2, 5, 2)] == [2, 5, 2]


@pytest.mark.parametrize("model", ["siamfc", "siamfc-box", "siamfc-lite"])
@pytest.mark.parametrize("averaged", [False, True])
def test_nothing_in_a_pass_waits_for_a_value_or_leaves_the_device(model: Any, averaged: bool) -> None:
    """On tensors of another device than the CPU, which hold no values: who asks for one, or mixes devices, fails."""
    with torch.no_grad():  # inference mode would hide what an operation is made of
        device, count = torch.device("meta"), 4
        net = Siamese(model=model).eval()
        graphs = {name: graph.to(device) for name, graph in make_graphs(net, torch.float16).items()}
        config = TrackerConfig(scale_search="exemplar" if model == "siamfc" else "box", follow_rivals=model == "siamfc-lite")
        reader = (PeakReader if model == "siamfc" else OfferReader)(graphs, config, device)
        frame = torch.zeros(240, 320, 3, dtype=torch.uint8, device=device)
        rows = torch.zeros(count, FIELDS + 5, dtype=torch.float64, device=device)
        scales = config.scale_count if model == "siamfc" else 1
        exemplar = torch.zeros(count, scales, net.backbone.channels, 6, 6, device=device)
        kernel = graphs["kernel"](exemplar[:, 0]) if "kernel" in graphs else torch.zeros(count, 0, device=device)
        with Watch() as watch:
            crops = cut_crops(frame, rows[:, :FIELDS], 255, sum_table(frame) if averaged else None)
            found = reader.read(exemplar, kernel, graphs["embed"](crops), rows[:, FIELDS:])
    width = {"siamfc": 7, "siamfc-box": 8, "siamfc-lite": (1 + PEAKS) * 8}[model]
    assert found.shape == (count, width)
    assert found.device.type == "meta"
    assert not watch.crossed
    assert not set(watch.seen) & set(WAITING)
    assert watch.seen["convolution"] > 4
