"""Where PyTorch computes, and in what."""

from __future__ import annotations

from typing import Any

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 by itself: GPUs from Ampere on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probe: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if device.type == "cpu" and probe else False
