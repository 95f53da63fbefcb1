#!/usr/bin/env python3
"""Write a weights file that ships in the package: of a training checkpoint, or of a shipped one with other constants.

    tools/publish_weights.py runs/siamfc/checkpoint.pt --config configs/siamfc.yaml --val "AO 0.512 (21 sequences)" \\
        --data "203 train sequences; 5,995 boxed stills"
    tools/publish_weights.py siamfc-lite --config configs/siamfc-lite.yaml

Of a shipped model tensors and training stay as they are, and --val and --note replace what the header says.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
from pathlib import Path
from typing import Any

from siamtrack.config import build, load_yaml, to_plain
from siamtrack.model.weights import ASSETS, load_weights, save_weights, shipped_models
from siamtrack.tracking.config import TrackerConfig


def main() -> None:
    """Read weights and constants, write siamtrack/assets/NAME.safetensors, say its hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a training checkpoint, or the name of a shipped model")
    parser.add_argument("--name", help="of the model; default: that of its architecture")
    parser.add_argument("--config", type=Path, required=True, help="YAML with tracker constants; the others stay")
    parser.add_argument("--data", help="what it was trained on, in words; of a checkpoint")
    parser.add_argument("--val", help="val scores with data set, subset and number of sequences")
    parser.add_argument("--note", help="whatever else a reader must know, such as an interrupted schedule")
    args = parser.parse_args()
    shipped = args.source in shipped_models()
    if not shipped and (args.data is None or args.val is None):
        parser.error("a checkpoint needs --data and --val")

    weights = load_weights(args.source)
    training = dict(weights.header.training) if shipped else of_checkpoint(args.source, args.data)
    training |= {key: text for key, text in (("val", args.val), ("note", args.note)) if text is not None}
    known = to_plain(build(TrackerConfig, weights.header.tracker, args.source, warn=False))  # by the names of today
    constants = to_plain(build(TrackerConfig, {**known, **load_yaml(args.config)}, str(args.config), warn=False))
    path = ASSETS / f"{args.name or weights.header.model}.safetensors"
    save_weights(path, weights.state, dataclasses.replace(weights.header, tracker=constants, training=training))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {load_weights(path).sha256}")


def of_checkpoint(path: str, data: str) -> dict[str, Any]:
    """What a weights file says of its training."""
    import torch

    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    recipe = checkpoint["recipe"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "data": data,
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
