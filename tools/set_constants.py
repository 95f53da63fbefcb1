#!/usr/bin/env python3
"""Put the tracker constants of configs/NAME.yaml into the header of a shipped weights file; its tensors stay as they are.

tools/set_constants.py siamfc-lite
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from siamtrack.config import build, load_yaml, to_plain
from siamtrack.model.weights import ASSETS, load_weights, save_weights, shipped_models
from siamtrack.tracking.config import TrackerConfig


def main() -> None:
    """Read the configuration, write siamtrack/assets/NAME.safetensors, say its hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=shipped_models())
    parser.add_argument("--val", help="val scores, where they are others now")
    parser.add_argument("--note", help="whatever else a reader must know")
    args = parser.parse_args()
    name, said = args.name, {key: text for key, text in (("val", args.val), ("note", args.note)) if text is not None}
    config = Path(__file__).parents[1] / f"configs/{name}.yaml"
    weights = load_weights(name)
    settings = to_plain(build(TrackerConfig, load_yaml(config), str(config)))
    header = dataclasses.replace(weights.header, tracker=settings, training={**weights.header.training, **said})
    save_weights(ASSETS / f"{name}.safetensors", weights.net, header)
    print(f"{name}: sha256 {load_weights(name).sha256}")


if __name__ == "__main__":
    main()
