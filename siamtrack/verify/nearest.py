"""Finding the rows nearest to a query, one of each class.

Up to `EXACT_ROWS` rows, or without faiss (the extra `gallery`), every row is measured. Above that faiss keeps the rows
in cells, and those in the cells nearest to the query are measured. Either way a distance comes from `measure`: the two
ways disagree about which rows were found at most, never about how far away they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_ROWS = 10_000

_BLOCK = 1 << 17  # numbers measured at a time: 1 MiB of float64, which stays in a processor's cache
_LARGEST = 1e15  # squares of larger numbers near the end of float32, where faiss's training aborts the whole process
_SAMPLE = 400  # rows whose neighbours decide how many cells are searched


@dataclass(frozen=True)
class Cells:
    """Centres (L, D) of cells, how many rows they were trained on, and how many of them a query searches."""

    centres: NDArray[np.float32]
    trained_on: int
    probes: int


class Finder:
    """Finds rows of an array (N, D) that its owner keeps and only ever lengthens.

    Attributes:
        cells: those of the rows last prepared; None where all rows are measured.
    """

    def __init__(self, metric: str, cells: Cells | None = None) -> None:
        self.cells = cells
        self._metric = metric
        self._index: Any = None  # faiss's, with the rows so far; None while all rows are measured

    def search(
        self, query: NDArray[np.float32], rows: NDArray[np.float32], classes: NDArray[np.int32], count: int
    ) -> list[tuple[float, int]]:
        """Distance and number of the nearest row of each of the `count` nearest classes, nearest first.

        Args:
            query: (D,). rows: (N, D), as given to `prepare`. classes: (N,).
            count: at most as many as there are classes.
        """
        wanted, widening = max(4 * count, 32), 1
        while self._index is not None and self.cells is not None and wanted < len(rows) // 4:
            self._index.nprobe = min(widening * self.cells.probes, self._index.nlist)
            found = self._index.search(query[None], wanted)[1]
            items = np.sort(found[found >= 0])
            distances = measure(self._metric, query, rows[items])
            chosen = _nearest_of_classes(distances, classes[items], count)
            if len(chosen) == count:
                return [(float(distances[i]), int(items[i])) for i in chosen]
            wanted, widening = 4 * wanted, 2 * widening
        distances = measure(self._metric, query, rows)
        return [(float(distances[i]), int(i)) for i in _nearest_of_classes(distances, classes, count)]

    def prepare(self, rows: NDArray[np.float32]) -> None:
        """Train cells where there are none for so many rows, and put new rows into them."""
        new = rows[0 if self._index is None else self._index.ntotal :]
        if len(rows) <= EXACT_ROWS or np.abs(new).max(initial=0) > _LARGEST:
            self.cells = self._index = None
            return
        try:
            import faiss
        except ImportError:
            return
        cells = self.cells if self.cells and len(rows) < 2 * self.cells.trained_on else None
        index = self._index
        if cells is None or index is None:
            count = round(2 * math.sqrt(len(rows))) if cells is None else len(cells.centres)
            kinds = {"absolute": faiss.METRIC_L1, "correlation": faiss.METRIC_INNER_PRODUCT}
            kind = kinds.get(self._metric, faiss.METRIC_L2)  # cosine's rows have length 1, where L2 orders the same
            index = faiss.IndexIVFFlat(faiss.IndexFlat(rows.shape[1], kind), rows.shape[1], count, kind)
            if cells is None:
                index.cp.max_points_per_centroid = 64  # more take longer and place the centres no better
                index.train(rows)
            else:
                index.quantizer.add(cells.centres)
                index.is_trained = True
        index.add(rows[index.ntotal :])
        if cells is None:
            self.cells = Cells(index.quantizer.reconstruct_n(0, index.nlist), len(rows), _choose_probes(index, rows))
        self._index = index


def measure(metric: str, query: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances (N,) from a query (D,) to rows (N, D), by definition and in float64, where squares stay finite.

    No matrix product: it would be faster, but its rounding hides which is nearest of rows that are near to each other
    and far from zero, and depends on how many rows there are.
    """
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


def _nearest_of_classes(distances: NDArray[np.float64], classes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Places of the nearest of each class, of these the `count` nearest; equal distances in the order of places."""
    order = np.argsort(distances, kind="stable")
    _, first = np.unique(classes[order], return_index=True)
    return order[np.sort(first)[:count]]


def _choose_probes(index: Any, rows: NDArray[np.float32]) -> int:
    """How many cells must be searched to find the nearest row nearly always.

    For some rows the nearest other row is found by searching everything; its cell has a rank among the cells near the first
    row. The count covers 99.5 of 100 such ranks, and half as many again, as queries were not there in training. It is a
    sixteenth of the cells at least, for the sake of the classes after the nearest.
    """
    step = max(1, len(rows) // _SAMPLE)
    sample = np.arange(0, len(rows), step)[:_SAMPLE]
    index.nprobe = index.nlist
    _, items = index.search(rows[sample], 2)
    others = np.where(items[:, 0] == sample, items[:, 1], items[:, 0])
    _, cells = index.quantizer.search(rows[others], 1)
    _, order = index.quantizer.search(rows[sample], index.nlist)
    ranks = np.sort(np.argmax(order == cells, axis=1)) + 1
    covering = int(ranks[math.ceil(0.995 * len(ranks)) - 1])
    return int(min(index.nlist, max(8, index.nlist // 16, math.ceil(1.5 * covering))))
