"""The ways to run the four graphs of `siamtrack.model.graphs`: PyTorch, ONNX Runtime, OpenVINO."""
