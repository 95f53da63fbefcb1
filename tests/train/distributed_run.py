"""Run by torchrun in test_distributed.py: trains RECIPE on the given crop stores, in as many processes as there are."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from distributed_recipe import RECIPE

from siamtrack.train.distributed import joined
from siamtrack.train.loop import train
from siamtrack.train.prepare import open_store
from siamtrack.train.tracker_task import tracker_task

torch.set_num_threads(1)
sources, cache, out = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
with joined(torch.device("cpu"), timeout_s=60) as group:
    stores = [open_store(Path(source), cache) for source in sources]
    train(tracker_task(RECIPE, stores, group=group), out, workers=0, group=group)
