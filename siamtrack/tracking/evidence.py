"""What a response map says of its peak: the features from which the score is made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.kernels import compiled

NEAR = 2
"""Cells to each side of the peak that belong to it; the cells beyond are its sidelobes."""


class Evidence(NamedTuple):
    """Features of one response; the score weighs them (`TrackerConfig.score_weights`, in this order).

    Attributes:
        value: log-odds of the box head's class times quality in the chosen cell; the response there for models without a
            box head.
        peak: SiamFC's response (a logit) in the chosen cell.
        psr: peak-to-sidelobe ratio, peak less mean of the sidelobes over their deviation (Bolme et al., CVPR 2010, section 3.5).
        gap: peak less the highest sidelobe: how far the second-best place is behind.
        entropy: of the response's softmax, nats: 0 where one cell has it all, `2 log n` where nothing stands out.
    """

    value: float
    peak: float
    psr: float
    gap: float
    entropy: float


def measure_numpy(response: NDArray[np.float32], row: int, column: int) -> tuple[float, float, float, float]:
    """(peak, psr, gap, entropy) of a response map (n, n) whose peak is said to be at a cell; see `Evidence`.

    A map so small that it has no sidelobes has psr and gap 0.
    """
    logits = response.astype(np.float64)
    rows, columns = np.ogrid[: len(logits), : len(logits)]
    sidelobes = logits[np.maximum(abs(rows - row), abs(columns - column)) > NEAR]
    peak = logits[row, column]
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum()
    if not len(sidelobes):
        return float(peak), 0.0, 0.0, float(entropy)
    psr = (peak - sidelobes.mean()) / max(sidelobes.std(), 1e-6)
    return float(peak), float(psr), float(peak - sidelobes.max()), float(entropy)


@compiled
def measure(response, row, column):  # type: ignore[no-untyped-def]
    """As `measure_numpy`, compiled."""
    size = response.shape[0]
    peak = np.float64(response[row, column])
    highest, lobe = np.float64(response[0, 0]), -np.inf
    count, total, squares = 0, 0.0, 0.0
    for y in range(size):
        for x in range(size):
            logit = np.float64(response[y, x])
            highest = max(highest, logit)
            if max(abs(y - row), abs(x - column)) > NEAR:
                lobe = max(lobe, logit)
                count += 1
                total += logit - peak  # about the peak: no large numbers cancel
                squares += (logit - peak) ** 2
    psr, gap = 0.0, 0.0
    if count > 0:
        mean = total / count
        psr = -mean / max(np.sqrt(max(squares / count - mean**2, 0.0)), 1e-6)
        gap = peak - lobe
    mass, moment = 0.0, 0.0
    for y in range(size):
        for x in range(size):
            below = np.float64(response[y, x]) - highest
            share = np.exp(below)
            mass += share
            moment += share * below
    return peak, psr, gap, np.log(mass) - moment / mass
