#!/usr/bin/env python3
"""How much faster trackers are than the plain recipe: three float32 search crops, the network as it was trained.

    experiments/speed/plain_recipe.py siamfc-lite siamfc --threads 2
    experiments/speed/plain_recipe.py siamfc --threads 2 --json plain.json && tools/speed_table.py plain.json

The rounds are those of `siamtrack bench`, with the plain recipe of `siamfc` first, whose speed is 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.api import config_of
from siamtrack.eval.speed import Contender, Entry, bench, entries, make_contender, write_json
from siamtrack.eval.speed_clip import render_clip
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops, Runtime
from siamtrack.tracking.tracker import Tracker

PLAIN = "plain"

PLAIN_MODEL = "siamfc"
PLAIN_SETTINGS = {"scale_search": "search", "scale_count": 3}
"""The paper's form: three search crops a frame."""


class PlainRuntime:
    """Nothing is folded, fused or laid out anew; see `siamtrack.tracking.runtimes.runtime.Runtime`.

    Args:
        net: a trained network; it is used as it is, in evaluation mode.
        device: where to.
    """

    def __init__(self, net: Siamese, device: torch.device) -> None:
        self.device = device
        self._net = net.to(device).eval()
        self._reverse = net.input_spec.color_order == "rgb"

    @torch.inference_mode()
    def embed(self, crops: Crops) -> Tensor:
        """Embeddings (N, C, h, w) of crops (N, S, S, 3) BGR."""
        ordered = crops[..., ::-1] if self._reverse else crops
        planes = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), dtype=np.float32)
        return self._net.embed(torch.from_numpy(planes).to(self.device))

    @torch.inference_mode()
    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        assert self._net.box is not None, "the engine asks only networks with a box head"
        return self._net.box.kernel(exemplar)

    def prepare(self, head: str, search_sizes: Sequence[int]) -> None:
        """Nothing."""

    @torch.inference_mode()
    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        response: NDArray[np.float32] = self._net.match(exemplar, self.embed(crops)).cpu().numpy()
        return response

    @torch.inference_mode()
    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        assert self._net.box is not None, "the engine asks only networks with a box head"
        search = self.embed(crops)
        response = self._net.match(exemplar[:, None], search)[:, 0]
        maps = self._net.box(kernel, self._net.box.features(search), response, size_wh.to(self.device))
        return [BoxResponse(*each) for each in zip(*(item.cpu().numpy() for item in (response, *maps)), strict=True)]


class PlainEngine(Engine):
    """An engine of the plain recipe, in float32.

    Args:
        net: a trained network.
        device: as for `Engine`.
    """

    def __init__(self, net: Siamese, device: str = "auto") -> None:
        super().__init__(net, device, "float32", "eager")
        self.runtime = "plain"

    def _make(self, net: Siamese) -> Runtime:
        return PlainRuntime(net, self.device)


def make(entry: Entry, device: str = "auto") -> Contender:
    """As `make_contender`; the name `plain` means the plain recipe."""
    if entry.name != PLAIN:
        return make_contender(entry, device)
    weights = load_weights(PLAIN_MODEL)
    return Contender(entry.label, Tracker(PlainEngine(weights.net, device), config_of(weights, **PLAIN_SETTINGS)))


def main() -> None:
    """Measure, and print a line a tracker."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="+", metavar="TRACKER", help="as for siamtrack bench --model")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write all figures, as siamtrack bench does")
    args = parser.parse_args()
    wanted = [Entry(PLAIN, "auto", False, PLAIN), *entries(args.trackers)]
    report = bench(wanted, lambda entry: make(entry, args.device), render_clip(), args.frames, args.rounds, PLAIN, args.threads)
    for one in report.contenders:
        print(f"{one.name:32s} {one.tracker.fps:7.1f} fps  {one.ratio:6.2f} times the plain recipe")
    if args.json:
        write_json(args.json, report)


if __name__ == "__main__":
    main()
