"""Post-training quantisation of the embedding to 8 bits, by ONNX Runtime's own tool."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SiamtrackError
from siamtrack.tracking.runtimes.runtime import Crops


def quantised(embed: bytes, crops: Iterable[Crops]) -> bytes:
    """The `embed` graph with 8-bit convolutions: weights by channel, activations by what they were on the crops.

    Weights use 7 of the 8 bits: without VNNI a CPU adds products in 16 bits, which would overflow.

    Args:
        embed: the exported graph. crops: (1, S, S, 3) each, of what the tracker will see; some 50 are enough.

    Raises:
        SiamtrackError: ONNX Runtime's quantisation is not installed.
    """
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise SiamtrackError("quantisation needs ONNX Runtime and onnx: pip install onnxruntime onnx") from error
    level = logging.getLogger().level
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "embed.onnx").write_bytes(embed)
        logging.getLogger().setLevel(logging.ERROR)  # it warns of options that were meant
        try:
            quant_pre_process(str(folder / "embed.onnx"), str(folder / "ready.onnx"))
            quantize_static(
                str(folder / "ready.onnx"),
                str(folder / "int8.onnx"),
                _Reader(crops),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv"],
            )
        finally:
            logging.getLogger().setLevel(level)
        return (folder / "int8.onnx").read_bytes()


class _Reader:
    """Crops in the form in which the quantiser asks for them."""

    def __init__(self, crops: Iterable[Crops]) -> None:
        self._crops: Iterator[Crops] = iter(crops)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        crop = next(self._crops, None)
        return None if crop is None else {"crops": crop}
