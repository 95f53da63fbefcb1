"""The whole tracker as two ONNX graphs that need nothing of this package."""
