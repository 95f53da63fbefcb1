#!/usr/bin/env python3
"""Write the package's ONNX graphs: NAME.exemplar.onnx, NAME.search.onnx and NAME.json in siamtrack/assets, for every network.

    tools/make_graphs.py            all of them

Run it after a change of a network's architecture. The graphs hold no weights: those are set by name from the safetensors file
when a tracker is loaded. NAME.json lists the names and shapes of all tensors, to which weights files are held, and which of
them each graph takes.
"""

from __future__ import annotations

import argparse
import json

import onnx

from siamtrack.model.export import branch_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import ASSETS
from siamtrack.models import ARCHITECTURES


def main() -> None:
    """Write graphs and lists of tensors, and say how large they are."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, (model, head) in ARCHITECTURES.items():
        shapes = {key: list(tensor.shape) for key, tensor in Siamese(model=model, head=head).state_dict().items()}
        weights = {}
        for branch, graph in branch_graphs(model, head).items():
            tensors = {tensor.name for tensor in onnx.load_from_string(graph).graph.initializer}
            weights[branch] = [key for key in shapes if key in tensors]
            path = ASSETS / f"{name}.{branch}.onnx"
            path.write_bytes(graph)
            print(f"{path.name}: {len(graph) / 1000:.0f} kB")
        text = json.dumps({"shapes": shapes, "weights": weights})
        (ASSETS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
