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
from onnx import numpy_helper
from torch import Tensor, nn

from siamtrack.model.correlation import correlation_by_products, depthwise_by_products
from siamtrack.model.export import INPUTS, OUTPUTS, examples, to_onnx
from siamtrack.model.siamese import Siamese, exemplar_cells
from siamtrack.model.weights import ASSETS
from siamtrack.models import ARCHITECTURES, HeadName, ModelName


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


class ExemplarBranch(nn.Module):
    """Exemplar crops to what is looked for, by the network's parts as they are: their parameters keep their names.

    Args:
        net: whose weights are of no account: a backend sets them, the first layer's being those of `input_folded`.
    """

    def __init__(self, net: Siamese) -> None:
        super().__init__()
        self.backbone, self.box = net.backbone, net.box

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """(N, S, S, 3) uint8 BGR to embeddings (N, C, 6, 6), and kernels (N, c, 4, 4) where there is a box head."""
        exemplar = exemplar_cells(self.backbone(crops.permute(0, 3, 1, 2).float()))
        return (exemplar,) if self.box is None else (exemplar, self.box.kernel(exemplar))


class SearchBranch(nn.Module):
    """Search crops to the response, and to the box head's maps where there is one. Args: as for `ExemplarBranch`."""

    def __init__(self, net: Siamese) -> None:
        super().__init__()
        self.backbone, self.head, self.box = net.backbone, net.head, net.box

    def forward(self, crops: Tensor, exemplar: Tensor, *of_box: Tensor) -> tuple[Tensor, ...]:
        """As `match` or `box`, from crops (N, S, S, 3) uint8 BGR. `of_box`: kernel (N, c, 4, 4) and size_wh (N, 2)."""
        search = self.backbone(crops.permute(0, 3, 1, 2).float())
        response = correlation_by_products(exemplar, search) * self.head.scale + self.head.bias
        if self.box is None:
            return (response,)
        kernel, size_wh = of_box
        maps = self.box(kernel, self.box.features(search), response, size_wh, depthwise_by_products)
        return response, *maps


def branch_graphs(model: ModelName, head: HeadName) -> dict[str, bytes]:
    """The two branches of a network as ONNX graphs without weights: `exemplar` and `search`.

    Any batch and any size of crops. Weights are initializers with external data, by the names of the network's tensors: a
    backend sets them when it opens a graph. Norms stay apart from convolutions; backends fold them.
    """
    net = Siamese(model=model, head=head).eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_()  # the exporter makes one of tensors that are equal, as untrained norms are
    part = "match" if net.box is None else "box"
    given = examples(net, 1, 255)
    crops = {"crops": given["crops"]}
    learned, seen = ("exemplar", "kernel") if net.box is not None else ("exemplar",), OUTPUTS[part]
    exemplar = to_onnx(ExemplarBranch(net), crops, learned, sized=("crops",))
    inputs = crops | {name: given[name] for name in INPUTS[part] if name != "search"}
    search = to_onnx(SearchBranch(net), inputs, seen, sized=("crops", *seen))
    return {"exemplar": without_weights(exemplar, net), "search": without_weights(search, net)}


def without_weights(graph: bytes, net: Siamese) -> bytes:
    """The graph with every tensor of the network as an initializer whose data lie elsewhere."""
    model, names = onnx.load_from_string(graph), net.state_dict().keys()
    for tensor in model.graph.initializer:
        if tensor.name in names:
            length = str(numpy_helper.to_array(tensor).nbytes)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", "weights"), ("offset", "0"), ("length", length)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
