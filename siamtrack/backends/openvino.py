"""OpenVINO (extra `openvino`): float32, or bfloat16 on CPUs that compute in it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from siamtrack.backends.exported import with_weights
from siamtrack.backends.onnx import GraphBackend, Session
from siamtrack.errors import import_extra
from siamtrack.model.tensors import State
from siamtrack.model.weights import Weights

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoBackend(GraphBackend):
    """Runs the graphs in OpenVINO; arguments and errors as for `GraphBackend`.

    Raises:
        SiamtrackError: OpenVINO is not installed.
    """

    name = "openvino"

    def __init__(self, weights: Weights, precision: str = "float32", folder: Path | None = None) -> None:
        super().__init__(weights, precision, folder)
        import_extra("openvino", "openvino", "backend 'openvino' needs OpenVINO")
        # Else it takes bfloat16 wherever the CPU has it. What an export computes in is its own.
        self._hint = _HINTS.get(precision, "f32")

    def _open(self, graph: bytes, state: State, threads: int) -> Session:
        import openvino

        graph = with_weights(graph, state) if state else graph
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self._hint}

        def compiled() -> Any:
            return core.compile_model(core.read_model(graph, b""), "CPU", settings).create_infer_request()

        # OpenVINO 2026.4 gives the thread that compiles a signal stack of its own, and takes stacks back in the wrong order
        # when two models are freed: the next signal then crashes the process. A thread that has ended gets no signals.
        with ThreadPoolExecutor(1) as pool:
            request: Any = pool.submit(compiled).result()
        lock = threading.Lock()  # a request serves one thread at a time

        def run(inputs: dict[str, Any]) -> list[Any]:
            with lock:  # copied: the request writes into the same memory next time
                return [output.copy() for output in request.infer(inputs).values()]

        return run
