"""Draws from labelled items: one-shot episodes with their accuracy, and balanced pairs."""

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


def sample_pairs(
    classes: ArrayLike, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Draw as many pairs of the same class as of different ones, none twice.

    Of same-class pairs all are taken where they are no more than count / 2, otherwise a uniform sample of count // 2.
    A different-class pair is drawn by its two classes first, each equally likely, then one item of each, so that big
    classes do not dominate. Where there are fewer different pairs than wanted, both kinds get as few.

    Args:
        classes: (n,) int. count: most pairs wanted, at least 2. rng: what they are drawn with.

    Returns:
        first, second: (P,) int64 items, first < second; same: (P,) bool, True in the first half, False in the second.

    Raises:
        ValueError: another shape, count below 2, one class only, or no class with two items.
    """
    labels = np.asarray(classes)
    if labels.ndim != 1 or count < 2:
        raise ValueError(f"classes {labels.shape}, count {count}: classes must be (n,), and count 2 or more")
    names, labels = np.unique(labels, return_inverse=True)
    order, start, size = _groups(labels.reshape(-1), len(names))
    cumulated = np.cumsum(size * (size - 1) // 2)
    same_total = int(cumulated[-1]) if len(names) else 0
    different_total = len(labels) * (len(labels) - 1) // 2 - same_total
    half = min(count // 2, same_total, different_total)
    if half < 1:
        raise ValueError(
            f"{len(labels)} items of {len(names)} classes make {same_total} same pairs and {different_total} different ones; "
            "give at least two classes, and one of them two items"
        )
    ranks = np.arange(same_total) if half == same_total else rng.choice(same_total, half, replace=False)
    of = np.searchsorted(cumulated, ranks, side="right")
    low, high = _unrank(ranks - (cumulated - size * (size - 1) // 2)[of])
    same_pairs = order[start[of] + low], order[start[of] + high]  # the order is stable, so the first is the lower
    # Drawing until enough are new takes long where nearly all are wanted; then there are few enough to list.
    if different_total <= 8 * half:
        other_pairs = _listed_different(labels, size, half, rng)
    else:
        other_pairs = _drawn_different(order, start, size, half, rng)
    first, second = (np.concatenate(pair).astype(np.int64) for pair in zip(same_pairs, other_pairs, strict=True))
    return first, second, np.arange(2 * half) < half


def _listed_different(
    labels: NDArray[np.int64], size: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `_drawn_different`: the least of exponential waiting times come in the order of a weighted draw."""
    low, high = np.triu_indices(len(labels), 1)
    apart = labels[low] != labels[high]
    low, high = low[apart], high[apart]
    waiting = rng.standard_exponential(len(low)) * size[labels[low]] * size[labels[high]]
    chosen = np.argsort(waiting)[:count]
    return low[chosen], high[chosen]


def _drawn_different(
    order: NDArray[np.int64], start: NDArray[np.int64], size: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw classes, then items, until `count` pairs are new; a pair counts when it first comes."""
    keys = np.zeros(0, np.int64)
    while len(keys) < count:
        chosen = _draw(rng, np.full(2 * count, len(size)), 2)
        items = np.sort(order[start[chosen] + rng.integers(size[chosen])], axis=1)
        keys = np.concatenate([keys, items[:, 0] * len(order) + items[:, 1]])
        keys = keys[np.sort(np.unique(keys, return_index=True)[1])]
    return keys[:count] // len(order), keys[:count] % len(order)


def _unrank(ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair (low, high), low < high, of each rank in the order (0, 1), (0, 2), (1, 2), (0, 3), ..."""
    high = ((1 + np.sqrt(1 + 8 * ranks.astype(np.float64))) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > ranks  # the root of a large number may round up
    high += high * (high + 1) // 2 <= ranks  # or down
    return ranks - high * (high - 1) // 2, high


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
