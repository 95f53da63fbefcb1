"""A frame's whole way on the device: upload, crops, network, response and choice in one pass, a few numbers back."""
