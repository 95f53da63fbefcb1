#!/usr/bin/env python3
"""Turn a training checkpoint into the weights file that ships in the package.

    tools/publish_weights.py runs/siamfc/checkpoint.pt --config configs/siamfc.yaml --val "AO 0.512 (21 sequences)" \
        --data "203 train sequences; 5,995 boxed stills"
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
from pathlib import Path

import torch

from siamtrack.config import build, load_yaml, to_plain
from siamtrack.model.weights import ASSETS, load_weights, save_weights
from siamtrack.tracking.config import TrackerConfig


def main() -> None:
    """Read checkpoint and config, write siamtrack/assets/NAME.safetensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", default="siamfc")
    parser.add_argument("--config", type=Path, required=True, help="YAML with the tracker's constants")
    parser.add_argument("--data", required=True, help="what it was trained on, in words")
    parser.add_argument("--val", required=True, help="val scores with data set, subset and number of sequences")
    parser.add_argument("--note", default="", help="whatever else a reader must know, such as an interrupted schedule")
    args = parser.parse_args()

    weights = load_weights(args.checkpoint)
    recipe = torch.load(args.checkpoint, map_location="cpu", weights_only=True)["recipe"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    header = dataclasses.replace(
        weights.header,
        tracker=to_plain(build(TrackerConfig, load_yaml(args.config), str(args.config))),
        training={
            "data": args.data,
            "split": "train only",
            "seed": recipe["seed"],
            "steps": weights.header.training["steps"],
            "targets_a_step": recipe["batch_size"] // 2,
            "recipe": recipe,
            "commit": commit,
            "val": args.val,
            "note": args.note,
        },
    )
    path = ASSETS / f"{args.name}.safetensors"
    save_weights(path, weights.net, header)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
