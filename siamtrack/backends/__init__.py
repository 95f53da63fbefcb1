"""Run the network, arrays in and arrays out: ONNX Runtime, PyTorch or OpenVINO. `siamtrack.backends.select` chooses."""
