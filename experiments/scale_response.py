#!/usr/bin/env python3
"""What networks say of a target's size when it is larger or smaller than the tracker believes.

    experiments/scale_response.py TRAIN@configs/dev.txt siamfc-lite onnx:fear_xs onnx:nanotrackv3 --onnx-dir PEERS

A tracker's search region is cut by the size that it believes. If that is half as large again as the target, the target
looks two thirds of its size there; a network that repeats the exemplar's size then confirms the error, and boxes drift. Here
the exemplar is cut by its label, and the search region by a label up to --gap frames away, times a factor. Printed is the
median of the predicted side over the true one, in the cell nearest to the target's middle; 1.00 everywhere is right, and a
network that sees no scale at all has the factor's inverse.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from siamtrack.data.subset import chosen_sequences
from siamtrack.eval.onnx_peers import PEER_NETWORKS, stretched_crop
from siamtrack.frames import Image
from siamtrack.model.weights import load_weights
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color

FACTORS = (0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 2.0)
SIZE = 223

Pair = tuple[tuple[Image, NDArray[np.float64]], tuple[Image, NDArray[np.float64]]]
"""Two frames of a sequence with the target's box in each."""

Sides = Callable[[Pair, float], float]
"""The predicted side over the true one for a pair, when the target looks so many times as large as it should."""


def main() -> None:
    """Print a line a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT[@LIST]", help="sequences; LIST has a name a line")
    parser.add_argument("networks", nargs="+", help="weights, or onnx:nanotrackv3 and onnx:fear_xs")
    parser.add_argument("--onnx-dir", type=Path, default=Path(), help="of the peers' networks")
    parser.add_argument("--pairs", type=int, default=3, help="of each sequence")
    parser.add_argument("--gap", type=int, default=20, help="largest distance of the two frames of a pair")
    args = parser.parse_args()
    sequences = chosen_sequences(args.root)
    asked = {name: network(name, args.onnx_dir) for name in args.networks}
    found: dict[str, list[list[float]]] = {name: [] for name in asked}
    for sequence in track(sequences, "sequences"):
        for pair in pairs(list(sequence.frames()), sequence.boxes_xywh, args.pairs, args.gap):
            for name, sides in asked.items():
                found[name].append([sides(pair, factor) for factor in FACTORS])
    table = Table(
        "target looks ... times as large", *(f"{factor:g}" for factor in FACTORS), title=f"{len(sequences)} sequences"
    )
    for name, rows in found.items():
        table.add_row(name, *(f"{value:.2f}" for value in np.median(rows, axis=0)))
    Console(width=120).print(table)


def pairs(frames: Sequence[Image], boxes: NDArray[np.float64], count: int, gap: int) -> Iterator[Pair]:
    """Pairs of frames in which the target is there; the same ones in every run."""
    rng, there = np.random.default_rng(len(frames)), np.flatnonzero((boxes[:, 2:] > 0).all(axis=1))
    for _ in range(count):
        one = int(rng.choice(there))
        other = int(rng.choice(there[np.abs(there - one) <= gap]))
        yield (frames[one], boxes[one]), (frames[other], boxes[other])


def network(name: str, onnx_dir: Path) -> Sides:
    """How to ask a network by its name."""
    return peer(name.removeprefix("onnx:"), onnx_dir) if name.startswith("onnx:") else ours(name)


def peer(name: str, onnx_dir: Path) -> Sides:
    """A key of `PEER_NETWORKS`."""
    net = PEER_NETWORKS[name](onnx_dir)

    def sides(pair: Pair, factor: float) -> float:
        (frame, box), (later, truth) = pair
        size, believed = (float(box[2]), float(box[3])), (float(truth[2]) / factor, float(truth[3]) / factor)
        template = net.learn(stretched_crop(frame, middle(box), net.exemplar_sides(size), net.exemplar_size, mean_color(frame)))
        region = net.search_sides(believed)
        maps = net.find(template, stretched_crop(later, middle(truth), region, net.search_size, mean_color(later)))
        cell = maps.score.shape[0] // 2  # both peers have a cell in the crop's middle
        x1, y1, x2, y2 = (float(corner[cell, cell]) for corner in maps.corners)
        step_x, step_y = region[0] / net.search_size, region[1] / net.search_size
        return float(np.sqrt(max(x2 - x1, 1) * step_x / truth[2] * max(y2 - y1, 1) * step_y / truth[3]))

    return sides


def ours(name: str) -> Sides:
    """Weights with a box head, in PyTorch."""
    import torch

    net = load_weights(name).net
    rgb = net.input_spec.color_order == "rgb"

    def embedded(frame: Image, box: NDArray[np.float64], factor: float) -> torch.Tensor:
        side = context_side((float(box[2]), float(box[3]))) * SIZE / 127 / factor
        crop = SearchRegion(middle(box), side, SIZE).extract(frame, mean_color(frame))
        image = np.ascontiguousarray(crop[..., ::-1] if rgb else crop)
        return net.embed(torch.from_numpy(image).permute(2, 0, 1)[None].float())

    @torch.no_grad()
    def sides(pair: Pair, factor: float) -> float:
        (frame, box), (later, truth) = pair
        exemplar = embedded(frame, box, 1.0)
        first = (exemplar.shape[-1] - 6) // 2
        exemplar, search = exemplar[..., first : first + 6, first : first + 6], embedded(later, truth, factor)
        if net.box is None:
            raise SystemExit(f"{name} has no box head")
        scale = 127 / context_side((float(box[2]), float(box[3])))
        size_wh = torch.tensor([[float(box[2]) * scale, float(box[3]) * scale]])
        response = net.match(exemplar, search)
        maps = net.box(net.box.kernel(exemplar), net.box.features(search), response, size_wh)
        cell = response.shape[-1] // 2
        left, top, right, bottom = maps.distances[0, :, cell, cell].tolist()
        step = context_side((float(truth[2]), float(truth[3]))) / 127 / factor
        return float(np.sqrt((left + right) * step / truth[2] * (top + bottom) * step / truth[3]))

    return sides


def middle(box: NDArray[np.float64]) -> tuple[float, float]:
    """Centre of a box."""
    return float(box[0] + box[2] / 2), float(box[1] + box[3] / 2)


if __name__ == "__main__":
    main()
