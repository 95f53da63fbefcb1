"""How two embeddings are compared: cross-correlation, the similarity of SiamFC, and three distances.

| name | formula | range | more similar is |
|---|---|---|---|
| `correlation` | sum of a * b | unbounded | larger |
| `euclidean` | sqrt(sum of (a - b)^2) | 0 and up; 0..2 between vectors of length 1 | smaller |
| `cosine` | 1 - a . b / (|a| |b|) | 0..2 | smaller |
| `absolute` | sum of w * |a - b|, every w learned, none negative | 0 and up | smaller |
"""

from __future__ import annotations

import functools
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SimilarityName = Literal["correlation", "euclidean", "cosine", "absolute"]


def cross_correlation(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide each item's own exemplars over its search embedding. Larger is more similar; unbounded.

    Args:
        exemplar: (N, K, C, h, w), K exemplars for each of N search embeddings.
        search: (N, C, H, W).

    Returns:
        (N, K, H - h + 1, W - w + 1): sum over channels and cells of the products.

    Raises:
        ValueError: batch sizes or channels differ.
    """
    if exemplar.dim() != 5 or search.dim() != 4:
        raise ValueError(f"expected exemplar (N, K, C, h, w) and search (N, C, H, W), got {exemplar.shape}, {search.shape}")
    n, k, c, h, w = exemplar.shape
    if search.shape[:2] != (n, c):
        raise ValueError(f"exemplar {tuple(exemplar.shape)} and search {tuple(search.shape)} differ in batch or channels")
    # One grouped convolution: item n's exemplars see item n's channels alone.
    stacked = search.reshape(1, n * c, *search.shape[2:])
    response = F.conv2d(stacked, exemplar.reshape(n * k, c, h, w), groups=n)
    return response.reshape(n, k, *response.shape[2:])


def cross_correlation_all(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide every exemplar over every search embedding, as training does to get its negative pairs for nothing.

    Args:
        exemplar: (M, C, h, w).
        search: (N, C, H, W).

    Returns:
        (N, M, H - h + 1, W - w + 1).
    """
    return F.conv2d(search, exemplar)


def depthwise_correlation(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide each channel of an exemplar over the same channel of its own search embedding.

    Keeps what matched apart by channel, for a head that must tell where the target's sides are
    (SiamRPN++, arXiv 1812.11703, section 3.3).

    Args:
        exemplar: (N, C, h, w).
        search: (N, C, H, W).

    Returns:
        (N, C, H - h + 1, W - w + 1).

    Raises:
        ValueError: batch sizes or channels differ.
    """
    if exemplar.shape[:2] != search.shape[:2]:
        raise ValueError(f"exemplar {tuple(exemplar.shape)} and search {tuple(search.shape)} differ in batch or channels")
    n, c, h, w = exemplar.shape
    response = F.conv2d(search.reshape(1, n * c, *search.shape[2:]), exemplar.reshape(n * c, 1, h, w), groups=n * c)
    return response.reshape(n, c, *response.shape[2:])


def correlation_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`cross_correlation` without a convolution: every cell with every cell in one matrix product, then sums of shifts.

    No shape in it depends on the batch, so that one exported graph serves any number of items.
    """
    h, w = exemplar.shape[3:]
    height, width = int(search.shape[2]), int(search.shape[3])
    rows, columns = height - h + 1, width - w + 1
    cells = exemplar.permute(0, 1, 3, 4, 2).flatten(1, 3)
    products = (cells @ search.flatten(2)).unflatten(1, (-1, h * w)).flatten(2)
    # Which products are summed at a place: cell (i, j) of the exemplar with cell (row + i, column + j) of the search region.
    of_cell = torch.arange(h * w)[:, None] * (height * width)
    shift = (torch.arange(h)[:, None] * width + torch.arange(w)).flatten()[:, None]
    place = (torch.arange(rows)[:, None] * width + torch.arange(columns)).flatten()
    summed = products.index_select(2, (of_cell + shift + place).flatten()).unflatten(2, (h * w, rows, columns))
    return summed.sum(dim=2)


def depthwise_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`depthwise_correlation` in the same way: neighbours in a row side by side, one matrix product, sums of shifted rows."""
    h, w = exemplar.shape[2:]
    rows, columns = int(search.shape[2]) - h + 1, int(search.shape[3]) - w + 1
    beside = torch.stack([search[..., j : j + columns] for j in range(w)], dim=2)
    products = (exemplar @ beside.flatten(3)).unflatten(3, (-1, columns))
    return functools.reduce(torch.add, (products[:, :, i, i : i + rows] for i in range(h)))


class Similarity(nn.Module):
    """Compares embeddings, pair by pair or all with all. Embeddings of any shape (N, ...) are taken as vectors.

    Attributes:
        name: what configurations call it.
        larger_is_similar: which way its values point; `distance` always points the other way.
    """

    name: ClassVar[SimilarityName]
    larger_is_similar: ClassVar[bool] = False

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Values (N,) of N pairs, (N, ...) and (N, ...).

        Raises:
            ValueError: the two differ in shape.
        """
        if a.shape != b.shape:
            raise ValueError(f"embeddings of one shape can be compared, got {tuple(a.shape)} and {tuple(b.shape)}")
        return self._pairs(a.flatten(1), b.flatten(1))

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """Values (N, M) of every one of N embeddings (N, ...) with every one of M (M, ...).

        Raises:
            ValueError: the embeddings differ in shape.
        """
        if a.shape[1:] != b.shape[1:]:
            raise ValueError(f"embeddings of one shape can be compared, got {tuple(a.shape[1:])} and {tuple(b.shape[1:])}")
        return self._matrix(a.flatten(1), b.flatten(1))

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """As `forward`, turned so that smaller is more similar."""
        value: Tensor = self(a, b)
        return -value if self.larger_is_similar else value

    def distance_matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """As `matrix`, turned so that smaller is more similar."""
        return -self.matrix(a, b) if self.larger_is_similar else self.matrix(a, b)

    def _pairs(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    def _matrix(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError


class CrossCorrelation(Similarity):
    """`sum of a * b`: larger is more similar, unbounded. Slid over a larger embedding it is SiamFC's response map."""

    name = "correlation"
    larger_is_similar = True

    def slide(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """`cross_correlation`: each item's own exemplars over its search embedding."""
        return cross_correlation(exemplar, search)

    def slide_all(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """`cross_correlation_all`: every exemplar over every search embedding."""
        return cross_correlation_all(exemplar, search)

    def _pairs(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=1)

    def _matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T


class Euclidean(Similarity):
    """`sqrt(sum of (a - b)^2)`: smaller is more similar; 0 for equal embeddings, where its gradient is taken as 0."""

    name = "euclidean"

    def _pairs(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.linalg.vector_norm(a - b, dim=1)

    def _matrix(self, a: Tensor, b: Tensor) -> Tensor:
        # |a|^2 + |b|^2 - 2 a.b would be faster and lose half of the digits where it matters: between near embeddings.
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class Cosine(Similarity):
    """`1 - a . b / (|a| |b|)`: smaller is more similar; 0 for one direction, 1 for orthogonal, 2 for opposite ones."""

    name = "cosine"

    def _pairs(self, a: Tensor, b: Tensor) -> Tensor:
        return 1 - (F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(dim=1)

    def _matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return 1 - F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


class AbsoluteDifference(Similarity):
    """`sum of w * |a - b|` with a learned weight for each number: smaller is more similar; 0 for equal embeddings.

    A weight is `softplus` of its parameter, so that learning cannot make a difference count as likeness.

    Args:
        dim: numbers of an embedding. The weights start at 1 / dim: the mean absolute difference.
    """

    name = "absolute"

    def __init__(self, dim: int) -> None:
        super().__init__()
        start = torch.full((dim,), 1.0 / dim)
        self.raw_weight = nn.Parameter(torch.log(torch.expm1(start)))

    @property
    def weight(self) -> Tensor:
        """(dim,), every number above 0."""
        return F.softplus(self.raw_weight)

    def _pairs(self, a: Tensor, b: Tensor) -> Tensor:
        return ((a - b).abs() * self.weight).sum(dim=1)

    def _matrix(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a * self.weight, b * self.weight, p=1)


def make_similarity(name: SimilarityName, dim: int) -> Similarity:
    """The similarity of that name for embeddings of `dim` numbers."""
    if name == "absolute":
        return AbsoluteDifference(dim)
    kinds: tuple[type[Similarity], ...] = (CrossCorrelation, Euclidean, Cosine)
    return {kind.name: kind for kind in kinds}[name]()
