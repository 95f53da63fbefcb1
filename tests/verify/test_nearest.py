import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.verify import nearest
from siamtrack.verify.gallery import METRICS, Gallery
from siamtrack.verify.nearest import Finder, measure

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


@settings(max_examples=40, deadline=None)
@given(
    metric=st.sampled_from(METRICS),
    count=st.integers(1, 60),
    dim=st.integers(1, 40),
    offset=st.sampled_from([0.0, 1.0, 1000.0]),
    scale=st.sampled_from([1e-30, 1e-22, 1e-3, 1.0, 1e18, 1e37]),
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
        expected = Finder(metric, rows, classes).search(queries[0], 5)
        with monkeypatch.context() as patch:
            patch.setattr(nearest, "_BLOCK", 1000)
            assert Finder(metric, rows, classes).search(queries[0], 5) == expected


def test_the_nearest_of_rows_that_a_matrix_product_cannot_tell_apart() -> None:
    rows = np.full((50, 4), 1e4, np.float32)
    rows[:, 0] += np.arange(50, dtype=np.float32) / 512
    finder = Finder("euclidean", rows, np.arange(50, dtype=np.int32))
    for item in range(50):
        assert finder.search(rows[item], 1) == [(0.0, item)]


@pytest.mark.parametrize("metric", METRICS)
def test_many_rows_are_found_as_by_measuring_all(metric: str) -> None:
    rows, classes, queries = clustered(metric, 6000, 24, 400)
    finder = Finder(metric, rows, classes)
    for query in queries[::4]:
        distances, best = measure(metric, query, rows), {}
        for item in np.argsort(distances, kind="stable").tolist():
            best.setdefault(classes[item], (distances[item], item))
            if len(best) == 3:
                break
        assert finder.search(query, 3) == list(best.values())
    if metric != "absolute":
        assert len(finder._near(queries[0], 3)) < 100


def test_all_classes_are_found_however_far_they_are() -> None:
    rows, classes, queries = clustered("euclidean", 3000, 8, 400)
    assert len(Finder("euclidean", rows, classes).search(queries[0], 400)) == 400
    lonely = np.zeros(3000, np.int32)
    lonely[-1] = 1
    assert {item == 2999 for _, item in Finder("euclidean", rows, lonely).search(queries[0], 2)} == {True, False}


@pytest.mark.parametrize("scale", [1e18, 1e37])
def test_rows_whose_squares_pass_float32(scale: float) -> None:
    rows, classes, queries = clustered("euclidean", 1500, 8, 100)
    rows[1200:] *= np.float32(scale / 10)
    query = queries[0] * np.float32(scale / 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Finder("euclidean", rows, classes).search(query, 1)[0][1]
    assert found == by_definition("euclidean", query[None], rows)[0].argmin()


@pytest.mark.parametrize("metric", ["euclidean", "correlation"])
def test_rows_whose_products_lose_bits_in_float32(metric: str) -> None:
    rows, classes, queries = clustered(metric, 1500, 8, 100)
    for scale in (1e-22, 1e-20):
        finder = Finder(metric, rows * np.float32(scale), classes)
        for query in queries[:20] * np.float32(scale):
            distances = measure(metric, query, rows * np.float32(scale))
            assert finder.search(query, 1) == [(distances.min(), distances.argmin())]
