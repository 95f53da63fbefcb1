"""The decoding of `siamtrack.tracking.decode` once more, in numpy and slowly: what the kernels are held to."""

from __future__ import annotations

import numpy as np

from siamtrack.models import STRIDE
from siamtrack.tracking.decode import LOGIT_LIMIT, NEAR


def find_peak(
    response: np.ndarray, penalty: np.ndarray, window: np.ndarray, influence: float
) -> tuple[int, int, int, float, float]:
    size = response.shape[1]
    lowest = response.min()
    best = max(range(len(response)), key=lambda k: (response[k].max() - lowest) * penalty[k])
    chosen = response[best].astype(np.float64)
    chosen = chosen - chosen.min()
    total = chosen.sum()
    mixed = (1 - influence) * (chosen / total if total > 0 else 0 * chosen) + influence * window.astype(np.float64)
    row, column = divmod(int(mixed.argmax()), size)
    dx = column + _vertex(mixed[row], column) - (size - 1) / 2
    dy = row + _vertex(mixed[:, column], row) - (size - 1) / 2
    return best, row, column, float(dx), float(dy)


def _vertex(line: np.ndarray, i: int) -> float:
    if i == 0 or i == len(line) - 1:
        return 0.0
    before, here, after = line[i - 1], line[i], line[i + 1]
    curvature = before - 2 * here + after
    return float(0.5 * (before - after) / curvature) if curvature < 0 else 0.0


def find_cell(
    response: np.ndarray,
    distances: np.ndarray,
    known_w: float,
    known_h: float,
    window: np.ndarray,
    influence: float,
    size_penalty: float,
) -> tuple[int, int]:
    logits = response.astype(np.float64)
    likely = logits - logits.min()
    penalties = change_penalties(distances, known_w, known_h, size_penalty)
    likely = likely * penalties / max(float(likely.sum()), 1e-12)
    row, column = divmod(int(np.argmax((1 - influence) * likely + influence * window)), logits.shape[1])
    return row, column


def box_at(
    target: np.ndarray,
    quality: np.ndarray,
    distances: np.ndarray,
    known_w: float,
    known_h: float,
    row: int,
    column: int,
    size_penalty: float,
) -> tuple[float, ...]:
    score = _sigmoid(target.astype(np.float64)) * _sigmoid(quality.astype(np.float64))
    trusted = score * change_penalties(distances, known_w, known_h, size_penalty)
    beside = slice(max(0, row - NEAR), row + NEAR + 1), slice(max(0, column - NEAR), column + NEAR + 1)
    weight = trusted[beside] + 1e-12
    weight = weight / weight.sum()
    cells = STRIDE * (np.arange(score.shape[1]) - (score.shape[1] - 1) / 2)
    across, down = cells[None, beside[1]], cells[beside[0], None]
    left, top, right, bottom = distances.astype(np.float64)
    x1, x2 = (float((weight * side).sum()) for side in (across - left[beside], across + right[beside]))
    y1, y2 = (float((weight * side).sum()) for side in (down - top[beside], down + bottom[beside]))
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, float(trusted[row, column])


def change_penalties(distances: np.ndarray, known_w: float, known_h: float, size_penalty: float) -> np.ndarray:
    left, top, right, bottom = distances.astype(np.float64)
    width, height = left + right, top + bottom
    scale = _context(width, height) / _context(known_w, known_h)
    shape = (width / height) / (known_w / known_h)
    change = np.maximum(scale, 1 / scale) * np.maximum(shape, 1 / shape)
    return np.exp(-size_penalty * (change - 1))


def peak_margin(response: np.ndarray, row: int, column: int) -> float:
    rows, columns = np.ogrid[: len(response), : len(response)]
    sidelobes = response[np.maximum(abs(rows - row), abs(columns - column)) > NEAR]
    return float(response[row, column]) - float(sidelobes.max()) if len(sidelobes) else 0.0


def _context(width: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
    context = (width + height) / 2
    return np.sqrt((width + context) * (height + context))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT)))
