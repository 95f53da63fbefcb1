import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siamtrack.errors import SiamtrackError
from siamtrack.verify.gallery import METRICS, Gallery, Match


def small(metric: str = "euclidean") -> Gallery:
    gallery = Gallery(3, metric, "ab" * 32)
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.float32)
    gallery.add(rows, ["ann", "bob", "cleo", "ann"])
    return gallery


def test_a_search_names_each_class_once_with_its_nearest_item() -> None:
    found = small().search(np.array([[1, 0.9, 0]], np.float32), count=2)
    assert found == [[Match("ann", pytest.approx(0.1), 3), Match("bob", pytest.approx(np.hypot(1, 0.1)), 1)]]
    assert [match.name for match in small().search(np.zeros((1, 3), np.float32), count=9)[0]] == ["ann", "bob", "cleo"]
    assert small().search(np.empty((0, 3), np.float32)) == []


def test_add_and_remove() -> None:
    gallery = small()
    assert (len(gallery), gallery.names, gallery.dim, gallery.metric) == (4, ["ann", "bob", "cleo"], 3, "euclidean")
    assert gallery.remove("ann") == 2
    assert (len(gallery), gallery.names) == (2, ["bob", "cleo"])
    assert gallery.search(np.array([[0, 0, 1]], np.float32), 1) == [[Match("cleo", 0.0, 1)]]
    gallery.add(np.ones((1, 3), np.float32), ["ann"])
    assert gallery.names == ["bob", "cleo", "ann"]
    assert gallery.search(np.ones((1, 3), np.float32), 1) == [[Match("ann", 0.0, 2)]]
    with pytest.raises(ValueError, match="did you mean 'cleo'"):
        gallery.remove("clea")
    gallery.add(np.zeros((200, 3), np.float32), [f"number {i}" for i in range(200)])
    with pytest.raises(ValueError, match="no class 'xyz' among 203; known: "):
        gallery.remove("xyz")


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (np.ones((2, 4)), ["a", "b"], r"\(N, 3\), got float64 of shape \(2, 4\)"),
        (np.ones(3), ["a"], r"\(N, 3\), got float64 of shape \(3,\)"),
        (np.ones((2, 3)), ["a"], "2 embeddings and 1 names"),
        (np.ones((3, 3)), "abc", "one string 'abc'"),
        (np.ones((1, 3)), [""], "not empty, got ''"),
        (np.ones((1, 3)), [7], "not empty, got 7"),
        (np.array([[1, 1, 1], [1, np.nan, 1]]), ["a", "b"], "embedding 1 holds numbers that are not finite"),
        (np.full((1, 3), 1e39), ["a"], "not finite"),
        (np.array([[1, 1, 1], [0, 0, 0]]), ["a", "b"], "embedding 1 is all zeros"),
        (np.ones((1, 3), complex), ["a"], "real numbers"),
    ],
)
def test_rows_that_cannot_be_enrolled(rows: Any, names: Any, message: str) -> None:
    gallery = small("cosine")
    with pytest.raises(ValueError, match=message):
        gallery.add(rows, names)
    assert (len(gallery), gallery.names) == (4, ["ann", "bob", "cleo"])


def test_searches_that_cannot_be_made() -> None:
    with pytest.raises(SiamtrackError, match="gallery is empty"):
        Gallery(3).search(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match=r"real numbers \(N, 3\)"):
        small().search(np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="not finite"):
        small().search(np.full((1, 3), np.inf, np.float32))
    with pytest.raises(ValueError, match="all zeros"):
        small("cosine").search(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="1 or more; got 0"):
        small().search(np.ones((1, 3), np.float32), 0)
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        Gallery(3, "cosin")
    with pytest.raises(ValueError, match="1 or more; got 0"):
        Gallery(0)


@pytest.mark.parametrize("metric", METRICS)
def test_a_saved_gallery_comes_back(metric: str, tmp_path: Path) -> None:
    gallery, path = small(metric), tmp_path / "people.safetensors"
    gallery.add(np.full((1, 3), 2, np.float32), ['Zoë "Z"\n\ud800'])
    gallery.save(path)
    loaded = Gallery.load(path)
    assert (loaded.names, loaded.dim, loaded.metric, loaded.verifier) == (gallery.names, 3, metric, "ab" * 32)
    queries = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    assert loaded.search(queries) == gallery.search(queries)
    loaded.add(queries, ["new"] * 5)
    assert len(loaded) == 10
    assert loaded.remove("ann") == 2
    loaded.save(path)
    assert Gallery.load(path).names == loaded.names
    assert os.listdir(tmp_path) == ["people.safetensors"]


def test_enrolled_rows_are_copies() -> None:
    rows = np.eye(3, dtype=np.float32)
    gallery = Gallery(3)
    gallery.add(rows, ["x", "y", "z"])
    rows[:] = 7
    assert gallery.search(np.eye(3, dtype=np.float32)[1:2], 1) == [[Match("y", 0.0, 1)]]


def test_an_empty_gallery_comes_back(tmp_path: Path) -> None:
    Gallery(5, "cosine").save(tmp_path / "none.safetensors")
    loaded = Gallery.load(tmp_path / "none.safetensors")
    assert (len(loaded), loaded.names, loaded.dim) == (0, [], 5)
    loaded.add(np.ones((1, 5), np.float32), ["a"])
    assert loaded.search(np.ones((1, 5), np.float32))[0][0].name == "a"


def test_rows_that_come_and_go_after_a_search() -> None:
    rows = np.random.default_rng(0).standard_normal((800, 4)).astype(np.float32)
    gallery = Gallery(4)
    gallery.add(rows[:700], [f"c{i}" for i in range(700)])
    gallery.search(rows[:1])
    gallery.add(rows[700:], [f"c{i}" for i in range(700, 800)])
    assert gallery.search(rows[[799]], 1) == [[Match("c799", 0.0, 799)]]
    gallery.remove("c3")
    assert [found[0] for found in gallery.search(rows[[2, 4, 799]], 1)] == [
        Match("c2", 0.0, 2),
        Match("c4", 0.0, 3),
        Match("c799", 0.0, 798),
    ]
