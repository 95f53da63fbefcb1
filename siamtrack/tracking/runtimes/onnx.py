"""Exported graphs in ONNX Runtime: the fastest way on most CPUs."""

from __future__ import annotations

from typing import Any

from siamtrack.errors import SiamtrackError
from siamtrack.tracking.runtimes.graph_runtime import MakeSession, Session


def onnx_sessions(threads: int) -> MakeSession:
    """Makes sessions of so many threads.

    Raises:
        SiamtrackError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise SiamtrackError("runtime 'onnx' needs ONNX Runtime: pip install onnxruntime onnx; or use 'eager'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Each graph has threads of its own. Those that wait for the next frame in a loop would take a core from the next graph:
    # a frame of siamfc-lite took 19 ms with that, 10 without (two cores, two threads).
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3  # its warnings are about graphs, and nothing that a user could mend

    def make(graph: bytes) -> Session:
        session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, inputs)

    return make
