"""Finding the rows nearest to a query, one of each class: exact, and at the speed of a matrix product but for `absolute`.

A matrix product in float32 tells roughly how far each row is. What may be among the nearest, by the most that such a product
can be wrong, is measured by definition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EPS, _TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)
_BLOCK = 1 << 17  # numbers measured at a time: 1 MiB of float64, which stays in a processor's cache


class Finder:
    """Finds rows. Args: metric: one of `Metric`. rows: (N, D), for cosine of length 1. classes: (N,)."""

    def __init__(self, metric: str, rows: NDArray[np.float32], classes: NDArray[np.int32]) -> None:
        self._metric, self._rows, self._classes = metric, rows, classes
        with np.errstate(over="ignore"):
            self._squares = np.einsum("nd,nd->n", rows, rows)
        self._longest = float(np.sqrt(self._squares.max(initial=0)))

    def search(self, query: NDArray[np.float32], count: int) -> list[tuple[float, int]]:
        """Distance and number of the nearest row of each of the `count` nearest classes, nearest first, of a query (D,)."""
        items = self._near(query, count)
        distances = measure(self._metric, query, self._rows[items])
        chosen = _nearest_of_classes(distances, self._classes[items], count)
        return [(float(distances[i]), int(items[i])) for i in chosen]

    def _near(self, query: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Numbers of the rows among which the nearest are, ascending."""
        everything = np.arange(len(self._rows))
        if self._metric == "absolute":
            return everything
        with np.errstate(over="ignore", invalid="ignore"):
            rough = -2 * (self._rows @ query)
            if self._metric == "euclidean":
                rough += self._squares
            most = (self._longest + float(np.linalg.norm(query))) ** 2
        if not np.isfinite(rough).all():  # numbers whose squares pass float32
            return everything
        error = (len(query) + 2) * (_EPS * most + _TINY)  # products below the latter lose bits, or are 0
        some = min(4 * count, len(rough))
        while True:
            lowest = np.argpartition(rough, some - 1)[:some]
            places = _nearest_of_classes(rough[lowest], self._classes[lowest], count)
            if len(places) == count or some == len(rough):
                return np.flatnonzero(rough <= rough[lowest[places[-1]]] + 2 * error)
            some = min(4 * some, len(rough))


def measure(metric: str, query: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances (N,) from a query (D,) to rows (N, D), by definition and in float64, where squares stay finite."""
    distances, wide = np.empty(len(rows)), query.astype(np.float64)
    step = max(1, _BLOCK // len(query))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        if metric == "absolute":
            measured = np.abs(block - wide).sum(axis=1)
        elif metric == "correlation":
            measured = -(block * wide).sum(axis=1)
        else:
            squares = np.square(block - wide).sum(axis=1)
            # Of rows of length 1, half the squared distance is 1 - cos.
            measured = np.sqrt(squares) if metric == "euclidean" else np.minimum(squares / 2, 2)
        distances[start : start + step] = measured
    return distances


def _nearest_of_classes(distances: NDArray[np.floating], classes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Places of the nearest of each class, of these the `count` nearest; equal distances in the order of places."""
    order = np.argsort(distances, kind="stable")
    _, first = np.unique(classes[order], return_index=True)
    return order[np.sort(first)[:count]]
