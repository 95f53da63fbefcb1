"""Labelled data on disk, one reader a layout, for training and for benchmarks alike."""
