#!/usr/bin/env python3
"""How long a verification and a search in a gallery take: medians, on this machine.

tools/bench_verify.py --rows 100000 --threads 2
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from siamtrack.verify.gallery import Gallery
from siamtrack.verify.verifier import Verifier


def main() -> None:
    """Measure and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="verifier")
    parser.add_argument("--rows", type=int, default=100_000, help="embeddings in the gallery")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=50)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    rng = np.random.default_rng(0)
    verifier = Verifier(args.model, args.device)
    size = verifier.header.tower.size
    crops = rng.integers(0, 256, (2, size, size, 3), np.uint8)
    print(f"{args.threads} threads; medians of {args.rounds} (fastest)")
    print(f"verify two crops of {size} px:         {timed(lambda: verifier.verify(*crops), args.rounds)}")

    dim = verifier.header.tower.dim
    # Some twenty items a class, as near to each other as a trained network brings them.
    centres = rng.normal(size=(max(1, args.rows // 20), dim))
    which = rng.integers(0, len(centres), args.rows)
    rows = centres[which] + 0.5 * rng.normal(size=(args.rows, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gallery = Gallery(dim, "euclidean")
    gallery.add(rows.astype(np.float32), [str(k) for k in which])
    queries = (rows[::997] + 0.02 * rng.normal(size=rows[::997].shape)).astype(np.float32)
    started = time.perf_counter()
    gallery.search(queries[:1])
    print(f"first search of {args.rows} x {dim}:    {1e3 * (time.perf_counter() - started):.1f} ms")
    turn = iter(np.tile(np.arange(len(queries)), 100))
    print(f"search, one query of {dim} numbers:  {timed(lambda: gallery.search(queries[[next(turn)]]), args.rounds)}")


def timed(call: Callable[[], object], rounds: int) -> str:
    """Median and least time of a call."""
    call()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return f"{1e3 * np.median(seconds):.2f} ms ({1e3 * min(seconds):.2f})"


if __name__ == "__main__":
    main()
