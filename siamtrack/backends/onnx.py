"""ONNX Runtime: the default on CPUs."""

from __future__ import annotations

from typing import Any

import onnxruntime

from siamtrack.backends.base import GraphBackend, Session
from siamtrack.model.tensors import State


class OnnxBackend(GraphBackend):
    """Runs the graphs in ONNX Runtime, in float32."""

    name = "onnx"

    def _open(self, graph: bytes, state: State, threads: int) -> Session:
        return open_graph(graph, state, threads)


def open_graph(graph: bytes, state: State, threads: int) -> Session:
    """A session of a graph. Args: state: arrays of its initializers whose data lie elsewhere, by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Each graph has threads of its own. Those that wait for the next frame in a loop would take a core from the next graph:
    # a frame of siamfc-lite took 19 ms with that, 10 without (two cores, two threads).
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # errors are raised, and its warnings are about graphs, which no user could mend
    if state:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in state.values()]
        options.add_external_initializers(list(state), values)
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    return lambda inputs: session.run(None, inputs)
