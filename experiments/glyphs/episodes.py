"""One-shot episodes drawn from labelled items, and the accuracy of distances on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class OneShot:
    """Accuracy of naming an item from a few examples of each class.

    Attributes:
        accuracy: share of episodes named rightly. interval: Wilson's 95 % interval of it, over episodes.
        episodes: how many were drawn. ways: classes in each. shots: examples of each class.
    """

    accuracy: float
    interval: tuple[float, float]
    episodes: int
    ways: int
    shots: int


def one_shot(
    distance: NDArray[Any],
    classes: ArrayLike,
    ways: int = 20,
    shots: int = 1,
    episodes: int = 1000,
    *,
    rng: np.random.Generator,
    domain: ArrayLike | None = None,
) -> OneShot:
    """Draw episodes, and count how often the query's own class is the nearest.

    An episode draws `ways` classes, `shots` support items of each, and as query another item of one of the classes.
    The query goes to the class of least mean distance; of k classes that tie for it one would be drawn, so that an
    episode whose right class is among them counts 1 / k.

    With `domain`, all support items come from one domain and the query from another, as in Omniglot's protocol, where
    one hand draws the examples and another the query. The two domains are drawn uniformly from all ordered pairs
    that share at least `ways` classes, the classes from those that they share.

    The interval is Wilson's over episodes, not a bootstrap over classes: it says how far other episodes of these
    items would give another figure, not how far other classes would.

    Args:
        distance: (n, n), row: query, column: support; without NaN. The diagonal is never used.
        classes: (n,) int. domain: (n,) int, for example the font of a glyph.
        ways: at least 2. shots, episodes: at least 1.
        rng: what the episodes are drawn with.

    Raises:
        ValueError: other shapes, NaN, numbers out of range, `domain` with more than one shot, fewer than `ways`
            classes with `shots` + 1 items, or no two domains that share `ways` classes.
    """
    labels = np.asarray(classes)
    if labels.ndim != 1 or distance.shape != (len(labels), len(labels)):
        raise ValueError(
            f"distances {distance.shape} and classes {labels.shape} do not fit: n items need (n, n) distances and (n,) classes"
        )
    if ways < 2 or shots < 1 or episodes < 1:
        raise ValueError(f"ways {ways}, shots {shots}, episodes {episodes}: at least 2, 1 and 1 are needed")
    if distance.size and np.isnan(distance.min()):
        raise ValueError(f"{int(np.isnan(distance).sum())} distances are NaN; each must be a number, the diagonal's too")
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(-1)
    if domain is None:
        support, query, right = _episodes(labels, ways, shots, episodes, rng)
    else:
        if shots != 1:
            raise ValueError(f"{shots} shots with domains: the protocol is defined for 1; leave domain out or give shots=1")
        support, query, right = _episodes_across(labels, np.asarray(domain), ways, episodes, rng)
    found = distance[query[:, None, None], support].mean(axis=2, dtype=np.float64)
    tied = found == found.min(axis=1, keepdims=True)
    hits = float((tied[np.arange(episodes), right] / tied.sum(axis=1)).sum())
    # Parts of hits vary less than whole ones, so with ties the interval is rather too wide than too narrow.
    return OneShot(hits / episodes, _wilson(hits, episodes, 0.95), episodes, ways, shots)


Drawn = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Of E episodes: (E, ways, shots) support items, (E,) query items, (E,) place of the right class among the ways."""


def _episodes(labels: NDArray[np.int64], ways: int, shots: int, episodes: int, rng: np.random.Generator) -> Drawn:
    order, start, size = _groups(labels, int(labels.max(initial=-1)) + 1)
    # Every class may be asked for, so every one needs an item more than its shots.
    usable = np.flatnonzero(size > shots)
    if len(usable) < ways:
        raise ValueError(
            f"{len(usable)} of {len(size)} classes have {shots + 1} items or more, {ways} ways need {ways} such classes; "
            "give more items, fewer ways or fewer shots"
        )
    chosen = usable[_draw(rng, np.full(episodes, len(usable)), ways)]
    picked = _draw(rng, size[chosen].reshape(-1), shots + 1).reshape(episodes, ways, shots + 1)
    items = order[start[chosen][:, :, None] + picked]
    right = rng.integers(ways, size=episodes)
    return items[:, :, 1:], items[np.arange(episodes), right, 0], right


def _episodes_across(
    labels: NDArray[np.int64], domain: NDArray[Any], ways: int, episodes: int, rng: np.random.Generator
) -> Drawn:
    if domain.shape != labels.shape:
        raise ValueError(f"{domain.shape} domains of {labels.shape} items; there must be one an item")
    names, places = np.unique(domain, return_inverse=True)
    kinds = int(labels.max(initial=-1)) + 1
    order, start, size = _groups(places.reshape(-1) * kinds + labels, len(names) * kinds)
    start, size = start.reshape(len(names), kinds), size.reshape(len(names), kinds)
    usable = np.flatnonzero((size > 0).sum(axis=1) >= ways)  # leaves few, of however many domains
    present = size[usable] > 0
    shared = np.rint(present.astype(np.float32) @ present.T.astype(np.float32)).astype(np.int64)
    np.fill_diagonal(shared, 0)
    pairs = np.argwhere(shared >= ways)
    if not len(pairs):
        raise ValueError(
            f"no two of {len(names)} domains share {ways} classes ({len(usable)} have so many at all); "
            "give fewer ways or more items of the domains"
        )
    drawn = pairs[rng.integers(len(pairs), size=episodes)]
    ranks = _draw(rng, shared[drawn[:, 0], drawn[:, 1]], ways)
    chosen = np.stack([np.flatnonzero(present[a] & present[b])[rank] for (a, b), rank in zip(drawn, ranks, strict=True)])

    def item(where: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
        return order[start[where, which] + rng.integers(size[where, which])]

    right = rng.integers(ways, size=episodes)
    support = item(usable[drawn[:, :1]], chosen)
    query = item(usable[drawn[:, 1]], chosen[np.arange(episodes), right])
    return support[:, :, None], query, right


def _groups(labels: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Items in order of their label, and of each of `count` labels the start in that order and the number of items."""
    size = np.bincount(labels, minlength=count)
    return np.argsort(labels, kind="stable"), np.cumsum(size) - size, size


def _draw(rng: np.random.Generator, sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(N, count) distinct numbers below each of (N,) sizes, in random order: Floyd's algorithm on all rows at once."""
    picked = np.empty((len(sizes), count), np.int64)
    for step in range(count):
        last = sizes - count + step
        value = rng.integers(last, endpoint=True)
        taken = (picked[:, :step] == value[:, None]).any(axis=1)
        picked[:, step] = np.where(taken, last, value)
    return rng.permuted(picked, axis=1)


def wilson_interval(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, without continuity correction; it stays within 0..1.

    Args:
        hits: how many of `count` independent trials succeeded.
        confidence: share of such intervals that hold the true share, about; between 0 and 1.

    Raises:
        ValueError: no trials, hits out of 0..count, or a confidence out of range.
    """
    if count < 1 or not 0 <= hits <= count:
        raise ValueError(f"{hits} hits of {count} trials: at least one trial is needed, and from 0 to {count} hits")
    return _wilson(hits, count, confidence)


def _wilson(hits: float, count: int, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence:g} must lie between 0 and 1; 0.95 is usual")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / count
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if hits <= 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if hits >= count else min(1.0, (middle + half) / scale)
    return low, high
