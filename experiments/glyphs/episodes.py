"""One-shot episodes drawn from labelled items, and the accuracy of distances on them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.959964
"""Of a 95 % interval."""


class OneShot(NamedTuple):
    """Accuracy of naming an item from one example of each class.

    Attributes:
        accuracy: share of episodes named rightly. interval: Wilson's 95 % interval of it, over episodes.
    """

    accuracy: float
    interval: tuple[float, float]


def one_shot(
    distance: NDArray[Any],
    classes: ArrayLike,
    ways: int = 20,
    episodes: int = 1000,
    *,
    rng: np.random.Generator,
    domain: ArrayLike | None = None,
) -> OneShot:
    """Draw episodes, and count how often the query's own class is the nearest.

    An episode draws `ways` classes, a support item of each, and as query another item of one of the classes. The query goes to
    the class of the nearest support item; of k classes that tie for it one would be drawn, so that an episode whose right class
    is among them counts 1 / k.

    With `domain`, all support items come from one domain and the query from another, as in Omniglot's protocol, where
    one hand draws the examples and another the query. The two domains are drawn uniformly from all ordered pairs
    that share at least `ways` classes, the classes from those that they share.

    The interval is Wilson's over episodes, not a bootstrap over classes: it says how far other episodes of these
    items would give another figure, not how far other classes would.

    Args:
        distance: (n, n), row: query, column: support; without NaN. The diagonal is never used.
        classes: (n,) int. domain: (n,) int, for example the font of a glyph.
        ways: classes of an episode. episodes: how many.
        rng: what the episodes are drawn with.

    Raises:
        ValueError: fewer than `ways` classes with two items, or no two domains that share `ways` classes.
    """
    labels = np.unique(np.asarray(classes), return_inverse=True)[1].reshape(-1)
    if domain is None:
        support, query, right = _episodes(labels, ways, episodes, rng)
    else:
        support, query, right = _episodes_across(labels, np.asarray(domain), ways, episodes, rng)
    found = distance[query[:, None], support]
    tied = found == found.min(axis=1, keepdims=True)
    hits = float((tied[np.arange(episodes), right] / tied.sum(axis=1)).sum())
    # Parts of hits vary less than whole ones, so with ties the interval is rather too wide than too narrow.
    return OneShot(hits / episodes, wilson_interval(hits, episodes))


Drawn = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Of E episodes: (E, ways) support items, (E,) query items, (E,) place of the right class among the ways."""


def _episodes(labels: NDArray[np.int64], ways: int, episodes: int, rng: np.random.Generator) -> Drawn:
    order, start, size = _groups(labels, int(labels.max()) + 1)
    # Every class may be asked for, so every one needs an item more than its example.
    usable = np.flatnonzero(size > 1)
    if len(usable) < ways:
        raise ValueError(f"{len(usable)} of {len(size)} classes have 2 items or more, {ways} ways need {ways} such classes")
    chosen = usable[_draw(rng, np.full(episodes, len(usable)), ways)]
    picked = _draw(rng, size[chosen].reshape(-1), 2).reshape(episodes, ways, 2)
    items = order[start[chosen][:, :, None] + picked]
    right = rng.integers(ways, size=episodes)
    return items[:, :, 1], items[np.arange(episodes), right, 0], right


def _episodes_across(
    labels: NDArray[np.int64], domain: NDArray[Any], ways: int, episodes: int, rng: np.random.Generator
) -> Drawn:
    names, places = np.unique(domain, return_inverse=True)
    kinds = int(labels.max()) + 1
    order, start, size = _groups(places.reshape(-1) * kinds + labels, len(names) * kinds)
    start, size = start.reshape(len(names), kinds), size.reshape(len(names), kinds)
    usable = np.flatnonzero((size > 0).sum(axis=1) >= ways)  # leaves few, of however many domains
    present = size[usable] > 0
    shared = np.rint(present.astype(np.float32) @ present.T.astype(np.float32)).astype(np.int64)
    np.fill_diagonal(shared, 0)
    pairs = np.argwhere(shared >= ways)
    if not len(pairs):
        raise ValueError(f"no two of {len(names)} domains share {ways} classes ({len(usable)} have so many at all)")
    drawn = pairs[rng.integers(len(pairs), size=episodes)]
    ranks = _draw(rng, shared[drawn[:, 0], drawn[:, 1]], ways)
    chosen = np.stack([np.flatnonzero(present[a] & present[b])[rank] for (a, b), rank in zip(drawn, ranks, strict=True)])

    def item(where: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
        return order[start[where, which] + rng.integers(size[where, which])]

    right = rng.integers(ways, size=episodes)
    support = item(usable[drawn[:, :1]], chosen)
    query = item(usable[drawn[:, 1]], chosen[np.arange(episodes), right])
    return support, query, right


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


def wilson_interval(hits: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of `hits` in `count` independent trials, without continuity correction."""
    share, scale = hits / count, 1 + Z**2 / count
    middle = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    # At the ends the formula gives 0 and 1 but for rounding.
    return (max(0.0, (middle - half) / scale) if hits else 0.0), (min(1.0, (middle + half) / scale) if hits < count else 1.0)
