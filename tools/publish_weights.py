#!/usr/bin/env python3
"""Write a weights file that ships in the package: of a training checkpoint, of the mean of several, or with other constants.

    tools/publish_weights.py runs/siamfc/checkpoint.pt --config configs/siamfc.yaml --val "AO 0.512 (21 sequences)" \\
        --data "203 train sequences; 5,995 boxed stills"
    tools/publish_weights.py a.safetensors b/checkpoint.pt c/checkpoint.pt --config configs/siamfc-lite.yaml --val "..." \\
        --data "..."
    tools/publish_weights.py siamfc-lite --config configs/siamfc-lite.yaml

Several sources give the mean of their weights (Wortsman et al. 2022, "Model soups", arXiv 2203.05482): it helps where the runs
went on from one. The constants that --config does not name, and recipe and steps, are those of the last source; the header
lists all of them as `mean_of`.

Of a shipped model tensors and training stay as they are, and --val and --note replace what the header says.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.config import build, load_yaml, to_plain
from siamtrack.model.tensors import State
from siamtrack.model.weights import ASSETS, Weights, load_weights, save_weights, shipped_models
from siamtrack.tracking.config import TrackerConfig


def main() -> None:
    """Read weights and constants, write siamtrack/assets/NAME.safetensors, say its hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="source", help="checkpoint or weights file, or a shipped model's name")
    parser.add_argument("--name", help="of the model; default: that of its architecture")
    parser.add_argument("--config", type=Path, required=True, help="YAML with tracker constants; the others stay")
    parser.add_argument("--data", help="what it was trained on, in words; of all but a shipped model")
    parser.add_argument("--val", help="val scores with data set, subset and number of sequences")
    parser.add_argument("--note", help="whatever else a reader must know, such as an interrupted schedule")
    args = parser.parse_args()
    shipped = len(args.sources) == 1 and args.sources[0] in shipped_models()
    if not shipped and (args.data is None or args.val is None):
        parser.error("a checkpoint, and a mean, need --data and --val")

    weights = [load_weights(source) for source in args.sources]
    last, header = args.sources[-1], weights[-1].header
    training = of_checkpoint(last) if last.endswith((".pt", ".pth")) else dict(header.training)
    training |= {key: text for key in ("data", "val", "note") if (text := getattr(args, key)) is not None}
    if "recipe" in training:  # where its start lay says nothing to others
        training["recipe"] = {**training["recipe"], "init": Path(training["recipe"].get("init", "")).name}
    state = weights[-1].state
    if len(weights) > 1:
        try:
            state = mean(weights)
        except ValueError as error:
            parser.error(f"{', '.join(args.sources)}: {error}")
        training["mean_of"] = [
            {"file": Path(source).name, "sha256": each.sha256} for source, each in zip(args.sources, weights, strict=True)
        ]
    known = to_plain(build(TrackerConfig, header.tracker, last, warn=False))  # by the names of today
    constants = to_plain(build(TrackerConfig, {**known, **load_yaml(args.config)}, str(args.config), warn=False))
    path = ASSETS / f"{args.name or header.model}.safetensors"
    save_weights(path, state, dataclasses.replace(header, tracker=constants, training=training))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {load_weights(path).sha256}")


def mean(weights: Sequence[Weights]) -> State:
    """The mean of each float array; counters are the last one's.

    Raises:
        ValueError: they are not of one architecture that sees one input.
    """
    kinds = [(each.header.architecture, each.header.input) for each in weights]
    for kind in kinds:
        if kind != kinds[0]:
            raise ValueError(f"no mean of a {kinds[0][0]} that sees {kinds[0][1]} and a {kind[0]} that sees {kind[1]}")
    state = dict(weights[-1].state)
    for name in (name for name, array in state.items() if array.dtype.kind == "f"):
        state[name] = np.asarray(np.mean([each.state[name] for each in weights], axis=0, dtype=np.float64))
    return state


def of_checkpoint(path: str) -> dict[str, Any]:
    """What a weights file says of its training."""
    import torch

    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    recipe = checkpoint["recipe"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "split": "train only",
        "seed": recipe["seed"],
        "steps": load_weights(path).header.training["steps"],
        "targets_a_step": recipe["batch_size"] // 2,
        "recipe": recipe,
        "commit": commit,
        "note": "",
    }


if __name__ == "__main__":
    main()
