"""Runs the network for the tracker: crops in, embeddings and response maps out, on one device."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.errors import ConfigError
from siamtrack.model.folding import folded_backbone
from siamtrack.model.heads import BoxHead
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.crop import Image

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class BoxResponse(NamedTuple):
    """`BoxMaps` of one search region as arrays, and SiamFC's own response.

    Attributes:
        response, target, quality: (n, n) logits. distances: (4, n, n) pixels of the search crop.
    """

    response: NDArray[np.float32]
    target: NDArray[np.float32]
    quality: NDArray[np.float32]
    distances: NDArray[np.float32]


class Engine:
    """Eager PyTorch with the backbone folded: input scaling and batch norms live in its convolutions.

    Args:
        net: a trained network; it is copied, not changed.
        device: `auto` (CUDA if there is one, else CPU) or a torch device.
        precision: `auto`, float32, bfloat16 or float16, of the backbone. The correlation is always float32.

    Attributes:
        model: name of the architecture. device, precision: what was chosen.
        network_s: seconds spent in the network so far (CUDA synchronised), and `network_calls`, for fps figures.

    Raises:
        ValueError: unknown device or precision.
    """

    def __init__(self, net: Siamese, device: str = "auto", precision: str = "auto") -> None:
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device)
        self._dtype = PRECISIONS[self.precision]
        self.model = net.model
        net = copy.deepcopy(net).eval().requires_grad_(False)
        self._backbone = folded_backbone(net.backbone, net.mean, net.std).to(self.device, self._dtype)
        # channels_last halves the time of the pools and costs the convolutions nothing.
        self._backbone = self._backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._head = net.head.to(self.device)
        self._box = net.box.to(self.device) if net.box is not None else None
        self._rgb = net.input_spec.color_order == "rgb"
        self.network_s = 0.0
        self.network_calls = 0

    @torch.inference_mode()
    def embed(self, crops: Sequence[Image]) -> Tensor:
        """Embeddings (N, C, h, w), float32, of N crops (S, S, 3) BGR uint8."""
        batch = np.stack([crop[..., ::-1] if self._rgb else crop for crop in crops])
        started = time.perf_counter()
        # Uploaded as bytes, a quarter of the floats; (N, S, S, 3) seen as (N, 3, S, S) is channels_last already.
        image = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).to(self._dtype)
        embedding: Tensor = self._backbone(image).float()
        self._clock(started)
        return embedding

    @torch.inference_mode()
    def match(self, exemplar: Tensor, search: Tensor) -> NDArray[np.float32]:
        """Response logits (N, K, n, n) of exemplars (N, K, C, h, w) over search embeddings (N, C, H, W)."""
        started = time.perf_counter()
        response = torch.cat([self._head(exemplar[part], search[part]) for part in self._parts(len(search))])
        array: NDArray[np.float32] = response.cpu().numpy()
        self._clock(started)
        return array

    @torch.inference_mode()
    def box_kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4) of exemplar embeddings (N, C, 6, 6)."""
        return self._box_head().kernel(exemplar)

    @torch.inference_mode()
    def match_box(self, exemplar: Tensor, kernel: Tensor, search: Tensor, exemplar_wh: Tensor) -> list[BoxResponse]:
        """What the box head says of N exemplars over the search embeddings (N, C, H, W), each over its own.

        Args:
            exemplar: (N, 1, C, 6, 6). kernel: (N, c, 4, 4) by `box_kernel`. search: by `embed`.
            exemplar_wh: (N, 2) sizes of the targets in their exemplar crops, pixels.
        """
        started = time.perf_counter()
        head, found = self._box_head(), []
        exemplar_wh = exemplar_wh.to(self.device)
        for part in self._parts(len(search)):
            response = self._head(exemplar[part], search[part])[:, 0]
            maps = head(kernel[part], head.features(search[part]), response, exemplar_wh[part])
            arrays = [item.cpu().numpy() for item in (response, *maps)]
            found += [BoxResponse(*each) for each in zip(*arrays, strict=True)]
        self._clock(started)
        return found

    def _parts(self, count: int) -> list[slice]:
        """How a batch goes through the head: at once on a GPU, item by item on a CPU.

        There a grouped convolution of eight takes nearly twice the time of eight alone, and its rounding depends on
        who else is in the batch. Item by item, a target's track is the same to the last bit alone and among others.
        """
        return [slice(i, i + 1) for i in range(count)] if self.device.type == "cpu" else [slice(None)]

    def _box_head(self) -> BoxHead:
        if self._box is None:
            raise ConfigError("scale_search 'box' needs a model with a box head, such as siamfc-box; or use 'exemplar'")
        return self._box

    def _clock(self, started: float) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.network_s += time.perf_counter() - started
        self.network_calls += 1


def pick_device(device: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda`, `cuda:1`, ...

    Raises:
        ValueError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device {device!r} is unknown; use auto, cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; use auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r} asked for, but {torch.cuda.device_count()} CUDA devices are there; use cpu")
    return chosen


def pick_precision(precision: str, device: torch.device) -> str:
    """The name of the backbone's dtype: `auto` is bfloat16 where the device computes in it natively, else float32.

    Raises:
        ValueError: unknown name.
    """
    if precision == "auto":
        return "bfloat16" if native_bfloat16(device) else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    return precision


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 by itself: GPUs from Ampere on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probe: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if device.type == "cpu" and probe else False
