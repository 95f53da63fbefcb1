"""Cross-correlation of an exemplar's embedding with that of a search region: how SiamFC compares the two."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_correlation(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide each item's exemplar over its own search embedding. Larger is more similar; unbounded.

    Args:
        exemplar: (N, C, h, w). search: (N, C, H, W).

    Returns:
        (N, H - h + 1, W - w + 1): sum over channels and cells of the products.

    Raises:
        ValueError: batch sizes or channels differ.
    """
    _check_pair(exemplar, search)
    # One grouped convolution: item n's exemplar sees item n's channels alone.
    return F.conv2d(search.flatten(0, 1)[None], exemplar, groups=len(exemplar))[0]


def cross_correlation_all(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide every exemplar (M, C, h, w) over every search embedding (N, C, H, W); returns (N, M, H - h + 1, W - w + 1)."""
    return F.conv2d(search, exemplar)


def depthwise_correlation(exemplar: Tensor, search: Tensor) -> Tensor:
    """Slide each channel of an exemplar (N, C, h, w) over the same channel of its own search embedding (N, C, H, W).

    Keeps what matched apart by channel, for a head that must tell where the target's sides are
    (SiamRPN++, arXiv 1812.11703, section 3.3). Returns (N, C, H - h + 1, W - w + 1).
    """
    _check_pair(exemplar, search)
    n, c, h, w = exemplar.shape
    response = F.conv2d(search.reshape(1, n * c, *search.shape[2:]), exemplar.reshape(n * c, 1, h, w), groups=n * c)
    return response.reshape(n, c, *response.shape[2:])


def correlation_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`cross_correlation` as an exported graph computes it: every cell with every cell, then sums along shifts.

    The products are one matrix product. Their sums are a convolution with a kernel for each cell of the exemplar that is 1 in
    that cell and 0 elsewhere. Neither the batch nor the size of the search region is written into the graph.
    """
    h, w = (int(length) for length in exemplar.shape[2:])
    products = exemplar.flatten(2).transpose(1, 2) @ search.flatten(2)
    shifts = torch.eye(h * w, dtype=search.dtype, device=search.device).reshape(1, h * w, h, w)
    return F.conv2d(products.reshape(-1, h * w, *search.shape[2:]), shifts)[:, 0]


def depthwise_by_products(exemplar: Tensor, search: Tensor) -> Tensor:
    """`depthwise_correlation` in the same way: neighbours in a row side by side, one matrix product, sums of shifted rows."""
    h, w = (int(length) for length in exemplar.shape[2:])
    beside = torch.stack([search[..., j : search.shape[3] - w + 1 + j] for j in range(w)], dim=2)
    products = (exemplar @ beside.flatten(3)).reshape(*search.shape[:2], h, search.shape[2], search.shape[3] - w + 1)
    return functools.reduce(torch.add, (products[:, :, i, i : search.shape[2] - h + 1 + i] for i in range(h)))


def _check_pair(exemplar: Tensor, search: Tensor) -> None:
    if exemplar.dim() != 4 or search.dim() != 4 or exemplar.shape[:2] != search.shape[:2]:
        shapes = f"{tuple(exemplar.shape)} and {tuple(search.shape)}"
        raise ValueError(f"expected exemplar (N, C, h, w) and search (N, C, H, W) of one N and one C, got {shapes}")
