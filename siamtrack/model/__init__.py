"""The network: pixels in, embeddings and response maps out. Knows torch, and no OpenCV, files of frames or boxes."""
