from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import _draw, one_shot, wilson_interval
from hypothesis import given
from hypothesis import strategies as st

# ---- Wilson


def test_wilson_intervals_are_the_published_ones() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3.
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson_interval(hits, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_a_wilson_interval_holds_the_share_and_mirrors(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = wilson_interval(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    assert wilson_interval(count - hits, count) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    # Its ends are where the score test is on the edge: |share - p| = z * sqrt(p (1 - p) / count).
    for end in (low, high):
        if 0 < end < 1:
            assert abs(hits / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count), rel=1e-5)


# ---- one-shot


def blocks(classes: np.ndarray) -> np.ndarray:
    return (classes[:, None] != classes[None]).astype(np.float32)


def test_perfect_constant_and_reversed_distances() -> None:
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(30), 5))
    perfect = one_shot(blocks(classes), classes, 20, 500, rng=rng)
    assert perfect.accuracy == 1
    assert perfect.interval == wilson_interval(500, 500)
    constant = one_shot(np.full((150, 150), 0.3), classes, 20, 500, rng=rng)
    assert constant.accuracy == pytest.approx(1 / 20, abs=1e-12)
    assert constant.interval == pytest.approx(wilson_interval(25, 500))
    assert one_shot(1 - blocks(classes), classes, 20, 500, rng=rng).accuracy == 0
    chance = one_shot(rng.random((1500, 1500)), np.arange(1500) % 30, 20, 10_000, rng=rng)
    assert chance.accuracy == pytest.approx(1 / 20, abs=0.02)


def test_an_example_by_hand() -> None:
    # Two classes of two items. Query 0 or 1 of class 7: nearer its own, whichever the other support. Query 2: item 3
    # is at 5, items 0 and 1 at 4: wrong. Query 3: item 2 at 5; item 0 at 5 ties, item 1 at 9 does not: 1/2 and 1.
    distance = np.array([[0, 1, 8, 8], [1, 0, 8, 8], [4, 4, 0, 5], [5, 9, 5, 0]], float)
    found = one_shot(distance, [7, 7, 9, 9], ways=2, episodes=40_000, rng=np.random.default_rng(0))
    assert found.accuracy == pytest.approx((1 + 1 + 0 + 0.75) / 4, abs=0.008)
    low, high = found.interval
    assert low < found.accuracy < high


def test_every_item_asks_and_every_other_one_answers() -> None:
    # Distances that name who asked whom: right only where item 2k asks item 2k + 1 or the other way.
    classes = np.repeat(np.arange(6), 4)
    items = np.arange(24)
    distance = np.where(items[:, None] // 2 == items[None] // 2, 0.0, 1.0 + blocks(classes) * -0.5)
    found = one_shot(distance, classes, 4, 30_000, rng=np.random.default_rng(1))
    # Of the three other items of its class one is the partner; the others lie farther than other classes.
    assert found.accuracy == pytest.approx(1 / 3, abs=0.01)


def test_support_and_query_come_from_two_domains() -> None:
    rng = np.random.default_rng(0)
    classes, domain = (grid.ravel() for grid in np.meshgrid(np.arange(8), np.arange(3), indexing="ij"))
    # Nearest within a domain whatever the class; then the class. Within one domain no query would be right.
    apart = domain[:, None] != domain[None]
    distance = np.where(apart, blocks(classes), -1 + (1 - blocks(classes)))
    assert one_shot(distance, classes, 8, rng=rng, domain=domain).accuracy == 1
    # Distances that only compare domains say nothing, as all support items come from one domain.
    assert one_shot(apart.astype(float), classes, 8, rng=rng, domain=domain).accuracy == pytest.approx(1 / 8)


def test_only_domains_that_share_the_classes_are_paired() -> None:
    # Domains 4 and 6 share classes 0..4; domain 5 has three of them and is never used.
    classes = np.array([*range(5), *range(3), *range(5), 0, 1])
    domain = np.array([4] * 5 + [5] * 3 + [6] * 5 + [6, 6])
    used = np.isin(domain[:, None], [4, 6]) & np.isin(domain[None], [4, 6]) & (domain[:, None] != domain[None])
    distance = np.where(used, blocks(classes), 1 - blocks(classes))
    assert one_shot(distance, classes, 4, rng=np.random.default_rng(0), domain=domain).accuracy == 1
    with pytest.raises(ValueError, match=r"no two of 3 domains share 6 classes \(0 have"):
        one_shot(distance, classes, 6, rng=np.random.default_rng(0), domain=domain)
    with pytest.raises(ValueError, match=r"share 5 classes \(1 have"):
        one_shot(distance[:8, :8], classes[:8], 5, rng=np.random.default_rng(0), domain=domain[:8])


def test_what_makes_no_episode_is_refused() -> None:
    rng = np.random.default_rng(0)
    classes = np.array([0, 0, 1, 1, 2])
    fine = np.zeros((5, 5))
    with pytest.raises(ValueError, match="2 of 3 classes have 2 items or more, 3 ways"):
        one_shot(fine, classes, 3, rng=rng)


def test_draws_without_replacement_are_uniform_in_every_place() -> None:
    rows = _draw(np.random.default_rng(0), np.full(60_000, 5), 3)
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 5 * 4 * 3
    assert ((counts - 1000) ** 2 / 1000).sum() < 110  # chi-squared, 59 degrees of freedom: above once in 10^4
    assert (np.sort(_draw(np.random.default_rng(0), np.array([2, 2]), 2), axis=1) == [0, 1]).all()
