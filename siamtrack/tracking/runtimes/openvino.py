"""Exported graphs in OpenVINO (extra `openvino`)."""

from __future__ import annotations

from typing import Any

from siamtrack.errors import needs
from siamtrack.tracking.runtimes.graph_runtime import MakeSession, Session


def openvino_sessions(threads: int, precision: str = "float32") -> MakeSession:
    """Makes sessions of so many threads, which compute in float32 or bfloat16.

    Raises:
        SiamtrackError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise needs("openvino", "runtime 'openvino' needs OpenVINO") from error
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Else it takes bfloat16 wherever the CPU has it, whatever `precision` says.
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
    }

    def make(graph: bytes) -> Session:
        request: Any = core.compile_model(core.read_model(graph, b""), "CPU", settings).create_infer_request()
        # Copied: the request writes into the same memory next time.
        return lambda inputs: [output.copy() for output in request.infer(inputs).values()]

    return make
