#!/usr/bin/env python3
"""Fit score_slope and score_offset of a model on labelled sequences of the train split.

    tools/fit_score.py ROOT runs/siamfc/checkpoint.pt --sequences 60 --frames 60

The tracker follows each target, and now and then is shown a frame of another sequence, where its target cannot
be. A logistic regression of "overlap above 0.5" on the response at the peak gives the two numbers; the
expected calibration error and the AUROC over the same frames are printed beside them.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from siamtrack.api import load
from siamtrack.boxes import iou
from siamtrack.config import load_yaml
from siamtrack.datasets.layout import find_sequences


def main() -> None:
    """Collect responses and overlaps, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("model")
    parser.add_argument("--sequences", type=int, default=60)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=Path, default=None, help="tracker constants; default: the model's own")
    args = parser.parse_args()

    # A gentle slope, so that the score can be turned back into the response without loss.
    slope = 0.05
    settings = {**(load_yaml(args.config) if args.config else {}), "score_slope": slope, "score_offset": 0.0}
    tracker = load(args.model, **settings)
    rng = np.random.default_rng(args.seed)
    sequences = find_sequences(args.root)
    chosen = [sequences[i] for i in rng.permutation(len(sequences))[: args.sequences]]
    responses: list[float] = []
    good: list[bool] = []
    stranger = None
    for sequence in track(chosen):
        visible = sequence.visible
        started = False
        for index, frame in enumerate(sequence.frames()):
            if index == args.frames:
                break
            if not started:
                if visible[index]:
                    tracker.init(frame, sequence.boxes_xywh[index])
                    started = True
                continue
            result = tracker.update(frame)
            if visible[index]:
                responses.append(math.log(result.score / (1 - result.score)) / slope)
                good.append(bool(iou(result.box, sequence.boxes_xywh[index]) > 0.5))
        if stranger is not None and started:
            for _ in range(args.frames // 6):
                result = tracker.update(cv2.resize(stranger, (frame.shape[1], frame.shape[0])))
                responses.append(math.log(result.score / (1 - result.score)) / slope)
                good.append(False)
        stranger = frame
    x, y = np.array(responses), np.array(good, dtype=np.float64)
    a, b = fit(x, y)
    p = 1 / (1 + np.exp(-(a * x + b)))
    print(f"{len(x)} frames of {len(chosen)} sequences, {y.mean():.3f} of them good")
    print(f"score_slope: {a:.4f}\nscore_offset: {b:.4f}")
    print(f"ECE {calibration_error(p, y):.3f}  AUROC {auroc(x, y):.3f}  (on the frames it was fitted to)")


def fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Logistic regression of y on x by Newton's method, with a touch of ridge against separable data."""
    scale = x.std() or 1.0
    features = np.stack([(x - x.mean()) / scale, np.ones_like(x)], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (p - y) + 1e-3 * weights
        hessian = (features * (p * (1 - p))[:, None]).T @ features + 1e-3 * np.eye(2)
        weights -= np.linalg.solve(hessian, gradient)
    return float(weights[0] / scale), float(weights[1] - weights[0] * x.mean() / scale)


def calibration_error(p: NDArray[np.float64], y: NDArray[np.float64], bins: int = 10) -> float:
    """Expected calibration error: mean gap between score and share of good frames, over equal-width bins."""
    number = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[number == i].mean() - y[number == i].mean()) * (number == i).mean() for i in set(number.tolist())]
    return float(np.sum(gaps))


def auroc(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Probability that a good frame scores above a bad one."""
    ranks = np.empty(len(x))
    ranks[np.argsort(x)] = np.arange(1, len(x) + 1)
    positive = y.sum()
    return float((ranks[y == 1].sum() - positive * (positive + 1) / 2) / max(positive * (len(y) - positive), 1))


if __name__ == "__main__":
    main()
