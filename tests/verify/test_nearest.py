import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.verify import nearest
from siamtrack.verify.gallery import METRICS, Gallery
from siamtrack.verify.nearest import Cells, Finder

Rows = NDArray[np.float32]


def by_definition(metric: str, queries: Rows, rows: Rows) -> NDArray[np.float64]:
    a, b = queries.astype(np.float64)[:, None], rows.astype(np.float64)[None]
    if metric == "euclidean":
        return np.sqrt(((a - b) ** 2).sum(-1))
    if metric == "absolute":
        return np.abs(a - b).sum(-1)
    products = (a * b).sum(-1)
    if metric == "correlation":
        return -products
    return 1 - products / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def clustered(metric: str, count: int, dim: int, centres: int) -> tuple[Rows, NDArray[np.int32], Rows]:
    """Rows, their classes, and 200 queries from the same clusters."""
    rng = np.random.default_rng(0)
    places = rng.standard_normal((centres, dim))
    which = np.concatenate([np.arange(centres), rng.integers(0, centres, count - centres)])
    rows = places[which] + 0.3 * rng.standard_normal((count, dim))
    queries = places[rng.integers(0, centres, 200)] + 0.3 * rng.standard_normal((200, dim))
    if metric == "cosine":
        rows, queries = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (rows, queries))
    return rows.astype(np.float32), which.astype(np.int32), queries.astype(np.float32)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells from 1000 rows on."""
    pytest.importorskip("faiss")
    monkeypatch.setattr(nearest, "EXACT_ROWS", 1000)


@settings(max_examples=40, deadline=None)
@given(
    metric=st.sampled_from(METRICS),
    count=st.integers(1, 60),
    dim=st.integers(1, 40),
    offset=st.sampled_from([0.0, 1.0, 1000.0]),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e18, 1e37]),
    seed=st.integers(0, 2**32 - 1),
)
def test_distances_are_those_of_the_definition(
    metric: str, count: int, dim: int, offset: float, scale: float, seed: int
) -> None:
    # Offsets make the expanded square cancel, scales make float32 squares overflow or vanish.
    rng = np.random.default_rng(seed)
    rows, queries = (((rng.standard_normal((n, dim)) + offset) * scale / (1 + offset)).astype(np.float32) for n in (count, 3))
    names = [f"c{number}" for number in rng.integers(0, 8, count)]
    gallery = Gallery(dim, metric)
    gallery.add(rows, names)
    for row, matches in zip(by_definition(metric, queries, rows), gallery.search(queries, 4), strict=True):
        best = sorted(min(row[i] for i in range(count) if names[i] == name) for name in set(names))
        # Cosine's rows are rounded to length 1, which moves a distance by that rounding.
        tolerance = 3e-7 if metric == "cosine" else 1e-9 * np.abs(row).max()
        np.testing.assert_allclose([match.distance for match in matches], best[:4], rtol=1e-9, atol=tolerance)
        assert len({match.name for match in matches}) == len(matches) == min(4, len(set(names)))
        for match in matches:
            assert names[match.item] == match.name
            assert row[match.item] == pytest.approx(match.distance, rel=1e-9, abs=tolerance)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in METRICS:
        rows, classes, queries = clustered(metric, 700, 9, 50)
        expected = Finder(metric).search(queries[0], rows, classes, 5)
        with monkeypatch.context() as patch:
            patch.setattr(nearest, "_BLOCK", 1000)
            assert Finder(metric).search(queries[0], rows, classes, 5) == expected


def test_the_nearest_of_rows_that_a_matrix_product_cannot_tell_apart() -> None:
    rows = np.full((50, 4), 1e4, np.float32)
    rows[:, 0] += np.arange(50, dtype=np.float32) / 512
    for item in range(50):
        assert Finder("euclidean").search(rows[item], rows, np.arange(50, dtype=np.int32), 1) == [(0.0, item)]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("metric", METRICS)
def test_cells_find_what_measuring_all_finds(metric: str) -> None:
    rows, classes, queries = clustered(metric, 6000, 24, 400)
    finder = Finder(metric)
    finder.prepare(rows)
    assert finder.cells is not None
    assert finder.cells.probes < len(finder.cells.centres) // 2
    exact = [Finder(metric).search(query, rows, classes, 3) for query in queries]
    found = [finder.search(query, rows, classes, 3) for query in queries]
    assert np.mean([a[0] == b[0] for a, b in zip(found, exact, strict=True)]) >= 0.99
    for a, b in zip(found, exact, strict=True):
        distances = {item: distance for distance, item in b}
        assert all(distances.get(item, distance) == distance for distance, item in a)


@pytest.mark.usefixtures("soon")
def test_many_rows_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows, classes, queries = clustered("euclidean", 2000, 8, 100)
    finder = Finder("euclidean")
    finder.prepare(rows)
    assert finder.cells is None
    expected = by_definition("euclidean", queries[:3], rows).argmin(axis=1).tolist()
    assert [finder.search(query, rows, classes, 1)[0][1] for query in queries[:3]] == expected


@pytest.mark.usefixtures("soon")
def test_cells_keep_up_with_new_rows() -> None:
    rows, classes, _ = clustered("euclidean", 5000, 8, 400)
    finder = Finder("euclidean")
    finder.prepare(rows[:2000])
    trained = finder.cells
    assert trained is not None
    finder.prepare(rows[:3000])
    assert finder.cells is trained
    assert [finder.search(rows[i], rows[:3000], classes[:3000], 1) for i in (0, 2500, 2999)] == [
        [(0.0, 0)],
        [(0.0, 2500)],
        [(0.0, 2999)],
    ]
    finder.prepare(rows)
    assert finder.cells is not None
    assert finder.cells.trained_on == 5000
    finder.prepare(rows[:10])
    assert finder.cells is None


@pytest.mark.usefixtures("soon")
def test_all_classes_are_found_however_far_they_are() -> None:
    rows, classes, queries = clustered("euclidean", 3000, 8, 400)
    finder = Finder("euclidean")
    finder.prepare(rows)
    assert len(finder.search(queries[0], rows, classes, 400)) == 400
    lonely = np.zeros(3000, np.int32)
    lonely[-1] = 1
    assert {item == 2999 for _, item in finder.search(queries[0], rows, lonely, 2)} == {True, False}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("scale", [1e18, 1e37])
def test_rows_whose_squares_pass_float32_are_all_measured(scale: float) -> None:
    rows, classes, queries = clustered("euclidean", 1500, 8, 100)
    huge = rows.copy()
    huge[1200:] *= np.float32(scale / 10)
    finder = Finder("euclidean")
    finder.prepare(huge[:1200])
    assert finder.cells is not None
    for _ in range(2):
        finder.prepare(huge)
        assert finder.cells is None
    query = queries[0] * np.float32(scale / 10)
    assert finder.search(query, huge, classes, 1)[0][1] == by_definition("euclidean", query[None], huge)[0].argmin()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("metric", METRICS)
def test_cells_whose_centres_are_nonsense_cost_no_more_than_accuracy(metric: str) -> None:
    rows, classes, queries = clustered(metric, 1500, 8, 100)
    centres = np.random.default_rng(1).standard_normal((60, 8)).astype(np.float32) * np.float32(3e37)
    finder = Finder(metric, Cells(centres, trained_on=1500, probes=8))
    finder.prepare(rows)
    for query in queries[:30]:
        assert len({classes[item] for _, item in finder.search(query, rows, classes, 5)}) == 5
