"""Cross-correlation of an exemplar's embedding with that of a search region: how SiamFC compares the two."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor


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
    """Slide every exemplar (M, C, h, w) over every search embedding (N, C, H, W); returns (N, M, H - h + 1, W - w + 1)."""
    return F.conv2d(search, exemplar)


def depthwise_correlation(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide each channel of an exemplar (N, C, h, w) over the same channel of its own search embedding (N, C, H, W).

    Keeps what matched apart by channel, for a head that must tell where the target's sides are
    (SiamRPN++, arXiv 1812.11703, section 3.3). Returns (N, C, H - h + 1, W - w + 1).
    """
    if exemplar.shape[:2] != search.shape[:2]:
        raise ValueError(f"exemplar {tuple(exemplar.shape)} and search {tuple(search.shape)} differ in batch or channels")
    n, c, h, w = exemplar.shape
    response = F.conv2d(search.reshape(1, n * c, *search.shape[2:]), exemplar.reshape(n * c, 1, h, w), groups=n * c)
    return response.reshape(n, c, *response.shape[2:])


def correlation_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`cross_correlation` as an exported graph computes it: every cell with every cell, then sums along shifts.

    The products are one matrix product. Their sums are a convolution with a kernel for each cell of the exemplar that is 1 in
    that cell and 0 elsewhere. Neither the batch nor the size of the search region is written into the graph.
    """
    h, w = (int(length) for length in exemplar.shape[3:])
    cells = exemplar.permute(0, 1, 3, 4, 2).flatten(1, 3)
    products = (cells @ search.flatten(2)).reshape(-1, h * w, *search.shape[2:])
    shifts = torch.eye(h * w, dtype=search.dtype, device=search.device).reshape(1, h * w, h, w)
    summed = F.conv2d(products, shifts)
    return summed.reshape(-1, exemplar.shape[1], *summed.shape[2:])


def depthwise_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`depthwise_correlation` in the same way: neighbours in a row side by side, one matrix product, sums of shifted rows."""
    h, w = (int(length) for length in exemplar.shape[2:])
    beside = torch.stack([search[..., j : search.shape[3] - w + 1 + j] for j in range(w)], dim=2)
    products = (exemplar @ beside.flatten(3)).reshape(*search.shape[:2], h, search.shape[2], search.shape[3] - w + 1)
    return functools.reduce(torch.add, (products[:, :, i, i : search.shape[2] - h + 1 + i] for i in range(h)))
