"""Run by torchrun in test_distributed.py: trains RECIPE on the given crop stores, in as many processes as there are."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from siamtrack.train.distributed import joined
from siamtrack.train.loop import train
from siamtrack.train.prepare import open_store
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.tracker_task import tracker_task

# Plain SGD: Adam divides by the gradient's size, which turns rounding of a gradient near zero into a whole step.
RECIPE = Recipe(
    sources=(SourceConfig("videos", 2), SourceConfig("stills", 1)),
    model="siamfc-lite",
    steps=4,
    epoch_steps=2,
    batch_size=8,
    search_size=159,
    search_size_start=159,
    lr=1e-3,
    ema=0.9,
    precision="float32",  # in which the order of sums matters least
    softmax_weight=1.0,
)

if __name__ == "__main__":
    torch.set_num_threads(1)
    sources, cache, out = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
    with joined(torch.device("cpu"), timeout_s=300) as group:
        stores = [open_store(Path(source), cache) for source in sources]
        train(tracker_task(RECIPE, stores, group=group), out, workers=0, group=group)
