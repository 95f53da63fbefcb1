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
from torch import Tensor

from siamtrack.api import config_of
from siamtrack.backends.select import pick_device
from siamtrack.eval.speed import Contender, bench, contenders, write_json
from siamtrack.eval.speed_clip import render_clip
from siamtrack.frames import Image
from siamtrack.model.siamese import Siamese, exemplar_cells
from siamtrack.model.weights import load_weights
from siamtrack.tracking.network import Floats, Network, Response, Search
from siamtrack.tracking.tracker import Tracker

PLAIN = "plain"

PLAIN_MODEL = "siamfc"


class PlainBackend(Network):
    """The network as it was trained, in float32: nothing is folded, fused or laid out anew.

    Args:
        net: a trained network; it is used as it is. device: as for `siamtrack.load`.
    """

    name = "plain"

    def __init__(self, net: Siamese, device: str = "auto") -> None:
        self._device = pick_device(device)
        super().__init__(net.model, str(self._device), "float32")
        self._net = net.to(self._device).eval()
        self._reverse = net.input_spec.color_order == "rgb"

    @torch.inference_mode()
    def embed_exemplar(self, crop: Image) -> tuple[Floats, None]:
        """The embedding (C, 6, 6)."""
        return exemplar_cells(self._net.embed(self._images([crop])))[0].cpu().numpy(), None

    @torch.inference_mode()
    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        """All crops in one batch."""
        images = self._images([search.region.extract(image, search.pad_color) for search in searches])
        with self._clocked():
            exemplars = torch.from_numpy(np.stack([search.exemplar.embedding for search in searches])).to(self._device)
            return [Response(each, None) for each in self._net.match(exemplars, self._net.embed(images)).cpu().numpy()]

    def _images(self, crops: Sequence[Image]) -> Tensor:
        stacked = np.stack(crops)[..., :: -1 if self._reverse else 1]
        planes = np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), dtype=np.float32)
        return torch.from_numpy(planes).to(self._device)


def make(device: str) -> Tracker:
    """The plain recipe's tracker."""
    weights = load_weights(PLAIN_MODEL)
    return Tracker(PlainBackend(weights.net, device), config_of(weights))


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
    wanted = [Contender(PLAIN, lambda: make(args.device)), *contenders(args.trackers, device=args.device)]
    report = bench(wanted, render_clip(), args.frames, args.rounds, PLAIN, args.threads)
    for one in report.contenders:
        print(f"{one.name:32s} {one.tracker.fps:7.1f} fps  {one.ratio:6.2f} times the plain recipe")
    if args.json:
        write_json(args.json, report)


if __name__ == "__main__":
    main()
